"""Activity as arrays for other packages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.analysis import as_conditions, as_matrix, as_trials
from recurrent_memory.errors import InputError

RNG = np.random.default_rng(0)
ACTIVITY = RNG.gamma(1.0, size=(6, 5, 3))
LABEL = np.array([1, 0, 1, 1, 0, 2])
MASK = np.arange(5) < np.array([5, 4, 5, 3, 5, 2])[:, None]


def dataset() -> xr.Dataset:
    places = {"time": np.arange(5), "unit": [7, 8, 9]}
    return xr.Dataset({"activity": (("trial", "time", "unit"), ACTIVITY), "label": ("trial", LABEL)}, places)


def test_trials_are_the_array_or_a_list() -> None:
    found = as_trials(ACTIVITY.astype(np.float32), steps=(1, 4))
    np.testing.assert_array_equal(found, ACTIVITY.astype(np.float32)[:, 1:4])
    listed = as_trials(dataset(), mask=MASK)
    assert [len(trial) for trial in listed] == MASK.sum(axis=1).tolist()
    np.testing.assert_array_equal(listed[3], ACTIVITY[3, :3])


def test_conditions_are_means_over_their_trials() -> None:
    found = as_conditions(dataset(), by="label", mask=MASK)
    assert found.dims == ("condition", "time", "unit")
    assert found["condition"].values.tolist() == [0, 1, 2]
    assert found.n_trials.values.tolist() == [2, 3, 1]
    assert found["unit"].values.tolist() == [7, 8, 9]
    for place, label in enumerate((0, 1, 2)):
        for step in range(5):
            trials = (label == LABEL) & MASK[:, step]
            expected = ACTIVITY[trials, step].mean(axis=0) if trials.any() else np.full(3, np.nan)
            np.testing.assert_allclose(found[place, step], expected)
    rows = as_matrix(found)
    assert rows.shape == (12, 3)  # the last condition has 2 of 5 steps
    np.testing.assert_array_equal(rows[-1], ACTIVITY[5, 1])


def test_a_matrix_has_a_row_for_each_step_of_each_trial() -> None:
    np.testing.assert_array_equal(as_matrix(ACTIVITY), ACTIVITY.reshape(30, 3))
    np.testing.assert_array_equal(as_matrix(ACTIVITY, mask=MASK), ACTIVITY[MASK])


def test_bins_and_several_numbers_make_conditions() -> None:
    angle = np.array([0.1, 3.0, 1.6, 1.5, 0.0, np.pi])
    found = as_conditions(ACTIVITY, by=angle, bins=np.linspace(0, np.pi, 3))
    np.testing.assert_allclose(found["condition"], [np.pi / 4, 3 * np.pi / 4])
    np.testing.assert_allclose(found[1], ACTIVITY[[1, 2, 5]].mean(axis=0))
    pairs = np.stack([LABEL, [0, 0, 1, 0, 0, 0]], axis=1).reshape(6, 2, 1)
    assert as_conditions(ACTIVITY, by=pairs).n_trials.values.tolist() == [2, 2, 1, 1]


def test_a_unit_that_a_trial_lacks_is_left_out() -> None:
    gappy = np.ma.masked_invalid(np.where(np.arange(3) == 1, np.nan, ACTIVITY))
    assert as_conditions(gappy, by=LABEL).shape == (3, 5, 2)
    assert as_matrix(gappy).shape == (30, 2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"by": "labl"}, "There is no 'labl' .* the data set has label, or give one"),
        ({"by": [0, 1]}, r"one entry for each of the 6 trials, \(trial, …\), got the shape \(2,\)"),
        ({"by": 3}, "one entry for each"),
        ({"by": [0.0, np.nan, 1, 1, 1, 1]}, "holds NaN"),
        ({"by": LABEL, "bins": [0, 1]}, "numbers from 0 to 2, beyond the borders of the bins, 0 and 1"),
        ({"by": LABEL, "bins": [2, 0]}, "are not borders"),
        ({"by": LABEL, "bins": [0, 1, 2, 3, 4]}, "1 of 4 `bins` have no trial"),
        ({"by": ["a"] * 6, "bins": [0, 1]}, "only for one number per trial"),
    ],
)
def test_what_does_not_tell_conditions_apart_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        as_conditions(dataset(), **options)
