"""Any cell over time, with a reverse pass of its own.

Derivation. With a_t = activity(s_t), the forward pass is

    k_t = a_{t−1} W,    s_t = update(s_{t−1}, d_t, k_t),    t = 1 … T.

Let S_t be the gradient of the loss with respect to s_t. Automatic differentiation of this loop accumulates
∂L/∂W = Σ_t a_{t−1}ᵀ K_t, where K_t = ∂L/∂k_t, one small product and one pass over a matrix of W's size per step. But
nothing inside the loop needs ∂L/∂W. So the reverse loop only carries S_t and keeps every K_t:

    (S'_{t−1}, D_t, K_t) = transpose of update at step t, applied to S_t
    S_{t−1} = S'_{t−1} + transpose of activity applied to (K_t Wᵀ + signal that enters at step t−1)

and afterwards ∂L/∂W is *one* product of (T·trial)×unit and (T·trial)×block matrices, which runs at the rate of a
large product. Gradients of the other weights that `update` uses itself (none in the built-in cells) are summed in
the loop. What the inputs contribute, d_t, is made outside for all steps at once, and so is its gradient.
"""

from __future__ import annotations

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from . import sparse
from .cells import AbstractCell, ReluCell
from .precision import Precision, at, current, product


def recur(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a cell over all time steps, by the fastest means at hand.

    Parameters
    ----------
    cell
        The cell with its weights.
    inputs
        Input counts, time first.
    mask
        Steps to take; where False a trial holds its state. None: all of them.
    last
        Return the last so many steps alone, which spares the way back a signal that is zero before. None: all.

    Returns
    -------
    Activity after each step.
    """
    if sparse.is_for(cell, inputs):
        assert isinstance(cell, ReluCell)
        return sparse.recur(cell, inputs, mask, last)
    return recur_by_loop(cell, inputs, mask, last)


def recur_by_loop(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
) -> Float[Array, "kept trial unit"]:
    """Do the same as :func:`recur` in XLA's own loop, for any cell, precision and device."""
    params, static = eqx.partition(cell, eqx.is_inexact_array)
    return _kept(_recur(static, current(), params, cell.drive(inputs), mask), last)


def recur_by_autodiff(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
) -> Float[Array, "kept trial unit"]:
    """Do the same as :func:`recur`, differentiated automatically step by step: slow, and the reference for tests."""
    return _kept(_forward(cell, cell.drive(inputs), mask)[0], last)


def _kept(activity: Float[Array, "time trial unit"], last: int | None) -> Float[Array, "kept trial unit"]:
    return activity if last is None else activity[len(activity) - last :]


def _step(cell: AbstractCell, state: PyTree, drive: Array, feedback: Array, mask: Array | None) -> PyTree:
    new = cell.update(state, drive, feedback)
    if mask is None:
        return new
    return jax.tree.map(lambda n, s: jnp.where(mask[:, None], n, s), new, state)


def _forward(cell: AbstractCell, drive: Array, mask: Array | None) -> tuple[Array, PyTree, Array]:
    """Return the activity after each step, the state before each step, and the feedback at each step."""

    def advance(state: PyTree, now: tuple[Array, Array | None]) -> tuple[PyTree, tuple[Array, PyTree, Array]]:
        drive_t, mask_t = now
        feedback = product(cell.activity(state), cell.W_rec)
        new = _step(cell, state, drive_t, feedback, mask_t)
        return new, (cell.activity(new), state, feedback)

    _, history = jax.lax.scan(advance, cell.initial_state(drive[0]), (drive, mask))
    return history


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(static: PyTree, precision: Precision, params: PyTree, drive: Array, mask: Array | None) -> Array:
    return _forward(eqx.combine(params, static), drive, mask)[0]


def _recur_forward(
    static: PyTree, precision: Precision, params: PyTree, drive: Array, mask: Array | None
) -> tuple[Array, Any]:
    activity, states, feedback = _forward(eqx.combine(params, static), drive, mask)
    return activity, (params, drive, mask, states, feedback)


def _recur_backward(static: PyTree, precision: Precision, residuals: Any, signal: Array) -> tuple[PyTree, Array, None]:
    with at(precision):  # of the way forward, whose context has been left by now
        return _transposed(static, residuals, signal)


def _transposed(static: PyTree, residuals: Any, signal: Array) -> tuple[PyTree, Array, None]:
    params, drive, mask, states, feedback = residuals
    cell = eqx.combine(params, static)
    used, unused = _split_by_use(static, params, states, drive, feedback)

    def retreat(carry: tuple[PyTree, PyTree], now: Any) -> tuple[tuple[PyTree, PyTree], tuple[Array, Array]]:
        state_signal, used_gradient = carry
        signal_t, state, drive_t, feedback_t, mask_t = now

        def step(used: PyTree, state: PyTree, drive: Array, feedback: Array) -> tuple[PyTree, Array]:
            new = _step(eqx.combine(used, unused, static), state, drive, feedback, mask_t)
            return new, cell.activity(new)

        _, transpose_step = jax.vjp(step, used, state, drive_t, feedback_t)
        step_gradient, state_signal, drive_signal, feedback_signal = transpose_step((state_signal, signal_t))
        _, transpose_activity = jax.vjp(cell.activity, state)
        (through_weights,) = transpose_activity(product(feedback_signal, cell.W_rec.T))
        state_signal = jax.tree.map(jnp.add, state_signal, through_weights)
        used_gradient = jax.tree.map(jnp.add, used_gradient, step_gradient)
        return (state_signal, used_gradient), (drive_signal, feedback_signal)

    start = jax.tree.map(jnp.zeros_like, (jax.tree.map(lambda s: s[0], states), used))
    (_, used_gradient), (drive_signal, feedback_signal) = jax.lax.scan(
        retreat, start, (signal, states, drive, feedback, mask), reverse=True
    )
    activity_before = jax.vmap(cell.activity)(states)
    before, after = (x.reshape(-1, x.shape[-1]) for x in (activity_before, feedback_signal))
    weight_gradient = product(before.T, after)
    gradient = eqx.combine(used_gradient, jax.tree.map(jnp.zeros_like, unused))
    gradient = eqx.tree_at(lambda g: g.W_rec, gradient, gradient.W_rec + weight_gradient)
    return gradient, drive_signal, None


_recur.defvjp(_recur_forward, _recur_backward)


def _split_by_use(
    static: PyTree, params: PyTree, states: PyTree, drive: Array, feedback: Array
) -> tuple[PyTree, PyTree]:
    """Split a cell's weights into those that `update` itself reads and the others.

    Only the former need a gradient inside the loop; carrying zeros for the others would cost a pass over every
    weight matrix at every step.
    """

    def update(params: PyTree, state: PyTree, drive: Array, feedback: Array) -> PyTree:
        return eqx.combine(params, static).update(state, drive, feedback)

    first = jax.tree.map(lambda s: s[0], states)
    jaxpr = jax.make_jaxpr(update)(params, first, drive[0], feedback[0]).jaxpr
    read = {id(v) for equation in jaxpr.eqns for v in equation.invars} | {id(v) for v in jaxpr.outvars}
    leaves, structure = jax.tree.flatten(params)
    is_used = jax.tree.unflatten(structure, [id(v) in read for v in jaxpr.invars[: len(leaves)]])
    return eqx.partition(params, is_used)
