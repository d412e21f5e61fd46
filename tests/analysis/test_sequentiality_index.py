"""The sequentiality index against a slow implementation, its edge cases, invariances and error messages."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrent_memory.analysis import read_activity, sequentiality_index
from recurrent_memory.errors import InputError

N_STEPS = 150

Activity = np.ndarray[Any, np.dtype[Any]]


def slow_index(trial: Activity, *, variant: str = "paper", n_bins: int = 20) -> tuple[float, float]:
    """Entropy and mean log ratio of one trial, unit by unit and bin by bin, from the formulas alone."""
    n_steps = len(trial)
    peaks, ratios = [], []
    for unit in trial.T.astype(np.float64):
        if sum(unit) / n_steps <= 0.1:
            continue
        peak = max(range(n_steps), key=lambda step: (unit[step], -step))
        if variant == "paper":
            window = range(max(peak - 2, 0), min(peak + 2, n_steps - 1))
        else:
            window = range(max(peak - 2, 0), min(peak + 3, n_steps))
        inside = [unit[step] for step in window]
        outside = [unit[step] for step in range(n_steps) if step not in window]
        peaks.append(peak)
        ratios.append(math.log(sum(inside) / len(inside)) - math.log(sum(outside) / len(outside)))
    low, high = (min(peaks), max(peaks)) if variant == "paper" else (0, n_steps)
    counts = [0.1] * n_bins
    for peak in peaks:
        counts[min(int((peak - low) * n_bins / (high - low)), n_bins - 1)] += 1
    total = sum(counts)
    return -sum(c / total * math.log(c / total) for c in counts), sum(ratios) / len(ratios)


def bumps(width: float, *, n_units: int = 500, height: float = 10.0) -> Activity:
    peak = np.linspace(0, N_STEPS - 1, n_units)
    return height * np.exp(-((np.arange(N_STEPS)[:, None] - peak) ** 2) / (2 * width**2))[None]


def noise(seed: int = 0, shape: tuple[int, ...] = (3, N_STEPS, 60)) -> Activity:
    return np.random.default_rng(seed).random(shape)


def index(activity: Any, **options: Any) -> float:
    return float(sequentiality_index(activity, **options)["sequentiality_index"])


@pytest.mark.parametrize("variant", ["paper", "exact"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_index_matches_the_slow_implementation(variant: str, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    activity = rng.gamma(0.5, 1.0, (3, N_STEPS, 40)) * rng.uniform(0, 0.6, 40) + 0.01
    activity = activity.astype(dtype)
    measured = sequentiality_index(activity, variant=variant)
    expected = np.array([slow_index(trial, variant=variant) for trial in activity])
    np.testing.assert_allclose(measured["trial_peak_entropy"], expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(measured["trial_ridge_to_background"], expected[:, 1], rtol=1e-12)
    np.testing.assert_allclose(measured["sequentiality_index"], expected.sum(1).mean(), rtol=1e-12)
    assert 0 < int(measured["trial_n_active_units"][0]) < 40


@pytest.mark.parametrize(
    ("name", "activity", "paper"),
    [
        ("constant", np.ones((1, N_STEPS, 500)), 0.0),
        ("constant, with noise", 1 + 0.01 * noise(0, (1, N_STEPS, 500)), 3.0),
        ("independent noise", noise(1, (1, N_STEPS, 500)), 3.2),
        ("bumps, 40 steps", bumps(40), 3.7),
        ("bumps, 20 steps", bumps(20), 4.3),
        ("bumps, 10 steps", bumps(10), 5.0),
        ("bumps, 5 steps", bumps(5), 5.8),
        ("bumps, 3 steps", bumps(3), 6.6),
    ],
)
def test_facts_to_read_an_index_by(name: str, activity: Activity, paper: float) -> None:
    assert index(activity) == pytest.approx(paper, abs=0.06), name


def test_entropy_cannot_exceed_the_log_of_the_number_of_bins_and_noise_nearly_reaches_it() -> None:
    entropy = float(sequentiality_index(noise(2, (2, N_STEPS, 500)))["peak_entropy"])
    assert np.log(20) - 0.05 < entropy <= np.log(20)


def test_index_is_the_sum_of_its_two_terms() -> None:
    measured = sequentiality_index(np.concatenate([bumps(5), np.zeros((1, N_STEPS, 500)), bumps(9)]))
    total = measured["peak_entropy"] + measured["ridge_to_background"]
    assert float(measured["sequentiality_index"]) == pytest.approx(float(total), rel=1e-14)


def test_published_window_has_four_steps_and_leaves_out_the_last_step_of_the_trial() -> None:
    unit = np.full((1, N_STEPS, 3), 1.0)
    unit[0, 60, 0] = 9  # window [58, 62)
    unit[0, 0, 1] = 9  # window [0, 2)
    unit[0, 149, 2] = 9  # window [147, 149), without the peak
    measured = sequentiality_index(unit, per_unit=True)
    expected = [np.log(3.0), np.log(5.0), -np.log((147 + 9) / 148)]
    np.testing.assert_allclose(measured["unit_ridge_to_background"][0], expected, rtol=1e-12)
    exact = sequentiality_index(unit, variant="exact", per_unit=True)
    expected = [np.log(13 / 5), np.log(11 / 3), np.log(11 / 3)]
    np.testing.assert_allclose(exact["unit_ridge_to_background"][0], expected, rtol=1e-12)


def test_exact_bins_span_the_trial_and_published_ones_the_peaks() -> None:
    activity = np.full((1, N_STEPS, 20), 1.0)
    activity[0, 60 + np.arange(20), np.arange(20)] = 2  # all peaks within 20 of 150 steps
    paper = sequentiality_index(activity)
    exact = sequentiality_index(activity, variant="exact")
    assert float(paper["peak_entropy"]) == pytest.approx(np.log(20))  # every peak its own bin
    assert float(exact["peak_entropy"]) < 1.9


class TestEdgeCases:
    def test_trial_without_an_active_unit_is_nan_and_left_out_of_the_mean(self) -> None:
        activity = np.concatenate([noise()[:1], np.zeros((1, N_STEPS, 60))])
        for variant in ("paper", "exact"):
            measured = sequentiality_index(activity, variant=variant)
            assert np.isnan(measured["trial_sequentiality_index"][1])
            assert measured["trial_n_active_units"].values.tolist() == [60, 0]
            assert float(measured["sequentiality_index"]) == index(activity[:1], variant=variant)
            assert measured["trial_reason"].values.tolist() == [
                "",
                "no unit is active enough (mean above 0.1)",
            ]
            assert measured.attrs["reason"] == "1 of 2 trials: no unit is active enough (mean above 0.1)"

    def test_published_entropy_of_a_trial_without_an_active_unit(self) -> None:
        measured = sequentiality_index(np.zeros((1, N_STEPS, 3)))
        assert float(measured["trial_peak_entropy"][0]) == pytest.approx(np.log(20))
        assert np.isnan(sequentiality_index(np.zeros((1, N_STEPS, 3)), variant="exact")["trial_peak_entropy"][0])

    def test_no_trial_left_is_nan(self) -> None:
        measured = sequentiality_index(np.zeros((4, N_STEPS, 3)))
        for name in ("sequentiality_index", "peak_entropy", "ridge_to_background"):
            assert np.isnan(measured[name])
        assert float(measured["n_active_units"]) == 0
        assert measured.attrs["reason"].startswith("4 of 4 trials: no unit is active enough")

    def test_constant_activity(self) -> None:
        constant = np.full((2, N_STEPS, 7), 0.7)
        paper = sequentiality_index(constant)
        p = np.array([7.1] + [0.1] * 19) / 9
        assert float(paper["peak_entropy"]) == pytest.approx(-(p * np.log(p)).sum())
        assert float(paper["ridge_to_background"]) == pytest.approx(0, abs=1e-12)
        exact = sequentiality_index(constant, variant="exact")
        assert np.isnan(exact["sequentiality_index"])
        assert np.isnan(exact["peak_entropy"])
        for measured in (paper, exact):
            assert measured.attrs["reason"] == ("2 of 2 trials: all active units are constant in time: none has a peak")

    def test_one_active_unit_gets_a_number_and_a_reason(self) -> None:
        for variant in ("paper", "exact"):
            measured = sequentiality_index(noise()[:, :, :1], variant=variant)
            assert np.isfinite(measured["sequentiality_index"])
            assert "a single unit is active" in measured.attrs["reason"]

    def test_zero_background(self) -> None:
        activity = noise()
        activity[1, :, 4] = 0
        activity[1, 70, 4] = 50
        paper = sequentiality_index(activity)
        assert float(paper["trial_sequentiality_index"][1]) == np.inf
        assert float(paper["sequentiality_index"]) == np.inf
        assert np.isfinite(paper["trial_sequentiality_index"][[0, 2]]).all()
        exact = sequentiality_index(activity, variant="exact")
        assert np.isnan(exact["trial_sequentiality_index"][1])
        assert np.isfinite(exact["trial_peak_entropy"][1])
        assert float(exact["sequentiality_index"]) == index(activity[[0, 2]], variant="exact")
        for measured in (paper, exact):
            assert measured.attrs["reason"] == (
                "1 of 3 trials: some active units have a zero background "
                "(a `background_floor` above 0 makes the index finite)"
            )

    @pytest.mark.parametrize("variant", ["paper", "exact"])
    def test_background_floor_makes_the_index_finite_and_raises_only_lower_backgrounds(self, variant: str) -> None:
        activity = np.zeros((1, N_STEPS, 1))
        activity[0, 70] = 50
        measured = sequentiality_index(activity, variant=variant, background_floor=0.01)
        ridge = 50 / 4 if variant == "paper" else 50 / 5
        assert float(measured["ridge_to_background"]) == pytest.approx(np.log(ridge / 0.01))
        assert index(noise(), variant=variant, background_floor=0.01) == index(noise(), variant=variant)

    def test_zero_ridge(self) -> None:
        activity = noise()
        activity[0, :, 0] = 0
        activity[0, -1, 0] = 50  # the published window misses the last step, all of this unit's activity
        paper = sequentiality_index(activity)
        assert float(paper["sequentiality_index"]) == -np.inf
        assert "some active units have a zero ridge" in paper.attrs["reason"]
        assert "1 of 60 active units have a zero ridge" in str(paper["trial_reason"].values[0])

    def test_both_infinities_are_nan(self) -> None:
        activity = np.zeros((1, N_STEPS, 2))
        activity[0, -1, 0] = activity[0, 70, 1] = 50
        assert np.isnan(index(activity))

    def test_negative_background_is_named(self) -> None:
        activity = noise()
        activity[:, :, 0] = -0.1
        activity[:, 70, 0] = 50
        assert np.isnan(index(activity, variant="exact"))
        assert "zero or negative background" in sequentiality_index(activity).attrs["reason"]

    def test_z_scores_have_no_index(self) -> None:
        rates = bumps(8, n_units=60) + noise(0, (4, N_STEPS, 60))
        z_scored = (rates - rates.mean(axis=(0, 1))) / rates.std(axis=(0, 1)) + 0.2  # more than half are still active
        paper, exact = (sequentiality_index(z_scored, variant=variant) for variant in ("paper", "exact"))
        assert np.isfinite(paper["sequentiality_index"])  # as published
        assert np.isnan(exact["trial_sequentiality_index"]).all()
        for measured in (paper, exact):
            assert "active units have activity below zero, but the index needs rates of at least" in measured.reason
            assert "give the rates, not z-scores or differences from a baseline" in measured.reason
            assert "60 active units have activity below zero" in str(measured["trial_reason"].values[0])

    @pytest.mark.parametrize("variant", ["paper", "exact"])
    def test_negative_activity_by_rounding_or_of_units_left_out_does_no_harm(self, variant: str) -> None:
        activity = noise()
        activity[:, 3, 0] = -1e-8
        activity[:, :, 1] = -5
        measured = sequentiality_index(activity, variant=variant)
        assert np.isfinite(measured["sequentiality_index"])
        assert measured.reason == ""

    def test_units_left_out_are_counted(self) -> None:
        activity = noise()
        activity[:, :, :15] *= 0.1
        activity[0, :, 15] = 0
        measured = sequentiality_index(activity)
        assert float(measured["n_units"]) == measured["n_active_units"].attrs["n_units"] == 60
        assert measured["trial_n_active_units"].values.tolist() == [44, 45, 45]
        assert measured.attrs["left_out"] == (
            "15.33 of 60 units (mean over trials): their mean over time is not above `min_rate` = 0.1"
        )
        assert "left_out" not in sequentiality_index(noise()).attrs

    def test_published_window_of_one_holds_no_step(self) -> None:
        measured = sequentiality_index(noise(), window=1)
        assert np.isnan(measured["sequentiality_index"])
        assert measured.attrs["reason"] == "3 of 3 trials: the published window of 1 holds no step"
        assert np.isfinite(index(noise(), window=1, variant="exact"))

    def test_commonest_reason_comes_first(self) -> None:
        trials = [np.zeros((N_STEPS, 3)), np.ones((N_STEPS, 3)), np.ones((N_STEPS, 3))]
        assert sequentiality_index(np.stack(trials)).attrs["reason"] == (
            "2 of 3 trials: all active units are constant in time: none has a peak; "
            "1 of 3 trials: no unit is active enough (mean above 0.1)"
        )


activities = hnp.arrays(
    np.float64,
    (2, 12, 4),
    elements=st.integers(0, 5000).map(lambda thousandths: thousandths / 1000),
    fill=st.sampled_from([0.0, 0.05, 0.5]),
)


@settings(max_examples=40, deadline=None)
@given(activity=activities, data=st.data(), variant=st.sampled_from(["paper", "exact"]))
def test_the_order_of_units_does_not_matter(activity: Activity, data: st.DataObject, variant: str) -> None:
    order = data.draw(st.permutations(range(4)))
    np.testing.assert_allclose(
        index(activity[:, :, order], variant=variant), index(activity, variant=variant), rtol=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(activity=activities, power=st.integers(-8, 8), variant=st.sampled_from(["paper", "exact"]))
def test_the_unit_of_activity_does_not_matter(activity: Activity, power: int, variant: str) -> None:
    scale = 2.0**power  # exact in floating point, so that no unit crosses the threshold by rounding
    one = index(activity, variant=variant, background_floor=0.01)
    other = index(activity * scale, variant=variant, min_rate=0.1 * scale, background_floor=0.01 * scale)
    np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(activity=activities, variant=st.sampled_from(["paper", "exact"]))
def test_any_finite_activity_gives_a_number_or_a_reason(activity: Activity, variant: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured = sequentiality_index(activity, variant=variant)
    undefined = ~np.isfinite(measured["trial_sequentiality_index"].values)
    reasons = measured["trial_reason"].values.astype(str)
    assert (reasons[undefined] != "").all()
    entropy = measured["trial_peak_entropy"].values
    assert (entropy[~np.isnan(entropy)] <= np.log(20) + 1e-12).all()
    if variant == "exact":
        assert not np.isinf(measured["trial_sequentiality_index"]).any()


class TestSteps:
    def test_measures_as_if_the_rest_did_not_exist(self) -> None:
        activity = noise()
        activity[:, :25] += 50  # the stimulus drives everything, but isn't looked at
        for variant in ("paper", "exact"):
            part = sequentiality_index(activity, steps=(25, 125), variant=variant)
            alone = sequentiality_index(activity[:, 25:125], variant=variant)
            assert float(part["sequentiality_index"]) == float(alone["sequentiality_index"])
            assert part.attrs["steps"] == [25, 125]

    def test_peak_times_count_from_the_start_of_the_trial(self) -> None:
        measured = sequentiality_index(bumps(5, n_units=50), steps=(25, 125), per_unit=True)
        peak = measured["unit_peak_time"].values[0]
        assert peak.max() == 124
        assert peak[peak >= 0].min() == 25

    @pytest.mark.parametrize("steps", [(-1, 20), (20, 20), (30, 20), (0, 151)])
    def test_outside_the_trial(self, steps: tuple[int, int]) -> None:
        with pytest.raises(InputError, match=r"`steps` = .* is not a part of the trial, which has 150 steps"):
            sequentiality_index(noise(), steps=steps)


class TestInput:
    def test_numpy_jax_and_xarray_give_the_same(self) -> None:
        activity = noise().astype(np.float32)
        expected = index(activity)
        assert index(jnp.asarray(activity)) == expected
        assert index(xr.DataArray(activity, dims=("trial", "time", "unit"))) == expected
        assert index(activity.tolist()) == expected

    def test_named_dimensions_may_come_in_any_order_other_names_are_taken_in_order(self) -> None:
        activity = noise()
        labelled = xr.DataArray(activity, dims=("trial", "time", "unit"))
        assert index(labelled.transpose("unit", "trial", "time")) == index(activity)
        assert index(xr.DataArray(activity, dims=("repeat", "step", "cell"))) == index(activity)

    def test_coordinates_are_kept(self) -> None:
        labelled = xr.DataArray(
            noise(),
            dims=("trial", "time", "unit"),
            coords={"trial": [7, 8, 9], "epoch": ("time", ["x"] * 150)},
        )
        assert sequentiality_index(labelled)["trial"].values.tolist() == [7, 8, 9]
        assert set(read_activity(labelled).coords) == {"trial"}

    def test_whole_numbers_are_activity_too(self) -> None:
        spikes = np.random.default_rng(0).poisson(1.0, (2, N_STEPS, 30))
        assert index(spikes.astype(np.uint8)) == index(spikes.astype(float))
        assert index(spikes > 0) == index((spikes > 0).astype(float))

    def test_input_is_left_alone(self) -> None:
        activity = noise()
        before = activity.copy()
        sequentiality_index(activity, background_floor=0.1)
        np.testing.assert_array_equal(activity, before)

    def test_result_can_be_stored(self, tmp_path: Path) -> None:
        measured = sequentiality_index(np.concatenate([noise(), np.zeros((1, N_STEPS, 60))]), per_unit=True)
        measured.to_netcdf(tmp_path / "measured.nc", engine="scipy")
        read = xr.load_dataset(tmp_path / "measured.nc", engine="scipy")
        np.testing.assert_array_equal(read["trial_reason"].values.astype(str), measured["trial_reason"].values)
        assert read.attrs["reason"] == measured.attrs["reason"]
        assert read.attrs["variant"] == "paper"
        assert read["peak_entropy"].attrs["units"] == "nats"

    def test_parameters_are_recorded(self) -> None:
        attrs = sequentiality_index(
            noise(), variant="exact", min_rate=0.2, n_bins=10, window=7, background_floor=0.5
        ).attrs
        assert attrs == {
            "variant": "exact", "steps": [0, 150], "min_rate": 0.2, "n_bins": 10, "window": 7,
            "background_floor": 0.5, "pseudocount": 0.1, "reason": "",
        }  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, bad: float) -> None:
        activity = noise()
        activity[1, 20, 3] = activity[2, 0, 0] = bad
        with pytest.raises(
            InputError,
            match=r"2 NaN or infinite numbers of 27000, the first at trial 1, step 20, unit 3\.\nAll must",
        ):
            sequentiality_index(activity)

    @pytest.mark.parametrize("shape", [(), (5,), (150, 5), (2, 3, 150, 5)])
    def test_wrong_number_of_axes(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match=rf"must have three axes .* got {len(shape)}: shape"):
            sequentiality_index(np.ones(shape))

    @pytest.mark.parametrize("shape", [(0, 150, 5), (3, 0, 5), (3, 150, 0)])
    def test_empty(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match=r"`activity` is empty: \(trial, time, unit\) = "):
            sequentiality_index(np.ones(shape))

    @pytest.mark.parametrize("activity", ["words", [["a"]], np.ones((1, 9, 1), complex), None])
    def test_not_numeric(self, activity: Any) -> None:
        with pytest.raises(InputError, match="must hold real numbers, got"):
            sequentiality_index(activity)

    def test_ragged(self) -> None:
        with pytest.raises(InputError, match="can't be read as an array"):
            sequentiality_index([[[1.0]], [[1.0, 2.0]]])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"variant": "published"}, r"`variant` must be one of paper, exact, got 'published'"),
            ({"n_bins": 0}, r"`n_bins` must be from 1 to 10,000, got 0 \(the paper uses 20\)"),
            ({"n_bins": 10**9}, "`n_bins` must be from 1 to 10,000, got 1000000000"),
            ({"window": 0}, r"`window` must be at least 1, got 0"),
            ({"window": 150}, r"its `window` of 150 \(the default is 5\), but each trial has 150 of the steps 0 … 149"),
            ({"window": 50, "steps": (0, 40)}, "its `window` of 50 .* but each trial has 40 of the steps 0 … 39"),
            ({"steps": (20, 25)}, "each trial has 5 of the steps 20 … 24: .* a smaller `window`"),
            ({"window": 4, "variant": "exact"}, r"`window` must be odd with variant 'exact', got 4"),
            ({"min_rate": np.nan}, r"`min_rate` must be a finite number, got nan"),
            ({"min_rate": -np.inf}, r"`min_rate` must be a finite number, got -inf"),
            ({"background_floor": -0.1}, r"`background_floor` must be a finite number, 0 or more, got -0.1"),
            ({"background_floor": np.inf}, r"`background_floor` must be a finite number, 0 or more, got inf"),
        ],
    )
    def test_parameters(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message) as error:
            sequentiality_index(noise(), **options)
        assert len(str(error.value).splitlines()) <= 4


class TestMask:
    @pytest.mark.parametrize("variant", ["paper", "exact"])
    def test_steps_left_out_might_as_well_not_be_there(self, variant: str) -> None:
        activity = noise()
        mask = np.ones(activity.shape[:2], bool)
        mask[:, 60:90] = False
        without = np.delete(activity, np.s_[60:90], axis=1)
        masked = sequentiality_index(activity, variant=variant, mask=mask, per_unit=True)
        short = sequentiality_index(without, variant=variant, per_unit=True)
        np.testing.assert_array_equal(masked["trial_sequentiality_index"], short["trial_sequentiality_index"])
        peaks = short["unit_peak_time"].values
        np.testing.assert_array_equal(masked["unit_peak_time"], np.where(peaks >= 60, peaks + 30, peaks))

    def test_each_trial_has_its_own(self) -> None:
        activity = noise()
        mask = np.ones(activity.shape[:2], bool)
        mask[1, 30:100] = False
        masked, whole = (sequentiality_index(activity, mask=m)["trial_sequentiality_index"] for m in (mask, None))
        np.testing.assert_array_equal(masked[[0, 2]], whole[[0, 2]])
        assert float(masked[1]) != float(whole[1])

    def test_with_a_part_of_the_trial(self) -> None:
        activity = noise()
        mask = np.ones(activity.shape[:2], bool)
        mask[:, 50:70] = False
        expected = index(np.delete(activity, np.s_[50:70], axis=1)[:, 10:80])
        assert float(sequentiality_index(activity, mask=mask, steps=(10, 100))["sequentiality_index"]) == expected

    @pytest.mark.parametrize("mask", [np.ones((3, 5), bool), np.ones((3, N_STEPS))])
    def test_a_mask_of_another_kind_is_refused(self, mask: np.ndarray) -> None:
        with pytest.raises(InputError, match="`mask` must be Boolean and of the shape"):
            sequentiality_index(noise(), mask=mask)

    def test_trials_without_steps_are_refused(self) -> None:
        with pytest.raises(InputError, match="3 of 3 trials have no measured step, the first is trial 0: leave them"):
            sequentiality_index(noise(), mask=np.zeros((3, N_STEPS), bool))
