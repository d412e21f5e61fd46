"""The rectified recurrence as a compiled kernel, on CPUs where the installation could build one (``kernel/``).

The kernel multiplies only what is not zero. Activity is zero wherever a unit is silent, and so is the gradient of its
pre-activation; all three products of an iteration (activity by weights, gradient by transposed weights, activity by
gradient) have such a factor. It gives the numbers of the plain loop up to the rounding of sums.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .cells import AbstractCell, ReluCell

_kernel: Any
try:
    from . import _kernel
except ImportError:  # installed without a compiler, or for another machine
    _kernel = None

SWITCH = "RECURRENT_MEMORY_KERNEL"
"""Environment variable that turns the kernel off where it is "off"."""

if _kernel is not None:
    for _name in ("forward", "backward"):
        jax.ffi.register_ffi_target(f"recurrent_memory_{_name}", getattr(_kernel, _name), platform="cpu")


def instruction_set() -> str | None:
    """Return what the kernel was compiled for, of what this machine has; None where there is no kernel."""
    return None if _kernel is None else str(_kernel.instruction_set)


def description() -> str:
    """Return in words how the recurrence is computed here, and if not by the kernel, why not."""
    if _kernel is None:
        return "XLA loop (no compiled kernel: none was built when the package was installed)"
    if os.environ.get(SWITCH) == "off":
        return f"XLA loop (compiled kernel turned off by {SWITCH})"
    if jax.default_backend() != "cpu":
        return f"XLA loop (compiled kernel is for CPUs, this is {jax.default_backend()})"
    return f"compiled kernel ({instruction_set()}) for relu and orthogonal in float32, XLA loop for the rest"


def is_for(cell: AbstractCell, inputs: Float[Array, "time trial neuron"]) -> bool:
    """Return whether the kernel can run a cell here: a rectified one in single precision, on a CPU."""
    is_relu = isinstance(cell, ReluCell) and all(
        getattr(type(cell), name) is getattr(ReluCell, name)
        for name in ("drive", "update", "activity", "initial_state")
    )
    return bool(
        _kernel is not None
        and is_relu
        and cell.W_rec.dtype == inputs.dtype == jnp.float32
        and inputs.size > 0
        and os.environ.get(SWITCH) != "off"
        and jax.default_backend() == "cpu"
    )


def limit_threads(number: int) -> None:
    """Let each call use no more than so many threads; 0 gives it all that XLA has. The numbers do not depend on it."""
    if _kernel is not None:
        _kernel.set_thread_limit(number)


def recur(
    cell: ReluCell,
    inputs: Float[Array, "time trial neuron"],
    mask: Bool[Array, "time trial"] | None = None,
    last: int | None = None,
) -> Float[Array, "kept trial unit"]:
    """Run a rectified cell; for parameters and result see :func:`recurrent_memory.networks.recur`."""
    last = len(inputs) if last is None else last
    weights = (cell.W_in, cell.b_in + cell.b_rec, cell.W_rec)
    return _recur(float(cell.gradient_clip), last, weights, inputs, jnp.zeros((0, 0), bool) if mask is None else mask)


Weights = tuple[Array, Array, Array]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(clip: float, last: int, weights: Weights, inputs: Array, mask: Array) -> Array:
    return _forward(clip, last, weights, inputs, mask)[0]


def _forward(clip: float, last: int, weights: Weights, inputs: Array, mask: Array) -> tuple[Array, Any]:
    shape = (*inputs.shape[:2], len(weights[2]))
    activity = _call("forward", jax.ShapeDtypeStruct(shape, jnp.float32))(inputs, mask, *weights)
    # Silence is written as −0.0 where the pre-activation was below 0, for the derivative's sake; outside it is 0.0.
    return jnp.abs(activity[len(activity) - last :]), (weights, inputs, mask, activity)


def _backward(clip: float, last: int, residuals: Any, signal: Array) -> tuple[Weights, Array, None]:
    (W_in, bias, W_rec), inputs, mask, activity = residuals
    columns, exists = _panels(len(W_rec))
    results = [jax.ShapeDtypeStruct(of.shape, jnp.float32) for of in (W_rec, W_in, bias)]
    scratch = jax.ShapeDtypeStruct((len(columns), *inputs.shape[:2], columns.shape[1]), jnp.float32)
    of_W_rec, of_W_in, of_bias, delta = _call("backward", (*results, scratch))(
        signal, activity, inputs, mask, W_rec, clip=np.float32(clip)
    )
    # Removed by the compiler where nobody asks for it, as in training.
    of_inputs = jnp.einsum(
        "ptbc,npc->tbn", jnp.where(exists[:, None, None], delta, 0), jnp.where(exists, W_in[:, columns], 0)
    )
    return (of_W_in, of_bias, of_W_rec), of_inputs, None


_recur.defvjp(_forward, _backward)


def _call(name: str, results: Any) -> Any:
    return jax.ffi.ffi_call(f"recurrent_memory_{name}", results, vmap_method="sequential")


def _panels(n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which unit each column of each of the kernel's panels is, and whether there is one."""
    starts = np.array(_kernel.panels(n_units))
    columns = starts[:-1, None] + np.arange(_kernel.panel_width)
    exists = columns < starts[1:, None]
    return np.where(exists, columns, 0), exists
