"""Conditions: task → task. Delays that vary from trial to trial, dynamic input that is irrelevant, distractors.

A condition is a class that changes some methods of a task and adds settings; put in front of a task's class it makes
the task's class in that condition. So conditions combine, and know nothing of the tasks they are used with.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pydantic
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import AfterValidator, BeforeValidator, Field

from ..errors import InputError, suggestion
from ..registry import Registry, plain
from .epochs import Epoch
from .population_task import PopulationTask
from .populations import at_every_step
from .task import AbstractTask, Evidence, Trials

# What stands in front of a task's class is no task by itself: as one, its fields would hide the task's.
if TYPE_CHECKING:
    _Task = PopulationTask
else:
    _Task = object


class Condition(_Task):
    """Base of all conditions: what is put in front of a task's class, with settings of its own.

    Subclasses give ``condition_name`` and override methods of the task, such as ``epoch_list`` or ``rates``, calling
    ``super()``'s. The first line of their docstring says what changes.
    """

    condition_name: ClassVar[str]
    """Name by which experiments ask for the condition."""

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:
        """Return the fields that a task gets in this condition: (type, default) by name."""
        return {}

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:
        """Return why a task cannot be in this condition; empty if it can."""
        return ""


def _check(condition: Any) -> None:
    """Refuse what is not a complete condition."""
    if not (inspect.isclass(condition) and issubclass(condition, Condition)):
        raise InputError(f"{condition!r} is not a condition: derive a class from Condition.")
    name = getattr(condition, "condition_name", None)
    if not isinstance(name, str) or not plain(name) or "+" in name or plain(name) == "basic":
        raise InputError(
            f"{condition.__name__} needs a name without +, for example "
            '`condition_name: ClassVar[str] = "my_condition"`.'
        )
    if not condition.__doc__:
        raise InputError(f"{condition.__name__} needs a docstring, whose first line says what changes in a trial.")


CONDITIONS: Registry[type[Condition]] = Registry("condition", named_by="condition_name", check=_check)
"""Conditions by name, in the order in which they stand in front of a task."""
CONDITIONS.alias("vardelay", "variable_delay")


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


@CONDITIONS.register
class VariableDelay(Condition):
    """The delay of each trial is drawn from a list; steps that a trial does without are masked.

    Notes
    -----
    A trial keeps its length: of its delay, the steps after the drawn one are masked. There the network's state is held,
    and inputs and targets are zero. Orhan & Ma (2019), Methods.
    """

    condition_name: ClassVar[str] = "variable_delay"
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


@CONDITIONS.register
class DynamicInput(Condition):
    """One more population comes before the others, driven by a stimulus that moves all the time and means nothing.

    Notes
    -----
    Its rates are gain·exp(−10(z_t − φ)²), where z sweeps the range of preferred values φ once in a trial, the same in
    every trial. The width is in raw units, as published: on the ranges of 2AFC and COMP few neurons ever fire. Orhan &
    Ma (2019), Methods.
    """

    condition_name: ClassVar[str] = "dynamic"
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
        """Return why a task cannot be in this condition; empty if it can."""
        if issubclass(task, PopulationTask):
            return ""
        return f"{task.title} shows no stimulus whose range an irrelevant one could sweep"


def _fit_into_delay(duration: int, info: Any) -> int:
    """Refuse a distractor that does not fit into the delay; if the delay or the onset is invalid, that is refused."""
    delay, onset = info.data.get("delay_dur"), info.data.get("distractor_onset")
    if delay is not None and "distractor_onset" in info.data and (onset or 0) + duration > delay:
        start = "" if onset is None else f" that begins after {onset} steps"
        raise InputError(
            f"`distractor_dur` = {duration} is not allowed: a distractor of {duration} steps{start} does not fit into "
            f"the delay of {delay} steps. Lower `distractor_onset` or `distractor_dur`, or raise `delay_dur`."
        )
    return duration


@CONDITIONS.register
class Distractor(Condition):
    """A second, irrelevant stimulus is shown in the delay, to the same neurons.

    Notes
    -----
    Its values are drawn like those of the task's first display, independently of them; nothing else in the trial
    depends on them, and ideal observers ignore them. They come last in the trial's stimuli. The delay still counts as
    one epoch, distractor included. With variable delays, a trial whose delay ends before the distractor does shows only
    the part before, or none of it.
    """

    condition_name: ClassVar[str] = "distractor"
    distractor_onset: int | None
    distractor_dur: int
    distractor_rate: float

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:
        """Return the fields that a task gets in this condition."""
        about_onset = "steps of the delay before the distractor; by default it lies in the middle of the delay"
        onset = Annotated[int | None, Field(ge=0, description=about_onset)]
        duration = Annotated[
            int, Field(ge=1, description="duration of the distractor, in steps"), AfterValidator(_fit_into_delay)
        ]
        about_rate = "expected spikes of a neuron over a distractor that is its preferred stimulus"
        rate = Annotated[float, Field(gt=0, description=about_rate)]
        return {"distractor_onset": (onset, None), "distractor_dur": (duration, 25), "distractor_rate": (rate, 1.0)}

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:
        """Return why a task cannot be in this condition; empty if it can."""
        if issubclass(task, PopulationTask):
            return ""
        return f"{task.title} shows no stimulus to tuned neurons, so nothing can distract from one"

    @property
    def epoch_list(self) -> tuple[Epoch, ...]:
        """The epochs of a trial, with the distractor in the delay."""
        whole = next(epoch for epoch in super().epoch_list if epoch.name == "delay")
        rest = whole.duration - self.distractor_dur
        before = rest // 2 if self.distractor_onset is None else self.distractor_onset
        distractor = Epoch("distractor", self.distractor_dur, shows=len(self.displays), part_of="delay")
        parts = (Epoch("delay", before), distractor, Epoch("delay", rest - before))
        delay = tuple(epoch for epoch in parts if epoch.duration)
        return tuple(part for epoch in super().epoch_list for part in (delay if epoch == whole else (epoch,)))

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw the task's own hidden variables, then what the distractor shows."""
        # A condition stands in front of a whole task, whose `draw` is not the abstract one.
        stimuli, label = super().draw(key)  # type: ignore[safe-super]
        far = jr.fold_in(key, 2**30)  # from the numbers that a task may fold in itself
        another, _ = super().draw(far)  # type: ignore[safe-super]
        return jnp.concatenate([stimuli, another[:1]]), label

    def display_rate(self, epoch: str) -> float:
        """Return the expected count a step of a neuron whose preferred stimulus is shown in an epoch."""
        return self.distractor_rate / self.distractor_dur if epoch == "distractor" else super().display_rate(epoch)


def condition_parts(condition: str) -> tuple[str, ...]:
    """Return the names that a condition is made of, in a fixed order; none for ``"basic"``.

    Parameters
    ----------
    condition
        Names joined by +, in any spelling.

    Returns
    -------
    Names of `CONDITIONS`.

    Raises
    ------
    InputError
        If one is unknown.

    Examples
    --------
    >>> condition_parts("dynamic+vardelay")
    ('variable_delay', 'dynamic')
    """
    found = []
    for word in str(condition).split("+"):
        try:
            found += [CONDITIONS.find(word)] if plain(word) != "basic" else []
        except InputError:
            closest = suggestion(plain(word), CONDITIONS)
            raise InputError(
                f"There is no condition {word.strip()!r} of a task.{closest if 'mean' in closest else ''} "
                f"Conditions: basic, {', '.join(CONDITIONS)}; join them by +, as in variable_delay+dynamic."
            ) from None
    return tuple(name for name, known in CONDITIONS.items() if known in found)


def refusal(task: type[AbstractTask], parts: tuple[str, ...]) -> str:
    """Return why a task does not exist in a condition; empty if it does."""
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
        If the condition is unknown, or the task does not exist in it.
    """
    parts = condition_parts(condition)
    reason = refusal(task, parts)
    if reason:
        raise InputError(f"The task {task.name!r} cannot be in the condition {condition!r}: {reason}.")
    return _combined(task, tuple(CONDITIONS[part] for part in parts))


@functools.cache
def _combined(task: type[AbstractTask], conditions: tuple[type[Condition], ...]) -> type[AbstractTask]:
    """Make the class; cached, so that equal tasks are of one class and compiled programs are found again."""
    if not conditions:
        return task
    fields = {name: field for condition in conditions for name, field in condition.settings(task).items()}
    name = "".join(condition.__name__ for condition in conditions) + task.__name__
    made: Any = pydantic.create_model(
        name, __base__=(*conditions, task), __module__=__name__, __doc__=task.__doc__, **fields
    )
    return cast(type[AbstractTask], made)
