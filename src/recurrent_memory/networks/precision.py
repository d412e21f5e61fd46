"""The precision of matrix products, the one thing in which networks may be less than exact.

Everything else (activity, losses, Adam's state) stays in the precision of the weights.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Precision: TypeAlias = Literal["float32", "tf32", "bfloat16"]
"""What the factors of a product are rounded to: not at all, to 11 significant bits, or to 8. Sums are float32."""

_SETTINGS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
"""JAX's names. Its setting carries the choice: compiled programs are kept for each apart, and each thread has its own.

On GPUs JAX's own default is tf32, so float32 has to be asked for.
"""


def at(precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which `product` has a precision.

    Raises
    ------
    KeyError
        Where there is no such precision.
    """
    setting: contextlib.AbstractContextManager[Any] = jax.default_matmul_precision(_SETTINGS[precision])
    return setting


def current() -> Precision:
    """Return the precision of products here; float32 outside of any context."""
    setting = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return next((name for name in get_args(Precision) if _SETTINGS[name] == setting), "float32")


def product(a: Float[Array, "*batch inner"], b: Float[Array, "inner outer"]) -> Float[Array, "*batch outer"]:
    """Multiply by a matrix in the current precision; so do its derivatives.

    Notes
    -----
    JAX's own setting is a hint, which CPUs ignore. Here factors are rounded wherever the device does not do it, so that
    a precision means the same everywhere, though only tensor cores are faster for it.
    """
    precision = current()
    return a @ b if precision == "float32" else _product(precision, a, b)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(precision: Precision, a: Array, b: Array) -> Array:
    with at(precision):
        rounded = [_rounded(precision, factor) for factor in (a, b)]
        return jnp.matmul(*rounded, preferred_element_type=a.dtype)


def _forward(precision: Precision, a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return _product(precision, a, b), (a, b)


def _backward(precision: Precision, factors: tuple[Array, Array], signal: Array) -> tuple[Array, Array]:
    a, b = factors
    rows = [x.reshape(-1, x.shape[-1]) for x in (a, signal)]
    return _product(precision, signal, b.T), _product(precision, rows[0].T, rows[1])


_product.defvjp(_forward, _backward)


def _rounded(precision: Precision, factor: Array) -> Array:
    if precision == "bfloat16":
        return factor.astype(jnp.bfloat16)
    if precision == "tf32" and jax.default_backend() != "gpu":
        return jax.lax.reduce_precision(factor, exponent_bits=8, mantissa_bits=10)
    return factor
