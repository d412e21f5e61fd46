"""Time decoding: ramps, sequences and noise, against a slow implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recurrent_memory.analysis import time_decoding
from recurrent_memory.analysis.decoding import FLOOR
from recurrent_memory.analysis.splits import folds
from recurrent_memory.errors import InputError

Activity = np.ndarray[Any, np.dtype[Any]]


def noise(seed: int = 0, shape: tuple[int, ...] = (20, 40, 30)) -> Activity:
    return np.random.default_rng(seed).normal(size=shape)


def ramps() -> Activity:
    slopes = np.random.default_rng(1).normal(size=30)
    return 0.3 * np.arange(40)[:, None] * slopes


def sequence() -> Activity:
    peak = np.linspace(0, 39, 30)
    return 6 * np.exp(-0.5 * ((np.arange(40)[:, None] - peak) / 3) ** 2)


def both(activity: Activity, **options: Any) -> tuple[float, float]:
    found = time_decoding(activity, **options)
    return float(found["time_decoding"]), float(found["time_decoding_without_ramp"])


def test_ramps_tell_the_time_and_without_them_nothing_does() -> None:
    with_ramp, without = both(noise() + ramps())
    assert with_ramp > 0.9
    assert abs(without) < 0.1


def test_sequences_tell_the_time_even_without_ramp() -> None:
    with_ramp, without = both(noise() + sequence())
    assert with_ramp > 0.95
    assert without > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_noise_tells_nothing(seed: int) -> None:
    assert max(map(abs, both(noise(seed)))) < 0.1
    drawn_anew = np.stack([sequence()[:, np.random.default_rng(k).permutation(30)] for k in range(20)])
    assert max(map(abs, both(drawn_anew + 0.1 * noise(seed)))) < 0.15


def slow_decoding(activity: Activity, fold: Activity, ramp: bool) -> Activity:
    """Step by step: nearest mean of the other trials, each unit in units of its deviation."""
    n_trials, n_steps, n_units = activity.shape
    decoded = np.zeros((n_trials, n_steps))
    centred = activity - activity.mean(axis=(0, 1))
    for trial in range(n_trials):
        others = centred[fold != fold[trial]]
        means = others.mean(axis=0)
        between = ((others - means) ** 2).sum(axis=(0, 1)) / (others.shape[0] * n_steps - n_steps)
        scale = np.sqrt(between + FLOOR * (others**2).mean())
        project = np.eye(n_units)
        if not ramp:
            slopes = np.polyfit(np.arange(n_steps), means / scale, 1)[0]
            project -= np.outer(slopes, slopes) / (slopes @ slopes)
        templates = means / scale @ project
        for step in range(n_steps):
            distance = ((centred[trial, step] / scale @ project - templates) ** 2).sum(axis=1)
            decoded[trial, step] = distance.argmin()
    return decoded


def test_matches_the_slow_implementation() -> None:
    activity = noise(shape=(7, 20, 10)) + sequence()[:20, :10] * 0.3 + 0.1 * np.arange(20)[:, None]
    found = time_decoding(activity, n_folds=3, seed=5)
    fold = folds(np.random.default_rng(5), np.arange(7), 3)
    time = np.arange(20)
    for ending, ramp in (("", True), ("_without_ramp", False)):
        decoded = slow_decoding(activity, fold, ramp)
        error = np.abs(decoded - time)
        np.testing.assert_allclose(found[f"error{ending}"], error.mean())
        np.testing.assert_allclose(found[f"trial_error{ending}"], error.mean(axis=1))
        np.testing.assert_allclose(found[f"step_error{ending}"], error.mean(axis=0))
        chance = np.abs(decoded.ravel()[:, None] - np.tile(time, 7)).mean()
        np.testing.assert_allclose(found[f"chance_error{ending}"], chance)
        np.testing.assert_allclose(found[f"time_decoding{ending}"], 1 - error.mean() / chance)
        np.testing.assert_allclose(found[f"r_squared{ending}"], 1 - (error**2).mean() / time.var())


def test_missing_entries_do_not_count() -> None:
    activity = noise() + sequence()
    mask = np.ones(activity.shape[:2], bool)
    mask[::3, 25:] = False
    missing = np.zeros(activity.shape, bool)
    missing[4, :, 7] = True
    found = [
        time_decoding(np.ma.masked_array(np.where(mask[:, :, None], activity, filler), missing), mask=mask)
        for filler in (np.nan, 1e3)
    ]
    assert found[0].identical(found[1])
    assert float(found[0]["time_decoding"]) > 0.95
    part = time_decoding(activity, steps=(10, 40))
    assert part["time"].values.tolist() == list(range(10, 40))
    assert float(part["time_decoding"]) == float(time_decoding(activity[:, 10:])["time_decoding"])


def test_activity_without_variation_is_at_chance() -> None:
    assert both(np.ones((4, 10, 3))) == (0, 0)
    alike = np.repeat(sequence()[None], 3, axis=0)  # no variation between trials
    assert both(alike) == (1, 1)


def test_units_are_left_out_only_if_asked() -> None:
    activity = noise() + sequence()
    assert "left_out" not in time_decoding(activity).attrs
    found = time_decoding(activity, min_rate=1.0)
    assert "their mean over time is not above `min_rate` = 1" in found.attrs["left_out"]
    assert 0 < float(found["n_active_units"]) < 30


def test_without_units_there_is_a_reason() -> None:
    found = time_decoding(noise(), min_rate=5.0)
    assert np.isnan(found["time_decoding"])
    assert np.isnan(found["trial_error"]).all()
    assert found.attrs["reason"] == "no unit is active enough (mean above 5)"
    assert float(found["n_units"]) == 30


@pytest.mark.parametrize("level", [0.0, 0.1, -3.0])
def test_constant_activity_has_a_reason(level: float) -> None:
    found = time_decoding(np.full((6, 9, 4), level))
    assert float(found["time_decoding"]) == 0
    assert found.attrs["reason"] == "activity does not vary"
    assert time_decoding(noise()).attrs["reason"] == ""


def test_groups_are_held_out_together() -> None:
    activity = np.repeat(noise(shape=(4, 40, 30)), 5, axis=0)  # each trial five times
    groups = np.repeat(np.arange(4), 5)
    assert both(activity)[0] > 0.5
    assert abs(both(activity, groups=groups)[0]) < 0.15


@pytest.mark.parametrize(
    ("activity", "options", "message"),
    [
        (noise()[:1], {}, "has one trial, but at least two are needed"),
        (noise()[:, :1], {}, "needs at least 2 steps, got 1"),
        (noise(), {"mask": np.arange(20)[:, None] * np.ones(40) > 0}, "Trial 0 has no measured step: leave it out"),
        (noise(), {"n_folds": 1}, "`n_folds` must be a whole number, 2 or more, got 1"),
        (noise(), {"min_rate": np.inf}, "`min_rate` must be a finite number"),
    ],
)
def test_settings_out_of_range(activity: Activity, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        time_decoding(activity, **options)
