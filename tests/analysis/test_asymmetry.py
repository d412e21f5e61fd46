"""Weights by the difference of peak times: chains, ties, and a slow implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recurrent_memory.analysis import forward_asymmetry, peak_order
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


def slow_asymmetry(weights: Array, peaks: Array, bin_width: float) -> tuple[float, float]:
    forward, backward = [], []
    for source, early in enumerate(peaks):
        for target, late in enumerate(peaks):
            if np.isnan(early) or np.isnan(late) or early < 0 or late < 0:
                continue
            if early // bin_width < late // bin_width:
                forward.append(weights[source, target])
            elif early // bin_width > late // bin_width:
                backward.append(weights[source, target])
    return float(np.mean(forward)), float(np.mean(backward))


@pytest.mark.parametrize("bin_width", [1.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_pair_by_pair(seed: int, bin_width: float) -> None:
    rng = np.random.default_rng(seed)
    weights, peaks = rng.normal(size=(15, 15)), rng.integers(-2, 12, 15).astype(float)
    peaks[3] = np.nan
    found = forward_asymmetry(weights, peaks, 10, bin_width=bin_width)
    forward, backward = slow_asymmetry(weights, peaks, bin_width)
    np.testing.assert_allclose([found.forward_mean, found.backward_mean], [forward, backward])
    np.testing.assert_allclose(found.forward_asymmetry, forward - backward)
    assert found.n_left_out == int((~(peaks >= 0)).sum())
    mean, count, step = found.mean_weight, found.n_weights, found.difference
    np.testing.assert_allclose((mean * count).where(step > 0).sum() / count.where(step > 0).sum(), forward)


def test_a_chain_in_any_order_is_forward_and_its_transpose_backward() -> None:
    order = np.random.default_rng(0).permutation(20)
    weights = np.zeros((20, 20))
    weights[order[:-1], order[1:]] = 1.0
    peaks = np.empty(20)
    peaks[order] = 3 * np.arange(20)
    found, reverse = (forward_asymmetry(of, peaks, 200) for of in (weights, weights.T))
    assert float(found.forward_asymmetry) == pytest.approx(19 / 190)
    assert found.forward_asymmetry > found.null_high
    assert reverse.forward_asymmetry < reverse.null_low
    assert float(found.p) == float(reverse.p) == pytest.approx(1 / 201)
    assert float(found.mean_weight.sel(difference=3)) == 1


def test_random_weights_are_inside_the_interval_about_as_often_as_promised() -> None:
    outside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found = forward_asymmetry(rng.normal(size=(12, 12)), rng.integers(0, 10, 12), 100, seed=seed)
        outside += bool(not found.null_low <= found.forward_asymmetry <= found.null_high)
    assert outside <= 14  # expected 5 of 100, standard deviation 2.2


def test_ties_and_one_bin_are_left_out() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 4))
    found = forward_asymmetry(weights, [5, 5, 5, 5])
    assert np.isnan(found.forward_asymmetry)
    assert np.isnan(found.p)
    assert found.reason == "all 4 units peak in the same bin of time: none is earlier than another"
    assert found.n_tied_pairs == 6
    two = forward_asymmetry(weights, [5, 5, 8, 8])
    np.testing.assert_allclose(two.forward_mean, weights[:2, 2:].mean())
    assert two.n_tied_pairs == 2
    assert np.isnan(forward_asymmetry(weights, [5, 5, 8, 8], bin_width=10.0).forward_asymmetry)
    assert forward_asymmetry(weights, [5, np.nan, -1, np.nan]).reason.startswith("1 units have a peak")


def test_the_order_of_peaks_knows_the_times() -> None:
    activity = np.eye(6)[None, :, [2, 0, 1, 3, 5, 4]]
    activity[:, :, 5] = 0  # silent
    weights = np.random.default_rng(0).normal(size=(6, 6))
    times = np.where(activity[0].any(axis=0), activity[0].argmax(axis=0), -1)
    found, expected = (forward_asymmetry(weights, of, 20) for of in (peak_order(activity), times))
    assert found.equals(expected)


def test_without_permutations_there_is_no_interval() -> None:
    found = forward_asymmetry(np.eye(4, k=1), [0, 1, 2, 3], 0)
    assert np.isfinite(found.forward_asymmetry)
    assert np.isnan(found.null_low)


def test_errors() -> None:
    with pytest.raises(InputError, match="one number for each of the 3 units"):
        forward_asymmetry(np.eye(3), [1, 2])
    with pytest.raises(InputError, match="`bin_width`"):
        forward_asymmetry(np.eye(3), [1, 2, 3], bin_width=0.0)
    with pytest.raises(InputError, match="`n_permutations`"):
        forward_asymmetry(np.eye(3), [1, 2, 3], -1)
    with pytest.raises(InputError, match="must hold real numbers, got text"):
        forward_asymmetry(np.eye(3), ["a", "b", "c"])
