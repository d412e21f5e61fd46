"""The rectified recurrence as a compiled kernel, on CPUs where the installation could build one (``kernel/``).

The kernel multiplies only what is not zero. Activity is zero wherever a unit is silent, and so is the gradient of its
pre-activation; all three products of an iteration (activity by weights, gradient by transposed weights, activity by
gradient) have such a factor. It gives the numbers of the plain loop up to the rounding of sums.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .. import kernel
from .additive import ReluCell
from .cells import AbstractCell
from .precision import current


def is_for(cell: AbstractCell, inputs: Float[Array, "time trial neuron"]) -> bool:
    """Return whether the kernel can run a cell here: a rectified one in single precision, on a CPU."""
    is_relu = isinstance(cell, ReluCell) and all(
        getattr(type(cell), name) is getattr(ReluCell, name)
        for name in ("drive", "update", "activity", "initial_state")
    )
    return bool(
        kernel.is_usable()
        and is_relu
        and current() == "float32"
        and cell.recurrent_weights().dtype == inputs.dtype == jnp.float32
        and inputs.size > 0
    )


def recur(
    cell: ReluCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a rectified cell; for parameters and result see :func:`recurrent_memory.networks.recur`."""
    last = len(inputs) if last is None else last
    weights = (cell.W_in, cell.b_in + cell.b_rec, cell.recurrent_weights())
    return _recur(float(cell.gradient_clip), last, weights, inputs, jnp.zeros((0, 0), bool) if mask is None else mask)


Weights = tuple[Array, Array, Array]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(clip: float, last: int, weights: Weights, inputs: Array, mask: Array) -> Array:
    return _forward(clip, last, weights, inputs, mask)[0]


def _forward(clip: float, last: int, weights: Weights, inputs: Array, mask: Array) -> tuple[Array, Any]:
    shape = (*inputs.shape[:2], len(weights[2]))
    activity = _call("forward", jax.ShapeDtypeStruct(shape, jnp.float32), inputs, mask, *weights)
    # Silence is written as −0.0 where the pre-activation was below 0, for the derivative's sake; outside it is 0.0.
    return jnp.abs(activity[len(activity) - last :]), (weights, inputs, mask, activity)


def _backward(clip: float, last: int, residuals: Any, signal: Array) -> tuple[Weights, Array, None]:
    (W_in, bias, W_rec), inputs, mask, activity = residuals
    columns, exists = _panels(len(W_rec))
    results = [jax.ShapeDtypeStruct(of.shape, jnp.float32) for of in (W_rec, W_in, bias)]
    scratch = jax.ShapeDtypeStruct((len(columns), *inputs.shape[:2], columns.shape[1]), jnp.float32)
    of_W_rec, of_W_in, of_bias, delta = _call(
        "backward", (*results, scratch), signal, activity, inputs, mask, W_rec, clip=np.float32(clip)
    )
    # Removed by the compiler where nobody asks for it, as in training.
    of_inputs = jnp.einsum(
        "ptbc,npc->tbn", jnp.where(exists[:, None, None], delta, 0), jnp.where(exists, W_in[:, columns], 0)
    )
    return (of_W_in, of_bias, of_W_rec), of_inputs, None


_recur.defvjp(_forward, _backward)


_call = functools.partial(kernel.call, vmap_method="sequential")


def _panels(n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which unit each column of each of the kernel's panels is, and whether there is one."""
    starts = np.array(kernel.panel_starts(n_units))
    columns = starts[:-1, None] + np.arange(kernel.panel_width())
    exists = columns < starts[1:, None]
    return np.where(exists, columns, 0), exists
