"""Peak consistency: planted sequences that repeat, or are drawn anew, against a slow implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from made_up_activity import planted
from recurrent_memory.analysis import peak_consistency
from recurrent_memory.analysis.splits import folds, halves, numbered_groups
from recurrent_memory.errors import InputError


def value(activity: Any, **options: Any) -> float:
    return float(peak_consistency(activity, **options)["peak_consistency"])


@pytest.mark.parametrize("seed", range(3))
def test_tells_a_sequence_that_repeats_from_one_drawn_anew(seed: int) -> None:
    assert value(planted(True, seed=seed)) > 0.98
    assert abs(value(planted(False, seed=seed))) < 3 / np.sqrt(60)  # 3 standard errors of a correlation of 60 units


def test_matches_the_slow_implementation() -> None:
    activity = planted(True, n_trials=7)[:, :, :15]
    activity[:, :, 3] = 0
    found = peak_consistency(activity, n_splits=4, seed=3)
    kept = np.delete(activity, 3, axis=2)
    first = halves(np.random.default_rng(3), np.arange(7), 4)
    for split, half in enumerate(first):
        assert half.sum() == 3
        one, other = (kept[part].mean(axis=0).argmax(axis=0) for part in (half, ~half))
        expected = scipy.stats.spearmanr(one, other).statistic
        np.testing.assert_allclose(found["split_peak_consistency"][split], expected, rtol=1e-12)
    assert int(found["unit_peak_time"][3]) == -1
    assert np.isnan(found["unit_peak_difference"][3])
    np.testing.assert_array_equal(np.delete(found["unit_peak_time"].values, 3), kept.mean(axis=0).argmax(axis=0))
    assert found.attrs["left_out"].startswith("1 of 15 units: their mean over time is not above")


def test_missing_entries_do_not_count() -> None:
    activity = planted(True)
    mask = np.ones(activity.shape[:2], bool)
    mask[::3, 60:] = False
    missing = np.zeros(activity.shape, bool)
    missing[4, :, 7] = True
    one, other = (
        value(np.ma.masked_array(np.where(mask[:, :, None] & ~missing, activity, filler), missing), mask=mask)
        for filler in (np.nan, 1e3)
    )
    assert one == other > 0.98
    np.testing.assert_allclose(value(activity, mask=np.ones(mask.shape, bool)), value(activity), rtol=1e-12)


def test_a_unit_without_data_in_a_half_has_no_part_in_it() -> None:
    activity = planted(True, n_trials=4)
    missing = np.zeros(activity.shape, bool)
    missing[1:, :, 7] = True  # in one half, it never was recorded
    found = peak_consistency(np.ma.masked_array(activity, missing))
    np.testing.assert_allclose(
        found["split_peak_consistency"], peak_consistency(np.delete(activity, 7, axis=2))["split_peak_consistency"]
    )
    assert np.isnan(found["unit_peak_difference"][7])


def test_the_seed_decides_the_splits_and_signs_do_not_matter() -> None:
    activity = planted(False)
    assert value(activity, seed=1) == value(activity, seed=1) != value(activity, seed=2)
    np.testing.assert_allclose(value(activity - 10, min_rate=-100.0), value(activity), rtol=1e-12)


def test_groups_keep_copies_together() -> None:
    activity = np.repeat(planted(False, n_trials=6), 4, axis=0)  # each trial four times
    assert value(activity) > 0.3  # the same trial in both halves
    assert abs(value(activity, groups=np.repeat(np.arange(6), 4))) < 3 / np.sqrt(60)


def test_reasons() -> None:
    assert peak_consistency(np.ones((4, 10, 3))).attrs["reason"] == ("50 of 50 splits: all units peak in the same step")
    assert "fewer than two units are active" in peak_consistency(np.zeros((4, 10, 3))).attrs["reason"]
    assert np.isnan(value(np.zeros((4, 10, 3))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_splits": 0}, "`n_splits` must be a whole number, 1 or more, got 0"),
        ({"min_rate": np.nan}, "`min_rate` must be a finite number"),
        ({"groups": [1, 2]}, r"`groups` must hold one label for each of the 20 trials, got shape \(2,\)"),
        ({"groups": [1] * 20}, "one group of trials, but at least two are needed"),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        peak_consistency(planted(True), **options)


def test_one_trial_is_refused() -> None:
    with pytest.raises(InputError, match="`activity` has one trial, but at least two are needed"):
        peak_consistency(planted(True)[:1])


def test_halves_and_folds() -> None:
    rng = np.random.default_rng(0)
    groups = numbered_groups(["b", "a", "b", "c", "a", "d", "e"], 7)
    split = halves(rng, groups, 100)
    assert (split[:, 0] == split[:, 2]).all()
    assert (split[:, 1] == split[:, 4]).all()
    assert {len(set(groups[half])) for half in split} == {2}
    np.testing.assert_allclose(halves(rng, np.arange(9), 4000).mean(axis=0), 4 / 9, atol=4 * 0.5 / np.sqrt(4000))
    fold = folds(rng, groups, 3)
    assert fold[0] == fold[2]
    assert sorted(np.bincount([fold[list(groups).index(g)] for g in range(5)])) == [1, 2, 2]
    assert folds(rng, np.arange(3), 5).max() == 2


def test_z_scores_need_a_lower_threshold_and_the_reason_says_which() -> None:
    activity = np.random.default_rng(0).normal(size=(6, 20, 8))
    scores = activity - activity.mean(axis=(0, 1))
    reason = peak_consistency(scores).attrs["reason"]
    least = int(reason.rpartition(" ")[2])
    assert "z-scores, needs a lower `min_rate`" in reason
    assert least < scores.min()
    assert np.isfinite(peak_consistency(scores, min_rate=float(least)).peak_consistency)
    assert "z-scores" not in peak_consistency(scores[:, :, :1], min_rate=float(least)).attrs["reason"]
