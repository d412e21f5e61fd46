"""Populations of Poisson neurons: preferred values, tuning curves, spike counts.

Tuning curves are written once for both JAX, which draws trials, and NumPy, in which ideal observers compute in double
precision: ``xp`` is the array module.
"""

from __future__ import annotations

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
    As published, for orientations too: the first and last neuron (0 and π) prefer the same orientation, so that the
    population's summed rate depends a little on the orientation.
    """
    return xp.linspace(low, high, n_neurons)


def von_mises_log_tuning(values: Any, preferred: Any, kappa: float, xp: ModuleType = jnp) -> Any:
    """Return log tuning curves for orientations: of period π, and 0 at the preferred orientation.

    Parameters
    ----------
    values
        Orientations in radians, any shape.
    preferred
        Preferred orientations in radians, shape (neuron,).
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
    """Return log tuning curves for values on a line: 0 at the preferred value, with standard deviation `width`.

    Returns
    -------
    Shape (*values, neuron).
    """
    del xp  # plain arithmetic works with either module
    return -((values[..., None] - preferred) ** 2) / (2 * width**2)


class HeldRates(eqx.Module):
    """Expected counts a step that are constant over each of a few stretches of a trial.

    Rates that are the same in every trial may change at every step at little cost: their distributions are computed
    once for all trials.

    Examples
    --------
    >>> rates = HeldRates(jnp.array([[0.25], [0.5]]), (2, 1))
    >>> at_every_step(rates)[:, 0].tolist()
    [0.25, 0.25, 0.5]
    """

    levels: Float[Array, "stretch neuron"]
    """Each neuron's rate in each stretch."""
    durations: tuple[int, ...] = eqx.field(static=True)
    """Steps of each stretch."""
    followed_by: HeldRates | None = None
    """Rates of the neurons that come after these, over stretches of their own."""

    @property
    def groups(self) -> tuple[HeldRates, ...]:
        """The groups of neurons, each with its own stretches."""
        return (self, *(self.followed_by.groups if self.followed_by else ()))


def at_every_step(rates: Float[Array, "time neuron"] | HeldRates) -> Float[Array, "time neuron"]:
    """Expand rates to one row for each step.

    Parameters
    ----------
    rates
        Expected counts a step; if they are given for every step, they are returned as they are.

    Returns
    -------
    Expected counts a step at every step.

    Examples
    --------
    >>> at_every_step(HeldRates(jnp.array([[0.25, 0.5]]), (4,))).shape
    (4, 2)
    """
    return _side_by_side(rates, [group.levels for group in rates.groups]) if isinstance(rates, HeldRates) else rates


def poisson_counts(
    key: PRNGKeyArray, rates: Float[Array, "*shape"] | HeldRates, max_rate: float
) -> Float[Array, "*shape"]:
    """Draw independent Poisson counts, as floats.

    Parameters
    ----------
    key
        Random key.
    rates
        Expected counts. `HeldRates` are faster than the same rates step by step, and give the same counts. If a rate is
        negative, NaN or above `max_rate`, its count is NaN, so that a wrong bound cannot go unnoticed.
    max_rate
        Upper bound on `rates`, known before compilation and at most `MAX_RATE`; a higher bound takes longer.

    Returns
    -------
    Counts, in the dtype of `rates`.

    Raises
    ------
    InputError
        If `max_rate` is negative or above `MAX_RATE`.

    Notes
    -----
    Each count inverts the distribution function at one uniform 32-bit number u: N = Σ_k [u < 2³² P(N ≥ k)]. Each
    probability is thus exact to 2⁻³², and the sum has few terms at the low rates used here. Counts so rare that
    P(N ≥ k) < 2⁻³² do not occur. `jax.random.poisson` is about sixty times slower.

    Examples
    --------
    >>> draw = jax.jit(poisson_counts, static_argnums=2)
    >>> bool(abs(draw(jr.key(0), jnp.full(1000, 0.2), 0.2).mean() - 0.2) < 0.05)
    True
    """
    if not 0 <= max_rate <= MAX_RATE:
        raise InputError(
            f"`max_rate` = {max_rate!r} is not allowed: it must be from 0 to {MAX_RATE:g} expected counts. "
            "Lower the rate, or spread it over more steps."
        )
    words = jr.bits(key, (2,), jnp.uint32)
    if not isinstance(rates, HeldRates):
        return _count(words, *_thresholds(jnp.atleast_1d(rates), max_rate)).reshape(rates.shape)
    of_groups = [_thresholds(group.levels, max_rate) for group in rates.groups]
    all_zeros = [zeros for _, zeros in of_groups]
    if kernel.is_usable() and all_zeros[0].dtype == jnp.float32:
        result = jax.ShapeDtypeStruct((sum(rates.durations), sum(z.shape[1] for z in all_zeros)), jnp.float32)
        # Reshaped rather than stacked, since there may be no terms at all.
        pairs = [(jnp.array(t, jnp.uint32).reshape(-1, *zeros.shape), zeros) for t, zeros in of_groups]
        ends = np.concatenate([np.cumsum(group.durations) for group in rates.groups])
        drawn: Array = kernel.call("draw", result, words, *sum(pairs, ()), ends=ends, vmap_method="expand_dims")
        return drawn
    thresholds = [_side_by_side(rates, list(of_term)) for of_term in zip(*(t for t, _ in of_groups), strict=True)]
    return _count(words, thresholds, _side_by_side(rates, all_zeros))


def standard_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Draw independent standard normal numbers.

    Notes
    -----
    The inverse of the distribution function at the midpoints of 2²³ equal steps of probability, the finest that single
    precision resolves near 0 and 1. The random words are as in `poisson_counts`; `jax.random.normal` takes twice as
    long.
    """

    def normal(word: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
        odd = 2 * (word >> 9).astype(jnp.int32) + (1 - 2**23)
        return math.sqrt(2) * jax.lax.erf_inv(odd.astype(float) * 2.0**-23)

    words = jr.bits(key, (2,), jnp.uint32)
    return jnp.concatenate([normal(half) for half in _uniform_words(words, shape)])


def check_key(key: Any) -> None:
    """Refuse anything but a single random key; the number of a seed is the usual mistake."""
    is_array = isinstance(key, jax.Array)
    is_key = is_array and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()
    if not (is_key or (is_array and key.dtype == jnp.uint32 and key.shape == (2,))):
        seed = key if isinstance(key, int) else 0
        raise InputError(f"`key` = {key!r} is not allowed: it must be a random key, such as jax.random.key({seed}).")


def _held(levels: Shaped[Array, "stretch ..."], durations: tuple[int, ...]) -> Shaped[Array, "time ..."]:
    stretches = zip(levels, durations, strict=True)
    return jnp.concatenate([jnp.broadcast_to(level, (duration, *level.shape)) for level, duration in stretches])


def _side_by_side(rates: HeldRates, values: list[Shaped[Array, "_ _"]]) -> Shaped[Array, "time all_neurons"]:
    """Expand values of each group's stretches to one row for each step, with the groups next to each other."""
    groups = zip(values, rates.groups, strict=True)
    return jnp.concatenate([_held(of_group, group.durations) for of_group, group in groups], axis=-1)


def _thresholds(
    rates: Float[Array, "*shape"], max_rate: float
) -> tuple[list[UInt32[Array, "*shape"]], Float[Array, "*shape"]]:
    """Return thresholds and the count to start from: 0, or NaN at impossible rates.

    The count is at least 1, 2, … if a uniform word lies below the first threshold, the second, …
    """
    # Clipped to the largest float32 below 2³²: rounding must not carry a tail near 1 out of the integers' range.
    tails = [jnp.minimum(tail * 2.0**32, 4294967040.0) for tail in poisson_tails(rates, _count_terms(max_rate))]
    possible = (rates >= 0) & (rates <= max_rate * (1 + 1e-5))
    # A list, not one array: several times as large as all random numbers, it would take longer than drawing them.
    return [tail.astype(jnp.uint32) for tail in tails], jnp.where(possible, 0, jnp.nan).astype(rates.dtype)


def _count(
    words: UInt32[Array, "2"], thresholds: list[UInt32[Array, "*shape"]], zeros: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return for each element `zeros` plus the number of thresholds above its uniform word."""
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

    Each run of the generator gives two words, one for each half. Each half is then a single fused loop; interleaving
    the words takes 1.5 times as long.
    """
    half = (shape[0] + 1) // 2
    counters = jax.lax.iota(jnp.uint32, half * math.prod(shape[1:])).reshape(half, *shape[1:])
    first, second = threefry(key, counters)
    return first, second[: shape[0] - half]


def poisson_tails(rates: Float[Array, "*shape"], n_terms: int) -> list[Float[Array, "*shape"]]:
    """Return P(N ≥ k) for k = 1 … `n_terms`, each with a relative error of a few roundings.

    Notes
    -----
    Summed from the largest count downwards: all terms are positive, so nothing cancels, as it would in 1 − Σ P(N = j).
    The last tail itself is P(N = K)(1 + λ/(K+1) + λ²/((K+1)(K+2)) + …), truncated where the rest is far below 2⁻³² for
    any K from `_count_terms`.
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
    """Return two random words for each counter: Threefry-2x32 with 20 rounds (Salmon et al., 2011).

    Notes
    -----
    The generator behind JAX's default keys. It is written out here because `jax.random.bits` runs it once for each
    32-bit number, folding two words into one, in a loop that XLA on a CPU does not fuse with what follows.
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
