"""Conditions: task → task. Delays that vary from trial to trial, and dynamic input that is irrelevant.

A condition is a class that changes some methods of a task and adds settings; put in front of a task's class it makes
the task's class in that condition. So conditions combine, and know nothing of the tasks they are used with.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pydantic
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import AfterValidator, BeforeValidator, Field

from ..errors import InputError
from .populations import at_every_step
from .task import AbstractTask, Evidence, PopulationTask, Trials

# What stands in front of a task's class is no task by itself: as one, its fields would hide the task's.
if TYPE_CHECKING:
    _Task = PopulationTask
else:
    _Task = object


def _whole_numbers(value: Any) -> Any:
    """Let the command line say ``delays=10,40``."""
    return value.split(",") if isinstance(value, str) else (value,) if isinstance(value, int) else value


def _fit_into_trial(delays: tuple[int, ...], info: Any) -> tuple[int, ...]:
    """Refuse delays that are longer than the trial's; where that is invalid itself, it is what gets refused."""
    longest = info.data.get("delay_dur")
    if longest is not None and max(delays) > longest:
        raise InputError(
            f"`delays` = {delays} are not allowed: the longest does not fit into the delay of the trial. "
            f"Shorten it, or raise `delay_dur` (now {longest} steps)."
        )
    return delays


class VariableDelay(_Task):
    """The delay of each trial is drawn from a list; steps that a trial does without are masked.

    Notes
    -----
    A trial keeps its length: of its delay, the steps after the drawn one are masked. There the network's state is held,
    and inputs and targets are zero. Orhan & Ma (2019), Methods.
    """

    skips_steps: ClassVar[bool] = True
    delays: tuple[int, ...]

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:
        """Return the fields that a task gets in this condition."""
        kind = Annotated[
            tuple[Annotated[int, Field(ge=1)], ...],
            BeforeValidator(_whole_numbers),
            Field(min_length=1, description="delays that occur, each as likely as the other, in steps"),
            AfterValidator(_fit_into_trial),
        ]
        return {"delays": (kind, (10, 40, 70, 100))}

    def steps(self, key: PRNGKeyArray) -> Bool[Array, " time"]:
        """Draw the delay of one trial, and say which steps are left."""
        start, stop = self.epochs["delay"]
        delay = jr.choice(key, jnp.array(self.delays))
        time = jnp.arange(self.n_steps)
        return (time < start + delay) | (time >= stop)

    def spontaneous(self, epoch: str) -> Float[Array, " neuron"]:
        """Return the rates without a stimulus; in the response they may be those of the delay."""
        return super().spontaneous("delay" if epoch == "response" and self.quiet_response else epoch)

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:
        """Return why a task cannot be in this condition; empty where it can."""
        return ""


class DynamicInput(_Task):
    """One more population comes before the others, driven by a stimulus that moves all the time and means nothing.

    Notes
    -----
    Its rates are gain·exp(−10(z_t − φ)²), where z sweeps the range of preferred values φ once in a trial, the same in
    every trial. The width is in raw units, as published: on the ranges of 2AFC and COMP few neurons ever fire. Orhan &
    Ma (2019), Methods.
    """

    sharpness: ClassVar[float] = 10.0
    """Factor of the squared distance in the exponent of the irrelevant neurons' tuning."""
    irrelevant_gain: float

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:
        """Return the fields that a task gets in this condition."""
        kind = Annotated[float, Field(ge=0, description="highest rate of the irrelevant neurons, in spikes a step")]
        return {"irrelevant_gain": (kind, task.dynamic_gain)}

    @property
    def n_inputs(self) -> int:
        """Number of input neurons, irrelevant ones included."""
        return self.n_neurons + super().n_inputs

    @property
    def input_locations(self) -> Int[np.ndarray, " neuron"]:
        """Location of each input neuron, −1 for the irrelevant ones."""
        return np.concatenate([np.full(self.n_neurons, -1), super().input_locations])

    @property
    def max_rate(self) -> float:
        """Largest expected count a step."""
        return max(self.irrelevant_gain, super().max_rate)

    def rates(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time neuron"]:
        """Return the irrelevant neurons' rates beside the task's own."""
        return jnp.concatenate([self.irrelevant_rates(), at_every_step(super().rates(stimuli, label))], axis=1)

    def irrelevant_rates(self) -> Float[Array, "time neuron"]:
        """Return the rates of the irrelevant neurons."""
        # In double precision: values up to 50 leave single precision few digits for their small differences.
        preferred = self.preferred(np)
        sweep = np.linspace(preferred[0], preferred[-1], self.n_steps)
        rates = self.irrelevant_gain * np.exp(-self.sharpness * (sweep[:, None] - preferred) ** 2)
        return jnp.asarray(rates, float)

    def evidence(self, trials: Trials, until: int | None = None) -> Evidence:
        """Sum up the spikes of the neurons that matter."""
        evidence = super().evidence(trials, until)
        return Evidence(evidence.counts[..., self.n_neurons :], evidence.label, evidence.truth)

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:
        """Return why a task cannot be in this condition; empty where it can."""
        if issubclass(task, PopulationTask):
            return ""
        return f"{task.title} shows no stimulus whose range an irrelevant one could sweep"


CONDITIONS: dict[str, type[VariableDelay] | type[DynamicInput]] = {
    "variable_delay": VariableDelay,
    "dynamic": DynamicInput,
}
"""Conditions by name, in the order in which they stand in front of a task."""
_ALIASES = {"vardelay": "variable_delay", "variabledelay": "variable_delay"}


def condition_parts(condition: str) -> tuple[str, ...]:
    """Return the names that a condition is made of, in a fixed order; none for ``"basic"``.

    Raises
    ------
    InputError
        Where one is unknown.
    """
    words = [str(word).strip().lower().replace("-", "_").replace(" ", "_") for word in str(condition).split("+")]
    words = [_ALIASES.get(word, word) for word in words]
    unknown = [word for word in words if word != "basic" and word not in CONDITIONS]
    if unknown:
        raise InputError(
            f"There is no condition {unknown[0]!r} of a task. Conditions: basic, {', '.join(CONDITIONS)}; join them "
            f"by +, as in {'+'.join(CONDITIONS)}."
        )
    return tuple(name for name in CONDITIONS if name in words)


def refusal(task: type[AbstractTask], parts: tuple[str, ...]) -> str:
    """Return why a task does not exist in a condition; empty where it does."""
    reasons = [CONDITIONS[part].refusal(task) for part in parts]
    reasons += [
        f"{task.title} exists only in the condition {part}, so give that as well"
        for part in task.needs_condition
        if part not in parts
    ]
    return next(filter(None, reasons), "")


def in_condition(task: type[AbstractTask], condition: str) -> type[AbstractTask]:
    """Return a task's class in a condition.

    Raises
    ------
    InputError
        Where the condition is unknown, or the task does not exist in it.
    """
    parts = condition_parts(condition)
    reason = refusal(task, parts)
    if reason:
        raise InputError(f"The task {task.name!r} cannot be in the condition {condition!r}: {reason}.")
    return _combined(task, parts)


@functools.cache
def _combined(task: type[AbstractTask], parts: tuple[str, ...]) -> type[AbstractTask]:
    """Make the class; cached, so that equal tasks are of one class and compiled programs are found again."""
    if not parts:
        return task
    mixins = tuple(CONDITIONS[part] for part in parts)
    fields = {name: field for mixin in mixins for name, field in mixin.settings(task).items()}
    name = "".join(mixin.__name__ for mixin in mixins) + task.__name__
    made: Any = pydantic.create_model(
        name, __base__=(*mixins, task), __module__=__name__, __doc__=task.__doc__, **fields
    )
    return cast(type[AbstractTask], made)
