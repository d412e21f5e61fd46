"""The compiled kernel against automatic differentiation through the plain loop, and against itself on other threads."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float

from helpers import TOLERANCE, assert_trees_close
from recurrent_memory import kernel as compiled
from recurrent_memory.networks import FastWeightsCell, ReluCell, recur, recur_by_autodiff
from recurrent_memory.networks import sparse as kernel

pytestmark = pytest.mark.skipif(
    compiled.instruction_set() is None, reason="the package was installed without a compiler"
)

SIZES = [  # units, trials, steps, neurons, steps kept
    (1, 1, 3, 1, 1),
    (7, 3, 5, 4, 2),
    (24, 5, 1, 3, 1),
    (25, 6, 4, 1, 4),
    (33, 1, 9, 3, 9),
    (100, 50, 40, 20, 10),
    (131, 13, 12, 50, 5),
]


def problem(
    units: int, trials: int, steps: int, neurons: int, *, bias: float = 0.1, seed: int = 0, **options: Any
) -> tuple[ReluCell, Array, Array]:
    """Return a cell, inputs (time first), and a mask."""
    rng = np.random.default_rng(seed)
    cell = ReluCell(
        W_in=jnp.asarray(rng.normal(size=(neurons, units)), jnp.float32),
        b_in=jnp.asarray(bias * rng.normal(size=units), jnp.float32),
        W_rec=jnp.asarray(rng.normal(size=(units, units)) / np.sqrt(units), jnp.float32),
        b_rec=jnp.asarray(bias * rng.normal(size=units), jnp.float32),
        **options,
    )
    counts = jnp.asarray(rng.poisson(0.3, (steps, trials, neurons)), jnp.float32)
    return cell, counts, jnp.asarray(rng.random((steps, trials)) < 0.6)


def gradients(
    run: Any, cell: Any, inputs: Array, mask: Array | None, last: int | None = None, scale: float = 1.0
) -> Any:
    """Return activity, and gradients of a random sum of it with respect to weights and inputs."""
    kept = len(inputs) if last is None else last
    signal = scale * jr.normal(jr.key(1), (kept, inputs.shape[1], len(cell.W_rec)))

    def loss(cell: Any, inputs: Array) -> tuple[Array, Array]:
        activity = run(cell, inputs, mask, last)
        return jnp.sum(signal * activity), activity

    (_, activity), gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(cell, inputs)
    return activity, gradient


@pytest.mark.parametrize("masked", [False, True], ids=["every step", "masked steps"])
@pytest.mark.parametrize(("units", "trials", "steps", "neurons", "kept"), SIZES)
def test_activity_and_gradients_equal_autodiff(
    units: int, trials: int, steps: int, neurons: int, kept: int, masked: bool
) -> None:
    cell, inputs, mask = problem(units, trials, steps, neurons)
    assert kernel.is_for(cell, inputs)
    for last in (kept, None):
        given = (cell, inputs, mask if masked else None, last)
        assert_trees_close(gradients(recur, *given), gradients(recur_by_autodiff, *given), TOLERANCE["float32"])


@pytest.mark.parametrize("masked", [False, True], ids=["every step", "masked steps"])
def test_a_pre_activation_of_exactly_zero_has_half_the_slope(masked: bool) -> None:
    """Without biases nothing happens before the first spike: pre-activations are exactly 0, at and below it silent."""
    cell, inputs, mask = problem(20, 6, 8, 5, bias=0.0)
    inputs = inputs.at[:3].set(0)
    given = (cell, inputs, mask if masked else None)
    ours, plain = gradients(recur, *given), gradients(recur_by_autodiff, *given)
    assert_trees_close(ours, plain, TOLERANCE["float32"])
    # It matters: with a slope of 0 there, nothing would come back from the first steps.
    assert float(jnp.max(jnp.abs(plain[1][1][:3]))) > 0.1
    assert not np.signbit(np.asarray(ours[0])).any(), "the mark for 'below 0' shows outside"


def test_signals_are_clipped() -> None:
    cell, inputs, _ = problem(30, 4, 20, 5, gradient_clip=0.5)
    free, *_ = problem(30, 4, 20, 5)
    clipped = gradients(recur_by_autodiff, cell, inputs, None, scale=5.0)
    unclipped = gradients(recur_by_autodiff, free, inputs, None, scale=5.0)
    assert float(jnp.max(jnp.abs(clipped[1][0].W_rec - unclipped[1][0].W_rec))) > 1, "the bound is never reached"
    assert_trees_close(gradients(recur, cell, inputs, None, scale=5.0), clipped, TOLERANCE["float32"])


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_silent_units_are_skipped_without_a_trace(share: float) -> None:
    """Units that are all silent, mostly silent, or all active."""
    cell, inputs, _ = problem(50, 9, 15, 4)
    active = np.random.default_rng(1).random(50) < share
    bias = jnp.asarray(np.where(active, 9.0, -9.0), jnp.float32)
    cell = ReluCell(W_in=cell.W_in, b_in=bias, W_rec=0.1 * cell.W_rec, b_rec=cell.b_rec)
    ours, plain = (gradients(run, cell, inputs, None) for run in (recur, recur_by_autodiff))
    assert float(jnp.mean(ours[0] > 0)) == pytest.approx(active.mean(), abs=0.02)
    assert_trees_close(ours, plain, TOLERANCE["float32"])


def test_what_is_not_a_number_stays_so() -> None:
    cell, inputs, _ = problem(10, 5, 6, 3)
    activity = recur(cell, inputs.at[2, 1, 0].set(jnp.nan))
    assert bool(jnp.isnan(activity[2:, 1]).all())
    assert bool(jnp.isfinite(activity[:, 2:]).all())
    assert bool(jnp.isfinite(activity[:2]).all())


@pytest.mark.parametrize("masked", [False, True], ids=["every step", "masked steps"])
def test_the_number_of_threads_changes_no_bit(masked: bool) -> None:
    cell, inputs, mask = problem(77, 50, 30, 10)
    given = (cell, inputs, mask if masked else None)
    together = [gradients(recur, *given) for _ in range(3)]
    for number in (1, 2, 3):
        compiled.limit_threads(number)
        try:
            other = gradients(recur, *given)
        finally:
            compiled.limit_threads(0)
        for one in together:
            jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_trial_does_not_depend_on_those_beside_it() -> None:
    cell, inputs, mask = problem(40, 11, 20, 5)
    whole = recur(cell, inputs, mask)
    for first, stop in ((0, 1), (3, 6), (4, 11)):
        np.testing.assert_array_equal(recur(cell, inputs[:, first:stop], mask[:, first:stop]), whole[:, first:stop])


def test_networks_can_be_batched() -> None:
    cell, inputs, mask = problem(12, 4, 6, 3)
    cells = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.9 * leaf]), cell)
    together = jax.vmap(lambda c: gradients(recur, c, inputs, mask))(cells)
    for i in range(2):
        alone = gradients(recur, jax.tree.map(lambda leaf, i=i: leaf[i], cells), inputs, mask)
        jax.tree.map(lambda t, a, i=i: np.testing.assert_array_equal(t[i], a), together, alone)


class SquaredCell(ReluCell):
    """A cell of one's own that changes what a step does."""

    model = "squared_test"

    def update(
        self, state: Float[Array, "trial unit"], drive: Float[Array, "trial unit"], feedback: Float[Array, "trial unit"]
    ) -> Float[Array, "trial unit"]:
        return super().update(state, drive, feedback) ** 2


def test_only_what_it_can_do_is_given_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, inputs, _ = problem(6, 2, 3, 2)
    fields: Any = {"W_in": cell.W_in, "b_in": cell.b_in, "W_rec": cell.W_rec, "b_rec": cell.b_rec}
    assert kernel.is_for(cell, inputs)
    assert not kernel.is_for(SquaredCell(**fields), inputs)
    assert not kernel.is_for(FastWeightsCell(**fields), inputs)
    with jax.enable_x64(True):
        assert not kernel.is_for(cell, inputs.astype(jnp.float64))
    assert "compiled kernel (" in compiled.description()
    monkeypatch.setenv(compiled.SWITCH, "off")
    assert not kernel.is_for(cell, inputs)
    assert "turned off" in compiled.description()


@pytest.mark.parametrize("instruction_set", ["baseline", "avx2"])
def test_every_instruction_set_gives_these_numbers(instruction_set: str) -> None:
    """In a process of its own, since the choice is made once; the widest set of the machine is what others test."""
    environment = {**os.environ, "RECURRENT_MEMORY_INSTRUCTION_SET": instruction_set}
    code = f"""
import sys
sys.path[:0] = ["tests", "tests/networks"]
from recurrent_memory.tasks import HeldRates, poisson_counts
from test_kernel import *
if compiled.instruction_set() != {instruction_set!r}:
    sys.exit(77)
for size in SIZES[3:6]:
    cell, inputs, mask = problem(*size[:4])
    for given in ((cell, inputs, None, size[4]), (cell, inputs, mask, size[4])):
        assert_trees_close(gradients(recur, *given), gradients(recur_by_autodiff, *given), TOLERANCE["float32"])
for n_neurons in (3, 4, 9, 50):
    rates = HeldRates(2 * jr.uniform(jr.key(0), (2, n_neurons)), (3, 4))
    counts = []
    for os.environ[compiled.SWITCH] in ("on", "off"):
        counts.append(jax.jit(lambda key: poisson_counts(key, rates, 2.0))(jr.key(1)))
    np.testing.assert_array_equal(*counts)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, timeout=300)
    if done.returncode == 77:
        pytest.skip(f"this machine has no {instruction_set}")
    assert done.returncode == 0
