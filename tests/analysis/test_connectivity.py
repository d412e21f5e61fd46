"""Order of peaks and the weights in that order."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrent_memory.analysis import connectivity_profile, cross_validated_order, peak_order
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


def bumps(peaks: list[int], n_steps: int = 150, n_trials: int = 2) -> Array:
    bump = np.exp(-((np.arange(n_steps)[:, None] - np.array(peaks)) ** 2) / 200)
    return np.repeat(bump[None], n_trials, axis=0)


class TestPeakOrder:
    def test_earliest_first_ties_in_the_order_of_units(self) -> None:
        assert peak_order(bumps([90, 20, 60, 20, 140])).tolist() == [1, 3, 2, 0, 4]

    def test_inactive_units_are_left_out(self) -> None:
        activity = bumps([90, 20, 60])
        activity[:, :, 1] *= 0.01
        assert peak_order(activity).tolist() == [2, 0]
        assert peak_order(activity, min_rate=10.0).tolist() == []

    def test_peak_is_that_of_the_mean_over_trials(self) -> None:
        activity = np.concatenate([3 * bumps([20, 60], n_trials=1), bumps([100, 60], n_trials=1)])
        assert peak_order(activity).tolist() == [0, 1]

    def test_steps_limit_where_peaks_are_looked_for(self) -> None:
        activity = bumps([130, 60]) + 0.2
        activity[:, 20, 0] = 0.9
        assert peak_order(activity, steps=(0, 100)).tolist() == [0, 1]
        assert peak_order(activity).tolist() == [1, 0]

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="must have three axes"):
            peak_order(np.ones((3, 3)))
        with pytest.raises(InputError, match="`min_rate` must be a finite number"):
            peak_order(bumps([5]), min_rate=np.nan)
        with pytest.raises(InputError, match="`steps` = "):
            peak_order(bumps([5]), steps=(0, 151))


class TestCrossValidatedOrder:
    def test_even_trials_sort_and_odd_ones_are_shown(self) -> None:
        even, odd = bumps([90, 20, 60], n_trials=1), bumps([10, 50, 100], n_trials=1)
        shown = cross_validated_order(np.concatenate([even, odd, even, odd]))
        assert shown["unit"].values.tolist() == [1, 2, 0]
        assert shown["peak_time"].values.tolist() == [20, 60, 90]
        np.testing.assert_allclose(shown["activity"], odd[0][:, [1, 2, 0]].T)
        np.testing.assert_allclose(shown["sorting_activity"], even[0][:, [1, 2, 0]].T)

    def test_noise_makes_no_diagonal(self) -> None:
        shown = cross_validated_order(np.random.default_rng(0).random((40, 150, 200)))
        peak = shown["activity"].values.argmax(axis=1)
        assert abs(np.corrcoef(peak, shown["peak_time"])[0, 1]) < 3 / np.sqrt(200)
        itself = shown["sorting_activity"].values.argmax(axis=1)
        np.testing.assert_array_equal(itself, np.sort(itself))

    def test_time_counts_from_the_start_of_the_trial(self) -> None:
        shown = cross_validated_order(bumps([90, 60]), steps=(25, 125))
        assert shown["time"].values[[0, -1]].tolist() == [25, 124]
        assert shown["peak_time"].values.tolist() == [60, 90]

    def test_no_active_unit(self) -> None:
        assert cross_validated_order(np.zeros((2, 9, 3)))["activity"].shape == (0, 9)

    def test_one_trial(self) -> None:
        with pytest.raises(InputError, match=r"has one trial, and cross-validated sorting needs at least two"):
            cross_validated_order(bumps([5], n_trials=1))


def slow_profile(weights: Array, order: list[int]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for i, source in enumerate(order):
        for j, target in enumerate(order):
            found.setdefault(j - i, []).append(weights[source, target])
    return found


class TestConnectivityProfile:
    def test_matches_a_loop_over_pairs(self) -> None:
        rng = np.random.default_rng(0)
        weights, order = rng.normal(size=(9, 9)), rng.permutation(9)[:7]
        profile = connectivity_profile(weights, order)
        found = slow_profile(weights, order.tolist())
        assert profile["difference"].values.tolist() == sorted(found)
        for difference, values in found.items():
            at = profile.sel(difference=difference)
            assert int(at["n_weights"]) == len(values)
            assert float(at["mean_weight"]) == pytest.approx(np.mean(values))
            if len(values) > 1:
                assert float(at["standard_deviation"]) == pytest.approx(np.std(values, ddof=1))
                assert float(at["standard_error"]) == pytest.approx(np.std(values, ddof=1) / np.sqrt(len(values)))
            else:
                assert np.isnan(at["standard_deviation"])
        forward = np.concatenate([found[d] for d in found if d > 0])
        backward = np.concatenate([found[d] for d in found if d < 0])
        assert float(profile["forward_mean"]) == pytest.approx(forward.mean())
        assert float(profile["forward_minus_backward"]) == pytest.approx(forward.mean() - backward.mean())

    def test_weight_from_an_earlier_to_a_later_unit_is_forward(self) -> None:
        weights = np.zeros((3, 3))
        weights[2, 0] = 1  # from unit 2 to unit 0
        profile = connectivity_profile(weights, np.array([2, 0, 1]))
        assert float(profile["mean_weight"].sel(difference=1)) == 0.5
        assert float(profile["backward_mean"]) == 0

    def test_bins_lie_symmetrically_about_zero_which_keeps_its_own(self) -> None:
        profile = connectivity_profile(np.eye(10) + 1, np.arange(10), bin_width=4)
        difference = profile["difference"].values
        np.testing.assert_allclose(difference, -difference[::-1])
        assert profile["n_weights"].values.tolist() == [1, 14, 30, 10, 30, 14, 1]
        assert float(profile["mean_weight"].sel(difference=0)) == 2
        assert float(profile["forward_mean"]) == 1

    @settings(max_examples=30, deadline=None)
    @given(
        weights=hnp.arrays(np.float64, (6, 6), elements=st.floats(-1, 1)),
        order=st.permutations(range(6)),
        bin_width=st.integers(1, 7),
    )
    def test_reversing_the_order_mirrors_the_profile(self, weights: Array, order: list[int], bin_width: int) -> None:
        one = connectivity_profile(weights, order, bin_width=bin_width)
        other = connectivity_profile(weights, order[::-1], bin_width=bin_width)
        np.testing.assert_allclose(one["mean_weight"], other["mean_weight"][::-1], atol=1e-12)
        assert float(one["forward_minus_backward"]) == pytest.approx(-float(other["forward_minus_backward"]), abs=1e-12)
        assert int(one["n_weights"].sum()) == 36

    @pytest.mark.parametrize("order", [[], [3]])
    def test_too_few_units(self, order: list[int]) -> None:
        profile = connectivity_profile(np.ones((5, 5)), order)
        assert np.isnan(profile["forward_minus_backward"])
        assert profile.attrs["reason"] == (
            f"{len(order)} active unit{'s' * (len(order) != 1)}: two are needed for a weight between units"
        )

    @pytest.mark.parametrize(
        ("weights", "order", "message"),
        [
            (np.ones((3, 4)), [0], r"must be a square matrix \(from, to\), got the shape \(3, 4\)"),
            (np.array([[np.nan, 1], [1, 1]]), [0], "holds 1 NaN or infinite numbers of 4"),
            ([["a"]], [0], "must hold real numbers, got text"),
            (np.ones((3, 3)), [0, 0], "must name each unit at most once, from 0 to 2"),
            (np.ones((3, 3)), [0, 3], "got 2 positions from 0 to 3"),
            (np.ones((3, 3)), [-1, 1], "got 2 positions from -1 to 1"),
            (np.ones((3, 3)), [0.0, 1.0], "must be a list of unit positions, got type float64"),
        ],
    )
    def test_errors(self, weights: Any, order: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            connectivity_profile(weights, order)

    def test_bin_width(self) -> None:
        with pytest.raises(InputError, match="`bin_width` must be at least 1, got 0"):
            connectivity_profile(np.ones((3, 3)), [0, 1], bin_width=0)


def ramps(n_units: int = 40) -> Array:
    """All units ramp: each peaks in the last step."""
    return np.linspace(0, 1, 50)[None, :, None] * (1 + 0.1 * np.random.default_rng(0).random((6, 1, n_units)))


class TestTiedPeaks:
    @pytest.mark.parametrize("order_of", [peak_order, lambda activity: cross_validated_order(activity)["unit"]])
    def test_units_that_all_peak_together_have_no_order(self, order_of: Callable[[Array], Any]) -> None:
        profile = connectivity_profile(np.triu(np.ones((40, 40)), 1), order_of(ramps()))
        for name in ("forward_mean", "backward_mean", "forward_minus_backward"):
            assert np.isnan(profile[name])
        assert profile.attrs["reason"] == "all 40 active units peak in the same step: none is earlier than another"
        assert profile.attrs["n_tied_pairs"] == 40 * 39 / 2
        assert profile["difference"].values.tolist() == [0]  # the self-connections alone

    @settings(max_examples=30, deadline=None)
    @given(peaks=st.lists(st.integers(0, 4), min_size=2, max_size=8), data=st.data())
    def test_the_numbers_of_the_units_do_not_matter(self, peaks: list[int], data: st.DataObject) -> None:
        n_units = len(peaks)
        new = data.draw(st.permutations(range(n_units)))
        weights, activity = np.random.default_rng(0).normal(size=(n_units, n_units)), bumps(peaks, 5)
        one = connectivity_profile(weights, peak_order(activity))
        other = connectivity_profile(weights[np.ix_(new, new)], peak_order(activity[:, :, new]))
        xr.testing.assert_allclose(one, other)
        assert one.attrs == other.attrs

    def test_only_pairs_with_different_peaks_count(self) -> None:
        weights = np.arange(16.0).reshape(4, 4)
        profile = connectivity_profile(weights, peak_order(bumps([60, 20, 60, 100])))
        earlier_to_later = [weights[1, 0], weights[1, 2], weights[1, 3], weights[0, 3], weights[2, 3]]
        assert float(profile["forward_mean"]) == pytest.approx(np.mean(earlier_to_later))
        assert profile.attrs["n_tied_pairs"] == 1
        assert profile["difference"].values.tolist() == [-3, -1.5, 0, 1.5, 3]
        assert profile["n_weights"].values.tolist() == [1, 4, 4, 4, 1]

    @pytest.mark.parametrize(
        "kept", [copy.copy, copy.deepcopy, lambda order: pickle.loads(pickle.dumps(order)), lambda order: order[::-1]]
    )
    def test_an_order_keeps_its_ties(self, kept: Callable[[Any], Any]) -> None:
        order = kept(peak_order(ramps(6)))
        assert connectivity_profile(np.ones((6, 6)), order).attrs["n_tied_pairs"] == 15
        assert connectivity_profile(np.ones((6, 6)), order[:4]).attrs["n_tied_pairs"] == 6

    def test_peak_times_of_a_plain_order(self) -> None:
        order, weights = [2, 0, 1], np.arange(9.0).reshape(3, 3)
        assert connectivity_profile(weights, order).attrs["n_tied_pairs"] == 0
        tied = connectivity_profile(weights, order, peak_time=[5, 8, 8])
        assert tied.attrs["n_tied_pairs"] == 1
        assert float(tied["forward_minus_backward"]) == (6 + 7) / 2 - (2 + 5) / 2

    @pytest.mark.parametrize("peak_time", [[1, 2], [1.0, np.nan, 2.0], ["a", "b", "c"]])
    def test_peak_times_of_another_kind_are_refused(self, peak_time: Any) -> None:
        with pytest.raises(InputError, match="`peak_time` must be one finite number for each of the 3 units"):
            connectivity_profile(np.ones((3, 3)), [2, 0, 1], peak_time=peak_time)

    def test_an_order_is_an_array_otherwise(self) -> None:
        order = peak_order(ramps(3))
        assert repr(order) == "array([0, 1, 2])"
        assert type(order + 1) is type(order == 1) is np.ndarray
        assert type(order.max()) is np.int64
