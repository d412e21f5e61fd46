"""Estimates over the cells of a study: effect, interval, test, effect size and power, with seeds as the replicates.

A *cell* is a combination of all settings but the seed. Every contrast is a sum of weighted means of cells. The networks
of a seed share initial weights and trials, from cell to cell: σ0 scales the same random matrix, and a task shows the
same trials at every λ0. They are therefore not independent, and the *seed*, not the network, is the unit that varies:
with u_s the part of seed s in the deviation of the contrast,

    u_s = Σ_i w_c(i) (y_i − mean of its cell) / n_c(i) · √(n_c / (n_c − 1)),    over the networks i of seed s,

the variance of the contrast is Σ u_s² (a cluster-robust variance with the correction of Bell & McCaffrey 2002, Survey
Methodology 28:169–181, for cells in which all networks count alike), with their degrees of freedom. If every cell has
the same seeds, this is the one-sample t-test of the seeds' own contrasts, or a mixed model in which the contrast varies
between seeds. If cells have different seeds, it is Welch's test.

The intervals are percentiles of a bootstrap that draws seeds, each with its networks in all cells. Percentiles of few
draws are too narrow; they are stretched by t/z, as by Hesterberg (2015, The American Statistician 69:371–386).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

LEVEL = 0.05
"""Rate of wrong verdicts that is allowed if there is no effect."""
DRAWS = 2000
"""Bootstrap samples."""
_ALMOST_1 = 1 - 1e-12
"""Largest correlation of which arctanh is a number."""
Values = Float[np.ndarray, " network"]
Codes = Int[np.ndarray, " network"]


class Estimate(NamedTuple):
    """What the networks say about a contrast.

    Examples
    --------
    >>> Estimate.unknown().seeds
    0
    """

    effect: float
    """In the unit of the measure."""
    low: float
    high: float
    """95 % interval."""
    size: float
    """The effect over the standard deviation within cells (Hedges' g)."""
    size_low: float
    size_high: float
    se: float
    freedom: float
    """Standard error and degrees of freedom, of the test."""
    deviation: float
    """Standard deviation within cells, in the unit of the measure."""
    networks: int
    seeds: int

    @classmethod
    def unknown(cls, networks: int = 0, seeds: int = 0) -> Estimate:
        """Return an estimate without numbers, for lack of cells or seeds.

        Parameters
        ----------
        networks, seeds
            How many there are.

        Returns
        -------
        The estimate; all else is NaN.
        """
        nan = math.nan
        return cls(nan, nan, nan, nan, nan, nan, nan, nan, nan, networks, seeds)

    def p(self, direction: int) -> float:
        """Return the p-value that the effect is zero.

        Parameters
        ----------
        direction
            1: against a larger effect; −1: against a smaller one; 0: two-sided.

        Returns
        -------
        The p-value; NaN if the effect is not known.
        """
        if not self.se >= 0 or math.isnan(self.effect):
            return math.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            t = float(np.divide(self.effect, self.se)) if self.effect else 0.0
        if direction == 0:
            return float(min(1.0, 2 * stats.t.sf(abs(t), self.freedom)))
        return float(stats.t.sf(direction * t, self.freedom))

    def power(self, effect: float, tests: int = 1) -> float:
        """Return the probability to find an effect with these seeds, in a two-sided test.

        Parameters
        ----------
        effect
            The effect, in the unit of the measure.
        tests
            Number of tests for which the level is divided.

        Returns
        -------
        The power, from the noncentral t-distribution; NaN if the standard error is not known.
        """
        if not self.se > 0:
            return math.nan
        limit = stats.t.isf(LEVEL / 2 / tests, self.freedom)
        power = float(stats.nct.sf(limit, self.freedom, abs(effect) / self.se))
        return power if math.isfinite(power) else float(abs(effect) / self.se > limit)


def of_contrast(
    values: Values, cells: Codes, seeds: Codes, weights: Float[np.ndarray, " cell"], *, rng: np.random.Generator
) -> Estimate:
    """Estimate a weighted sum of the means of cells.

    Parameters
    ----------
    values
        One number for each network.
    cells, seeds
        The cell and the seed of each network, numbered from 0.
    weights
        Weight of each cell; networks in cells of weight 0 are left out. All others have at least two networks.
    rng
        Random generator for the bootstrap.

    Returns
    -------
    The estimate; unknown if there is one seed or no cell.

    Examples
    --------
    >>> values, seeds = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 5.0]), np.array([0, 1, 2, 0, 1, 2])
    >>> found = of_contrast(values, np.repeat([0, 1], 3), seeds, np.array([-1.0, 1.0]), rng=np.random.default_rng(0))
    >>> found.effect, round(found.freedom, 6), round(found.p(0), 4)
    (3.0, 2.0, 0.0351)
    """
    used = weights[cells] != 0
    values, cells = values[used], np.unique(cells[used], return_inverse=True)[1]
    seeds, weights = np.unique(seeds[used], return_inverse=True)[1], weights[weights != 0]
    n_seeds = int(seeds.max(initial=-1)) + 1
    if n_seeds < 2:
        return Estimate.unknown(values.size, n_seeds)
    n = np.bincount(cells)
    means = np.bincount(cells, values) / n
    spread = np.sqrt(n / (n - 1))[cells] * (values - means[cells])
    factor = weights[cells] / n[cells]
    parts = np.bincount(seeds, factor * spread, n_seeds)
    # A larger factor for small cells: their networks count as much in the sum of all squares.
    squares, count = np.bincount(seeds, spread**2, n_seeds), np.bincount(seeds, minlength=n_seeds)
    freedom = _freedom(factor * np.sqrt(n / (n - 1))[cells], cells, seeds, n)
    within = int((n - 1).sum())
    return _estimate(float(weights @ means), parts, (squares, count), freedom, within, rng)


def _estimate(
    effect: float, parts: Float[np.ndarray, " seed"], of_seeds: tuple[np.ndarray, np.ndarray], freedom: float,
    within: int, rng: np.random.Generator,
) -> Estimate:  # fmt: skip
    """Put an estimate together: `of_seeds` has the squared deviations and the number of networks of each seed."""
    n_seeds = parts.size
    squares, count = of_seeds
    deviation = math.sqrt(squares.sum() / count.sum())
    drawn = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=DRAWS)
    effects = effect + drawn @ parts
    # Hedges' correction; with a single degree of freedom, no unbiased estimate exists.
    small = 1 - 3 / (4 * within - 1) if within > 1 else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = small * effects / np.sqrt((drawn @ squares) / (drawn @ count))
        size = float(small * np.divide(effect, deviation))
    sizes = sizes[np.isfinite(sizes)]
    stretch = stats.t.isf(0.025, freedom) / stats.norm.isf(0.025)
    low, high = effect + stretch * (np.quantile(effects, (0.025, 0.975)) - effect)
    size_low, size_high = size + stretch * (np.quantile(sizes, (0.025, 0.975)) - size) if sizes.size else (np.nan,) * 2
    se = math.sqrt(float((parts**2).sum()))
    return Estimate(
        effect, float(low), float(high), size, float(size_low), float(size_high), se, freedom, deviation,
        int(count.sum()), n_seeds,
    )  # fmt: skip


def _freedom(factor: Values, cells: Codes, seeds: Codes, n: Int[np.ndarray, " cell"]) -> float:
    """Return the degrees of freedom of the sum of the squared parts of seeds, if networks vary independently.

    The parts are linear in the values, with covariance G = diag(Σ k²) − K diag(1/n) Kᵀ: tr(G)² / tr(G²).
    """
    diagonal = np.bincount(seeds, factor**2)
    by_cell = np.zeros((diagonal.size, n.size))
    np.add.at(by_cell, (seeds, cells), factor)
    scaled = by_cell / np.sqrt(n)
    trace = float(diagonal.sum() - (scaled**2).sum())
    small = scaled.T @ scaled if n.size <= diagonal.size else scaled @ scaled.T
    squared = float((diagonal**2).sum() - 2 * (diagonal * (scaled**2).sum(axis=1)).sum() + (small**2).sum())
    return trace**2 / squared if squared > 0 else 1.0


def of_correlation(x: Values, y: Values, cells: Codes, seeds: Codes, *, rng: np.random.Generator) -> Estimate:
    """Estimate the correlation of two measures over the networks of a cell, pooled over cells.

    Parameters
    ----------
    x, y
        Two numbers for each network.
    cells, seeds, rng
        As in `of_contrast`; each cell has at least two networks.

    Returns
    -------
    The estimate. The effect, and its size, is the correlation r of the deviations from the means of cells; what its
    variance is follows from a jackknife over seeds, on Fisher's scale arctanh r.

    Examples
    --------
    >>> x, cells, seeds = np.array([1.0, 2.0, 3.0, 7.0, 8.0, 6.0]), np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)
    >>> round(of_correlation(x, 2 * x + 5, cells, seeds, rng=np.random.default_rng(0)).effect, 6)
    1.0
    """
    cells, seeds = (np.unique(codes, return_inverse=True)[1] for codes in (cells, seeds))
    n_seeds = int(seeds.max(initial=-1)) + 1
    if n_seeds < 2:
        return Estimate.unknown(x.size, n_seeds)
    tables = np.zeros((6, n_seeds, int(cells.max()) + 1))
    for table, of in zip(tables, (np.ones_like(x), x, y, x * x, y * y, x * y), strict=True):
        np.add.at(table, (seeds, cells), of)
    # The first row has all seeds, each other one lacks one.
    n, sx, sy, sxx, syy, sxy = tables.sum(axis=1)[:, None] - np.concatenate([np.zeros_like(tables[:, :1]), tables], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cxx, cyy, cxy = (
            np.nan_to_num(ab - a * b / n).sum(axis=1) for a, b, ab in ((sx, sx, sxx), (sy, sy, syy), (sx, sy, sxy))
        )
        r, *without = np.clip(cxy / np.sqrt(cxx * cyy), -_ALMOST_1, _ALMOST_1)
    if not (math.isfinite(r) and np.isfinite(without).all()):
        return Estimate.unknown(x.size, n_seeds)
    z = math.atanh(r)
    parts = -math.sqrt((n_seeds - 1) / n_seeds) * (np.arctanh(without) - np.arctanh(without).mean())
    ones = np.ones(n_seeds)
    on_scale = _estimate(z, parts, (ones, ones), float(n_seeds - 1), 10**9, rng)
    r, low, high = (float(np.tanh(of)) for of in (z, on_scale.low, on_scale.high))
    se = on_scale.se * (r / z if z else 1.0)  # so that the test is that of z
    return on_scale._replace(effect=r, low=low, high=high, size=r, size_low=low, size_high=high, se=se, networks=x.size)


def share_explained(values: Values, cells: Codes, groups: Codes, seeds: Codes) -> tuple[float, float, float]:
    """Estimate which share of the variance within groups of cells is that between the cells.

    Parameters
    ----------
    values, cells, seeds
        As in `of_contrast`; each cell has at least two networks.
    groups
        The group of each network, of cells that differ in the factor alone.

    Returns
    -------
    The share (ε², corrected for the number of cells, and so below 0 if cells differ less than by chance) and its 95 %
    interval from a jackknife over seeds; NaN if no group has two cells. A bootstrap would not do: copies of a network
    move the means of cells apart, which looks like an effect.

    Examples
    --------
    >>> values = np.array([0.0, 0.1, 0.0, 5.0, 5.1, 5.0])
    >>> codes = {"cells": np.repeat([0, 1], 3), "groups": np.zeros(6, int), "seeds": np.tile([0, 1, 2], 2)}
    >>> round(share_explained(values, **codes)[0], 3)
    1.0
    """
    cells, groups, seeds = (np.unique(codes, return_inverse=True)[1] for codes in (cells, groups, seeds))
    n_seeds = int(seeds.max(initial=-1)) + 1
    if n_seeds < 2 or cells.max(initial=0) == groups.max(initial=0):
        return (math.nan,) * 3
    first = np.unique(cells, return_index=True)[1]
    member = np.eye(groups.max() + 1)[groups[first]]
    tables = np.zeros((3, n_seeds, first.size))
    for table, of in zip(tables, (np.ones_like(values), values, values**2), strict=True):
        np.add.at(table, (seeds, cells), of)
    n, total, squares = (np.ones((n_seeds + 1, 1)) * table.sum(axis=0) for table in tables)
    for of, table in zip((n, total, squares), tables, strict=True):
        of[1:] -= table  # the first row has all seeds, each other one lacks one
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.nan_to_num(squares - total**2 / n).sum(axis=1)
        whole = np.nan_to_num(squares @ member - (total @ member) ** 2 / (n @ member)).sum(axis=1)
        free_inside = n.sum(axis=1) - (n > 0).sum(axis=1)
        free_whole = n.sum(axis=1) - (n @ member > 0).sum(axis=1)
        share, *without = 1 - (inside / free_inside) / (whole / free_whole)
    if not np.isfinite(without).all():  # without one of two seeds, nothing varies
        return float(share), math.nan, math.nan
    variance = (n_seeds - 1) ** 2 / n_seeds * np.var(without, ddof=1)
    reach = stats.t.isf(LEVEL / 2, n_seeds - 1) * math.sqrt(variance)
    return float(share), float(share - reach), float(share + reach)


def holm(p: Iterable[float]) -> Float[np.ndarray, " test"]:
    """Return p-values corrected for their number by the method of Holm (1979); NaN is no test.

    Parameters
    ----------
    p
        The p-values.

    Returns
    -------
    The corrected p-values.

    Examples
    --------
    >>> holm([0.01, np.nan, 0.04]).tolist()
    [0.02, nan, 0.04]
    """
    from ..analysis.comparisons import holm as corrected

    given = np.array(list(p), np.float64)
    known = ~np.isnan(given)
    given[known] = corrected(given[known])
    return given
