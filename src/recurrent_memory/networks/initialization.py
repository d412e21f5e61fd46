"""The published initialisations: λ0 on the diagonal, σ0 off it, Glorot-normal input and output weights.

Each is one compiled program for all values of λ0 and σ0: compiling it operation by operation would take seconds.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})
"""Each runs once: beyond level 1, compiling takes a third longer to save a millisecond, with the same numbers."""


@functools.partial(_jit, static_argnames=("fan_in", "fan_out", "gain"))
def glorot_normal(key: PRNGKeyArray, fan_in: int, fan_out: int, gain: float) -> Float[Array, "{fan_in} {fan_out}"]:
    """Draw independent normal weights of standard deviation gain·√(2/(fan_in + fan_out)).

    Parameters
    ----------
    key
        Random key.
    fan_in, fan_out
        Numbers of inputs and of outputs.
    gain
        Factor of the standard deviation; 0.95 in the paper's models, 0.05 in the GRU.

    Returns
    -------
    Weights, (from, to).

    Notes
    -----
    Glorot & Bengio (2010).

    Examples
    --------
    >>> glorot_normal(jr.key(0), 3, 2, gain=0.95).shape
    (3, 2)
    """
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

    Returns
    -------
    Weights, (from, to).

    Notes
    -----
    Orhan & Ma (2019), Methods. The published scripts' option of the same meaning takes the ratio σ0/√N.

    Examples
    --------
    >>> jnp.diagonal(scaled_identity(jr.key(0), 3, lambda0=0.5, sigma0=0.1)).tolist()
    [0.5, 0.5, 0.5]
    """
    off_diagonal = sigma0 / math.sqrt(n_hidden) * jr.normal(key, (n_hidden, n_hidden))
    return jnp.where(jnp.eye(n_hidden, dtype=bool), lambda0, off_diagonal)


@functools.partial(_jit, static_argnames="n_hidden")
def scaled_orthogonal(
    key: PRNGKeyArray, n_hidden: int, lambda0: float | Float[Array, ""]
) -> Float[Array, "{n_hidden} {n_hidden}"]:
    """Draw λ0 times a random orthogonal matrix: the left singular vectors of a Gaussian matrix.

    Parameters
    ----------
    key
        Random key.
    n_hidden
        Number of units N.
    lambda0
        The paper's λ0: every singular value of the result.

    Returns
    -------
    Weights, (from, to).

    Notes
    -----
    Orhan & Ma (2019), Methods.

    Examples
    --------
    >>> weights = scaled_orthogonal(jr.key(0), 3, lambda0=0.5)
    >>> bool(jnp.allclose(weights.T @ weights, 0.25 * jnp.eye(3), atol=1e-5))
    True
    """
    left, _, _ = jnp.linalg.svd(jr.normal(key, (n_hidden, n_hidden)))
    return lambda0 * left
