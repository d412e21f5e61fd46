"""All measures at once: the same numbers as from each measure alone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr

import recurrent_memory as rm
from made_up_activity import planted
from recurrent_memory.analysis.all_measures import measure_names
from recurrent_memory.errors import InputError


def test_values_are_those_of_each_measure_alone() -> None:
    activity = planted(True, n_trials=6, n_units=20)
    mask = np.ones(activity.shape[:2], bool)
    mask[2, 80:] = False
    found = rm.analysis.measure_all(activity, steps=(10, 95), mask=mask)
    assert tuple(found["measure"].values) == rm.analysis.ACTIVITY_MEASURES.names()
    for name in found["measure"].values:
        alone = getattr(rm.analysis, name)(activity, steps=(10, 95), mask=mask)
        assert float(found["value"].sel(measure=name)) == float(alone[name])
        assert found["units"].sel(measure=name).item() == alone[name].attrs["units"]
        assert float(found["n_active_units"].sel(measure=name)) == float(alone["n_active_units"])
    assert "p" not in found
    assert (found["n_trials"] == 6).all()
    assert found.attrs["null"] == "none"


def test_the_asymmetry_of_the_weights_is_a_measure_where_weights_are_known() -> None:
    activity, weights = planted(True, n_trials=6, n_units=20), np.random.default_rng(0).normal(size=(20, 20))
    asked: dict[str, Any] = {"measures": ["sqi", "Forward-Asymmetry"], "null": "circular_shift", "n": 3}
    found = rm.analysis.measure_all(activity, weights=weights, steps=(10, 95), **asked).sel(measure="forward_asymmetry")
    order = rm.analysis.peak_order(activity, steps=(10, 95))
    alone = rm.analysis.forward_asymmetry(weights, order, n_permutations=0)
    assert float(found["value"]) == float(alone["forward_asymmetry"])
    assert (float(found["n_active_units"]), float(found["n_units"])) == (order.size, 20)
    assert np.isnan(float(found["p"]))
    unknown = rm.analysis.measure_all(activity, **asked).sel(measure="forward_asymmetry")
    assert np.isnan(float(unknown["value"]))
    assert unknown["reason"].item() == "the recurrent weights are not known"
    wrong = rm.analysis.measure_all(activity, weights=weights[:5, :5]).sel(measure="forward_asymmetry")
    assert "5 units" in wrong["reason"].item()


def test_comparisons_are_those_of_against_chance() -> None:
    activity = planted(True, n_trials=6, n_units=20)
    settings: dict[str, Any] = {"null": "circular_shift", "n": 12, "seed": 3, "steps": (0, 60)}
    found = rm.analysis.measure_all(activity, ["Time-Decoding", "sqi"], **settings)
    assert found["measure"].values.tolist() == ["time_decoding", "sqi"]
    for name in ("time_decoding", "sqi"):
        alone = rm.analysis.against_chance(name, activity, n_bootstrap=0, **settings)
        of = found.sel(measure=name)
        for number in ("value", "null_mean", "null_sd", "z", "p", "n_undefined"):
            assert float(of[number]) == float(alone[number]), (name, number)
        assert float(of["p_resolution"]) == alone["p"].attrs["resolution"] == 1 / 13


@pytest.mark.parametrize("null", [None, "permuted_time"])
def test_a_measure_that_the_activity_does_not_allow_has_a_reason_and_no_value(null: str | None) -> None:
    found = rm.analysis.measure_all(planted(True, n_trials=1, n_units=12), null=null, n=3)
    without = found["measure"].values[np.isnan(found["value"])].tolist()
    assert without == ["peak_consistency", "time_decoding"]
    assert all("at least two" in str(reason) for reason in found["reason"].sel(measure=without).values)
    assert not found["value"].sel(measure=["sqi", "sequentiality_index"]).isnull().any()


def test_infinite_surrogates_are_said_to_be_so() -> None:
    sparse = np.eye(20)[None].repeat(4, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rm.analysis.measure_all(sparse, ["sequentiality_index"], null="circular_shift", n=5, min_rate=0.0)
    assert np.isnan(found["z"].item())
    assert "infinite" in found["reason"].item()


def test_min_rate_reaches_the_measures_that_have_it(registries_as_before: None) -> None:
    def brightest(activity: Any) -> float:
        return float(activity.max())

    rm.analysis.ACTIVITY_MEASURES.register(rm.analysis.ActivityMeasure(name="brightest", function=brightest))
    activity = planted(True, n_trials=4, n_units=12)
    activity[:, :, :4] *= 0.01
    found = rm.analysis.measure_all(activity, min_rate=0.3)
    known = found["n_active_units"].sel(measure=["sqi", "peak_consistency", "time_decoding"])
    assert (known == 8).all()
    assert float(found["value"].sel(measure="brightest")) == activity.max()
    assert np.isnan(found["n_active_units"].sel(measure="brightest"))
    assert found["units"].sel(measure="brightest").item() == ""


@pytest.mark.parametrize("null", [None, "shuffled_units"])
def test_progress_rises_to_one_and_can_stop_the_work(null: str | None) -> None:
    activity, seen = planted(True, n_trials=3, n_units=8), list[float]()
    rm.analysis.measure_all(activity, null=null, n=4, on_progress=seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 1
    assert seen[-1] == 1

    class StoppedError(Exception):
        pass

    def stop(done: float) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        rm.analysis.measure_all(activity, null=null, n=4, on_progress=stop)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"measures": ["sqq"]}, "Do you mean sqi"),
        ({"measures": []}, "list of names"),
        ({"null": "shift"}, "circular_shift"),
        ({"n": 0}, "`n`"),
        ({"min_rate": float("nan")}, "`min_rate`"),
        ({"steps": (5, 500)}, "not a part of the trial"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        rm.analysis.measure_all(planted(True, n_trials=2, n_units=5), **settings)


def test_activity_that_no_measure_could_read_is_refused() -> None:
    with pytest.raises(InputError, match="three axes"):
        rm.analysis.measure_all(np.ones((3, 4)))
    assert measure_names(["SqI", "sqi"]) == ("sqi",)


def test_labelled_activity_in_another_order_gives_the_same_values() -> None:
    activity = planted(True, n_trials=3, n_units=8)
    named = xr.DataArray(activity.transpose(2, 1, 0), dims=("neuron", "step", "epoch"))
    one, other = rm.analysis.measure_all(activity), rm.analysis.measure_all(named)
    xr.testing.assert_identical(one, other)
