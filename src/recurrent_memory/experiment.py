"""One experiment as data: a frozen, validated description of a network, its task and its training.

Nothing heavy is imported here, so that the command line can build its options from the fields at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .settings import InputError, Settings

if TYPE_CHECKING:
    from .tasks import AbstractTask

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {"n_hidden": 100, "learning_rate": 2.5e-4, "iterations": 6001, "stop_at": 0.25, "test_batches": 501},
}
"""Named sets of values: ``paper`` is the defaults; ``quick`` solves delayed estimation in about a minute.

It stops by itself, and learns in smaller steps, so that the test rarely finds the network in one of the short
setbacks that training has.
"""


class Experiment(Settings):
    """One network trained on one task: everything that determines the result.

    All fields but ``task`` have defaults, those of Orhan & Ma (2019).

    Raises
    ------
    InputError
        Where a value is unknown or outside its range.
    """

    task: Annotated[str, Field(description="Task: a name or the published integer code")]
    condition: Annotated[Literal["basic"], Field(description="Condition of the paper")] = "basic"
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
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate of Adam")] = 5e-4
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
    separate_clipping: Annotated[
        bool, Field(description="Clip the gradients of task loss and activity term one by one, as published")
    ] = False
    task_options: Annotated[
        dict[str, Any],
        Field(description="Settings of the task that differ from the paper's, such as delay_dur"),
    ] = {}  # noqa: RUF012 (copied for each experiment)
    model_options: Annotated[
        dict[str, float],
        Field(description="Settings of the model that differ from the paper's, such as gamma"),
    ] = {}  # noqa: RUF012 (copied for each experiment)

    @field_validator("task", mode="before")
    @classmethod
    def _known_task(cls, task: Any) -> str:
        # Tasks and models are looked up only when an experiment is made: they import JAX, which takes a second.
        from . import tasks

        return tasks.make(task).name if isinstance(task, str | int) else task

    @field_validator("model", mode="before")
    @classmethod
    def _known_model(cls, model: Any) -> str:
        from .networks import find_model

        return find_model(model)

    @model_validator(mode="after")
    def _options_fit(self) -> Experiment:
        from .networks import check_options

        check_options(self.model, self.model_options)
        task = self.make_task()
        start, stop = task.epochs["response"]
        if -self.readout_step > stop - start:
            raise InputError(
                f"`readout_step` = {self.readout_step} lies before the response epoch, the last {stop - start} steps: "
                f"use −{stop - start} … −1 (−5 in the paper)."
            )
        return self

    def make_task(self) -> AbstractTask:
        """Return the task, with its options set."""
        from . import tasks

        return tasks.make(self.task, **self.task_options)


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
