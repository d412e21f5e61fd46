"""Any cell over time, with a custom reverse pass.

Derivation. With a_t = activity(s_t), the forward pass is

    k_t = a_{t−1} W,    s_t = update(s_{t−1}, d_t, k_t),    t = 1 … T.

Let S_t be the gradient of the loss with respect to s_t. Automatic differentiation of this loop accumulates
∂L/∂W = Σ_t a_{t−1}ᵀ K_t, where K_t = ∂L/∂k_t: each step takes a small product and a pass over a matrix of W's size. But
nothing inside the loop needs ∂L/∂W, so the reverse loop carries S_t alone and stores every K_t:

    (S'_{t−1}, D_t, K_t) = transpose of update at step t, applied to S_t
    S_{t−1} = S'_{t−1} + transpose of activity applied to (K_t Wᵀ + signal that enters at step t−1)

Afterwards ∂L/∂W is *one* product of (T·trial)×unit and (T·trial)×block matrices, which runs at the rate of a large
product. All that a cell computes once for all steps is computed outside the loop, and so is its gradient: the drive
d_t, the state s_0 and the matrix W itself, which may be any function of the parameters. The gradients of parameters
that `update` or `activity` read (none in the built-in cells) are summed in the loop. Random keys follow from the step's
number, so the reverse pass sees the same noise without storing it.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray, PyTree

from ..errors import InputError
from . import compiled
from .cells import AbstractCell, trial_keys
from .precision import Precision, at, current, product


def recur(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a cell over all time steps, with the compiled kernel if it applies.

    Parameters
    ----------
    cell
        The cell with its weights.
    inputs
        Spike counts, time first.
    mask
        True for the steps that a trial takes; at all others it holds its state. None: every trial takes every step.
    last
        Number of steps, from the end, to return; None: all. With fewer, the reverse pass need not read a signal that
        is zero before them.
    key
        Random key of the batch, for a cell that draws random numbers. A trial's numbers depend only on the key, the
        step and the trial's number in the batch.

    Returns
    -------
    Activity after each step, arbitrary units.

    Raises
    ------
    InputError
        If the cell draws random numbers and there is no key.

    Examples
    --------
    >>> from recurrent_memory.networks import ReluCell
    >>> cell = ReluCell(W_in=jnp.eye(1), b_in=jnp.zeros(1), W_rec=0.5 * jnp.eye(1), b_rec=jnp.zeros(1))
    >>> recur(cell, jnp.array([1.0, 0.0, 0.0])[:, None, None]).ravel().tolist()  # a spike, and its memory
    [1.0, 0.5, 0.25]
    """
    if compiled.is_for(cell, inputs):
        _check_key(cell, key)
        return compiled.recur(cell, inputs, mask, last, key)
    return recur_by_loop(cell, inputs, mask, last, key)


def recur_by_loop(
    cell: AbstractCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a cell over all time steps in XLA's own loop, for any cell, precision and device.

    Parameters
    ----------
    cell, inputs, mask, last, key
        As for :func:`recur`.

    Returns
    -------
    Activity after each step, arbitrary units.

    Raises
    ------
    InputError
        If the cell draws random numbers and there is no key.

    Examples
    --------
    >>> from recurrent_memory.networks import ReluCell
    >>> cell = ReluCell(W_in=jnp.eye(1), b_in=jnp.zeros(1), W_rec=0.5 * jnp.eye(1), b_rec=jnp.zeros(1))
    >>> recur_by_loop(cell, jnp.array([1.0, 0.0, 0.0])[:, None, None]).ravel().tolist()
    [1.0, 0.5, 0.25]
    """
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
    """Run a cell over all time steps, differentiated automatically step by step: slow, and the reference for tests.

    Parameters
    ----------
    cell, inputs, mask, last, key
        As for :func:`recur`.

    Returns
    -------
    Activity after each step, arbitrary units.

    Raises
    ------
    InputError
        If the cell draws random numbers and there is no key.

    Examples
    --------
    >>> from recurrent_memory.networks import ReluCell
    >>> cell = ReluCell(W_in=jnp.eye(1), b_in=jnp.zeros(1), W_rec=0.5 * jnp.eye(1), b_rec=jnp.zeros(1))
    >>> recur_by_autodiff(cell, jnp.array([1.0, 0.0, 0.0])[:, None, None]).ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    return _kept(_forward(cell, _given(cell, inputs, mask, key))[0], last)


class _Given(NamedTuple):
    """All that is computed once for all steps."""

    weights: Array
    start: PyTree
    """State before the first step."""
    drive: Array
    mask: Array | None
    key: Array | None
    """Key of the batch; None if the cell draws no random numbers."""

    @property
    def steps(self) -> tuple[Array, Array | None, Array | None]:
        """What each step gets: its drive, its mask, and its number if it draws random numbers."""
        return self.drive, self.mask, None if self.key is None else jnp.arange(len(self.drive))


def _given(cell: AbstractCell, inputs: Array, mask: Array | None, key: Array | None) -> _Given:
    _check_key(cell, key)
    drive = cell.drive(inputs)
    start = jax.tree.map(jnp.asarray, cell.initial_state(drive[0]))
    return _Given(cell.recurrent_weights(), start, drive, mask, key if cell.is_random else None)


def _check_key(cell: AbstractCell, key: Array | None) -> None:
    if cell.is_random and key is None:
        raise InputError(f"The model {cell.model} draws random numbers: call the network with a random `key`.")


def _kept(activity: Float[Array, "time trial unit"], last: int | None) -> Float[Array, "kept trial unit"]:
    return activity if last is None else activity[len(activity) - last :]


def _step(
    cell: AbstractCell, state: PyTree, drive: Array, feedback: Array, mask: Array | None, key: Array | None
) -> PyTree:
    update: Any = cell.update  # takes a key only if the cell draws random numbers
    new = update(state, drive, feedback) if key is None else update(state, drive, feedback, key)
    if mask is None:
        return new
    return jax.tree.map(lambda n, s: jnp.where(mask.reshape(-1, *[1] * (n.ndim - 1)), n, s), new, state)


def _keys(key: Array | None, number: Array | None, n_trials: int) -> Key[Array, " trial"] | None:
    return None if key is None or number is None else trial_keys(key, number, n_trials)


def _forward(cell: AbstractCell, given: _Given) -> tuple[Array, PyTree, Array]:
    """Return the activity after each step, the state before each step, and the feedback at each step."""

    def advance(
        state: PyTree, now: tuple[Array, Array | None, Array | None]
    ) -> tuple[PyTree, tuple[Array, PyTree, Array]]:
        drive_t, mask_t, number = now
        feedback = product(cell.activity(state), given.weights)
        new = _step(cell, state, drive_t, feedback, mask_t, _keys(given.key, number, len(drive_t)))
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
    with at(precision):  # that of the forward pass, whose context has ended by now
        return _transposed(rest, params, given, states, feedback, signal)


def _transposed(
    rest: PyTree, params: PyTree, given: _Given, states: PyTree, feedback: Array, signal: Array
) -> tuple[PyTree, None, _Given]:
    """Return the gradients of the cell's parameters, as far as steps read them, of its fixed arrays, and of `given`."""
    used, unused = _split_by_use(rest, params, given, states, feedback)
    rest = eqx.combine(unused, rest)

    def activity(used: PyTree, state: PyTree) -> Array:
        found: Array = eqx.combine(used, rest).activity(state)
        return found

    def retreat(carry: tuple[PyTree, PyTree], now: Any) -> tuple[tuple[PyTree, PyTree], tuple[Array, Array]]:
        state_signal, used_gradient = carry
        signal_t, state, feedback_t, (drive_t, mask_t, number) = now
        moving, still = eqx.partition(state, eqx.is_inexact_array)
        keys = _keys(given.key, number, len(drive_t))

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
    """Split a cell's parameters into those that its steps read and the others.

    Only the former need a gradient inside the loop; zeros for the others would cost a pass over every weight matrix at
    every step.
    """

    def step(params: PyTree, *now: Any) -> tuple[PyTree, Array]:
        cell = eqx.combine(params, rest)
        state, *others = now
        return _step(cell, state, *others), cell.activity(state)

    drive, mask, number = jax.tree.map(lambda x: x[0], given.steps)
    state, feedback = jax.tree.map(lambda x: x[0], (states, feedback))
    keys = _keys(given.key, number, len(drive))
    jaxpr = jax.make_jaxpr(step)(params, state, drive, feedback, mask, keys).jaxpr
    read = {id(v) for equation in jaxpr.eqns for v in equation.invars} | {id(v) for v in jaxpr.outvars}
    leaves, structure = jax.tree.flatten(params)
    is_used = jax.tree.unflatten(structure, [id(v) in read for v in jaxpr.invars[: len(leaves)]])
    return eqx.partition(params, is_used)
