"""What the summary of a run says besides its table."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from recurrent_memory import analysis
from recurrent_memory.cli.summary import SURROGATES, TRIALS_BY_CHANCE, by_chance
from recurrent_memory.runs.run import run
from small import small_experiment


@pytest.fixture(scope="module")
def result() -> xr.Dataset:
    return run(small_experiment())


def with_activity(result: xr.Dataset, activity: np.ndarray) -> xr.Dataset:
    return result.assign(activity=(("trial", "time", "unit"), activity))


def test_it_says_what_the_index_would_be_by_chance(result: xr.Dataset) -> None:
    rng = np.random.default_rng(0)
    noise = with_activity(result, rng.random(result["activity"].shape) + 0.1)
    found = re.search(r"would be ([\d.]+) ± ([\d.]+) \(exact: ([\d.]+) ±", by_chance(noise))
    assert found is not None
    paper, sd, exact = map(float, found.groups())
    for variant, said in (("paper", paper), ("exact", exact)):
        own = float(analysis.sequentiality_index(noise["activity"], variant=variant).sequentiality_index)
        assert abs(own - said) < max(0.02, 5 * sd)  # noise is no more than chance


def test_many_trials_are_thinned(result: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    many = xr.concat([result] * 40, "trial", data_vars="minimal", coords="minimal", compat="override")
    seen = []

    def spy(measure: str, activity: xr.DataArray, **settings: object) -> xr.Dataset:
        seen.append((activity.sizes["trial"], settings["n"]))
        return xr.Dataset({"null_mean": 3.0, "null_sd": 0.01})

    monkeypatch.setattr(analysis, "against_chance", spy, raising=False)
    assert "3.00 ± 0.01 (exact: 3.00 ± 0.01)" in by_chance(many)
    assert all(TRIALS_BY_CHANCE <= trials < 2 * TRIALS_BY_CHANCE and n == SURROGATES for trials, n in seen)


def test_nothing_is_said_without_a_number(result: xr.Dataset) -> None:
    assert by_chance(with_activity(result, np.zeros(result["activity"].shape))) == ""
    assert by_chance(result.drop_vars("sequentiality_index")) == ""


def test_the_steps_that_a_trial_has_not_do_not_count_in_the_exact_index() -> None:
    assert "(exact: " in by_chance(run(small_experiment(condition="variable_delay", task_options={"delays": (3, 10)})))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_nothing_is_said_of_what_is_no_activity(value: float, result: xr.Dataset) -> None:
    activity = result["activity"].values.copy()
    activity[0, 0] = value
    line = by_chance(with_activity(result, activity))
    assert line == "" or value == -1.0
