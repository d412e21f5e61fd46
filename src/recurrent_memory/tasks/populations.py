"""Populations of Poisson neurons: preferred values, tuning curves, spike counts.

Tuning curves are written once, for JAX (drawing trials) and NumPy (ideal observers, in double precision)
alike: ``xp`` is the array module to compute with.
"""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Shaped, UInt32
from scipy import special

from .. import kernel
from ..errors import InputError

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


class HeldRates(eqx.Module):
    """Expected counts a step that stay the same over each of a few stretches of a trial."""

    levels: Float[Array, "stretch neuron"]
    """Each neuron's rate in each stretch."""
    durations: tuple[int, ...] = eqx.field(static=True)
    """Steps of each stretch."""


def at_every_step(rates: Float[Array, "time neuron"] | HeldRates) -> Float[Array, "time neuron"]:
    """Return rates step by step, however they are written."""
    return _held(rates.levels, rates.durations) if isinstance(rates, HeldRates) else rates


def poisson_counts(
    key: PRNGKeyArray, rates: Float[Array, "*shape"] | HeldRates, max_rate: float
) -> Float[Array, "*shape"]:
    """Draw independent Poisson counts, as floats.

    Parameters
    ----------
    key
        Randomness.
    rates
        Expected counts. `HeldRates` take less work than the same rates step by step, and give the same counts. Where a
        rate is negative, NaN or above `max_rate`, the count is NaN: a wrong bound must not pass for a count.
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
    words = jr.bits(key, (2,), jnp.uint32)
    if not isinstance(rates, HeldRates):
        return _count(words, *_thresholds(jnp.atleast_1d(rates), max_rate)).reshape(rates.shape)
    thresholds, zeros = _thresholds(rates.levels, max_rate)
    if kernel.is_usable() and zeros.dtype == jnp.float32:
        result = jax.ShapeDtypeStruct((sum(rates.durations), zeros.shape[1]), jnp.float32)
        ends = np.cumsum(rates.durations)
        # By way of the shape, since there may be no terms at all.
        stacked = jnp.array(thresholds, jnp.uint32).reshape(-1, *zeros.shape)
        drawn: Array = kernel.call("draw", result, words, stacked, zeros, ends=ends, vmap_method="broadcast_all")
        return drawn
    held = functools.partial(_held, durations=rates.durations)
    return _count(words, list(map(held, thresholds)), held(zeros))


def standard_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Draw independent standard normal numbers, by the inverse of the distribution function.

    Notes
    -----
    At the 2²³ midpoints of equal steps of probability, as fine as single precision has them near 0 and 1. The words are
    those of `poisson_counts`; `jax.random.normal` takes twice as long.
    """

    def normal(word: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
        odd = 2 * (word >> 9).astype(jnp.int32) + (1 - 2**23)
        return math.sqrt(2) * jax.lax.erf_inv(odd.astype(float) * 2.0**-23)

    words = jr.bits(key, (2,), jnp.uint32)
    return jnp.concatenate([normal(half) for half in _uniform_words(words, shape)])


def _held(levels: Shaped[Array, "stretch ..."], durations: tuple[int, ...]) -> Shaped[Array, "time ..."]:
    stretches = zip(levels, durations, strict=True)
    return jnp.concatenate([jnp.broadcast_to(level, (duration, *level.shape)) for level, duration in stretches])


def _thresholds(
    rates: Float[Array, "*shape"], max_rate: float
) -> tuple[list[UInt32[Array, "*shape"]], Float[Array, "*shape"]]:
    """Return the numbers that a uniform word lies below if the count is at least 1, 2, …; and what no count is.

    That is 0, or NaN at impossible rates.
    """
    # The largest float32 below 2³²: rounding must not carry a tail near 1 out of the integers' range.
    tails = [jnp.minimum(tail * 2.0**32, 4294967040.0) for tail in poisson_tails(rates, _count_terms(max_rate))]
    possible = (rates >= 0) & (rates <= max_rate * (1 + 1e-5))
    # Not one array: as large as all the random numbers several times over, it would take longer than they do.
    return [tail.astype(jnp.uint32) for tail in tails], jnp.where(possible, 0, jnp.nan).astype(rates.dtype)


def _count(
    words: UInt32[Array, "2"], thresholds: list[UInt32[Array, "*shape"]], zeros: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return for each place how many thresholds its uniform word lies below, on top of what no count is."""
    first, second = _uniform_words(words, zeros.shape)
    below = [
        sum(((word < of[rows]).astype(jnp.int32) for of in thresholds), start=jnp.zeros(word.shape, jnp.int32))
        for word, rows in ((first, slice(len(first))), (second, slice(len(first), None)))
    ]
    return zeros + jnp.concatenate(below).astype(zeros.dtype)


def _uniform_words(
    key: UInt32[Array, "2"], shape: tuple[int, ...]
) -> tuple[UInt32[Array, "first ..."], UInt32[Array, "second ..."]]:
    """Return uniform 32-bit words for the two halves of an array's leading axis.

    Each run of the generator gives a word to either half. Each half is a single fused loop; interleaving the words
    instead takes 1.5 times as long.
    """
    half = (shape[0] + 1) // 2
    counters = jax.lax.iota(jnp.uint32, half * math.prod(shape[1:])).reshape(half, *shape[1:])
    first, second = threefry(key, counters)
    return first, second[: shape[0] - half]


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
