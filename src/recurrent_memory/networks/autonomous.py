"""The steps of a network under constant input, as a function from state to state."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float

from ..errors import InputError
from .cells import AbstractCell
from .network import Network
from .perturbed import PerturbedCell
from .precision import at, product


def autonomous_step(
    network: Network, inputs: Float[ArrayLike, " neuron"]
) -> Callable[[Float[Array, " state"]], Float[Array, " state"]]:
    """Return the function that takes one state of a network to the next under constant input, without noise.

    Parameters
    ----------
    network
        The network.
    inputs
        Constant input to each neuron (spikes per step), such as the mean over the delay.

    Returns
    -------
    Function from a state, (state,), to the next, for `analysis.fixed_points`, in the precision of the state. A state is
    the activity of the units; of the model `fast_weights`, that of the last step, then that of the one before.

    Raises
    ------
    InputError
        If the input does not fit the network, or the cell cannot do without random numbers.

    Notes
    -----
    The bound on gradients with which networks are trained (`gradient_clip`) is taken off: derivatives are exact.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> network = initialize(
    ...     jax.random.key(0), "relu", n_inputs=2, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.5, sigma0=0.0,
    ... )
    >>> autonomous_step(network, jnp.zeros(2))(jnp.ones(3)).tolist()
    [0.5, 0.5, 0.5]
    """
    _refuse_random(network.cell)
    cell = _unbounded(network.cell)
    given = jnp.asarray(inputs)
    try:
        start = jax.eval_shape(lambda: cell.initial_state(cell.drive(given.astype(network.W_out.dtype)[None])))
    except (TypeError, ValueError) as error:
        raise InputError(f"`inputs` must be one number for each input neuron, got {given.shape}: {error}") from None
    _, unravel = ravel_pytree(jax.tree.map(lambda of: jnp.zeros(of.shape[1:], of.dtype), start))

    def step(state: Float[Array, " state"]) -> Float[Array, " state"]:
        precise = jax.tree.map(lambda leaf: leaf.astype(state.dtype) if eqx.is_inexact_array(leaf) else leaf, cell)
        before = jax.tree.map(lambda leaf: leaf.astype(state.dtype)[None], unravel(state))
        with at(network.precision):
            feedback = product(precise.activity(before), precise.recurrent_weights())
            after = precise.update(before, precise.drive(given.astype(state.dtype)[None]), feedback)
        return ravel_pytree(jax.tree.map(lambda leaf: leaf[0], after))[0]

    return step


def visited_states(network: Network, inputs: Float[ArrayLike, "trial time neuron"]) -> Float[Array, "trial time state"]:
    """Return the states that a network visits in some trials, without noise: where to look for its fixed points.

    Parameters
    ----------
    network
        The network.
    inputs
        Spike counts, (trial, time, neuron).

    Returns
    -------
    The state after each step, as `autonomous_step` takes it.

    Raises
    ------
    InputError
        If the cell cannot do without random numbers.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> network = initialize(
    ...     jax.random.key(0), "fast_weights", n_inputs=2, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.5, sigma0=0.0,
    ... )
    >>> visited_states(network, jnp.zeros((4, 10, 2))).shape  # the activity of two steps
    (4, 10, 6)
    """
    _refuse_random(network.cell)
    found: Array = _visited(network, jnp.asarray(inputs, network.W_out.dtype))
    return found


@eqx.filter_jit
def _visited(network: Network, inputs: Float[Array, "trial time neuron"]) -> Float[Array, "trial time state"]:
    cell = network.cell
    with at(network.precision):
        weights, drive = cell.recurrent_weights(), cell.drive(inputs)

        def step(state: Any, now: Array) -> tuple[Any, Array]:
            after = cell.update(state, now, product(cell.activity(state), weights))
            return after, jax.vmap(lambda of_trial: ravel_pytree(of_trial)[0])(after)

        start = jax.tree.map(jnp.asarray, cell.initial_state(drive[:, 0]))
        _, states = jax.lax.scan(step, start, jnp.moveaxis(drive, 1, 0))
    return jnp.moveaxis(states, 0, 1)


def _refuse_random(cell: AbstractCell) -> None:
    if cell.is_random:
        key = inspect.signature(cell.update).parameters.get("key")
        if key is None or key.default is inspect.Parameter.empty:
            raise InputError(f"The model {cell.model} needs random numbers in each step: its steps are not a function.")


def _unbounded(cell: AbstractCell) -> AbstractCell:
    """Return a cell without a bound on gradients, also within a perturbed one."""
    changes: dict[str, Any] = {}
    if isinstance(cell, PerturbedCell):
        changes = {"cell": _unbounded(cell.cell)}
    elif hasattr(cell, "gradient_clip"):
        changes = {"gradient_clip": float("inf")}
    return dataclasses.replace(cell, **changes) if changes else cell
