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
from .settings.presets import PRESETS as PRESETS
from .settings.presets import preset as preset

if TYPE_CHECKING:
    from .registry import Registry
    from .tasks import AbstractTask

OWN_CONDITIONS: dict[str, dict[str, Any]] = {
    "tethered": {"activity_penalty": 0.1, "readout_step": -10},
    "hebbian": {"model": "fast_weights"},
}
"""Conditions that do not change the task, and the values of an experiment that they stand for.

``tethered`` penalizes activity at the end of a trial more and reads the answer earlier; ``hebbian`` selects a model.
"""

OF_ONE_PROGRAM = ("lambda0", "sigma0", "rho", "seed", "learning_rate", "activity_penalty", "iterations", "stop_at")
"""Fields of an experiment in which networks of one compiled program may differ."""

VARIANTS = ("task", "model", "optimizer", "learning_rate_schedule")
"""Fields that name an entry of a registry: see `variants`."""

FOLLOWING = ("code",)
"""Fields of an experiment that follow from the others, and that users do not set."""


class Experiment(Settings):
    """One network trained on one task: everything that determines the result.

    All fields but ``task`` have defaults: the values of Orhan & Ma (2019).

    Raises
    ------
    InputError
        If a value is unknown or out of range.

    Examples
    --------
    >>> experiment = Experiment(task="DE-1", lambda0=0.9, condition="tethered")
    >>> experiment.task, experiment.n_hidden, experiment.readout_step
    ('de1', 500, -10)
    """

    task: Annotated[str, Field(description="Task: a name or the published integer code")]
    condition: Annotated[
        str,
        Field(
            description="Condition: basic, dynamic, variable_delay, distractor, tethered, hebbian, or several, "
            "joined by +"
        ),
    ] = "basic"
    model: Annotated[str, Field(description="Model: a name or its code in the published basic script")] = "relu"
    n_hidden: Annotated[int, Field(ge=1, le=100_000, description="Number of recurrent units N")] = 500
    lambda0: Annotated[float, Field(description="Initial self-connection λ0 of every unit")] = 0.98
    sigma0: Annotated[
        float, Field(ge=0, description="Initial coupling σ0: off-diagonal weights have standard deviation σ0/√N")
    ] = 0.0
    rho: Annotated[float, Field(ge=0, description="Coefficient ρ of the sum of squares of all parameters")] = 0.0
    iterations: Annotated[int, Field(ge=0, description="Training iterations, each with a fresh batch")] = 25_001
    batch_size: Annotated[int, Field(ge=1, le=1_000_000, description="Trials in a batch")] = 50
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate; with a schedule, its peak")] = 5e-4
    learning_rate_schedule: Annotated[
        str, Field(description="Schedule of the learning rate: constant, linear, cosine or exponential")
    ] = "constant"
    schedule_options: Annotated[
        dict[str, Any],
        Field(
            description="Settings of the schedule: end (final learning rate as a fraction of the peak) and warmup "
            "(fraction of the iterations in which it rises)"
        ),
    ] = {}  # noqa: RUF012 (copied for each experiment)
    optimizer: Annotated[
        str, Field(description="Optimizer: paper_adam (Adam as published), or one of optax, such as adam, adamw, sgd")
    ] = "paper_adam"
    optimizer_options: Annotated[
        dict[str, Any], Field(description="Settings of the optimizer other than its defaults, such as weight_decay")
    ] = {}  # noqa: RUF012 (copied for each experiment)
    gradient_clip_norm: Annotated[
        float | None,
        Field(gt=0, description="Largest norm of the gradient over all parameters; a larger one is scaled down to it"),
    ] = None
    test_batches: Annotated[int, Field(ge=1, description="Batches of fresh trials in the test")] = 2_501
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Seed of the weights and of all trials")] = 0
    stop_at: Annotated[
        float | None, Field(description="End training when the fractional loss over 100 iterations falls to this value")
    ] = None
    snapshots: Annotated[
        tuple[int, ...],
        Field(description="Numbers of iterations after which weights and measures are kept as well, as in 0,100,1000"),
    ] = ()
    activity_penalty: Annotated[float, Field(ge=0, description="Coefficient of mean(h²) over the last 5 steps")] = 1e-4
    readout_step: Annotated[
        int, Field(le=-1, description="Step at which the answer is read, counted from the end of the trial (−1: last)")
    ] = -5
    curriculum: Annotated[
        tuple[str, ...], Field(description="Tasks to learn one after the other, as in cd1,2afc; the last is `task`")
    ] = ()
    readout: Annotated[
        Literal["auto", "linear", "sigmoid", "softmax"],
        Field(description="Output nonlinearity; auto: sigmoid for probabilities, softmax for categories, else linear"),
    ] = "auto"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"],
        Field(
            description="Precision of the factors of matrix products; all else is float32. GPUs are faster with tf32 "
            "and bfloat16; other devices round in the same way, and are slower"
        ),
    ] = "float32"
    separate_clipping: Annotated[
        bool, Field(description="Clip the gradients of task loss and activity penalty separately, as published")
    ] = False
    judge_after_step: Annotated[
        bool, Field(description="In training, judge answers after each step (a second pass, as published), not before")
    ] = False
    task_options: Annotated[
        dict[str, Any], Field(description="Settings of the task that differ from the paper's, such as delay_dur")
    ] = {}  # noqa: RUF012 (copied for each experiment)
    model_options: Annotated[
        dict[str, Any], Field(description="Settings of the model that differ from the paper's, such as gamma")
    ] = {}  # noqa: RUF012 (copied for each experiment)
    code: Annotated[
        str, Field(description="Fingerprint of the code that is not part of this package, such as your own task's")
    ] = ""

    @field_validator("code", mode="before")
    @classmethod
    def _fingerprint(cls, code: Any, info: Any) -> Any:
        # A stored experiment keeps the fingerprint of the code that it was run with.
        return code or fingerprint(_registered(info.data))

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, written: Any) -> dict[str, Any]:
        values: dict[str, Any] = written(self)
        # As in files of earlier versions, which did not have them.
        return {name: value for name, value in values.items() if value or name not in ("code", "snapshots")}

    @model_validator(mode="before")
    @classmethod
    def _task_of_curriculum(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values if not values.get("curriculum") else _with_last_task(values)

    @model_validator(mode="before")
    @classmethod
    def _spell_out_condition(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values if "condition" not in values else _spelled_out(values)

    @field_validator(*VARIANTS, mode="before")
    @classmethod
    def _known_name(cls, name: Any, info: Any) -> str:
        return variants(info.field_name).spelled(name)

    @field_validator("snapshots", mode="before")
    @classmethod
    def _within_training(cls, snapshots: Any, info: Any) -> Any:
        words = snapshots.split(",") if isinstance(snapshots, str) else snapshots
        if not isinstance(words, list | tuple) or (most := info.data.get("iterations")) is None:
            return words  # which is reported by itself
        try:
            found = {int(word) for word in words}
            are_whole = all(float(word) in found and not isinstance(word, bool) for word in words)
        except (TypeError, ValueError, OverflowError):
            are_whole = False
        if not are_whole or not all(0 <= number <= most for number in found):
            raise ValueError(f"must be numbers of iterations from 0 to `iterations` = {most}, as in 0,100,1000")
        return tuple(sorted(found))

    @field_validator("model_options", "optimizer_options", "schedule_options")
    @classmethod
    def _known_options(cls, options: dict[str, Any], info: Any) -> dict[str, Any]:
        from . import networks, training

        of, check = {
            "model_options": ("model", networks.check_options),
            "optimizer_options": ("optimizer", training.check_optimizer_options),
            "schedule_options": ("learning_rate_schedule", training.check_schedule_options),
        }[info.field_name]
        return check(info.data[of], options) if of in info.data else options  # an unknown name is reported by itself

    @model_validator(mode="after")
    def _readout_fits(self) -> Experiment:
        from . import tasks

        self._check_readout(self.make_task())
        for earlier in self.curriculum[:-1]:
            self._check_readout(tasks.make(earlier, self.task_condition, **self.task_options))
        return self

    def _check_readout(self, task: AbstractTask) -> None:
        """Raise an error for a readout that does not suit the task, or a read-out step before the response epoch."""
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
        """Return the task in its condition and with its options.

        Returns
        -------
        A new instance of the task.
        """
        from . import tasks

        return tasks.make(self.task, self.task_condition, **self.task_options)

    @property
    def task_condition(self) -> str:
        """The part of the condition that changes the task."""
        return "+".join(part for part in self.condition.split("+") if part not in OWN_CONDITIONS) or "basic"

    @property
    def own_files(self) -> list[str]:
        """Names of the user's files that define tasks, cells and other variants that the experiment uses."""
        return own_files(_registered(dict(self)))

    @property
    def shape(self) -> str:
        """A text that is equal for networks that one compiled program can train: all fields but `OF_ONE_PROGRAM`."""
        return repr(_values_of_shape(self))

    @property
    def stages(self) -> tuple[Experiment, ...]:
        """One experiment for each task of the curriculum, in order; the last is this one."""
        earlier = [self.curriculum[: number + 1] for number in range(self.stage)]
        return (*(self.replace(task=tasks[-1], curriculum=tasks if len(tasks) > 1 else ()) for tasks in earlier), self)

    @property
    def stage(self) -> int:
        """Number of tasks of the curriculum before the last."""
        return max(len(self.curriculum) - 1, 0)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Experiment:
        """Return an experiment with the values of a preset, such as ``Experiment.preset("quick", task="comp")``.

        Parameters
        ----------
        name
            A name in `PRESETS`.
        **changes
            Further values by name; they replace those of the preset.

        Returns
        -------
        The experiment.
        """
        return cls(**{**preset(name), **changes})

    def replace(self, **changes: Any) -> Experiment:
        """Return a validated copy with some values changed; a new condition brings the values that it stands for.

        Parameters
        ----------
        **changes
            New values by name.

        Returns
        -------
        The copy.
        """
        implied = dict(Experiment(task=self.task, condition=self.condition))
        own = {name: value for name, value in self if name in ("task", "condition") or value != implied[name]}
        own = {name: value for name, value in own.items() if name not in FOLLOWING}
        return Experiment(**{**own, **changes})


_values_of_shape = operator.attrgetter(*(name for name in Experiment.model_fields if name not in OF_ONE_PROGRAM))


def variants(field: str) -> Registry[Any]:
    """Return the registry of what a field names.

    Parameters
    ----------
    field
        Name of the field: one of `VARIANTS`.

    Returns
    -------
    The registry.

    Examples
    --------
    >>> variants("optimizer").spelled("AdamW")
    'adamw'
    """
    # Imported only when an experiment is made: tasks and models import JAX, which takes a second.
    from . import networks, tasks, training

    registries: tuple[Registry[Any], ...] = (tasks.TASKS, networks.CELLS, training.OPTIMIZERS, training.SCHEDULES)
    return dict(zip(VARIANTS, registries, strict=True))[field]


def _registered(values: Mapping[str, Any]) -> list[Any]:
    """Return the registered variants that an experiment uses; none if one of its values is invalid."""
    from . import tasks

    if not values.keys() >= {"condition", "curriculum", *VARIANTS}:
        return []
    of_task, _ = split_condition(values["condition"])
    return [
        *map(tasks.find, values["curriculum"] or (values["task"],)),
        *(tasks.CONDITIONS[part] for part in of_task),
        *(variants(field)[values[field]] for field in VARIANTS if field != "task"),
    ]


def _with_last_task(values: dict[str, Any]) -> dict[str, Any]:
    """Write the names of a curriculum's tasks in one way, and make its last task the experiment's."""
    from . import tasks

    given = values["curriculum"]
    words = given.split(",") if isinstance(given, str) else given
    is_list = isinstance(words, list | tuple) and all(isinstance(word, str | int) for word in words)
    names = tuple(tasks.find(word).name for word in words) if is_list else ()
    if len(names) < 2:
        raise InputError(
            f"`curriculum` = {given!r} is not allowed: it needs at least two tasks. Name them in order, as in "
            "cd1,2afc; for a single one give `task` alone."
        )
    if not isinstance(task := values.get("task", names[-1]), str | int) or tasks.find(task).name != names[-1]:
        raise InputError(
            f"`task` = {values['task']!r} is not the last of `curriculum` = {','.join(names)}: leave it out, or give "
            f"{names[-1]!r}."
        )
    return {**values, "task": names[-1], "curriculum": names}


def split_condition(condition: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a condition into the parts that change the task and those of `OWN_CONDITIONS`.

    Parameters
    ----------
    condition
        One or several names, joined by +.

    Returns
    -------
    The names of both kinds, each in a fixed order.

    Raises
    ------
    InputError
        If a name is unknown.

    Examples
    --------
    >>> split_condition("tethered+dynamic")
    (('dynamic',), ('tethered',))
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
    """Write a condition in one way, and add the values that it stands for unless they are given."""
    of_task, own = split_condition(values["condition"])
    model = values.get("model", "fast_weights")
    if "hebbian" in own and variants("model").spelled(model) != "fast_weights":
        raise InputError(
            f"The condition hebbian selects the model fast_weights, which contradicts `model` = {model!r}: leave out "
            "one of the two."
        )
    implied = {name: value for word in own for name, value in OWN_CONDITIONS[word].items()}
    condition = "+".join((*of_task, *(word for word in own if word != "hebbian"))) or "basic"
    return {**implied, **values, "condition": condition}
