"""Tuning of units over time: planted tuning, chance, and a loop over units."""

from __future__ import annotations

import numpy as np
import pytest

from recurrent_memory.analysis import tuning
from recurrent_memory.errors import InputError


def test_unit_by_unit() -> None:
    rng = np.random.default_rng(0)
    stimulus, activity = rng.integers(0, 4, 40), rng.gamma(0.5, size=(40, 3, 5))
    found = tuning(activity, stimulus)
    for step in range(3):
        for unit in range(5):
            values = activity[:, step, unit]
            groups = [values[stimulus == s] for s in range(4)]
            within = sum(((group - group.mean()) ** 2).sum() for group in groups)
            expected = 1 - within / ((values - values.mean()) ** 2).sum() * 39 / 36
            np.testing.assert_allclose(found.selectivity[step, unit], expected)
            means = [group.mean() for group in groups]
            np.testing.assert_allclose(found.tuning_curve[step, unit], means)
            assert found.preferred[step, unit] == np.argmax(means)
    np.testing.assert_allclose(found.tuning, found.selectivity.mean())


def test_noise_is_at_zero_although_trials_are_few() -> None:
    activity = np.random.default_rng(0).normal(size=(16, 50, 60))
    assert abs(float(tuning(activity, np.arange(16) % 8).tuning)) < 0.02


def test_stable_and_changing_preferences() -> None:
    stimulus, rng = np.arange(80) % 4, np.random.default_rng(0)
    curve = np.eye(4)[stimulus][:, None, :].repeat(6, axis=1)  # each unit prefers one stimulus throughout
    stable = tuning(curve + 0.01 * rng.normal(size=curve.shape), stimulus)
    assert stable.curve_stability.values.min() > 0.99
    turning = np.stack([np.roll(curve[:, 0], step, axis=1) for step in range(4)], axis=1)
    changing = tuning(turning + 0.01 * rng.normal(size=turning.shape), stimulus)
    np.testing.assert_allclose(changing.curve_stability, -1 / 3, atol=0.01)  # four one-hot curves, centred
    np.testing.assert_array_equal(changing.preferred[1], [3, 0, 1, 2])


def test_numbers_are_binned_and_circular_ones_wrap() -> None:
    angle = np.linspace(-np.pi, 2 * np.pi, 60, endpoint=False) + 0.01
    activity = np.cos(2 * (angle[:, None] - [0.2, 1.2]))[:, None]
    found = tuning(activity, angle, period=np.pi, n_bins=4)
    np.testing.assert_allclose(found.stimulus, np.pi / 8 * np.array([1, 3, 5, 7]))
    assert found.n_trials.values.tolist() == [15, 15, 15, 15]
    np.testing.assert_array_equal(found.preferred[0], [0, 1])
    assert tuning(activity, angle).sizes["stimulus"] == 8


def test_silent_units_and_empty_bins() -> None:
    activity = np.random.default_rng(0).random((20, 4, 3))
    activity[:, :, 1] = 0.3
    stimulus = np.where(np.arange(20) % 2, 0.0, 10.0)
    found = tuning(activity, stimulus, n_bins=5)
    assert np.isnan(found.selectivity[:, 1]).all()
    assert np.isfinite(found.tuning)
    assert np.isnan(found.tuning_curve[:, :, 1:4]).all()
    assert set(np.unique(found.preferred[:, [0, 2]])) <= {0, 4}
    silent = tuning(0 * activity, stimulus)
    assert np.isnan(silent.tuning)
    assert silent.reason == "no unit varies between trials"


def test_errors() -> None:
    activity = np.random.default_rng(0).random((6, 4, 3))
    with pytest.raises(InputError, match="two or more"):
        tuning(activity, np.zeros(6))
    with pytest.raises(InputError, match="more trials than stimuli"):
        tuning(activity, np.arange(6))
    with pytest.raises(InputError, match="one entry for each of the 6"):
        tuning(activity, [1, 2])
    with pytest.raises(InputError, match="are for a stimulus that is a number"):
        tuning(activity, list("aabbcc"), n_bins=3)
    with pytest.raises(InputError, match="`period`"):
        tuning(activity, np.arange(6) / 2, period=-1.0)
