"""Estimates against independent ones, where these exist."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from recurrent_memory.analysis.comparisons import holm as holm_of_all
from recurrent_memory.reproduction.statistics import holm, of_contrast, of_correlation, share_explained


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_with_the_same_seeds_in_all_cells_it_is_the_test_of_the_contrasts_of_seeds() -> None:
    values = rng().normal(size=(9, 2, 3))  # seed, side, cell
    seeds, sides, cells = (of.ravel() for of in np.indices(values.shape))
    weights = np.repeat([-1.0, 1.0], 3) / 3
    found = of_contrast(values.ravel(), 3 * sides + cells, seeds, weights, rng=rng())
    of_seeds = values[:, 1].mean(axis=1) - values[:, 0].mean(axis=1)
    expected = stats.ttest_1samp(of_seeds, 0)
    assert found.effect == pytest.approx(of_seeds.mean())
    assert found.p(0) == pytest.approx(expected.pvalue)
    assert found.p(1) == pytest.approx(stats.ttest_1samp(of_seeds, 0, alternative="greater").pvalue)
    assert found.freedom == pytest.approx(8)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx(
        (interval.low, interval.high), abs=0.1 * (interval.high - interval.low)
    )


def test_with_other_seeds_in_each_cell_it_is_the_test_of_welch() -> None:
    one, other = rng().normal(size=7), 1 + rng().normal(size=7)
    cells = np.repeat([0, 1], 7)
    found = of_contrast(np.append(one, other), cells, np.arange(14), np.array([1.0, -1.0]), rng=rng())
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert found.effect / found.se == pytest.approx(expected.statistic)
    assert found.freedom == pytest.approx(12)


def test_hedges_g_is_the_one_of_two_groups() -> None:
    one, other = rng().normal(size=8), rng().normal(size=8) + 1
    found = of_contrast(np.append(one, other), np.repeat([0, 1], 8), np.tile(np.arange(8), 2), np.array([1.0, -1.0]),
                        rng=rng())  # fmt: skip
    pooled = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
    assert found.size == pytest.approx((one.mean() - other.mean()) / pooled * (1 - 3 / (4 * 14 - 1)))
    assert found.size_low < found.size < found.size_high


def test_with_one_degree_of_freedom_there_is_no_g() -> None:
    found = of_contrast(np.array([1.0, 2.0]), np.zeros(2, int), np.arange(2), np.ones(1), rng=rng())
    assert found.effect == 1.5
    assert found.freedom == pytest.approx(1)
    assert np.isnan([found.size, found.size_low, found.size_high]).all()


def test_power_is_that_of_the_paired_t_test() -> None:
    values = rng().normal(size=20)
    found = of_contrast(values, np.repeat([0, 1], 10), np.tile(np.arange(10), 2), np.array([1.0, -1.0]), rng=rng())
    drawn = rng().normal(0.8, found.se * np.sqrt(10), size=(20_000, 10))
    assert found.power(0.8) == pytest.approx(np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05), abs=0.02)
    assert found.power(0.8, tests=14) < found.power(0.8)


def test_one_seed_says_nothing() -> None:
    found = of_contrast(np.arange(4.0), np.repeat([0, 1], 2), np.zeros(4, int), np.array([1.0, -1.0]), rng=rng())
    assert np.isnan([found.effect, found.low, found.p(0), found.power(1.0)]).all()
    assert found.seeds == 1


def test_a_correlation_of_one_cell_is_that_of_pearson() -> None:
    x = rng().normal(size=300)
    y = 0.5 * x + np.random.default_rng(1).normal(size=300)
    found = of_correlation(x, y, np.zeros(300, int), np.arange(300), rng=rng())
    expected = stats.pearsonr(x, y)
    assert found.effect == pytest.approx(expected.statistic)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.03)


def test_a_correlation_is_within_cells_alone() -> None:
    cells, seeds = np.repeat(np.arange(6), 10), np.tile(np.arange(10), 6)
    x, y = 10.0 * cells + rng().normal(size=60), 10.0 * cells + np.random.default_rng(1).normal(size=60)
    assert abs(of_correlation(x, y, cells, seeds, rng=rng()).effect) < 0.3


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_the_share_of_the_variance_is_that_which_was_planted(share: float) -> None:
    found, covered = [], 0
    groups, cells = np.repeat([0, 1], 20), np.repeat(np.arange(4), 10)
    for draw in range(100):
        values = (
            np.random.default_rng(draw).normal(size=40) + np.sqrt(share / (1 - share)) * np.tile([-1, 1], 20)[cells]
        )
        one, low, high = share_explained(values, cells, groups, np.tile(np.arange(10), 4))
        found.append(one)
        covered += low <= share <= high
    assert np.mean(found) == pytest.approx(share, abs=0.06)
    assert covered >= stats.binom.ppf(0.001, 100, 0.9)


def test_holm_leaves_out_what_was_not_tested() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03])
    assert holm(p)[[0, 2, 3]].tolist() == holm_of_all([0.01, 0.04, 0.03]).tolist()
    assert np.isnan(holm(p)[1])
