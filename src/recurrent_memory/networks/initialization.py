"""The published initialisations: λ0 on the diagonal, σ0 off it, Glorot-normal input and output weights.

Each is one compiled program for all values of λ0 and σ0: operation by operation, compiling would take seconds.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})
"""These run once: optimising them further takes a third longer than level 1 and saves a millisecond; same numbers."""


@functools.partial(_jit, static_argnames=("fan_in", "fan_out", "gain"))
def glorot_normal(key: PRNGKeyArray, fan_in: int, fan_out: int, gain: float) -> Float[Array, "{fan_in} {fan_out}"]:
    """Draw weights with standard deviation gain·√(2/(fan_in + fan_out)); shape (from, to)."""
    return gain * math.sqrt(2 / (fan_in + fan_out)) * jr.normal(key, (fan_in, fan_out))


@functools.partial(_jit, static_argnames="n_hidden")
def scaled_identity(
    key: PRNGKeyArray, n_hidden: int, lambda0: float | Float[Array, ""], sigma0: float | Float[Array, ""]
) -> Float[Array, "{n_hidden} {n_hidden}"]:
    """Draw recurrent weights with λ0 on the diagonal and independent N(0, σ0²/N) weights off it.

    Parameters
    ----------
    key
        Random key.
    n_hidden
        Number of units N.
    lambda0
        Self-connection of every unit.
    sigma0
        The paper's σ0: the off-diagonal standard deviation is σ0/√N.

    Notes
    -----
    Orhan & Ma (2019), Methods. The published scripts' option of the same meaning takes the ratio σ0/√N.
    """
    off_diagonal = sigma0 / math.sqrt(n_hidden) * jr.normal(key, (n_hidden, n_hidden))
    return jnp.where(jnp.eye(n_hidden, dtype=bool), lambda0, off_diagonal)


@functools.partial(_jit, static_argnames="n_hidden")
def scaled_orthogonal(
    key: PRNGKeyArray, n_hidden: int, lambda0: float | Float[Array, ""]
) -> Float[Array, "{n_hidden} {n_hidden}"]:
    """Draw λ0 times a random orthogonal matrix: the left singular vectors of a Gaussian matrix."""
    left, _, _ = jnp.linalg.svd(jr.normal(key, (n_hidden, n_hidden)))
    return lambda0 * left
