"""One experiment as data: a frozen, validated description of a network, its task and its training.

Nothing heavy is imported here, so that the command line can build its options from the fields at once.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_serializer, model_validator

from .errors import InputError, suggestion
from .own_code import fingerprint, own_files
from .settings import Settings

if TYPE_CHECKING:
    from .registry import Registry
    from .tasks import AbstractTask

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {"n_hidden": 100, "learning_rate": 2.5e-4, "iterations": 6001, "stop_at": 0.25, "test_batches": 501},
}
"""Named sets of values: ``paper`` is the defaults; ``quick`` solves delayed estimation in about a minute.

It stops by itself, and learns in smaller steps, so that the test rarely finds the network in one of the short
setbacks that training has.
"""

OWN_CONDITIONS: dict[str, dict[str, Any]] = {
    "tethered": {"activity_penalty": 0.1, "readout_step": -10},
    "hebbian": {"model": "fast_weights"},
}
"""Conditions that do not change the task, and the values of an experiment that they stand for.

``tethered`` wants little activity at the end of a trial and reads the answer earlier; ``hebbian`` is short for a model.
"""

OF_ONE_PROGRAM = ("lambda0", "sigma0", "rho", "seed", "learning_rate", "activity_penalty", "iterations", "stop_at")
"""Fields of an experiment in which networks of one compiled program may differ."""

FOLLOWING = ("code",)
"""Fields of an experiment that follow from the others, so that nobody gives them."""


class Experiment(Settings):
    """One network trained on one task: everything that determines the result.

    All fields but ``task`` have defaults, those of Orhan & Ma (2019).

    Raises
    ------
    InputError
        Where a value is unknown or outside its range.
    """

    task: Annotated[str, Field(description="Task: a name or the published integer code")]
    condition: Annotated[
        str,
        Field(
            description="Condition: basic, dynamic, variable_delay, distractor, tethered, hebbian, or several, "
            "joined by +"
        ),
    ] = "basic"
    model: Annotated[str, Field(description="Model: a name or the published basic script's code")] = "relu"
    n_hidden: Annotated[int, Field(ge=1, le=100_000, description="Number of recurrent units N")] = 500
    lambda0: Annotated[float, Field(description="Initial self-connection λ0 of every unit")] = 0.98
    sigma0: Annotated[
        float,
        Field(ge=0, description="Initial coupling σ0: off-diagonal weights have standard deviation σ0/√N"),
    ] = 0.0
    rho: Annotated[float, Field(ge=0, description="Coefficient ρ of the sum of squares of all parameters")] = 0.0
    iterations: Annotated[int, Field(ge=0, description="Training iterations, each with a fresh batch")] = 25_001
    batch_size: Annotated[int, Field(ge=1, le=1_000_000, description="Trials in a batch")] = 50
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate, at the height of its schedule")] = 5e-4
    learning_rate_schedule: Annotated[
        str, Field(description="Course of the learning rate: constant, linear, cosine or exponential")
    ] = "constant"
    schedule_options: Annotated[
        dict[str, Any],
        Field(
            description="Settings of the schedule: end (the last learning rate, as a share of the highest) and warmup "
            "(the share of the iterations in which it rises)"
        ),
    ] = {}  # noqa: RUF012 (copied for each experiment)
    optimizer: Annotated[
        str, Field(description="Optimizer: paper_adam (Adam as published), or one of optax, such as adam, adamw, sgd")
    ] = "paper_adam"
    optimizer_options: Annotated[
        dict[str, Any],
        Field(description="Settings of the optimizer that differ from its defaults, such as weight_decay"),
    ] = {}  # noqa: RUF012 (copied for each experiment)
    gradient_clip_norm: Annotated[
        float | None,
        Field(gt=0, description="Largest norm of the gradient over all parameters; a longer one is shortened to it"),
    ] = None
    test_batches: Annotated[int, Field(ge=1, description="Batches of fresh trials in the test")] = 2_501
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of the weights and of all trials")] = 0
    stop_at: Annotated[
        float | None,
        Field(description="Stop training when the fractional loss over 100 iterations falls to this value"),
    ] = None
    activity_penalty: Annotated[float, Field(ge=0, description="Coefficient of mean(h²) over the last 5 steps")] = 1e-4
    readout_step: Annotated[
        int,
        Field(
            le=-1,
            description="Step at which the answer is read, counted from the end of the trial (−1: last)",
        ),
    ] = -5
    curriculum: Annotated[
        tuple[str, ...],
        Field(description="Tasks to learn one after the other, as in cd1,2afc; the last is `task`"),
    ] = ()
    readout: Annotated[
        Literal["auto", "linear", "sigmoid", "softmax"],
        Field(description="Output nonlinearity; auto: sigmoid for probabilities, softmax for categories, else linear"),
    ] = "auto"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"],
        Field(
            description="What the factors of matrix products are rounded to; all else is float32. GPUs are faster "
            "for tf32 and bfloat16; other devices round as they do, and are slower"
        ),
    ] = "float32"
    separate_clipping: Annotated[
        bool, Field(description="Clip the gradients of task loss and activity term one by one, as published")
    ] = False
    judge_after_step: Annotated[
        bool,
        Field(
            description="While training, judge the answers after each step, in a second pass over its batch, as "
            "published; otherwise those that the step was made from"
        ),
    ] = False
    task_options: Annotated[
        dict[str, Any],
        Field(description="Settings of the task that differ from the paper's, such as delay_dur"),
    ] = {}  # noqa: RUF012 (copied for each experiment)
    model_options: Annotated[
        dict[str, Any],
        Field(description="Settings of the model that differ from the paper's, such as gamma"),
    ] = {}  # noqa: RUF012 (copied for each experiment)
    code: Annotated[
        str, Field(description="Fingerprint of the code that is not of this package, such as an own task's")
    ] = ""

    @field_validator("code", mode="before")
    @classmethod
    def _fingerprint(cls, code: Any, info: Any) -> Any:
        # A stored description keeps the fingerprint of the code that the experiment was run with.
        return code or fingerprint(_registered(info.data))

    @model_serializer(mode="wrap")
    def _without_empty_fingerprint(self, written: Any) -> dict[str, Any]:
        values: dict[str, Any] = written(self)
        return values if self.code else {name: value for name, value in values.items() if name != "code"}

    @field_validator("task", mode="before")
    @classmethod
    def _known_task(cls, task: Any) -> str:
        # Tasks and models are looked up only when an experiment is made: they import JAX, which takes a second.
        from . import tasks

        return tasks.find(task).name if isinstance(task, str | int) else task

    @model_validator(mode="before")
    @classmethod
    def _task_of_curriculum(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values if not values.get("curriculum") else _with_last_task(values)

    @model_validator(mode="before")
    @classmethod
    def _spell_out_condition(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values if "condition" not in values else _spelled_out(values)

    @field_validator("model", mode="before")
    @classmethod
    def _known_model(cls, model: Any) -> str:
        from .networks import find_model

        return find_model(model)

    @field_validator("optimizer", "learning_rate_schedule", mode="before")
    @classmethod
    def _known_name(cls, name: Any, info: Any) -> str:
        from .training import OPTIMIZERS, SCHEDULES

        variants: Registry[Any] = OPTIMIZERS if info.field_name == "optimizer" else SCHEDULES
        return str(variants.name_of(variants.find(name)))

    @field_validator("optimizer_options", "schedule_options")
    @classmethod
    def _options_of_that_name(cls, options: dict[str, Any], info: Any) -> dict[str, Any]:
        from .training import check_optimizer_options, check_schedule_options

        of, check = {
            "optimizer_options": ("optimizer", check_optimizer_options),
            "schedule_options": ("learning_rate_schedule", check_schedule_options),
        }[info.field_name]
        return check(info.data[of], options) if of in info.data else options

    @field_validator("model_options")
    @classmethod
    def _options_of_model(cls, options: dict[str, Any], info: Any) -> dict[str, Any]:
        from .networks import check_options

        # Without a model there is a complaint about that already.
        return check_options(info.data["model"], options) if "model" in info.data else options

    @model_validator(mode="after")
    def _readout_fits(self) -> Experiment:
        from . import tasks

        self._check_readout(self.make_task())
        for earlier in self.curriculum[:-1]:
            self._check_readout(tasks.make(earlier, self.task_condition, **self.task_options))
        return self

    def _check_readout(self, task: AbstractTask) -> None:
        """Refuse a readout that the task has no use for, and a read-out step before the response epoch."""
        if self.readout == "softmax" and task.n_outputs < 2:
            raise InputError(
                "`readout` = 'softmax' is not allowed: the task has a single output, which would always be 1. Use auto."
            )
        start, stop = task.epochs["response"]
        if -self.readout_step > stop - start:
            raise InputError(
                f"`readout_step` = {self.readout_step} lies before the response epoch, the last {stop - start} steps: "
                f"use −{stop - start} … −1 (−5 in the paper)."
            )

    def make_task(self) -> AbstractTask:
        """Return the task, with its options set."""
        from . import tasks

        return tasks.make(self.task, self.task_condition, **self.task_options)

    @property
    def task_condition(self) -> str:
        """The part of the condition that changes the task."""
        return "+".join(part for part in self.condition.split("+") if part not in OWN_CONDITIONS) or "basic"

    @property
    def own_files(self) -> list[str]:
        """Names of the files, not of this package, in which what it uses is defined."""
        return own_files(_registered(dict(self)))

    @property
    def shape(self) -> str:
        """What networks that one compiled program can train have in common: all but the fields `OF_ONE_PROGRAM`."""
        return repr(_values_of_shape(self))

    @property
    def stages(self) -> tuple[Experiment, ...]:
        """One experiment for each task of the curriculum, in order; the last is this one."""
        earlier = [self.curriculum[: number + 1] for number in range(self.stage)]
        return (*(self.replace(task=tasks[-1], curriculum=tasks if len(tasks) > 1 else ()) for tasks in earlier), self)

    @property
    def stage(self) -> int:
        """How many tasks come before this one's."""
        return max(len(self.curriculum) - 1, 0)

    def replace(self, **changes: Any) -> Experiment:
        """Return a copy with some values changed, validated anew; a new condition brings the values it stands for."""
        implied = dict(Experiment(task=self.task, condition=self.condition))
        own = {name: value for name, value in self if name in ("task", "condition") or value != implied[name]}
        own = {name: value for name, value in own.items() if name not in FOLLOWING}
        return Experiment(**{**own, **changes})


_values_of_shape = operator.attrgetter(*(name for name in Experiment.model_fields if name not in OF_ONE_PROGRAM))


def _registered(values: Mapping[str, Any]) -> list[Any]:
    """Return all that an experiment uses of what can be registered, so far as its values are valid."""
    from . import networks, tasks, training

    if not values.keys() >= {"task", "condition", "model", "curriculum", "optimizer", "learning_rate_schedule"}:
        return []
    of_task, _ = split_condition(values["condition"])
    return [
        *map(tasks.find, values["curriculum"] or (values["task"],)),
        *(tasks.CONDITIONS[part] for part in of_task),
        networks.CELLS[values["model"]],
        training.OPTIMIZERS[values["optimizer"]],
        training.SCHEDULES[values["learning_rate_schedule"]],
    ]


def _with_last_task(values: dict[str, Any]) -> dict[str, Any]:
    """Write the tasks of a curriculum in one way, and take its last for the experiment's task."""
    from . import tasks

    given = values["curriculum"]
    words = given.split(",") if isinstance(given, str) else given
    names = tuple(tasks.find(word).name for word in words)
    if len(names) < 2:
        raise InputError(
            f"`curriculum` = {given!r} is not allowed: one task after another takes at least two. Name them in order, "
            "as in cd1,2afc; for a single one give `task` alone."
        )
    if "task" in values and tasks.find(values["task"]).name != names[-1]:
        raise InputError(
            f"`task` = {values['task']!r} is not the last of `curriculum` = {','.join(names)}: leave it out, or give "
            f"{names[-1]!r}."
        )
    return {**values, "task": names[-1], "curriculum": names}


def split_condition(condition: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parts of a condition that change the task, and those of `OWN_CONDITIONS`, each in a fixed order.

    Raises
    ------
    InputError
        Where one is unknown.
    """
    from . import tasks

    words = [word.strip().lower() for word in str(condition).split("+")]
    own = tuple(word for word in OWN_CONDITIONS if word in words)
    try:
        return tasks.condition_parts("+".join(word for word in words if word not in own) or "basic"), own
    except InputError:
        known = ("basic", *tasks.CONDITIONS, *OWN_CONDITIONS)
        unknown = [word for word in words if word not in known]
        closest = suggestion(unknown[0], known) if unknown else ""
        raise InputError(
            f"There is no condition {condition!r}.{closest if 'mean' in closest else ''} Conditions: "
            f"{', '.join(known)}; join several by +."
        ) from None


def _spelled_out(values: dict[str, Any]) -> dict[str, Any]:
    """Write a condition in one way, and set the values that it stands for, so far as they are not given."""
    from .networks import find_model

    of_task, own = split_condition(values["condition"])
    model = values.get("model", "fast_weights")
    if "hebbian" in own and find_model(model) != "fast_weights":
        raise InputError(
            f"The condition hebbian is short for the model fast_weights, so it cannot be with `model` = {model!r}: "
            "leave out one of the two."
        )
    implied = {name: value for word in own for name, value in OWN_CONDITIONS[word].items()}
    condition = "+".join((*of_task, *(word for word in own if word != "hebbian"))) or "basic"
    return {**implied, **values, "condition": condition}


def preset(name: str) -> dict[str, Any]:
    """Return the values of a preset.

    Raises
    ------
    InputError
        Where there is no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}: use one of {', '.join(PRESETS)}.")
    return dict(PRESETS[name])
