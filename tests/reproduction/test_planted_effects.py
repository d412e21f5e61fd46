"""Claims that are made true, false or absent get the right verdict, at the stated rates of error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from made_up_study import networks, values_and_solved
from recurrent_memory.reproduction.claims import chosen
from recurrent_memory.reproduction.scorecard import EFFECTS, _Judged, _with_verdicts, scorecard
from recurrent_memory.reproduction.statistics import LEVEL

DRAWS = 400
NUMBERS = [24, pytest.param(DRAWS, marks=pytest.mark.slow)]
"""Studies that are made up: few in each run of the tests, many in the slow ones."""
RARE = 0.0005
"""How often a test fails by chance, if the rate of error is `LEVEL`."""
AXES: dict[str, dict[str, Any]] = {
    "1a": {"task": ["comp", "2afc"], "lambda0": [0.9, 0.98], "sigma0": [0.0, 0.1, 0.2]},
    "2": {"task": ["comp", "2afc"], "lambda0": [0.9, 0.98], "sigma0": [0.0, 0.1, 0.2]},
    "3": {"task": ["comp", "2afc", "de1"], "rho": [0.0, 1e-4, 1e-3]},
    "6": {"task": ["comp", "2afc"], "condition": ["basic", "dynamic"], "sigma0": [0.0, 0.1]},
}
ON: dict[str, Any] = {
    "1a": lambda table: table["task"] == "comp",
    "2": lambda table: table["sigma0"] / 0.2,
    "3": lambda table: -table["rho"].rank(method="dense") / 2,
    "6": lambda table: table["condition"] == "dynamic",
}
"""What an effect of 1 in the direction of a claim is."""


def judged(claim: str, effect: float, number: int, **settings: Any) -> pd.DataFrame:
    """Return what many studies say of a claim, each by its solved networks, and of that claim alone.

    The networks have the same settings in each, and so their cells are found once.
    """
    of_claim, rows = chosen([claim])[claim], []
    frame = networks(AXES[claim], np.random.default_rng(0), sequentiality_index=lambda table: 0.0)
    judge = _Judged(frame.assign(standard=True), seed=0)
    cells = judge._cells(of_claim, matched=False)
    for draw in range(number):
        rng = np.random.default_rng([draw, int(claim[0]), int(1000 * effect) % 2**16])
        made = values_and_solved(frame, rng, lambda table: 3 + effect * ON[claim](table), **settings)
        judge._values["sequentiality_index"], judge._counts["solved"] = made
        row = judge._row(of_claim, cells, "sequentiality_index", "solved")
        of = {"claim": claim, "group": "paper", "measure": "sequentiality_index", "selection": "solved"}
        about = {"direction": of_claim.direction, "sides": of_claim.sides, "evidence": of_claim.evidence}
        rows.append({**of, **about, **row, "n_hidden": draw})
    return _with_verdicts(pd.DataFrame(rows))


UNEQUAL = {"solved": lambda table: np.where(ON["1a"](table), 0.4, 0.9)}
SETTINGS = [
    pytest.param("1a", {}, id="1a"),
    pytest.param("1a", UNEQUAL, id="1a, unequal losses"),
    pytest.param("1a", {"of_seed": 0.5}, id="1a, seeds alike in all cells"),
    pytest.param("2", {"noise": "exponential"}, id="2, skewed"),
    pytest.param("3", {}, id="3"),
    pytest.param("6", {}, id="6, two-sided"),
]


@pytest.mark.parametrize(("claim", "settings"), SETTINGS)
@pytest.mark.parametrize("number", NUMBERS)
def test_an_absent_effect_is_inconclusive(claim: str, settings: dict[str, Any], number: int) -> None:
    rows = judged(claim, 0.0, number, **settings)
    most_wrong = binom.isf(RARE, number, LEVEL)
    assert (rows["verdict"] != "inconclusive").sum() <= most_wrong
    assert ((rows["low"] > 0) | (rows["high"] < 0)).sum() <= most_wrong
    assert (rows["p"] <= LEVEL).sum() <= most_wrong


@pytest.mark.parametrize(("claim", "settings"), SETTINGS)
@pytest.mark.parametrize("effect", [1.2, -1.2])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_planted_effect_is_found_with_its_sign(
    claim: str, settings: dict[str, Any], effect: float, number: int
) -> None:
    rows = judged(claim, effect, number, **settings)
    expected = "reproduced" if effect > 0 else "opposite"
    assert (rows["verdict"] == ("opposite" if effect > 0 else "reproduced")).sum() == 0
    assert (rows["verdict"] == expected).mean() >= min(0.9, rows["power"].mean() - 0.1)
    sign = -1 if claim == "3" else 1
    outside = (rows["low"] > sign * effect) | (sign * effect > rows["high"])
    assert outside.sum() <= binom.isf(RARE, number, LEVEL)


def test_unequal_losses_are_counted() -> None:
    rows = judged("1a", 1.2, 20, **UNEQUAL)
    assert (rows["lost_high"] > rows["lost_low"]).all()
    assert (rows["trained_high"] == rows["trained_low"]).all()


def test_the_power_is_how_often_the_effect_is_found() -> None:
    rows = judged("1a", EFFECTS["nats"], 100)
    found = (rows["verdict"] == "reproduced").mean()  # one-sided, and so a little more often
    assert rows["power"].mean() - 0.15 < found < rows["power"].mean() + 0.2


def tasks_and_grid(draw: int, seeds: int = 10) -> pd.DataFrame:
    axes: dict[str, Any] = {
        "task": ["comp", "cd1", "cd2", "gde", "de1", "de2", "2afc"],
        "lambda0": [0.9, 0.98],
        "sigma0": [0.0, 0.1],
    }
    measures = ("sequentiality_index", "forward_asymmetry")
    return networks(axes, np.random.default_rng(draw), seeds=seeds, **dict.fromkeys(measures, lambda table: 0.0))


@pytest.mark.parametrize("number", [2, pytest.param(200, marks=pytest.mark.slow)])
def test_hardly_ever_is_any_of_several_absent_effects_found(number: int) -> None:
    """The whole scorecard, with Holm's correction."""
    wrong = 0
    for draw in range(number):
        card = scorecard(tasks_and_grid(draw), chosen(["1", "2", "8", "9a"]))
        rows = card.query("selection == 'solved' and measure in ('sequentiality_index', 'forward_asymmetry')")
        assert set(rows["verdict"]) <= {"reproduced", "opposite", "inconclusive", "estimate"}
        wrong += int(rows["verdict"].isin(["reproduced", "opposite"]).any())
    assert wrong <= binom.isf(RARE, number, LEVEL)
