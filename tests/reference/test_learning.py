"""Learning is statistically that of the published code: reports and sequentiality of whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.run import run

from .files import DATA

SEEDS = range(1, 11)
SIGNIFICANT = 0.01
"""Three published runs against ten: p is below this only where all of theirs lie on one side of all of ours."""


def published_runs(folder: Path) -> list[list[dict[str, Any]]]:
    """Return the runs of `small_runs.json`, those of equal settings together."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads((folder / "small_runs.json").read_text())["runs"]:
        names = ("task", "lambda_val", "sigma_val", "rho_val", "n_hidden", "model", "condition", "iterations")
        groups.setdefault(str([entry[name] for name in names]), []).append(entry)
    return list(groups.values())


def our_run(published: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train and test one network with the settings of a published run."""
    result = run(
        Experiment(
            task=published["task"],
            condition=published["condition"],
            model=published["model"],
            n_hidden=published["n_hidden"],
            lambda0=published["lambda_val"],
            sigma0=published["sigma_val"] * np.sqrt(published["n_hidden"]),
            rho=published["rho_val"],
            iterations=published["iterations"],
            batch_size=published["batch_size"],
            test_batches=2,
            seed=seed,
        )
    )
    return {"reports": result["report_fractional_loss"].values[1:], "index": float(result["sequentiality_index"])}


@pytest.mark.slow
def test_whole_runs_learn_as_the_published_ones(request: pytest.FixtureRequest) -> None:
    folder: Path | None = request.config.getoption("reference_data")
    for published in published_runs(folder or DATA):
        ours = [our_run(published[0], seed) for seed in SEEDS]
        compared = {
            f"report {i + 1}": (
                [r["infloss_train_every_500"][i + 1] for r in published],
                [r["reports"][i] for r in ours],
            )
            for i in range(len(ours[0]["reports"]))
        } | {"sequentiality index": ([r["mean_SI"] for r in published], [r["index"] for r in ours])}
        told_apart = {
            name: values for name, values in compared.items() if stats.mannwhitneyu(*values).pvalue < SIGNIFICANT
        }
        assert not told_apart
