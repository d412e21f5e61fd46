"""The command that a report gives for a network makes that network again."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from recurrent_memory.cli.train import train
from recurrent_memory.experiment import Experiment
from recurrent_memory.report.recreate import OWN_CODE, condition_for, train_command
from recurrent_memory.sweeps import Sweep, networks, select

EXPERIMENTS: list[dict[str, Any]] = [
    {"task": "de1"},
    {"task": "comp", "n_hidden": 100, "lambda0": 0.9, "rho": 1e-5, "seed": 2**32 - 1},
    {"task": "2afc", "condition": "tethered", "sigma0": 0.1 + 0.2},
    {"task": "gde", "condition": "hebbian", "stop_at": 0.25, "snapshots": [0, 10]},
    {"task": "de1", "condition": "variable_delay+dynamic", "separate_clipping": True},
    {"task": "de1", "model": "leaky", "model_options": {"alpha": 0.5, "activation": "tanh"}, "readout_step": -3},
    {"task": "de1", "task_options": {"delay_dur": 50, "kappa": 1.5}, "gradient_clip_norm": 1.0, "precision": "tf32"},
    {"curriculum": ["cd1", "2afc"], "optimizer": "adamw", "optimizer_options": {"weight_decay": 0.001}},
]


def parsed(command: str) -> Experiment:
    """Return the experiment that `recurrent-memory train` would run."""
    words = shlex.split(command)
    assert words[:2] == ["recurrent-memory", "train"]
    given = train.make_context("train", words[2:]).params
    return Experiment(**{name: of for name, of in given.items() if of is not None and name in Experiment.model_fields})


@pytest.mark.parametrize("values", EXPERIMENTS, ids=[str(number) for number in range(len(EXPERIMENTS))])
def test_train_gets_the_same_experiment(values: dict[str, Any]) -> None:
    experiment = Experiment(**values)
    assert parsed(train_command(experiment.model_dump())) == experiment
    # As in a data set: what is neither number nor text is JSON, and what is empty is NaN or null.
    stored = {
        name: json.dumps(of) if isinstance(of, dict | list | tuple) else float("nan") if of is None else of
        for name, of in experiment.model_dump(mode="json").items()
    }
    assert parsed(train_command(stored)) == experiment


def test_a_study_joins_the_tasks_of_a_curriculum() -> None:
    assert parsed(train_command({"task": "2afc", "curriculum": "cd1,2afc"})).curriculum == ("cd1", "2afc")
    assert "curriculum" not in train_command({"task": "2afc", "curriculum": ""})


def test_own_code_has_to_be_added() -> None:
    assert train_command({"task": "mine", "code": "abc"}).endswith(OWN_CODE)
    assert train_command({"n_hidden": 5}) == ""


def test_the_condition_holds_for_one_network_alone() -> None:
    axes: list[dict[str, Any]] = [
        {"task": ["comp", "2afc"]},
        {"lambda0": [0.9, 0.1 + 0.2]},
        {"separate_clipping": [True, False]},
        {"task_options.delay_dur": [50, 60]},
    ]
    sweep = Sweep(experiment={"n_hidden": 20}, axes=axes)
    among = networks(sweep)
    for network in among:
        condition = condition_for(network.point)
        assert condition is not None
        assert [one.identity for one in select(sweep, among, condition)] == [network.identity]


def test_no_condition_without_axes_or_with_a_value_that_cannot_be_written() -> None:
    assert condition_for({}) is None
    assert condition_for({"stop_at": None}) is None
    assert condition_for({"lambda0": float("inf")}) is None
