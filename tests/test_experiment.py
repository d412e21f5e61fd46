"""Experiments: the paper's values, what is refused and how, and the way through JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from recurrent_memory.errors import InputError
from recurrent_memory.experiment import PRESETS, Experiment, preset


def test_defaults_are_the_papers() -> None:
    experiment = Experiment(task="de1")
    assert experiment.model_dump() == {
        "task": experiment.make_task().name,
        "condition": "basic",
        "model": "relu",
        "n_hidden": 500,
        "lambda0": 0.98,
        "sigma0": 0.0,
        "rho": 0.0,
        "iterations": 25_001,
        "batch_size": 50,
        "learning_rate": 5e-4,
        "learning_rate_schedule": "constant",
        "schedule_options": {},
        "optimizer": "paper_adam",
        "optimizer_options": {},
        "gradient_clip_norm": None,
        "test_batches": 2_501,
        "seed": 0,
        "stop_at": None,
        "activity_penalty": 1e-4,
        "readout_step": -5,
        "curriculum": (),
        "readout": "auto",
        "precision": "float32",
        "separate_clipping": False,
        "judge_after_step": False,
        "task_options": {},
        "model_options": {},
    }
    assert preset("paper") == {}
    for name in PRESETS:
        Experiment(task="de1", **preset(name))


@pytest.mark.parametrize(("given", "name"), [(0, "DE-1"), ("0", "DE-1"), ("de_1", "DE-1"), ("DE-1", "DE-1")])
def test_tasks_go_by_name_or_code(given: Any, name: str) -> None:
    assert Experiment(task=given) == Experiment(task=name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "de9"}, "There is no task 'de9'"),
        ({"task": 5}, "VDE-1 exists only in the condition variable_delay"),
        ({}, "Experiment needs `task`"),
        ({"tsak": "de1"}, "`tsak` is not a setting of Experiment. Do you mean task?"),
        ({"task": "de1", "model": "lstm"}, "There is no model 'lstm'"),
        ({"task": "de1", "colour": 1}, "`colour` is not a setting of Experiment"),
        ({"task": "de1", "n_hidden": 0}, "`n_hidden` = 0 is not allowed: must be greater than or equal to 1"),
        ({"task": "de1", "n_hidden": "many"}, "`n_hidden` = 'many' is not allowed: must be a whole number ≥ 1 and ≤"),
        ({"task": "de1", "n_hidden": 2.5}, "`n_hidden` = 2.5 is not allowed: must be a whole number ≥ 1 and ≤ 100000."),
        ({"task": "de1", "gradient_clip_norm": "x"}, "`gradient_clip_norm` = 'x' .*: must be a number > 0, or none."),
        ({"task": "de1", "separate_clipping": "x"}, "`separate_clipping` = 'x' is not allowed: must be true or false."),
        ({"task": "de1", "task_options": 3}, "`task_options` = 3 is not allowed: must be a dictionary."),
        ({"task": "de1", "snapshots": 3}, "`snapshots` = 3 is not allowed: must be a list of whole numbers."),
        (
            {"task": "de1", "snapshots": "a"},
            "`snapshots` = 'a' .* numbers of iterations from 0 to `iterations` = 25001",
        ),
        ({"task": "de1", "snapshots": [True]}, "`snapshots` = .True. is not allowed: must be numbers of iterations"),
        ({"task": "de1", "task_options": {"kappa": "x"}}, "`kappa` = 'x' is not allowed: must be a number > 0."),
        ({"task": "de1", "batch_size": 0}, "`batch_size` = 0"),
        ({"task": "de1", "lambda0": float("nan")}, "`lambda0` = nan"),
        ({"task": "de1", "lambda0": float("-inf")}, "`lambda0` = -inf"),
        ({"task": "de1", "learning_rate": 0.0}, "`learning_rate` = 0.0"),
        ({"task": "de1", "seed": 2**32}, "`seed` = 4294967296"),
        ({"task": "de1", "condition": "x"}, "There is no condition 'x'"),
        ({"task": "de1", "readout_step": -26}, "lies before the response epoch, the last 25 steps"),
        ({"task": "de1", "readout_step": 0}, "`readout_step` = 0"),
        ({"task": "de1", "task_options": {"delay_dur": -5}}, "`delay_dur` = -5"),
        ({"task": "de1", "task_options": {"x": 1}}, "`x` is not a setting of DE1"),
        ({"task": "de1", "model_options": {"gamma": 1.0}}, "model 'relu' has no option 'gamma'"),
        ({"task": "de1", "optimizer": "adamm"}, "There is no optimizer 'adamm'. Do you mean adam"),
        (
            {"task": "de1", "optimizer_options": {"momentum": 0.9}},
            "`momentum` is not a setting of the optimizer paper_",
        ),
        ({"task": "de1", "optimizer": "sgd", "optimizer_options": {"mass": 1}}, "Its settings: momentum, nesterov"),
        ({"task": "de1", "optimizer": "adamw", "optimizer_options": {"mask": 1}}, "`mask` is not a setting"),
        ({"task": "de1", "optimizer": "adam", "optimizer_options": {"b1": 1}}, "`b1` = 1 is not allowed: must be less"),
        ({"task": "de1", "optimizer_options": {"eps": 0}}, "`eps` = 0 is not allowed: must be greater than 0"),
        (
            {"task": "de1", "optimizer_options": {"b2": "high"}},
            "`b2` = 'high' is not allowed: must be a number ≥ 0 and < 1",
        ),
        (
            {"task": "de1", "optimizer": "sgd", "optimizer_options": {"momentum": float("inf")}},
            "must be a finite number",
        ),
        ({"task": "de1", "optimizer": "sgd", "optimizer_options": {"nesterov": 2}}, "`nesterov` = 2 is not allowed"),
        ({"task": "de1", "gradient_clip_norm": 0.0}, "`gradient_clip_norm` = 0.0"),
        ({"task": "de1", "learning_rate_schedule": "steps"}, "schedules: constant, linear, cosine, exponential"),
        ({"task": "de1", "schedule_options": {"end": 0.1}}, "of the schedule constant. Its settings: warmup."),
        ({"task": "de1", "schedule_options": {"warmup": 1}}, "`warmup` = 1 is not allowed: must be less than 1"),
        (
            {"task": "de1", "learning_rate_schedule": "exponential", "schedule_options": {"end": 0}},
            "`end` = 0 is not allowed: must be greater than 0",
        ),
        ({"task": "de1", "n_hidden": 0, "rho": -1.0}, r"1 more setting\(s\) are wrong"),
    ],
)
def test_refuses_with_a_message_that_names_it(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        Experiment(**values)
    assert len(str(error.value).splitlines()) <= 4


def test_refuses_unknown_preset() -> None:
    with pytest.raises(InputError, match="There is no preset 'huge': use one of paper, quick"):
        preset("huge")


def test_is_frozen_and_replaced_with_checks() -> None:
    experiment = Experiment(task="comp")
    with pytest.raises(ValueError, match="frozen"):
        experiment.n_hidden = 3  # type: ignore[misc]
    assert experiment.replace(n_hidden=3).n_hidden == 3
    with pytest.raises(InputError, match="`n_hidden` = -3"):
        experiment.replace(n_hidden=-3)


def test_names_and_options_of_an_optimizer_have_one_spelling() -> None:
    given = {"optimizer": "SGD", "optimizer_options": {"momentum": "0.5", "nesterov": "true"}}
    experiment = Experiment(task="de1", learning_rate_schedule="Cosine", schedule_options={"warmup": "0.1"}, **given)
    assert (experiment.optimizer, experiment.optimizer_options) == ("sgd", {"momentum": 0.5, "nesterov": True})
    assert (experiment.learning_rate_schedule, experiment.schedule_options) == ("cosine", {"warmup": 0.1})


def test_goes_through_json_unchanged() -> None:
    experiment = Experiment(
        optimizer="rmsprop",
        optimizer_options={"decay": 0.95, "centered": True},
        gradient_clip_norm=1.0,
        learning_rate_schedule="exponential",
        schedule_options={"end": 0.1, "warmup": 0.05},
        task="gde",
        model="fast_weights",
        lambda0=0.1 + 0.2,
        stop_at=0.3,
        task_options={"delay_dur": 50, "stim_rate": 2.5},
        model_options={"gamma": 1e-3},
    )
    text = json.dumps(experiment.model_dump(mode="json"))
    assert Experiment(**json.loads(text)) == experiment


def test_scalars_of_arrays_are_stored_as_numbers() -> None:
    of_jax = Experiment(
        task="de1", task_options={"delay_dur": jnp.asarray(5), "kappa": np.longdouble(3)}, seed=np.int64(3),
        lambda0=np.float64(0.9),
    )  # fmt: skip
    assert of_jax == Experiment(task="de1", task_options={"delay_dur": 5, "kappa": 3.0}, seed=3, lambda0=0.9)
    assert json.loads(of_jax.model_dump_json())["task_options"] == {"delay_dur": 5, "kappa": 3.0}


@pytest.mark.parametrize("value", [True, np.bool_(True)])
@pytest.mark.parametrize("name", ["n_hidden", "lambda0", "seed", "gradient_clip_norm", "readout_step"])
def test_a_truth_value_is_no_number(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"`{name}` = True is not allowed: must be a number"):
        Experiment(task="de1", **{name: value})


@pytest.mark.parametrize("value", ["5", True])
def test_an_option_that_only_looks_like_a_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=f"`delay_dur` = {value!r} is not allowed: (it )?must be a number"):
        Experiment(task="de1", task_options={"delay_dur": value})


def test_a_preset_makes_an_experiment() -> None:
    experiment = Experiment.preset("quick", task="comp", seed=3)
    assert experiment == Experiment(task="comp", seed=3, **preset("quick"))
    assert Experiment.preset("quick", task="comp", n_hidden=20).n_hidden == 20
    with pytest.raises(InputError, match=r"There is no preset 'quik': use one of paper, quick\. Do you mean quick\?"):
        Experiment.preset("quik", task="comp")


@pytest.mark.parametrize(
    ("values", "suggested"),
    [
        ({"task": "comp", "n_hiden": 5}, "Do you mean n_hidden"),
        ({"task": "comb"}, "Do you mean comp"),
        ({"task": "comp", "model": "rellu"}, "Do you mean relu"),
        ({"task": "comp", "task_options": {"delay_durr": 5}}, "Do you mean delay_dur"),
        ({"task": "comp", "condition": "dynamik"}, "Do you mean dynamic"),
    ],
)
def test_a_misspelt_word_suggests_the_closest(values: dict[str, Any], suggested: str) -> None:
    with pytest.raises(InputError, match=re.escape(suggested)):
        Experiment(**values)
