"""Built-in cells in a compiled kernel, on CPUs, if the installation could build one (``kernel/``).

The kernel skips factors of zero. A silent rectified unit has zero activity and a pre-activation of zero gradient, and
one of the two is a factor in all three products of an iteration: activity by weights, gradient by transposed weights,
activity by gradient. The numbers are those of the plain loop up to the rounding of sums.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .. import kernel
from .additive import AdditiveCell, FastWeightsCell, ReluCell
from .cells import AbstractCell, private_noise, trial_keys
from .gated import GRUCell
from .leaky import LeakyCell
from .precision import current


class Arithmetic(NamedTuple):
    """What the kernel does at a step of a cell.

    Examples
    --------
    >>> Arithmetic("relu", (100.0,)).name
    'relu'
    """

    name: str
    """The kernel's name for it."""
    constants: tuple[float, ...]
    """Its numbers, the gradient's bound first."""


ARITHMETIC: dict[type[AbstractCell], Callable[[Any], Arithmetic]] = {
    ReluCell: lambda cell: Arithmetic("relu", (cell.gradient_clip,)),
    FastWeightsCell: lambda cell: Arithmetic("fast_weights", (cell.gradient_clip, cell.gamma, cell.ceiling)),
    GRUCell: lambda cell: Arithmetic("gru", (cell.gradient_clip,)),
    LeakyCell: lambda cell: Arithmetic(f"leaky_{cell.activation}", (cell.gradient_clip, cell.alpha, 1 - cell.alpha)),
}
"""Cells that the kernel can run; so it can those derived from them that change nothing but their weights."""

_METHODS = ("drive", "update", "activity", "initial_state")


def arithmetic(cell: AbstractCell) -> Arithmetic | None:
    """Return what the kernel does for a cell; None if it can do nothing."""
    for base, describe in ARITHMETIC.items():
        if isinstance(cell, base) and all(getattr(type(cell), name) is getattr(base, name) for name in _METHODS):
            return describe(cell)
    return None


def is_for(cell: AbstractCell, inputs: Float[Array, "time trial neuron"]) -> bool:
    """Return whether the kernel can run a cell: a built-in one in single precision, on a CPU."""
    return bool(
        kernel.is_usable()
        and arithmetic(cell) is not None
        and current() == "float32"
        and cell.recurrent_weights().dtype == inputs.dtype == jnp.float32
        and inputs.size > 0
    )


def recur(
    cell: Any,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a cell in the kernel; parameters and result are those of :func:`recurrent_memory.networks.recur`."""
    last = len(inputs) if last is None else last
    found = arithmetic(cell)
    assert found is not None
    name, constants = found
    noise = jnp.zeros((0, 0, 0), jnp.float32)
    if key is not None and cell.is_random:
        noise = _noise(cell, key, *inputs.shape[:2])
    bias = cell.b_in + cell.b_rec if isinstance(cell, AdditiveCell) else cell.b_in
    weights = (cell.W_in, bias, cell.recurrent_weights())
    mask = jnp.zeros((0, 0), bool) if mask is None else mask
    return _recur(name, tuple(map(float, constants)), last, weights, inputs, mask, noise)


def _noise(cell: LeakyCell, key: PRNGKeyArray, n_steps: int, n_trials: int) -> Float[Array, "time trial unit"]:
    """Return the noise of all steps: the numbers that the loop draws one step at a time."""

    def of_step(step: Array) -> Array:
        return private_noise(trial_keys(key, step, n_trials), cell.n_hidden)

    return cell.noise * jax.vmap(of_step)(jnp.arange(n_steps))


Weights = tuple[Array, Array, Array]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _recur(
    name: str, constants: tuple[float, ...], last: int, weights: Weights, inputs: Array, mask: Array, noise: Array
) -> Array:
    return _forward(name, constants, last, weights, inputs, mask, noise)[0]


def _forward(
    name: str, constants: tuple[float, ...], last: int, weights: Weights, inputs: Array, mask: Array, noise: Array
) -> tuple[Array, Any]:
    of = kernel.cell(name)
    shape = (*inputs.shape[:2], len(weights[2]))
    kept_shape = (*inputs.shape[:2], of.kept, kernel.padded(shape[-1])) if of.kept else (0,)
    results = [jax.ShapeDtypeStruct(one, jnp.float32) for one in (shape, kept_shape)]
    W_in, bias, W_rec = weights
    activity, kept = _call("forward", name, constants, results, inputs, mask, noise, W_in, bias, W_rec)
    shown = activity[len(activity) - last :]
    # The kernel may write −0.0 if the pre-activation was below 0, since relu's derivative needs it; callers get 0.0.
    return jnp.abs(shown) if of.marks else shown, (weights, inputs, mask, activity, kept)


def _backward(
    name: str, constants: tuple[float, ...], last: int, residuals: Any, signal: Array
) -> tuple[Weights, Array, None, None]:
    (W_in, bias, W_rec), inputs, mask, activity, kept = residuals
    of, columns, exists = kernel.cell(name), *_panels(len(W_rec))
    shapes = (W_rec.shape, W_in.shape, bias.shape, (of.deltas, len(columns), *inputs.shape[:2], columns.shape[1]))
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    given = (signal, activity, kept, inputs, mask, W_rec)
    of_W_rec, of_W_in, of_bias, delta = _call("backward", name, constants, results, *given)
    # The compiler removes this if its result is not used, as in training.
    of_drive = delta[np.array([*range(of.blocks - 1), of.deltas - 1])]
    is_written = exists[None, :, None, None] & (mask[None, None, :, :, None] if mask.size else True)
    by_panel = W_in.reshape(len(W_in), of.blocks, -1)[:, :, columns]
    of_inputs = jnp.einsum("kptbc,nkpc->tbn", jnp.where(is_written, of_drive, 0), jnp.where(exists, by_panel, 0))
    return (of_W_in, of_bias, of_W_rec), of_inputs, None, None


_recur.defvjp(_forward, _backward)


def _call(function: str, name: str, constants: tuple[float, ...], results: Any, *given: Array) -> Any:
    numbers = np.array(constants, np.float32)
    return kernel.call(function, results, *given, vmap_method="sequential", cell=name, constants=numbers)


def _panels(n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit that each column of each of the kernel's panels holds, and whether it holds one."""
    starts = np.array(kernel.panel_starts(n_units))
    columns = starts[:-1, None] + np.arange(kernel.panel_width())
    exists = columns < starts[1:, None]
    return np.where(exists, columns, 0), exists
