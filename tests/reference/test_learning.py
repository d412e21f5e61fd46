"""Learning is statistically that of the published code: reports, test and sequentiality of whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.many import run_many

from .files import DATA

SEEDS = range(1, 25)
SIGNIFICANT = 0.01
"""Sixteen published runs against 24: four in five differences of one standard deviation have a p below this."""


def published_runs(folder: Path) -> list[list[dict[str, Any]]]:
    """Return the runs of `small_runs.json`, those of equal settings together."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads((folder / "small_runs.json").read_text())["runs"]:
        names = ("task", "lambda_val", "sigma_val", "rho_val", "n_hidden", "model", "condition", "iterations")
        groups.setdefault(str([entry[name] for name in names]), []).append(entry)
    return list(groups.values())


def our_experiment(published: dict[str, Any], seed: int) -> Experiment:
    """Return our experiment with the settings of a published run, reported as the published code does."""
    return Experiment(
        task=published["task"],
        condition=published["condition"],
        model=published["model"],
        n_hidden=published["n_hidden"],
        lambda0=published["lambda_val"],
        sigma0=published["sigma_val"] * np.sqrt(published["n_hidden"]),
        rho=published["rho_val"],
        iterations=published["iterations"],
        batch_size=published["batch_size"],
        test_batches=published["test_batches"],
        judge_after_step=True,
        seed=seed,
    )


@pytest.mark.slow
def test_whole_runs_learn_as_the_published_ones(request: pytest.FixtureRequest) -> None:
    folder: Path | None = request.config.getoption("reference_data")
    for published in published_runs(folder or DATA):
        ours = run_many([our_experiment(published[0], seed) for seed in SEEDS])
        reports = np.array([result["report_fractional_loss"].values[1:] for result in ours])
        theirs = np.array([run["infloss_train_every_500"][1:] for run in published])
        compared = {f"report {i + 1}": (theirs[:, i], reports[:, i]) for i in range(theirs.shape[1])} | {
            "test": ([run["infloss_test"] for run in published], [float(r["fractional_loss"]) for r in ours]),
            "sequentiality index": (
                [run["mean_SI"] for run in published],
                [float(result["sequentiality_index"]) for result in ours],
            ),
        }
        p_values = {name: float(stats.mannwhitneyu(*values).pvalue) for name, values in compared.items()}
        print(
            {
                name: f"p = {p:.2f}, medians {np.median(compared[name][0]):.2f} and {np.median(compared[name][1]):.2f}"
                for name, p in p_values.items()
            }
        )
        assert not {name: p for name, p in p_values.items() if p < SIGNIFICANT}


def test_all_published_runs_are_of_the_same_settings() -> None:
    (published,) = published_runs(DATA)
    assert sorted(run["seed"] for run in published) == list(range(1, 17))
