"""The compiled kernel against the plain loop, and against itself on other threads; relu in every detail.

All sizes of all cells are compared with plain loops in C++ (``kernel_check.cpp``), which takes no compiling by XLA.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float

from helpers import TOLERANCE, assert_trees_close
from recurrent_memory import kernel as compiled
from recurrent_memory import networks
from recurrent_memory.networks import AbstractCell, FastWeightsCell, ReluCell, recur, recur_by_autodiff, recur_by_loop
from recurrent_memory.networks import compiled as kernel

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
@pytest.mark.sampled(2)
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


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "orthogonal": ("orthogonal", {}),
    "fast_weights": ("fast_weights", {"gamma": 0.02, "gradient_clip": 1.0}),
    "gru": ("gru", {"gradient_clip": 0.5}),
    "leaky": ("leaky", {"gradient_clip": 0.5}),
    "leaky, tanh and noise": ("leaky", {"activation": "tanh", "alpha": 0.5, "noise": 0.3}),
    "leaky, softplus": ("leaky", {"activation": "softplus"}),
    "leaky, elu, Dale's law": ("leaky", {"activation": "elu", "fraction_excitatory": 0.8}),
    "leaky, sigmoid, sparse": ("leaky", {"activation": "sigmoid", "connection_probability": 0.3, "alpha": 1.0}),
}
"""Cells other than relu: model and options."""


def cell_and_trials(
    case: str, units: int, trials: int, steps: int, neurons: int, **options: Any
) -> tuple[AbstractCell, Array, Array]:
    """Return a cell without a weight or bias at 0, inputs (time first), and a mask."""
    model, own = CASES[case]
    rng = np.random.default_rng(units)
    cell = networks.CELLS[model].initialize(jr.key(0), neurons, units, lambda0=0.5, sigma0=0.5, **{**own, **options})
    weights, rest = eqx.partition(cell, eqx.is_inexact_array)
    weights = jax.tree.map(lambda w: w + jnp.asarray(rng.normal(size=w.shape) / units, w.dtype), weights)
    counts = jnp.asarray(rng.poisson(0.5, (steps, trials, neurons)), jnp.float32)
    return eqx.combine(weights, rest), counts, jnp.asarray(rng.random((steps, trials)) < 0.6)


def program(run: Any, cell: AbstractCell, last: int | None = None) -> Any:
    """Return a compiled function of weights, inputs, mask and signal: activity and gradients as from `gradients`."""
    rest = eqx.partition(cell, eqx.is_inexact_array)[1]

    def loss(weights: Any, inputs: Array, mask: Array | None, signal: Array) -> tuple[Array, Array]:
        activity = run(eqx.combine(weights, rest), inputs, mask, last, jr.key(5))
        return jnp.sum(signal * activity), activity

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))


def given(cell: AbstractCell, inputs: Array, mask: Array | None, last: int | None = None) -> Any:
    """Return what a `program` takes."""
    kept = len(inputs) if last is None else last
    return (
        eqx.filter(cell, eqx.is_inexact_array),
        inputs,
        mask,
        jr.normal(jr.key(1), (kept, inputs.shape[1], cell.n_hidden)),
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("units", "trials", "steps", "neurons", "last", "masked"),
    [(3, 1, 4, 2, 4, False), (17, 6, 7, 4, 2, True), (100, 13, 12, 20, 12, True)],
    ids=["3 units", "17 units, masked, last 2 steps", "100 units, masked"],
)
@pytest.mark.sampled(4)
def test_every_cell_is_as_in_the_loop(
    case: str, units: int, trials: int, steps: int, neurons: int, last: int, masked: bool
) -> None:
    cell, inputs, mask = cell_and_trials(case, units, trials, steps, neurons)
    assert kernel.is_for(cell, inputs)
    all_of = given(cell, inputs, mask if masked else None, last)
    ours, plain = (program(run, cell, last)(*all_of) for run in (recur, recur_by_loop))
    assert_trees_close(ours, plain, 1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if "noise" not in case])
@pytest.mark.sampled(4)
def test_every_cell_is_as_in_double_precision(case: str) -> None:
    cell, inputs, mask = cell_and_trials(case, 21, 5, 9, 4)
    ours = program(recur, cell)(*given(cell, inputs, mask))
    all_of = jax.tree.map(np.asarray, given(cell, inputs, mask))
    with jax.enable_x64(True):
        double = jax.tree.map(lambda x: jnp.asarray(x, x.dtype if x.dtype == bool else float), all_of)
        plain = jax.tree.map(np.asarray, program(recur_by_autodiff, cell)(*double))
    assert_trees_close(ours, plain, 1e-5)


@pytest.mark.parametrize("case", ["fast_weights", "gru", "leaky, tanh and noise"])
def test_no_cell_depends_on_the_number_of_threads(case: str) -> None:
    cell, inputs, mask = cell_and_trials(case, 47, 23, 12, 6)
    run, all_of = program(recur, cell), given(cell, inputs, mask)
    together = run(*all_of)
    for number in (1, 2, 3):
        compiled.limit_threads(number)
        try:
            jax.tree.map(np.testing.assert_array_equal, run(*all_of), together)
        finally:
            compiled.limit_threads(0)


@pytest.mark.parametrize("case", ["fast_weights", "gru", "leaky"])
def test_no_trial_of_any_cell_depends_on_those_beside_it(case: str) -> None:
    cell, inputs, mask = cell_and_trials(case, 40, 9, 12, 5)
    whole = recur(cell, inputs, mask)
    np.testing.assert_array_equal(recur(cell, inputs[:, 4:], mask[:, 4:]), whole[:, 4:])
    # Nor on how many steps the others take, after which trials are ordered.
    other = mask.at[:, 0].set(True).at[:, 1:3].set(False)
    np.testing.assert_array_equal(recur(cell, inputs, other)[:, 3:], whole[:, 3:])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.sampled(4)
def test_in_no_cell_does_what_is_not_a_number_get_lost(case: str) -> None:
    cell, inputs, _ = cell_and_trials(case, 10, 5, 6, 3)
    activity = recur(cell, inputs.at[2, 1, 0].set(jnp.nan), key=jr.key(0))
    assert bool(jnp.isnan(activity[2:, 1]).all())
    assert bool(jnp.isfinite(activity[:, 2:]).all())
    assert bool(jnp.isfinite(activity[:2]).all())


POINTS = np.concatenate([np.linspace(-120, 120, 997), np.geomspace(1e-30, 3e38, 500), -np.geomspace(1e-30, 3e38, 500)])
PHI: dict[str, Any] = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) + 0.5 * (x == 0)),
    "tanh": (np.tanh, lambda x: (1 - np.tanh(x)) * (1 + np.tanh(x))),
    "softplus": (lambda x: np.logaddexp(x, 0), lambda x: np.exp(-np.logaddexp(-x, 0))),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.exp(np.minimum(x, 0))),
    "sigmoid": (lambda x: np.exp(-np.logaddexp(-x, 0)), lambda x: np.exp(-np.logaddexp(x, 0) - np.logaddexp(-x, 0))),
}
"""Activations and their slopes in double precision."""


@pytest.mark.parametrize("activation", PHI)
def test_activations_are_accurate_everywhere(activation: str) -> None:
    """One unit without weights to itself: at the first step its activity is φ of its input."""
    x = jnp.asarray(np.concatenate([POINTS, [0, np.inf, -np.inf]]), jnp.float32)[None, :, None]
    one, none = jnp.ones((1, 1)), jnp.zeros(1)
    fields: Any = {"W_in": one, "b_in": none, "W_rec": one, "b_rec": none, "activation": activation, "alpha": 1.0}
    cell = networks.LeakyCell(**fields)
    assert kernel.is_for(cell, x)
    values, back = jax.vjp(lambda x: recur(cell, x), x)
    (slopes,) = back(jnp.ones_like(values))
    value, slope = (phi(np.asarray(x, np.float64).ravel()) for phi in PHI[activation])
    least = float(4 * np.finfo(np.float32).tiny)  # smaller ones may be 0
    np.testing.assert_allclose(np.ravel(values), value.astype(np.float32), rtol=4e-7, atol=least)
    np.testing.assert_allclose(np.ravel(slopes), slope, atol=2e-7, rtol=1e-6)


def test_decayed_activity_is_zero() -> None:
    """Numbers below the normal ones would make a step many times slower."""
    cell, inputs, _ = cell_and_trials("leaky", 20, 5, 80, 3, alpha=0.9)
    cell = eqx.tree_at(lambda c: (c.W_rec, c.b_rec), cell, (jnp.zeros((20, 20)), -jnp.ones(20)))
    inputs = (10 * inputs).at[2:].set(0)
    activity = np.asarray(recur(cell, inputs))
    assert (activity[1] > 0.1).any()
    assert not activity[-1].any()
    assert (activity[activity != 0] >= np.finfo(np.float32).tiny).all()
    assert_trees_close(activity, recur_by_loop(cell, inputs), 1e-6)


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
    assert kernel.is_for(FastWeightsCell(**fields), inputs)
    assert not kernel.is_for(SquaredCell(**fields), inputs)
    with jax.enable_x64(True):
        assert not kernel.is_for(cell, inputs.astype(jnp.float64))
    assert "compiled kernel (" in compiled.description()
    monkeypatch.setenv(compiled.SWITCH, "off")
    assert not kernel.is_for(cell, inputs)
    assert "turned off" in compiled.description()


@pytest.mark.parametrize("instruction_set", ["baseline", "avx2"])
@pytest.mark.thorough
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
