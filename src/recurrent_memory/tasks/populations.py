"""Populations of Poisson neurons: preferred values, tuning curves, spike counts.

Tuning curves are written once, for JAX (drawing trials) and NumPy (ideal observers, in double precision)
alike: ``xp`` is the array module to compute with.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, UInt32
from scipy import special

from ..settings import InputError

MAX_RATE = 50.0
"""Largest expected count a step for which counts can be drawn."""


def preferred_values(low: float, high: float, n_neurons: int, xp: ModuleType = jnp) -> Any:
    """Return evenly spaced preferred values, both end points included, of shape (neuron,).

    Notes
    -----
    As published, also for orientations: there the first and last neuron (0 and π) prefer the same
    orientation, so the summed rate of the population is not quite the same for all orientations.
    """
    return xp.linspace(low, high, n_neurons)


def von_mises_log_tuning(values: Any, preferred: Any, kappa: float, xp: ModuleType = jnp) -> Any:
    """Log tuning for orientations in radians, of period π and 0 at the preferred one.

    Parameters
    ----------
    values
        Orientations, any shape.
    preferred
        Preferred orientations, shape (neuron,).
    kappa
        Concentration, dimensionless.
    xp
        Array module.

    Returns
    -------
    Shape (*values, neuron).
    """
    return kappa * (xp.cos(2 * (values[..., None] - preferred)) - 1)


def gaussian_log_tuning(values: Any, preferred: Any, width: float, xp: ModuleType = jnp) -> Any:
    """Log tuning for values on a line, 0 at the preferred one; `width` is the standard deviation.

    Returns
    -------
    Shape (*values, neuron).
    """
    del xp  # plain arithmetic serves both
    return -((values[..., None] - preferred) ** 2) / (2 * width**2)


def poisson_counts(key: PRNGKeyArray, rates: Float[Array, "*shape"], max_rate: float) -> Float[Array, "*shape"]:
    """Draw independent Poisson counts, as floats.

    Parameters
    ----------
    key
        Randomness.
    rates
        Expected counts. Where one is negative, NaN or above `max_rate`, the count is NaN: a wrong bound must
        not pass for a count.
    max_rate
        A bound on `rates` known before compilation, at most `MAX_RATE`; it sets the work to be done.

    Returns
    -------
    Counts, in the dtype of `rates`.

    Raises
    ------
    InputError
        Where `max_rate` is negative or above `MAX_RATE`.

    Notes
    -----
    The inverse of the distribution function at one uniform 32-bit number u a count: N = Σ_k [u < 2³² P(N ≥
    k)]. Each of these probabilities is thus exact to 2⁻³², and the sum has few terms at the small rates used
    here. Counts so rare that P(N ≥ k) < 2⁻³² do not occur. `jax.random.poisson` is some sixty times slower.
    """
    if not 0 <= max_rate <= MAX_RATE:
        raise InputError(
            f"`max_rate` = {max_rate!r} is not allowed: it must be from 0 to {MAX_RATE:g} expected counts. "
            "Lower the rate, or spread it over more steps."
        )
    expected = jnp.atleast_1d(rates)
    # The two words that each run of the generator gives serve the two halves of the leading axis. Each half
    # is a single fused loop; interleaving the words instead takes 1.5 times as long.
    half = (expected.shape[0] + 1) // 2
    n_words = half * math.prod(expected.shape[1:])
    words = threefry(
        jr.bits(key, (2,), jnp.uint32), jax.lax.iota(jnp.uint32, n_words).reshape(half, *expected.shape[1:])
    )
    n_terms = _count_terms(max_rate)
    drawn = jnp.concatenate(
        [
            _invert(words[0], expected[:half], n_terms),
            _invert(words[1][: expected.shape[0] - half], expected[half:], n_terms),
        ]
    )
    valid = (expected >= 0) & (expected <= max_rate * (1 + 1e-5))
    return jnp.where(valid, drawn, jnp.nan).reshape(rates.shape)


def poisson_tails(rates: Float[Array, "*shape"], n_terms: int) -> list[Float[Array, "*shape"]]:
    """Return P(N ≥ k) for k = 1 … `n_terms`, each to a few rounding errors of its own size.

    Notes
    -----
    Summed from the rarest count downwards: all terms are positive, so nothing cancels, as it would in
    1 − Σ P(N = j). The rarest tail itself is P(N = K)(1 + λ/(K+1) + λ²/((K+1)(K+2)) + …), cut where it is far
    below 2⁻³² for any K from `_count_terms`.
    """
    probability = jnp.exp(-rates)
    probabilities = []
    for k in range(1, n_terms + 1):
        probability = probability * (rates * (1 / k))
        probabilities.append(probability)
    beyond = rates * (1 / (n_terms + 1)) * (1 + rates * (1 / (n_terms + 2)))
    tail = probability * beyond
    tails = []
    for probability in reversed(probabilities):
        tail = tail + probability
        tails.append(tail)
    return tails[::-1]


def threefry(
    key: UInt32[Array, "2"], counters: UInt32[Array, "*shape"]
) -> tuple[UInt32[Array, "*shape"], UInt32[Array, "*shape"]]:
    """Return two random words a counter: Threefry-2x32 with 20 rounds (Salmon et al., 2011).

    Notes
    -----
    The generator behind JAX's default keys; written out because `jax.random.bits` runs it once for each
    32-bit number, folding its two words into one, and in a loop that XLA does not fuse with what follows on a
    CPU.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA))
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    left, right = counters + schedule[0], jnp.broadcast_to(schedule[1], counters.shape)
    for block in range(5):
        for rotation in rotations[block % 2]:
            left = left + right
            right = ((right << rotation) | (right >> (32 - rotation))) ^ left
        left = left + schedule[(block + 1) % 3]
        right = right + (schedule[(block + 2) % 3] + jnp.uint32(block + 1))
    return left, right


def _count_terms(max_rate: float) -> int:
    """Return the largest k with P(N ≥ k) ≥ 2⁻³² at the highest rate."""
    k = 0
    while special.gammainc(k + 1, max_rate) >= 2.0**-32:
        k += 1
    return k


def _invert(uniform: UInt32[Array, "*shape"], rates: Float[Array, "*shape"], n_terms: int) -> Float[Array, "*shape"]:
    """Return the count at which the distribution function passes each uniform number."""
    counts = jnp.zeros(rates.shape, jnp.int32)
    for tail in poisson_tails(rates, n_terms):
        # The largest float32 below 2³²: rounding must not carry a tail near 1 out of the integers' range.
        threshold = jnp.minimum(tail * 2.0**32, 4294967040.0).astype(jnp.uint32)
        counts = counts + (uniform < threshold)
    return counts.astype(rates.dtype)
