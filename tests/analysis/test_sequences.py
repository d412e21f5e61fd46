"""SqI, transient index and ridge-to-background ratio against slow implementations and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.analysis import ridge_to_background, sequentiality_index, sqi, transient_index
from recurrent_memory.errors import InputError

N_STEPS, N_UNITS = 60, 40
Activity = np.ndarray[Any, np.dtype[Any]]
Measure = Callable[..., xr.Dataset]
MEASURES = (sqi, transient_index, ridge_to_background)


def noise(seed: int = 0, shape: tuple[int, ...] = (4, N_STEPS, N_UNITS)) -> Activity:
    return np.random.default_rng(seed).random(shape) + 0.01


def bumps(width: float, n_trials: int = 2) -> Activity:
    peak = np.linspace(0, N_STEPS - 1, N_UNITS)
    one = 5 * np.exp(-((np.arange(N_STEPS)[:, None] - peak) ** 2) / (2 * width**2))
    return np.repeat(one[None], n_trials, axis=0)


def entropy(shares: list[float]) -> float:
    return -sum(p * math.log(p) for p in shares if p > 0)


def active(trial: Activity) -> list[list[float]]:
    return [unit.tolist() for unit in trial.T if sum(unit) / len(unit) > 0.1]


def slow_sqi(trial: Activity, n_bins: int) -> tuple[float, float]:
    units = active(trial)
    n_steps = len(trial)
    peaks = [unit.index(max(unit)) for unit in units]
    counts = [sum(int(peak * n_bins / n_steps) == place for peak in peaks) for place in range(n_bins)]
    sparsities = []
    for step in range(n_steps):
        total = sum(unit[step] for unit in units)
        if total:
            sparsities.append(entropy([unit[step] / total for unit in units]) / math.log(len(units)))
    pe = entropy([count / len(units) for count in counts]) / math.log(n_bins)
    return pe, 1 - sum(sparsities) / len(sparsities)


def slow_transient_parts(trial: Activity, n_bins: int, window: int, delay: tuple[int, int]) -> tuple[float, ...]:
    units, half = active(trial), window // 2
    peaks = [unit.index(max(unit)) for unit in units]
    counts = [sum(int(peak * n_bins / len(trial)) == place for peak in peaks) for place in range(n_bins)]
    shares = [
        sum(unit[max(peak - half, 0) : peak + half + 1]) / sum(unit) for unit, peak in zip(units, peaks, strict=True)
    ]
    within = [delay[0] <= peak < delay[1] for peak in peaks]
    pe = entropy([count / len(units) for count in counts]) / math.log(n_bins)
    return pe, sum(shares) / len(units), sum(within) / len(units)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_bins", [None, 15])
def test_sqi_matches_the_slow_implementation(seed: int, n_bins: int | None) -> None:
    rng = np.random.default_rng(seed)
    activity = rng.gamma(0.5, 1.0, (3, N_STEPS, N_UNITS)) * rng.uniform(0, 0.6, N_UNITS)
    activity[:, 7] = 0  # a silent step
    found = sqi(activity, n_bins=n_bins)
    expected = np.array([slow_sqi(trial, n_bins or N_STEPS) for trial in activity])
    np.testing.assert_allclose(found["trial_peak_entropy"], expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found["trial_temporal_sparsity"], expected[:, 1], rtol=1e-10)
    np.testing.assert_allclose(found["sqi"], np.sqrt(expected.prod(axis=1)).mean(), rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_transient_index_matches_the_slow_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    activity = rng.gamma(0.5, 1.0, (3, N_STEPS, N_UNITS)) * rng.uniform(0, 0.6, N_UNITS)
    found = transient_index(activity, n_bins=12, window=7, delay=(10, 50))
    expected = np.array([slow_transient_parts(trial, 12, 7, (10, 50)) for trial in activity])
    for column, name in enumerate(("peak_entropy", "peak_share", "delay_share")):
        np.testing.assert_allclose(found[f"trial_{name}"], expected[:, column], rtol=1e-12)
    np.testing.assert_allclose(found["trial_transient_index"], np.cbrt(expected.prod(axis=1)), rtol=1e-12)


def test_ridge_to_background_is_that_of_the_average() -> None:
    activity = noise()
    found = ridge_to_background(activity, window=3)
    average = activity.mean(axis=0)
    for unit in range(N_UNITS):
        peak = int(average[:, unit].argmax())
        inside = np.abs(np.arange(N_STEPS) - peak) <= 1
        ratio = average[inside, unit].mean() / average[~inside, unit].mean()
        np.testing.assert_allclose(found["unit_ridge_to_background"][unit], ratio, rtol=1e-12)
        assert int(found["unit_peak_time"][unit]) == peak
    np.testing.assert_allclose(found["ridge_to_background"], found["unit_ridge_to_background"].mean())


def test_closed_forms() -> None:
    in_turn = np.eye(20)[None]
    assert float(sqi(in_turn, min_rate=0.0)["sqi"]) == pytest.approx(1)
    assert float(transient_index(in_turn, min_rate=0.0)["transient_index"]) == pytest.approx(1)
    alike = np.ones((2, N_STEPS, N_UNITS))  # persistent
    assert float(sqi(alike)["sqi"]) == float(sqi(alike)["peak_entropy"]) == 0
    assert float(sqi(alike)["temporal_sparsity"]) == pytest.approx(0, abs=1e-12)
    assert float(transient_index(alike, window=5)["peak_share"]) == pytest.approx(3 / N_STEPS)  # cut off at the start
    assert float(ridge_to_background(alike)["ridge_to_background"]) == pytest.approx(1)
    two = np.zeros((1, 4, 2))  # in two steps one unit is active, in two both equally
    two[0, :, 0], two[0, :, 1] = (2, 1, 1, 0), (0, 1, 1, 2)
    assert float(sqi(two)["temporal_sparsity"]) == pytest.approx(0.5)
    assert float(sqi(two)["peak_entropy"]) == pytest.approx(0.5)  # peaks in 2 of 4 bins


@pytest.mark.parametrize("measure", MEASURES)
def test_narrower_peaks_have_higher_values_and_noise_has_the_lowest(measure: Measure) -> None:
    values = [float(measure(of)[measure.__name__]) for of in (noise(), bumps(20), bumps(8), bumps(4))]
    assert values == sorted(values)


@pytest.mark.parametrize("measure", MEASURES)
class TestEach:
    def test_the_first_variable_is_the_measure_and_all_have_units(self, measure: Measure) -> None:
        found = measure(noise())
        first = next(iter(found.data_vars))
        assert first == measure.__name__
        assert found[first].ndim == 0
        for name, of in found.data_vars.items():
            assert of.attrs["long_name"], name
            assert "units" in of.attrs or name == "trial_reason"
        assert "20" in found.attrs["source"]
        assert found.attrs["reason"] == ""

    def test_steps_and_masks_leave_out_what_they_say(self, measure: Measure) -> None:
        activity = noise()
        name = measure.__name__
        activity[:, :10] += 5
        assert float(measure(activity, steps=(10, 60))[name]) == float(measure(activity[:, 10:])[name])
        mask = np.ones(activity.shape[:2], bool)
        mask[:, :10] = False
        np.testing.assert_allclose(measure(activity, mask=mask)[name], measure(activity[:, 10:])[name], rtol=1e-12)
        activity[:, :10] = np.nan
        np.testing.assert_allclose(measure(activity, mask=mask)[name], measure(activity[:, 10:])[name], rtol=1e-12)

    def test_trials_of_unequal_length_and_labels(self, measure: Measure) -> None:
        activity = noise()
        trials = [activity[0], activity[1, :50], activity[2, :40], activity[3, :50]]
        found = measure(trials)
        assert np.isfinite(found[measure.__name__])
        labelled = xr.DataArray(activity, dims=("epoch", "bin", "cell"), coords={"epoch": [5, 6, 7, 8]})
        assert float(measure(labelled)[measure.__name__]) == float(measure(activity)[measure.__name__])

    def test_units_left_out_are_counted(self, measure: Measure) -> None:
        activity = noise()
        activity[:, :, :10] *= 0.01
        found = measure(activity)
        assert found.attrs["left_out"].startswith("10 of 40 units")
        assert float(found["n_active_units"]) == 30
        np.testing.assert_allclose(found[measure.__name__], measure(activity[:, :, 10:])[measure.__name__])

    def test_no_active_unit(self, measure: Measure) -> None:
        found = measure(np.zeros((2, N_STEPS, 3)))
        assert np.isnan(found[measure.__name__])
        assert "no unit is active enough (mean above 0.1)" in found.attrs["reason"]

    def test_a_unit_that_is_missing_in_a_trial(self, measure: Measure) -> None:
        activity = noise()
        missing = np.zeros(activity.shape, bool)
        missing[1, :, 4] = True
        found = measure(np.ma.masked_array(activity, missing))
        other = np.where(missing, 1e6, activity)
        assert float(found[measure.__name__]) == float(measure(np.ma.masked_array(other, missing))[measure.__name__])

    def test_activity_below_zero_is_refused_but_not_rounding(self, measure: Measure) -> None:
        activity = noise()
        activity[1, 20, 3] = -0.5
        with pytest.raises(
            InputError,
            match=rf"`{measure.__name__}` needs rates of at least 0, but .* holds 1 numbers below zero of 9600, the "
            r"first at trial 1, step 20, unit 3\.\nGive the rates, not z-scores",
        ):
            measure(activity)
        mask = np.ones(activity.shape[:2], bool)
        mask[1, 20] = False
        assert np.isfinite(measure(activity, mask=mask)[measure.__name__])
        activity[1, 20, 3] = -1e-9
        assert np.isfinite(measure(activity)[measure.__name__])


class TestSingleUnits:
    def test_one_unit_has_no_sqi(self) -> None:
        found = sqi(noise()[:, :, :1])
        assert np.isnan(found["sqi"])
        assert (
            found.attrs["reason"] == "4 of 4 trials: a single unit is active: its activity is neither sparse nor dense"
        )

    def test_one_unit_has_a_transient_index_of_zero_and_the_reason_says_why(self) -> None:
        found = transient_index(noise()[:, :, :1])
        assert float(found["transient_index"]) == 0
        assert found.attrs["reason"].startswith("4 of 4 trials: a single unit is active: the entropy of its peak time")

    @pytest.mark.parametrize("measure", MEASURES)
    def test_units_that_are_constant_in_time_have_no_peak(self, measure: Measure) -> None:
        assert measure(np.ones((4, 10, 3))).attrs["reason"].endswith("constant in time: none has a peak")
        assert "no unit is active enough" in measure(np.zeros((4, 10, 3))).attrs["reason"]
        some = np.ones((4, 10, 3))
        some[:, 3, 0] = 2
        assert measure(some).attrs["reason"] == ""

    def test_zero_background_is_infinite_and_named(self) -> None:
        activity = np.zeros((2, N_STEPS, 2))
        activity[:, 30] = 10
        found = ridge_to_background(activity, window=1)
        assert float(found["ridge_to_background"]) == np.inf
        assert found.attrs["reason"].startswith("2 of 2 active units have a zero background")
        assert float(ridge_to_background(activity, window=1, background_floor=0.1)["ridge_to_background"]) == (
            pytest.approx(100)
        )


class TestAverage:
    def test_of_equal_trials_is_the_same(self) -> None:
        for measure in (sqi, transient_index):
            whole, average = measure(bumps(5)), measure(bumps(5), average=True)
            np.testing.assert_allclose(average[measure.__name__], whole[measure.__name__], rtol=1e-12)
            assert "trial" not in average.sizes

    def test_of_trials_of_unequal_length_is_over_those_that_have_a_step(self) -> None:
        activity = noise()
        mask = np.ones(activity.shape[:2], bool)
        mask[2:, 30:] = False
        average = np.concatenate([activity.mean(axis=0)[:30], activity[:2].mean(axis=0)[30:]])
        np.testing.assert_allclose(sqi(activity, mask=mask, average=True)["sqi"], sqi(average[None])["sqi"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sqi(noise(), n_bins=1), "`n_bins` must be a whole number, 2 or more, got 1"),
        (lambda: sqi(noise()[:, :1]), "`sqi` needs at least 2 measured steps in each trial, but trial 0 has 1"),
        (lambda: transient_index(noise(), window=4), "`window` must be an odd whole number, got 4"),
        (lambda: transient_index(noise()[:, :5]), "`transient_index` needs more steps .* but each trial has 5 of the"),
        (lambda: transient_index(noise(), delay=(50, 70)), r"\(50, 70\) is not a part of the trial"),
        (lambda: ridge_to_background(noise(), background_floor=-1.0), "`background_floor` must be a finite number"),
        (lambda: ridge_to_background(noise()[:, :3]), "the average over trials has 3"),
        (lambda: sqi(noise(), min_rate=np.nan), "`min_rate` must be a finite number"),
        (lambda: sqi(noise()[0]), "must have three axes"),
    ],
)
def test_settings_out_of_range(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_sequentiality_index_and_these_agree_on_the_peaks() -> None:
    activity = noise()
    index = sequentiality_index(activity.mean(axis=0)[None], per_unit=True)
    np.testing.assert_array_equal(ridge_to_background(activity)["unit_peak_time"], index["unit_peak_time"][0])
