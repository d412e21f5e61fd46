"""What the summary of a run says besides its table."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory import analysis, evaluation, tasks
from recurrent_memory.cli.summary import SURROGATES, TRIALS_BY_CHANCE, by_chance, explanations, rows
from recurrent_memory.runs import definitions
from recurrent_memory.runs.measured_on import Activity, Answered
from recurrent_memory.runs.measures import MEASURES
from recurrent_memory.runs.run import run
from recurrent_memory.tasks.responses import Value
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


TERMS = ("fractional_loss", "fractional_loss_network_error", "fractional_loss_reference_error")


def with_terms(task: str) -> xr.Dataset:
    """Return the fractional loss of made-up answers and its terms, in both variants, which differ if they can."""
    made = tasks.make(task)
    found: dict[str, Any] = {}
    truth, observer, network = np.random.default_rng(0).random((3, 40)) * (np.pi if made.response == "angle" else 1)
    observer[0] = 1.0  # an answer that the published formula drops
    for variant in ("paper", "exact"):
        errors = evaluation.errors(made.response, truth, observer, network, variant)
        on = Answered(made, truth, observer, network, errors, batch_size=4, variant=variant)
        found |= {MEASURES[name].variable(variant): MEASURES[name].function(on) for name in TERMS}  # type: ignore[misc]
    return xr.Dataset(found)


@pytest.mark.parametrize(
    ("task", "formula", "n_lines"),
    [
        ("de1", "(test loss − observer's loss) / observer's loss", 2),
        ("2afc", "mean KL(observer‖network) / mean KL(observer‖½)", 2),
        ("sine", "mean absolute error", 1),
    ],
)
def test_the_formula_with_its_terms_is_the_fractional_loss(task: str, formula: str, n_lines: int) -> None:
    result = with_terms(task)
    lines = explanations(result)
    assert len(lines) == n_lines
    words, published = lines[0].removeprefix("fractional loss = ").rsplit(" = ", 1)
    assert words == formula
    shown = {"fractional_loss": published, "fractional_loss_exact": lines[-1].removeprefix("  exact: ")}
    for name in list(shown)[:n_lines]:
        by_hand = eval(shown[name].replace("−", "-"), {})
        assert by_hand == pytest.approx(float(result[name]), abs=1e-3)


def test_the_terms_of_angles_are_the_losses_of_the_table(result: xr.Dataset) -> None:
    for ending in ("", "_exact"):
        for term, loss in (("network", "test"), ("reference", "observer")):
            found = result[f"fractional_loss{ending}_{term}_error"]
            assert float(found) == float(result[f"{loss}_loss{ending}"])
            assert found.attrs["units"] == "radians"


@pytest.mark.parametrize(("value", "shown"), [(0.01234, "0.0123"), (0.00012345, "0.000123"), (0.0, "0.0000")])
def test_small_terms_are_shown_with_three_digits(value: float, shown: str) -> None:
    result = with_terms("sine")
    result["fractional_loss_network_error"].values = np.array(value)
    assert explanations(result)[0] == f"fractional loss = mean absolute error = {shown}"


@pytest.mark.parametrize(("variant", "in_a_trial", "on_average"), [("paper", 2.5, 3), ("exact", 2.0, 2)])
def test_units_active_in_a_trial_and_on_average(variant: str, in_a_trial: float, on_average: int) -> None:
    # Four units: active in both trials, in one (on average, too), in one (on average not), and in none.
    levels = np.array([[0.3, 0.3, 0.12, 0.0], [0.3, 0.0, 0.0, 0.0]])
    whole, mask = np.repeat(levels[:, None], 150, axis=1), np.ones((2, 150), bool)
    whole[1, 100:, 3], mask[1, 100:] = 50.0, False  # which is published as activity, but no step of this trial
    on = Activity(tasks.make("de1"), whole, mask, variant)
    assert float(definitions.sequentiality(on)["n_active_units"]) == in_a_trial
    found = definitions.n_active_on_average(on)
    assert (float(found), found.attrs["n_units"]) == (on_average, 4)


def test_a_result_of_an_earlier_version_has_fewer_lines(result: xr.Dataset) -> None:
    earlier = result.drop_vars([name for name in result if "_error" in str(name) or "on_average" in str(name)])
    assert len(explanations(result)) == 3
    assert explanations(earlier) == ["active: mean activity above 0.1, in each trial (shown: mean count)"]
    labels = [label for label, *_ in rows(result)]
    assert [label for label in labels if label not in [other for other, *_ in rows(earlier)]] == [
        "active units in the average over trials"
    ]


def test_a_fractional_loss_that_is_undefined_has_no_line(result: xr.Dataset) -> None:
    undefined = result.assign(fractional_loss=result["fractional_loss"] * np.nan)
    assert explanations(undefined)[0].startswith("active: ")


def test_a_fraction_of_ones_own_has_no_formula_but_its_own() -> None:
    class Halved(Value):
        @staticmethod
        def fraction(network: Any, reference: Any) -> Any:
            return network / 2

    class Named(Halved):
        formula = "{} / 2"

    assert (Halved.formula, Named.formula) == ("", "{} / 2")
