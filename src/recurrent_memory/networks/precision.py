"""The precision of products with weights, the only operations that may round more coarsely than the weights do.

Everything else (activity, losses, Adam's state) keeps the precision of the weights.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Precision: TypeAlias = Literal["float32", "tf32", "bfloat16"]
"""Rounding of a product's factors: none, to 11 significant bits, or to 8. Sums are float32."""

_SETTINGS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
"""JAX's names for the precisions.

The choice is stored in JAX's own setting, so compiled programs are cached per precision and each thread has its own.
On GPUs JAX's default is tf32, so float32 must be requested.
"""


def at(precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which `product` uses a precision.

    Parameters
    ----------
    precision
        The precision.

    Returns
    -------
    The context manager.

    Raises
    ------
    KeyError
        If there is no such precision.
    """
    setting: contextlib.AbstractContextManager[Any] = jax.default_matmul_precision(_SETTINGS[precision])
    return setting


def current() -> Precision:
    """Return the precision that `product` uses now; float32 outside any context."""
    setting = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return next((name for name in get_args(Precision) if _SETTINGS[name] == setting), "float32")


def product(a: Float[Array, "*batch inner"], b: Float[Array, "inner outer"]) -> Float[Array, "*batch outer"]:
    """Multiply by a matrix in the current precision, which applies to the derivatives too.

    Parameters
    ----------
    a, b
        Factors, (…, inner) and (inner, outer).

    Returns
    -------
    a b, (…, outer), in the precision of the weights.

    Notes
    -----
    JAX's own setting is a hint, which CPUs ignore. This function rounds the factors if the device does not, so that a
    precision means the same on every device; only tensor cores gain speed from it.

    Examples
    --------
    >>> with at("bfloat16"):
    ...     float(product(jnp.array([[1.001]]), jnp.eye(1))[0, 0])  # 8 significant bits
    1.0
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
