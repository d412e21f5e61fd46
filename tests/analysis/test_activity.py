"""What is missing in a recording is left out by every measure, and what cannot be left out is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.analysis import (
    ACTIVITY_MEASURES,
    cross_validated_order,
    peak_order,
    read_activity,
    sequentiality_index,
)
from recurrent_memory.analysis.activity import check_steps
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

N_TRIALS, N_STEPS, N_UNITS = 8, 60, 30
STEP = np.arange(N_STEPS)[:, None]
ACTIVITY = np.exp(-0.5 * ((STEP - np.linspace(3, 40, N_UNITS)) / 4) ** 2) + 0.05
ACTIVITY = ACTIVITY + 0.05 * np.random.default_rng(0).random((N_TRIALS, N_STEPS, N_UNITS))
LENGTH = 45 + np.arange(N_TRIALS)
REAL = np.arange(N_STEPS) < LENGTH[:, None]
"""Steps that a trial has, (trial, time)."""


def padded(value: float) -> Array:
    return np.where(REAL[..., None], ACTIVITY, value)


def masked(value: float) -> Array:
    return np.ma.masked_array(padded(value), mask=np.broadcast_to(~REAL[..., None], ACTIVITY.shape))


SHORT_TRIALS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "masked array": lambda: (masked(9.96921e36), None),
    "masked NaN": lambda: (np.ma.masked_invalid(padded(np.nan)), None),
    "masked in float32": lambda: (masked(1e20).astype(np.float32), None),
    "NaN under a mask": lambda: (padded(np.nan), REAL),
    "infinite under a mask": lambda: (padded(-np.inf), REAL),
    "both masks": lambda: (masked(np.nan), np.ones_like(REAL)),
    "unequal trials": lambda: ([trial[:n] for trial, n in zip(ACTIVITY, LENGTH, strict=True)], None),
    "list of masked trials": lambda: (list(masked(np.nan)), None),
    "labelled": lambda: (xr.DataArray(padded(np.nan).T, dims=("neuron", "time", "trial")), REAL),
}


class TestShortTrials:
    """The trials of `ACTIVITY` have 45 to 52 steps."""

    @pytest.mark.parametrize("kind", SHORT_TRIALS)
    @pytest.mark.parametrize("variant", ["paper", "exact"])
    def test_index_is_that_of_the_trials_one_by_one(self, kind: str, variant: str) -> None:
        activity, mask = SHORT_TRIALS[kind]()
        measured = sequentiality_index(activity, mask=mask, variant=variant)
        alone = [
            float(sequentiality_index(trial[None, :n], variant=variant)["sequentiality_index"])
            for trial, n in zip(ACTIVITY, LENGTH, strict=True)
        ]
        np.testing.assert_allclose(measured["trial_sequentiality_index"], alone, rtol=1e-5)
        if variant == "paper":
            assert round(float(measured["sequentiality_index"]), 2) == 4.50

    @pytest.mark.parametrize("kind", SHORT_TRIALS)
    def test_averages_are_over_the_trials_that_have_a_step(self, kind: str) -> None:
        activity, mask = SHORT_TRIALS[kind]()
        expected = np.nanmean(padded(np.nan)[:, : LENGTH.max()], axis=0)
        order = peak_order(activity, mask=mask)
        by_hand = np.argsort(expected.argmax(axis=0), kind="stable")
        active = expected.mean(axis=0) > 0.1
        assert order.tolist() == by_hand[active[by_hand]].tolist()
        shown = cross_validated_order(activity, mask=mask)
        odd = np.nanmean(padded(np.nan)[1::2, : LENGTH.max()], axis=0)
        there = shown["time"].values < LENGTH.max()
        np.testing.assert_allclose(shown["activity"][:, there], odd[:, shown["unit"].values].T, rtol=1e-6)
        assert np.isnan(shown["activity"][:, ~there]).all()

    @pytest.mark.parametrize("kind", SHORT_TRIALS)
    def test_what_is_left_out_is_nan(self, kind: str) -> None:
        activity, mask = SHORT_TRIALS[kind]()
        read = read_activity(activity, mask=mask)
        n_steps = read.sizes["time"]
        np.testing.assert_allclose(read, padded(np.nan)[:, :n_steps], rtol=1e-6)
        assert not REAL[:, n_steps:].any()

    def test_nan_as_padding_gets_an_error_that_says_what_to_do(self) -> None:
        with pytest.raises(InputError, match=r"short trials, give a masked array, .*np.ma.masked_invalid") as error:
            sequentiality_index(padded(np.nan))
        assert "first at trial 0, step 45, unit 0" in str(error.value)
        assert "add to the file an array `mask`, (trial, time)" in error.value.for_command
        masked = np.ma.masked_invalid(padded(np.nan))  # as the message says
        assert round(float(sequentiality_index(masked)["sequentiality_index"]), 2) == 4.50

    def test_steps_that_are_not_measured_may_be_anything(self) -> None:
        part = sequentiality_index(padded(np.nan), steps=(0, 45))
        assert float(part["sequentiality_index"]) == float(sequentiality_index(ACTIVITY[:, :45])["sequentiality_index"])
        assert peak_order(padded(np.nan), steps=(0, 45)).tolist() == peak_order(ACTIVITY[:, :45]).tolist()

    def test_too_short_a_trial_is_named(self) -> None:
        with pytest.raises(InputError, match=r"its `window` of 5 .* but trial 1 has 4 of the steps 0 … 59"):
            sequentiality_index([ACTIVITY[0], ACTIVITY[1, :4]])


class TestMissingUnits:
    def missing(self, value: float = np.nan) -> Array:
        activity = ACTIVITY.copy()
        activity[2, :, 4] = activity[5, :, 4] = activity[5, :, 7] = value
        return activity

    def test_a_unit_is_left_out_of_the_trials_in_which_it_is_missing(self) -> None:
        measured = sequentiality_index(np.ma.masked_invalid(self.missing()), per_unit=True, min_rate=-1.0)
        whole = sequentiality_index(ACTIVITY, per_unit=True, min_rate=-1.0)
        alone = sequentiality_index(np.delete(ACTIVITY[5:6], [4, 7], axis=2), min_rate=-1.0)
        index = measured["trial_sequentiality_index"]
        np.testing.assert_array_equal(index[[0, 1, 3, 4, 6, 7]], whole["trial_sequentiality_index"][[0, 1, 3, 4, 6, 7]])
        assert float(index[5]) == pytest.approx(float(alone["sequentiality_index"]), rel=1e-12)
        assert measured["trial_n_units"].values.tolist() == [30, 30, 29, 30, 30, 28, 30, 30]
        assert measured["unit_peak_time"].values[5, [4, 7]].tolist() == [-1, -1]
        assert measured.attrs["left_out"] == "0.375 of 30 units (mean over trials): they are masked in the whole trial"

    def test_averages_are_over_the_trials_that_have_the_unit(self) -> None:
        activity = np.ma.masked_invalid(self.missing())
        shown = cross_validated_order(activity, min_rate=-1.0).sortby("unit")
        np.testing.assert_allclose(shown["activity"][7], ACTIVITY[[1, 3, 7], :, 7].mean(axis=0))
        activity[:, :, 9] = np.ma.masked
        assert 9 not in peak_order(activity, min_rate=-1.0)

    def test_with_short_trials(self) -> None:
        mask = np.ma.getmaskarray(masked(0.0)).copy()
        mask[2, :, 4] = True
        measured = sequentiality_index(np.ma.masked_array(ACTIVITY, mask), min_rate=-1.0)
        alone = sequentiality_index(np.delete(ACTIVITY[2:3, : LENGTH[2]], 4, axis=2), min_rate=-1.0)
        assert float(measured["trial_sequentiality_index"][2]) == pytest.approx(float(alone["sequentiality_index"]))

    def test_without_a_mask_the_error_says_what_to_do(self) -> None:
        with pytest.raises(InputError, match=r"missing in some trials, np\.ma\.masked_invalid\(activity\) leaves it"):
            sequentiality_index(self.missing())


@pytest.mark.parametrize("measure", [measure.function for measure in ACTIVITY_MEASURES.values()])
def test_each_measure_says_the_same_of_trials_without_a_measured_step(measure: Callable[..., Any]) -> None:
    mask = np.ones(REAL.shape, bool)
    mask[2, 20:40] = False
    with pytest.raises(InputError, match=r"^Trial 2 has no measured step: leave it out\.$"):
        measure(ACTIVITY, mask=mask, steps=(20, 40))
    mask[5] = False
    with pytest.raises(InputError, match=r"^2 of 8 trials have no measured step, the first is trial 2: leave them out"):
        measure(ACTIVITY, mask=mask, steps=(20, 40))
    kept = mask[:, 20:40].any(axis=1)
    measure(ACTIVITY[kept], mask=mask[kept], steps=(20, 40))


class TestSingleEntries:
    @pytest.mark.parametrize("measure", [sequentiality_index, peak_order, cross_validated_order, read_activity])
    def test_masked_alone_are_refused(self, measure: Callable[..., Any]) -> None:
        mask = np.zeros(ACTIVITY.shape, bool)
        mask[3, 10:12, 6] = True
        activity = np.ma.masked_array(ACTIVITY, mask)
        with pytest.raises(InputError, match=r"masked in 2 entries of 14400, the first at trial 3, step 10, unit 6"):
            measure(activity)
        activity[np.ma.getmaskarray(activity).any(axis=2)] = np.ma.masked  # as the message says
        measure(activity)

    @pytest.mark.parametrize("where", [np.s_[3, 10, 6], np.s_[3], np.s_[:]], ids=["entry", "trial", "all"])
    def test_nan_alone_and_trials_of_nan_are_refused(self, where: Any) -> None:
        activity = ACTIVITY.copy()
        activity[where] = np.nan
        with pytest.raises(InputError, match="A network that diverged can't be measured; in a recording, drop those"):
            sequentiality_index(activity)

    def test_a_trial_that_is_masked_whole(self) -> None:
        mask = np.zeros(ACTIVITY.shape, bool)
        mask[3] = True
        with pytest.raises(InputError, match=r"^Trial 3 has no measured step: leave it out\.$"):
            sequentiality_index(np.ma.masked_array(ACTIVITY, mask))


def test_a_mask_of_unequal_lists_is_refused() -> None:
    with pytest.raises(InputError, match=r"`mask` must be Boolean and of the shape \(trial, time\) = \(8, 60\)"):
        sequentiality_index(ACTIVITY, mask=[[True] * 60, [True] * 50])


def test_the_users_mask_is_left_alone() -> None:
    mask = REAL.copy()
    sequentiality_index(ACTIVITY, mask=mask, steps=(5, 40))
    np.testing.assert_array_equal(mask, REAL)


@pytest.mark.parametrize("steps", [5, slice(2, 9), (2, None), ("a", 9), (0.5, 9), (1, 2, 3), "29"])
def test_steps_that_are_not_two_whole_numbers_are_refused(steps: Any) -> None:
    with pytest.raises(InputError, match=r"`steps` must be two whole numbers \(first, stop\), such as \(0, 20\), got"):
        inspect.unwrap(check_steps)(steps, 20)


def test_the_mask_of_a_data_set_is_used_unless_another_is_given() -> None:
    rates = np.random.default_rng(0).random((3, 12, 5)) + 0.1
    mask = np.ones((3, 12), bool)
    mask[1, 7:] = False
    dims = ("trial", "time", "unit")
    found = xr.Dataset({"activity": (dims, rates), "mask": (dims[:2], mask)})
    exact: dict[str, Any] = {"variant": "exact", "window": 3}
    for other in (found, found.transpose("unit", "time", "trial")):
        assert sequentiality_index(other, **exact).identical(sequentiality_index(found.activity, mask=mask, **exact))
    everything = sequentiality_index(rates, **exact)["sequentiality_index"]
    assert sequentiality_index(found, **exact)["sequentiality_index"] != everything
    assert sequentiality_index(found, mask=np.ones_like(mask), **exact)["sequentiality_index"] == everything
    assert np.isnan(read_activity(found)[1, 7:]).all()


@pytest.mark.parametrize("mask", [np.ones((3, 12)), np.ones(12, bool), np.float64(1)])
def test_a_variable_of_that_name_that_is_no_mask_is_left_alone(mask: Any) -> None:
    dims = ("trial", "time", "unit")
    found = xr.Dataset(
        {
            "activity": (dims, np.ones((3, 12, 5))),
            "mask": (dims[: np.ndim(mask)] if np.ndim(mask) != 1 else ("time",), mask),
        }
    )
    assert not np.isnan(read_activity(found)).any()
