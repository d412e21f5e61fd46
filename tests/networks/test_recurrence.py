"""The recurrence's own reverse pass against automatic differentiation through the plain loop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float, PRNGKeyArray

from helpers import TOLERANCE, assert_trees_close
from recurrent_memory import kernel as compiled
from recurrent_memory import networks
from recurrent_memory.networks import AbstractCell, recur_by_autodiff, recur_by_loop

N_INPUTS, N_HIDDEN, N_TRIALS = 5, 13, 4


class LeakyCell(AbstractCell):
    """A cell with a weight of its own inside `update`, which the reverse loop has to sum up."""

    model = "leaky_test"
    W_in: Float[Array, "neuron unit"]
    W_rec: Float[Array, "unit unit"]
    rate: Float[Array, " unit"]

    @classmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float
    ) -> "LeakyCell":
        key_input, key_recurrent = jr.split(key)
        return cls(
            W_in=jr.normal(key_input, (n_inputs, n_hidden)),
            W_rec=networks.scaled_identity(key_recurrent, n_hidden, lambda0, sigma0),
            rate=jnp.linspace(0.1, 0.9, n_hidden),
        )

    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch unit"]:
        return inputs @ self.W_in

    def update(
        self,
        state: Float[Array, "trial unit"],
        drive: Float[Array, "trial unit"],
        feedback: Float[Array, "trial unit"],
    ) -> Float[Array, "trial unit"]:
        return (1 - self.rate) * state + self.rate * jnp.tanh(drive + feedback)


CELLS: dict[str, Callable[..., AbstractCell]] = {
    **{name: cell.initialize for name, cell in networks.CELLS.items()},
    "own": LeakyCell.initialize,
}


def problem(name: str, n_steps: int, **options: Any) -> tuple[AbstractCell, Array, Array, Array]:
    """Return a cell, inputs (time first), a mask, and the signal that the loss sends to each activity."""
    rng = np.random.default_rng(n_steps)
    cell = CELLS[name](jr.key(0), N_INPUTS, N_HIDDEN, lambda0=0.9, sigma0=0.8, **options)
    # No initial weight or bias is left at 0, so that no gradient vanishes for a trivial reason.
    cell = jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype), cell)
    inputs, signal = rng.random((n_steps, N_TRIALS, N_INPUTS)), rng.normal(size=(n_steps, N_TRIALS, N_HIDDEN))
    mask = rng.random((n_steps, N_TRIALS)) < 0.6
    return cell, jnp.asarray(inputs, float), jnp.asarray(mask), jnp.asarray(signal, float)


def gradients(run: Callable[..., Array], cell: AbstractCell, inputs: Array, mask: Array | None, signal: Array) -> Any:
    def loss(cell: AbstractCell, inputs: Array) -> Array:
        return jnp.sum(signal * run(cell, inputs, mask))

    return jax.jit(jax.grad(loss, argnums=(0, 1)))(cell, inputs)


@pytest.mark.parametrize("masked", [False, True], ids=["every step", "masked steps"])
@pytest.mark.parametrize("n_steps", [1, 2, 40])
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.sampled(6)
def test_gradient_equals_autodiff(name: str, n_steps: int, masked: bool, precision: str) -> None:
    cell, inputs, mask, signal = problem(name, n_steps)
    expected = gradients(recur_by_autodiff, cell, inputs, mask if masked else None, signal)
    actual = gradients(recur_by_loop, cell, inputs, mask if masked else None, signal)
    assert_trees_close(actual, expected, TOLERANCE[precision])


@pytest.mark.parametrize("name", networks.CELLS)
def test_gradient_equals_autodiff_where_clipping_is_active(name: str, x64: None) -> None:
    bound = 0.5
    cell, inputs, _, signal = problem(name, 40, gradient_clip=bound)
    free, *_ = problem(name, 40, gradient_clip=1e9)
    clipped = gradients(recur_by_autodiff, cell, inputs, None, signal)
    unclipped = gradients(recur_by_autodiff, free, inputs, None, signal)
    assert float(jnp.max(jnp.abs(clipped[0].W_rec - unclipped[0].W_rec))) > 0.1, "the bound is never reached"
    assert_trees_close(gradients(recur_by_loop, cell, inputs, None, signal), clipped, TOLERANCE["float64"])


@pytest.mark.parametrize("name", CELLS)
def test_activity_is_that_of_a_plain_python_loop(name: str, x64: None) -> None:
    cell, inputs, mask, _ = problem(name, 9)
    drive = cell.drive(inputs)
    state, expected = cell.initial_state(drive[0]), []
    for t in range(9):
        new = cell.update(state, drive[t], cell.activity(state) @ cell.recurrent_weights())
        state = jax.tree.map(lambda n, s, t=t: jnp.where(mask[t][:, None], n, s), new, state)
        expected.append(cell.activity(state))
    assert_trees_close(recur_by_loop(cell, inputs, mask), jnp.stack(expected), 1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_masked_steps_hold_the_activity(name: str) -> None:
    cell, inputs, mask, _ = problem(name, 20)
    activity = recur_by_loop(cell, inputs, mask.at[7:12].set(False))
    assert jnp.array_equal(activity[7:12], jnp.broadcast_to(activity[6], (5, *activity.shape[1:])))


def test_what_the_inputs_are_in_masked_steps_does_not_matter() -> None:
    cell, inputs, mask, signal = problem("relu", 20)
    other = jnp.where(mask[..., None], inputs, 7.0)
    of_cell, of_inputs = gradients(recur_by_loop, cell, other, mask, signal)
    assert_trees_close(of_cell, gradients(recur_by_loop, cell, inputs, mask, signal)[0], TOLERANCE["float32"])
    assert not jnp.any(jnp.where(mask[..., None], 0.0, of_inputs))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.sampled(3)
def test_networks_can_be_batched(name: str, x64: None) -> None:
    cell, inputs, mask, signal = problem(name, 6)
    cells = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.9 * leaf]), cell)
    together = jax.vmap(lambda c: gradients(recur_by_loop, c, inputs, mask, signal))(cells)
    for i in range(2):
        alone = gradients(recur_by_loop, jax.tree.map(lambda leaf, i=i: leaf[i], cells), inputs, mask, signal)
        assert_trees_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), alone, TOLERANCE["float64"])


def test_derivative_of_relu_at_zero_is_one_half() -> None:
    assert [float(jax.grad(networks.relu)(x)) for x in (-1.0, 0.0, 1.0)] == [0.0, 0.5, 1.0]


def test_clip_through_passes_the_gradient_on_the_closed_interval() -> None:
    slopes = [float(jax.grad(networks.clip_through)(x, 0.0, 100.0)) for x in (-1.0, 0.0, 50.0, 100.0, 101.0)]
    assert slopes == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert float(networks.clip_through(jnp.asarray(101.0), 0.0, 100.0)) == 100.0


def test_cells_are_pytrees_of_arrays_alone() -> None:
    for name in CELLS:
        cell, *_ = problem(name, 1)
        assert all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(cell))


def test_there_is_a_kernel_where_there_is_a_compiler() -> None:
    """Its own tests are skipped without it: that must not pass unnoticed."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    assert compiled.instruction_set() is not None
