"""Learning curves in bins: means of what was recorded, and of bounded size."""

from __future__ import annotations

import numpy as np
import pytest

from recurrent_memory.report.curves import MOST_BINS, MOST_POINTS, Binned, bins, shown


@pytest.mark.parametrize("n_values", [1, 2, 149, 150, 151, 1500, 25_001])
@pytest.mark.parametrize("n_networks", [1, 1000, 10_000, 200_000])
def test_bins_are_equal_cover_all_and_are_few(n_networks: int, n_values: int) -> None:
    edges = bins(n_networks, n_values)
    sizes = np.diff(edges)
    assert edges[0] == 0
    assert edges[-1] == n_values
    assert (sizes[:-1] == sizes[0]).all()
    assert 0 < sizes[-1] <= sizes[0]
    assert len(sizes) <= MOST_BINS
    assert len(sizes) <= max(20, MOST_POINTS // n_networks)


def test_a_bin_is_the_mean_of_its_values() -> None:
    values = np.random.default_rng(0).random(400)
    values[7] = np.nan
    binned = Binned("training_loss", 2, 400)
    binned.put(1, values)
    curve = binned.curve()
    assert curve.per_bin == 3
    np.testing.assert_allclose(curve.value[1][:-1], np.nanmean(values[:399].reshape(-1, 3), axis=1), rtol=1e-6)
    np.testing.assert_allclose(curve.iteration[:2], [2, 5])
    assert np.isnan(curve.value[0]).all()


def test_a_shorter_curve_ends_where_it_ends() -> None:
    binned = Binned("training_loss", 2, 9)
    binned.put(0, np.ones(4))
    binned.put(1, np.full(12, 2.0))  # longer than was said: the rest is left out
    curve = binned.curve()
    assert np.isfinite(curve.value[0]).sum() == 4
    assert curve.value[1].tolist() == [2.0] * 9


def test_bins_that_no_network_reaches_are_left_out() -> None:
    binned = Binned("training_loss", 1, 100)
    binned.put(0, np.ones(10))
    assert binned.curve().value.shape == (1, 10)


def test_the_finer_of_two_kinds_of_the_same_curve_is_shown() -> None:
    fine, coarse = Binned("training_fractional_loss", 1, 10), Binned("report_fractional_loss", 1, 2)
    coarse.put(0, np.array([0.9, 0.5]), np.array([500.0, 1000.0]))
    assert [curve.name for curve in shown([fine, coarse])] == ["report_fractional_loss"]
    assert shown([fine, coarse])[0].iteration.tolist() == [500.0, 1000.0]
    fine.put(0, np.ones(10))
    assert [curve.name for curve in shown([fine, coarse])] == ["training_fractional_loss"]
