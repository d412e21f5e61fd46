"""Ideal observers: the best answers that the spikes allow, as published and exact.

Functions of summed spike counts, independent of the tasks. They run in NumPy, in double precision and on the host,
because the published fractional loss depends on where a probability rounds to exactly 1.

`counts` are the spikes of each neuron, summed over the steps of one display; `log_rates` is the log of each neuron's
expected count a step at each of several stimulus values. "Paper" functions follow the published program (Orhan & Ma
2019), "exact" ones the model that generates the spikes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy import special

Counts = Float[np.ndarray, "trial neuron"]
"""Spikes of each neuron in each trial, summed over the steps of a display."""
Tuning = Callable[[Float[np.ndarray, " value"]], Float[np.ndarray, "value neuron"]]
"""Maps stimulus values to log expected counts a step."""


# As published ---------------------------------------------------------------------------


def paper_orientation(counts: Counts, preferred: Float[np.ndarray, " neuron"]) -> Float[np.ndarray, " trial"]:
    """Half the direction of the population vector of doubled angles, in [0, π] radians; 0 without a spike.

    Notes
    -----
    The maximum-likelihood estimate, if the neurons' summed rate did not depend on the orientation. Rounding can give π
    in place of 0, as in the published program.
    """
    angle = np.angle(counts @ np.exp(2j * preferred)) / 2
    return np.asarray(np.where(angle < 0, angle + np.pi, angle))


def paper_change(
    first: Float[np.ndarray, "trial location neuron"],
    second: Float[np.ndarray, "trial location neuron"],
    preferred: Float[np.ndarray, " neuron"],
) -> Float[np.ndarray, " trial"]:
    """P(change) = d/(1 + d), where d is the mean over locations of the likelihood ratio of two orientations to one.

    Notes
    -----
    The published concentration of each display is √Σ_ij n_i n_j cos(φ_i − φ_j), without the factor κ and with single
    instead of doubled angles; the probabilities are therefore too cautious (see `exact_change`). Locations whose ratio
    is undefined, because the Bessel function overflows near 700 spikes, are left out of the mean. The prior probability
    of a change is ½.
    """
    with np.errstate(all="ignore"):
        directions = [np.angle(counts @ np.exp(2j * preferred)) for counts in (first, second)]
        kappa1, kappa2 = (np.abs(counts @ np.exp(1j * preferred)) for counts in (first, second))
        squared = kappa1**2 + kappa2**2 + 2 * kappa1 * kappa2 * np.cos(directions[1] - directions[0])
        joint = np.sqrt(np.maximum(squared, 0))  # a square length; rounding may leave it below 0
        ratio = special.i0(kappa1) * special.i0(kappa2) / special.i0(joint)
        defined = ~np.isnan(ratio)
        mean = np.where(defined, ratio, 0).sum(axis=1) / defined.sum(axis=1)
        return np.asarray(mean / (mean + 1))


def paper_class(
    counts: Counts, preferred: Float[np.ndarray, " neuron"], value: float, width: float
) -> Float[np.ndarray, " trial"]:
    """P(+value rather than −value); NaN without a spike, exactly 1 if the log-odds exceed about 37."""
    with np.errstate(all="ignore"):
        total = counts.sum(axis=1)
        precision = total / width**2
        mean = counts @ preferred / total
        log_odds = precision / 2 * ((-value - mean) ** 2 - (value - mean) ** 2)
        return np.asarray(1 / (1 + np.exp(-log_odds)))


def paper_comparison(
    first: Counts, second: Counts, preferred: Float[np.ndarray, " neuron"], width: float
) -> Float[np.ndarray, " trial"]:
    """P(first > second) of two normal posteriors; NaN if either display evokes no spike.

    Notes
    -----
    Ignores that values come from a limited range, and that near its ends the summed rate depends on the value.
    """
    with np.errstate(all="ignore"):
        means = [counts @ preferred / counts.sum(axis=1) for counts in (first, second)]
        variances = [width**2 / counts.sum(axis=1) for counts in (first, second)]
        return np.asarray(special.ndtr((means[0] - means[1]) / np.sqrt(variances[0] + variances[1])))


# Exact ---------------------------------------------------------------------------


def log_likelihood(
    counts: Counts, log_rates: Float[np.ndarray, "value neuron"], n_steps: int
) -> Float[np.ndarray, "trial value"]:
    """Log probability of the counts in `n_steps` steps given each value, up to a constant for each trial.

    All exact observers rest on this line; its term −Σ rate is what the published observers leave out.
    """
    return np.asarray(counts @ log_rates.T - n_steps * np.exp(log_rates).sum(axis=1))


def orientation_grid(n_points: int) -> Float[np.ndarray, " point"]:
    """Return evenly spaced orientations in [0, π); sums over them converge to integrals spectrally."""
    return np.arange(n_points) * (np.pi / n_points)


def orientation_points(counts: Float[np.ndarray, "..."], kappa: float, gain: float) -> int:
    """Return how many grid points resolve every posterior in a batch.

    Notes
    -----
    The relative error of a sum over M points, for the integral of exp(K cos 2s), is about exp(−M²/2K). K is at most κ
    times the number of spikes (the gain allows for the summed rate's dependence on orientation), so that M = 10√K
    leaves an error of e⁻⁵⁰.
    """
    most = float(counts.sum(axis=-1).max(initial=0.0))
    return 32 * int(np.ceil((64 + 10 * np.sqrt(kappa * (most + gain))) / 32))


def orientation_posterior(
    counts: Counts, tuning: Tuning, n_steps: int, n_points: int
) -> Float[np.ndarray, "trial point"]:
    """Posterior density of the orientation, per radian, at `orientation_grid(n_points)`."""
    log_posterior = log_likelihood(counts, tuning(orientation_grid(n_points)), n_steps)
    density = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    return np.asarray(density / (density.mean(axis=1, keepdims=True) * np.pi))


def exact_orientation(counts: Counts, tuning: Tuning, n_steps: int, n_points: int) -> Float[np.ndarray, " trial"]:
    """Mean direction of the posterior, in [0, π), which minimizes the expected circular error 1 − cos 2Δ."""
    direction = np.exp(2j * orientation_grid(n_points))

    def estimate(chunk: Counts) -> Float[np.ndarray, " trial"]:
        posterior = orientation_posterior(chunk, tuning, n_steps, n_points)
        angle = np.mod(np.angle(posterior @ direction) / 2, np.pi)
        return np.where(angle >= np.pi, 0.0, angle)  # mod rounds a tiny negative angle to π

    return _in_chunks(estimate, n_points, counts)


def exact_change(
    first: Float[np.ndarray, "trial location neuron"],
    second: Float[np.ndarray, "trial location neuron"],
    tuning: tuple[Tuning, Tuning],
    n_steps: tuple[int, int],
    change_prob: float,
    n_points: int,
) -> Float[np.ndarray, " trial"]:
    """P(change) if a change draws a new orientation at one location, and all locations are equally likely.

    Notes
    -----
    With L₁(s) and L₂(s) the likelihoods of a location's orientation in the two displays, the evidence for a change
    there is d = ∫L₁ ds/π · ∫L₂ ds/π / ∫L₁ L₂ ds/π, and P/(1 − P) is the mean of d over locations times the prior odds.
    Computed in logarithms, so that nothing overflows.
    """
    grid = orientation_grid(n_points)
    log_rates = [curve(grid) for curve in tuning]

    def log_ratio(first: Counts, second: Counts) -> Float[np.ndarray, " trial"]:
        logs = [
            log_likelihood(counts, rates, steps)
            for counts, rates, steps in zip((first, second), log_rates, n_steps, strict=True)
        ]
        return np.asarray(_log_mean_exp(logs[0]) + _log_mean_exp(logs[1]) - _log_mean_exp(logs[0] + logs[1]))

    ratios = [
        _in_chunks(log_ratio, n_points, first[:, location], second[:, location]) for location in range(first.shape[1])
    ]
    return np.asarray(special.expit(_log_mean_exp(np.stack(ratios, axis=1)) + special.logit(change_prob)))


def exact_class(
    counts: Counts, tuning: Tuning, n_steps: int, values: Float[np.ndarray, "2"]
) -> Float[np.ndarray, " trial"]:
    """P(second of two values), which are equally likely a priori."""
    log_odds = np.diff(log_likelihood(counts, tuning(values), n_steps), axis=1)[:, 0]
    return np.asarray(special.expit(log_odds))


def exact_comparison(
    first: Counts,
    second: Counts,
    tuning: tuple[Tuning, Tuning],
    n_steps: tuple[int, int],
    limits: tuple[float, float],
    n_points: int,
) -> Float[np.ndarray, " trial"]:
    """P(first > second) for two values drawn uniformly from the same range.

    Notes
    -----
    ∫ p₁(s) ∫_{low}^{s} p₂(t) dt ds at Gauss-Legendre nodes. The inner integral is that of the polynomial through the
    nodes, so that the result converges as fast as the polynomials converge to the posteriors.
    """
    nodes, weights, cumulative = _legendre_rule(n_points)
    values = limits[0] + (nodes + 1) * (limits[1] - limits[0]) / 2
    log_rates = [curve(values) for curve in tuning]
    ordered = weights[:, None] * cumulative

    def probability(first: Counts, second: Counts) -> Float[np.ndarray, " trial"]:
        densities = []
        for counts, rates, steps in zip((first, second), log_rates, n_steps, strict=True):
            logs = log_likelihood(counts, rates, steps)
            density = np.exp(logs - logs.max(axis=1, keepdims=True))
            densities.append(density / (density @ weights)[:, None])
        joint: Float[np.ndarray, " trial"] = np.einsum("ti,ti->t", densities[0] @ ordered, densities[1])
        return np.asarray(np.clip(joint, 0.0, 1.0))

    return _in_chunks(probability, n_points, first, second)


def comparison_points(counts: Float[np.ndarray, "..."], width: float, limits: tuple[float, float]) -> int:
    """Return how many nodes resolve every posterior in a batch; the narrowest is `width`/√spikes wide."""
    most = float(counts.sum(axis=-1).max(initial=1.0))
    return 32 * int(np.ceil((48 + 4 * (limits[1] - limits[0]) * np.sqrt(most) / width) / 32))


@functools.lru_cache(maxsize=8)
def _legendre_rule(
    n_points: int,
) -> tuple[
    Float[np.ndarray, " node"],
    Float[np.ndarray, " node"],
    Float[np.ndarray, "node node"],
]:
    """Nodes and weights on [−1, 1], and the matrix from values at nodes to integrals from −1 to each node.

    Notes
    -----
    The Lagrange polynomial of node j is Σ_k (k + ½) w_j P_k(x_j) P_k(x), and the integral of P_k from −1 to x
    is (P_{k+1} − P_{k−1})/(2k + 1), with P_{−1} = −1 for k = 0.
    """
    nodes, weights = special.roots_legendre(n_points)
    values = np.polynomial.legendre.legvander(nodes, n_points)
    before = np.concatenate([-np.ones((n_points, 1)), values[:, : n_points - 1]], axis=1)
    cumulative = (values[:, 1:] - before) @ (values[:, :n_points] * weights[:, None]).T / 2
    return nodes, weights, cumulative


def _log_mean_exp(values: Float[np.ndarray, "trial value"]) -> Float[np.ndarray, " trial"]:
    largest = values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(values - largest).mean(axis=1)) + largest[:, 0])


def _in_chunks(
    function: Callable[..., Float[np.ndarray, " trial"]], n_points: int, *counts: Counts
) -> Float[np.ndarray, " trial"]:
    """Apply a function to a few trials at a time, so that it needs no more than some tens of MB of memory."""
    size = max(1, 2**19 // n_points)
    starts = range(0, max(len(counts[0]), 1), size)
    return np.concatenate([function(*(array[start : start + size] for array in counts)) for start in starts])
