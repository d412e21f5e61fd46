"""The table of claims, and the parts of the study that they need."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recurrent_memory import sweeps
from recurrent_memory.errors import InputError
from recurrent_memory.reproduction.claims import CLAIMS, FURTHER, chosen, parts_of
from recurrent_memory.reproduction.contrasts import Difference, Trend
from recurrent_memory.reproduction.data import DESIGN, completed
from recurrent_memory.reproduction.scales import PARTS, SCALES, TASKS, scale_named, sweep_text
from recurrent_memory.reproduction.scorecard import _Judged


def test_all_ten_claims_are_there() -> None:
    assert {name.rstrip("ab") for name in CLAIMS} == {str(number) for number in range(1, 11)}
    assert {name: claim.sides for name, claim in CLAIMS.items() if claim.sides == 2}.keys() == {
        "5",
        "6",
        "7",
        "9a",
        "9b",
    }
    assert all((claim.direction == 0) == (claim.evidence == "none") for claim in CLAIMS.values())
    assert {"1a", "1b", "2"} == {name.split()[0] for name in FURTHER if name.endswith("dale")} - {"8a", "8b"}


def test_the_parts_that_a_claim_names_have_its_networks() -> None:
    """With networks of these parts alone, each claim has comparisons, and all parts are of use."""
    frames = {part: networks_of(part) for part in PARTS}
    claims = chosen()
    assert parts_of(claims) == tuple(PARTS)
    for claim in claims.values():
        frame = pd.concat([frames[part] for part in claim.parts], ignore_index=True)
        usual = frame["iterations"] == frame["task"].map(SCALES["small"].iterations_for)
        found = _Judged(frame.assign(standard=usual), seed=0)._cells(claim, matched=False)
        weighed = found.comparisons.weigh(np.full(found.n, 2))
        assert weighed.used == weighed.possible > 0, claim.name
        assert weighed.weights.any()


FEW = ("2afc", "cd1", "comp", "gde", "sine")


def networks_of(part: str) -> pd.DataFrame:
    """Return networks with the settings of a part at the small scale."""
    Path("part.toml").write_text(
        sweep_text(PARTS[part], SCALES["small"], FEW).replace("range = [0, 10]", "range = [0, 1]")
    )
    rows = []
    for network in sweeps.networks(sweeps.load("part.toml")):
        own = network.experiment.model_dump(mode="json")
        rows.append({**own, "identity": network.identity})
    table = pd.DataFrame(rows).drop(columns="code", errors="ignore")
    for name in ("curriculum", "model_options", "task_options", "schedule_options", "optimizer_options", "snapshots"):
        if name in table:
            table[name] = table[name].map(json.dumps)
    return completed(table)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_scales_are_those_of_the_study() -> None:
    small, paper = SCALES["small"], SCALES["paper"]
    assert small.experiment["n_hidden"] == 100
    assert small.seeds >= 10
    assert min(len(small.lambda0), len(small.sigma0), len(small.rho)) >= 3
    assert (paper.experiment["n_hidden"], paper.iterations) == (500, 25_001)
    assert (len(paper.lambda0), len(paper.sigma0)) == (10, 10)
    for scale in SCALES.values():
        assert scale.middle in itertools.product(scale.lambda0, scale.sigma0)
    assert set(PARTS["basic"].tasks) == set(TASKS)


def test_a_network_in_two_parts_is_the_same_network() -> None:
    """`rho` begins where `basic` is, so that both have one network at ρ = 0."""
    identities = {}
    for part in ("basic", "length"):
        text = sweep_text(PARTS[part], SCALES["small"], ["comp"]).replace("[1001, 6002, 12004]", "[3001]")
        Path("part.toml").write_text(text)
        identities[part] = {network.identity for network in sweeps.networks(sweeps.load("part.toml"))}
    assert identities["length"] < identities["basic"]


def test_hard_tasks_are_trained_for_longer() -> None:
    scale = replace(SCALES["small"], iterations=3001, longer={"cd1": 9000})
    assert "iterations = 3001" in sweep_text(PARTS["basic"], scale, ["comp", "2afc"])
    assert "iterations = 9000" in sweep_text(PARTS["prior"], scale, ["cd1"])
    Path("part.toml").write_text(sweep_text(PARTS["basic"], scale, ["comp", "cd1"]))
    of = {
        (network.experiment.task, network.experiment.iterations)
        for network in sweeps.networks(sweeps.load("part.toml"))
    }
    assert of == {("comp", 3001), ("cd1", 9000)}


def test_few_seeds_are_the_first_of_all() -> None:
    identities = {}
    for seeds in (1, None):
        Path("part.toml").write_text(sweep_text(PARTS["rho"], scale_named("small", seeds), ["comp"]))
        identities[seeds] = [network.identity for network in sweeps.networks(sweeps.load("part.toml"))]
    assert identities[1] == identities[None][: len(identities[1])]
    assert len(identities[None]) == SCALES["small"].seeds * len(identities[1])


def test_tasks_limit_a_part() -> None:
    assert 'task = ["2afc", "comp"]' in sweep_text(PARTS["basic"], SCALES["small"], ["comp", "2afc"])
    assert 'curriculum = ["2afc,comp"]' in sweep_text(PARTS["prior"], SCALES["small"], ["comp"])
    assert sweep_text(PARTS["length"], SCALES["small"], ["sine"]) == ""
    assert "exclude" not in sweep_text(PARTS["conditions"], SCALES["small"], ["comp"])
    assert "exclude" in sweep_text(PARTS["conditions"], SCALES["small"], ["sine"])


def test_claims_are_chosen_by_number_name_and_kind() -> None:
    assert list(chosen(["8", "1a"])) == ["1a", "8a", "8b"]
    assert list(chosen(["1a dale"])) == ["1a dale"]
    assert list(chosen(["further"])) == list(FURTHER)
    with pytest.raises(InputError, match="no claim '11'"):
        chosen(["11"])


def cells(**columns: object) -> pd.DataFrame:
    n = max(len(values) for values in columns.values() if isinstance(values, list))
    defaults = dict.fromkeys(DESIGN, "") | {"lambda0": 0.98, "sigma0": 0.0, "rho": 0.0, "iterations": 9.0}
    return pd.DataFrame({name: [value] * n for name, value in defaults.items()}).assign(**columns)


def test_only_cells_that_agree_in_all_else_are_compared() -> None:
    table = cells(task=["comp", "comp", "2afc", "2afc"], sigma0=[0.0, 0.1, 0.1, 0.2])
    found = Difference("task", ("comp",), ("2afc",)).among(table).weigh(np.full(4, 5))
    assert found.weights.tolist() == [0, 1, -1, 0]
    assert found.sides.tolist() == [0, 1, -1, 0]


def test_each_pair_counts_alike_and_one_that_lost_its_networks_not_at_all() -> None:
    table = cells(task=["comp", "gde", "2afc"] * 2, sigma0=[0.0] * 3 + [0.1] * 3)
    contrast = Difference("task", ("comp", "gde"), ("2afc",)).among(table)
    assert contrast.weigh(np.full(6, 5)).weights.tolist() == [0.25, 0.25, -0.5, 0.25, 0.25, -0.5]
    found = contrast.weigh(np.array([1, 2, 2, 9, 9, 9]))
    assert found.weights == pytest.approx([0, 1 / 3, -1 / 3, 1 / 3, 1 / 3, -2 / 3])
    assert (found.used, found.possible) == (3, 4)


def test_a_trend_is_the_slope_over_ranks_that_least_squares_gives() -> None:
    levels = [0.0, 1e-5, 1e-4, 1e-3]
    table = cells(rho=[*levels, *levels], task=["comp"] * 4 + ["de1"] * 4)
    values = np.random.default_rng(0).normal(size=8)
    found = Trend("rho").among(table).weigh(np.array([5, 5, 5, 5, 5, 1, 5, 5]))
    ranks = np.arange(4) / 3
    one = np.polyfit(ranks, values[:4], 1)[0]
    other = np.polyfit(ranks[[0, 2, 3]], values[[4, 6, 7]], 1)[0]
    assert found.weights @ values == pytest.approx((one + other) / 2)
    assert found.weights.sum() == pytest.approx(0)


def test_a_line_with_one_level_is_no_comparison() -> None:
    found = Trend("rho").among(cells(rho=[0.0, 1e-4, 0.0], task=["comp", "comp", "de1"])).weigh(np.full(3, 5))
    assert found.weights.tolist() == [-1, 1, 0]
    assert (found.used, found.possible) == (1, 1)
