"""Any cell over time, with a reverse pass of its own.

Derivation. With a_t = activity(s_t), the forward pass is

    k_t = a_{t−1} W,    s_t = update(s_{t−1}, d_t, k_t),    t = 1 … T.

Let S_t be the gradient of the loss with respect to s_t. Automatic differentiation of this loop accumulates
∂L/∂W = Σ_t a_{t−1}ᵀ K_t, where K_t = ∂L/∂k_t, one small product and one pass over a matrix of W's size per step. But
nothing inside the loop needs ∂L/∂W. So the reverse loop only carries S_t and keeps every K_t:

    (S'_{t−1}, D_t, K_t) = transpose of update at step t, applied to S_t
    S_{t−1} = S'_{t−1} + transpose of activity applied to (K_t Wᵀ + signal that enters at step t−1)

and afterwards ∂L/∂W is *one* product of (T·trial)×unit and (T·trial)×block matrices, which runs at the rate of a
large product. Whatever a cell makes once for all steps is made outside, and so is its gradient: the drive d_t, the
state s_0 and the matrix W itself, which may be any function of the parameters. Parameters that `update` or `activity`
read (none in the built-in cells) have their gradient summed in the loop. Random keys are made anew from the step's
number, so that the way back sees the same noise, and nothing of it is kept.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray, PyTree

from ..errors import InputError
from . import sparse
from .additive import ReluCell
from .cells import AbstractCell
from .precision import Precision, at, current, product


def recur(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a cell over all time steps, by the fastest means at hand.

    Parameters
    ----------
    cell
        The cell with its weights.
    inputs
        Input counts, time first.
    mask
        Steps to take; if False a trial holds its state. None: all of them.
    last
        Return the last so many steps alone, which spares the way back a signal that is zero before. None: all.
    key
        Random key of the batch, for a cell that draws random numbers. Those of a trial depend on the key, the step and
        the trial's number in the batch alone.

    Returns
    -------
    Activity after each step.

    Raises
    ------
    InputError
        If the cell draws random numbers and there is no key.
    """
    if sparse.is_for(cell, inputs):
        assert isinstance(cell, ReluCell)
        return sparse.recur(cell, inputs, mask, last)
    return recur_by_loop(cell, inputs, mask, last, key)


def recur_by_loop(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "kept trial unit"]:
    """Do the same as :func:`recur` in XLA's own loop, for any cell, precision and device."""
    arrays, static = eqx.partition(cell, eqx.is_array)
    params, fixed = eqx.partition(arrays, eqx.is_inexact_array)
    given = _given(cell, inputs, mask, key)
    return _kept(_recur(static, current(), params, fixed, given), last)


def recur_by_autodiff(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "kept trial unit"]:
    """Do the same as :func:`recur`, differentiated automatically step by step: slow, and the reference for tests."""
    return _kept(_forward(cell, _given(cell, inputs, mask, key))[0], last)


class _Given(NamedTuple):
    """What is made once for all steps."""

    weights: Array
    start: PyTree
    """State before the first step."""
    drive: Array
    mask: Array | None
    key: Array | None
    """Of the batch; None if no random numbers are drawn."""

    @property
    def steps(self) -> tuple[Array, Array | None, Array | None]:
        """What each step gets: its drive, its mask, and its number if it draws random numbers."""
        return self.drive, self.mask, None if self.key is None else jnp.arange(len(self.drive))


def _given(cell: AbstractCell, inputs: Array, mask: Array | None, key: Array | None) -> _Given:
    if cell.is_random and key is None:
        raise InputError(f"The model {cell.model} draws random numbers: call the network with a random `key`.")
    drive = cell.drive(inputs)
    start = jax.tree.map(jnp.asarray, cell.initial_state(drive[0]))
    return _Given(cell.recurrent_weights(), start, drive, mask, key if cell.is_random else None)


def _kept(activity: Float[Array, "time trial unit"], last: int | None) -> Float[Array, "kept trial unit"]:
    return activity if last is None else activity[len(activity) - last :]


def _step(
    cell: AbstractCell, state: PyTree, drive: Array, feedback: Array, mask: Array | None, key: Array | None
) -> PyTree:
    update: Any = cell.update  # which takes a key if it asks for one
    new = update(state, drive, feedback) if key is None else update(state, drive, feedback, key)
    if mask is None:
        return new
    return jax.tree.map(lambda n, s: jnp.where(mask.reshape(-1, *[1] * (n.ndim - 1)), n, s), new, state)


def _trial_keys(key: Array | None, number: Array | None, n_trials: int) -> Key[Array, " trial"] | None:
    """Return each trial's key at a step."""
    if key is None or number is None:
        return None
    of_step = jr.fold_in(key, number)
    keys: Array = jax.vmap(lambda trial: jr.fold_in(of_step, trial))(jnp.arange(n_trials))
    return keys


def _forward(cell: AbstractCell, given: _Given) -> tuple[Array, PyTree, Array]:
    """Return the activity after each step, the state before each step, and the feedback at each step."""

    def advance(
        state: PyTree, now: tuple[Array, Array | None, Array | None]
    ) -> tuple[PyTree, tuple[Array, PyTree, Array]]:
        drive_t, mask_t, number = now
        feedback = product(cell.activity(state), given.weights)
        new = _step(cell, state, drive_t, feedback, mask_t, _trial_keys(given.key, number, len(drive_t)))
        return new, (cell.activity(new), state, feedback)

    _, history = jax.lax.scan(advance, given.start, given.steps)
    return history


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(static: PyTree, precision: Precision, params: PyTree, fixed: PyTree, given: _Given) -> Array:
    return _forward(eqx.combine(params, fixed, static), given)[0]


def _recur_forward(
    static: PyTree, precision: Precision, params: PyTree, fixed: PyTree, given: _Given
) -> tuple[Array, Any]:
    activity, states, feedback = _forward(eqx.combine(params, fixed, static), given)
    return activity, (params, fixed, given, states, feedback)


def _recur_backward(static: PyTree, precision: Precision, residuals: Any, signal: Array) -> tuple[PyTree, None, _Given]:
    params, fixed, given, states, feedback = residuals
    rest = eqx.combine(fixed, static)
    with at(precision):  # of the way forward, whose context has been left by now
        return _transposed(rest, params, given, states, feedback, signal)


def _transposed(
    rest: PyTree, params: PyTree, given: _Given, states: PyTree, feedback: Array, signal: Array
) -> tuple[PyTree, None, _Given]:
    """Return the gradients with respect to the parameters that steps read, nothing else of the cell, and the given."""
    used, unused = _split_by_use(rest, params, given, states, feedback)
    rest = eqx.combine(unused, rest)

    def activity(used: PyTree, state: PyTree) -> Array:
        found: Array = eqx.combine(used, rest).activity(state)
        return found

    def retreat(carry: tuple[PyTree, PyTree], now: Any) -> tuple[tuple[PyTree, PyTree], tuple[Array, Array]]:
        state_signal, used_gradient = carry
        signal_t, state, feedback_t, (drive_t, mask_t, number) = now
        moving, still = eqx.partition(state, eqx.is_inexact_array)
        keys = _trial_keys(given.key, number, len(drive_t))

        def step(used: PyTree, moving: PyTree, drive: Array, feedback: Array) -> tuple[PyTree, Array]:
            cell = eqx.combine(used, rest)
            new = _step(cell, eqx.combine(moving, still), drive, feedback, mask_t, keys)
            return eqx.filter(new, eqx.is_inexact_array), cell.activity(new)

        _, transpose_step = jax.vjp(step, used, moving, drive_t, feedback_t)
        step_gradient, state_signal, drive_signal, feedback_signal = transpose_step((state_signal, signal_t))
        _, transpose_activity = jax.vjp(lambda used, moving: activity(used, eqx.combine(moving, still)), used, moving)
        read_gradient, through_weights = transpose_activity(product(feedback_signal, given.weights.T))
        state_signal = jax.tree.map(jnp.add, state_signal, through_weights)
        used_gradient = jax.tree.map(lambda total, a, b: total + a + b, used_gradient, step_gradient, read_gradient)
        return (state_signal, used_gradient), (drive_signal, feedback_signal)

    nothing = jax.tree.map(jnp.zeros_like, (eqx.filter(given.start, eqx.is_inexact_array), used))
    (start_signal, used_gradient), (drive_signal, feedback_signal) = jax.lax.scan(
        retreat, nothing, (signal, states, feedback, given.steps), reverse=True
    )
    activity_before = jax.vmap(lambda state: activity(used, state))(states)
    before, after = (x.reshape(-1, x.shape[-1]) for x in (activity_before, feedback_signal))
    gradient = eqx.combine(used_gradient, jax.tree.map(jnp.zeros_like, unused))
    return gradient, None, _Given(product(before.T, after), start_signal, drive_signal, None, None)


_recur.defvjp(_recur_forward, _recur_backward)


def _split_by_use(
    rest: PyTree, params: PyTree, given: _Given, states: PyTree, feedback: Array
) -> tuple[PyTree, PyTree]:
    """Split a cell's parameters into those that its steps read themselves and the others.

    Only the former need a gradient inside the loop; carrying zeros for the others would cost a pass over every
    weight matrix at every step.
    """

    def step(params: PyTree, *now: Any) -> tuple[PyTree, Array]:
        cell = eqx.combine(params, rest)
        state, *others = now
        return _step(cell, state, *others), cell.activity(state)

    drive, mask, number = jax.tree.map(lambda x: x[0], given.steps)
    state, feedback = jax.tree.map(lambda x: x[0], (states, feedback))
    keys = _trial_keys(given.key, number, len(drive))
    jaxpr = jax.make_jaxpr(step)(params, state, drive, feedback, mask, keys).jaxpr
    read = {id(v) for equation in jaxpr.eqns for v in equation.invars} | {id(v) for v in jaxpr.outvars}
    leaves, structure = jax.tree.flatten(params)
    is_used = jax.tree.unflatten(structure, [id(v) in read for v in jaxpr.invars[: len(leaves)]])
    return eqx.partition(params, is_used)
