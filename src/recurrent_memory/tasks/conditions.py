"""Conditions, each a map from task to task: variable delays, irrelevant dynamic input, distractors.

A condition is a mixin: a class that overrides some methods of a task and adds settings. Put before a task's class among
the bases of a new class, it makes the task in that condition. Conditions therefore combine, whatever the task.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pydantic
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import AfterValidator, BeforeValidator, Field

from ..errors import InputError
from ..registry import Registry, plain
from .epochs import Epoch, Evidence, Trials
from .population_task import PopulationTask
from .populations import HeldRates
from .task import AbstractTask

# A condition is not itself a task when the program runs: if it were, its fields would hide those of the task.
if TYPE_CHECKING:
    _Task = PopulationTask
else:
    _Task = object


class Condition(_Task):
    """Base of all conditions, which change a task's methods and may add settings.

    Subclasses define ``condition_name`` and override methods of the task, such as ``epoch_list`` or ``rates``, that
    call ``super()``. The first line of their docstring says what changes.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> @CONDITIONS.register
    ... class Gap(Condition):
    ...     "Nothing is shown for 20 steps before the stimulus."
    ...     condition_name = "gap"
    ...     epoch_list = property(lambda self: (Epoch("gap", 20), *super(Gap, self).epoch_list))
    >>> make("de1", "gap").epochs["stimulus"]
    (20, 45)
    """

    condition_name: ClassVar[str]
    """Name by which experiments ask for the condition."""

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:
        """Return the settings that this condition adds to a task.

        Parameters
        ----------
        task
            The task's class, in the basic condition.

        Returns
        -------
        (type, default) of each setting by name.
        """
        return {}

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:
        """Explain why a task cannot be in this condition.

        Parameters
        ----------
        task
            The task's class, in the basic condition.

        Returns
        -------
        The reason; empty if the task can be in this condition.
        """
        return ""


def _check(condition: Any) -> None:
    """Refuse anything but a complete condition."""
    if not (inspect.isclass(condition) and issubclass(condition, Condition)):
        raise InputError(f"{condition!r} is not a condition: derive a class from Condition.")
    name = getattr(condition, "condition_name", None)
    if not isinstance(name, str) or not plain(name) or "+" in name or plain(name) == "basic":
        raise InputError(
            f"{condition.__name__} needs a name without +, for example "
            '`condition_name: ClassVar[str] = "my_condition"`.'
        )
    if not condition.__doc__ and sys.flags.optimize < 2:  # -OO leaves no docstrings
        raise InputError(f"{condition.__name__} needs a docstring, whose first line says what changes in a trial.")


CONDITIONS: Registry[type[Condition]] = Registry("condition", named_by="condition_name", check=_check)
"""Conditions by name, in the order of the bases of a task's class: the first overrides the others."""
CONDITIONS.alias("vardelay", "variable_delay")


def _whole_numbers(value: Any) -> Any:
    """Accept the command line's form, ``delays=10,40``."""
    return value.split(",") if isinstance(value, str) else (value,) if isinstance(value, int) else value


def _fit_into_trial(delays: tuple[int, ...], info: Any) -> tuple[int, ...]:
    """Refuse delays longer than the trial's; if `delay_dur` is itself invalid, pydantic reports that instead."""
    longest = info.data.get("delay_dur")
    if longest is not None and max(delays) > longest:
        raise InputError(
            f"`delays` = {delays} are not allowed: the longest does not fit into the delay of the trial. "
            f"Shorten it, or raise `delay_dur` (now {longest} steps)."
        )
    return delays


@CONDITIONS.register
class VariableDelay(Condition):
    """The delay of each trial is drawn from a list; the steps left over are masked.

    Notes
    -----
    All trials have the same length; steps of the delay beyond the one drawn are masked. There, the network's state does
    not change, and inputs and targets are 0. Orhan & Ma (2019), Methods.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> make("de1", "variable_delay").delays
    (10, 40, 70, 100)
    """

    condition_name: ClassVar[str] = "variable_delay"
    skips_steps: ClassVar[bool] = True
    delays: tuple[int, ...]

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:  # noqa: D102 (documented in the base class)
        kind = Annotated[
            tuple[Annotated[int, Field(ge=1)], ...],
            BeforeValidator(_whole_numbers),
            Field(min_length=1, description="delays that occur, all equally likely, in steps"),
            AfterValidator(_fit_into_trial),
        ]
        return {"delays": (kind, (10, 40, 70, 100))}

    def steps(self, key: PRNGKeyArray) -> Bool[Array, " time"]:
        """Draw the delay of one trial.

        Parameters
        ----------
        key
            Random key of the trial's delay.

        Returns
        -------
        False at the steps of the delay beyond the one drawn.
        """
        start, stop = self.epochs["delay"]
        delay = jr.choice(key, jnp.array(self.delays))
        time = jnp.arange(self.n_steps)
        return (time < start + delay) | (time >= stop)

    def spontaneous(self, epoch: str) -> Float[Array, " neuron"]:
        """Return the rates without a stimulus, which in the response epoch may be the delay's (`quiet_response`).

        Parameters
        ----------
        epoch
            Name of the epoch.

        Returns
        -------
        Expected counts a step.
        """
        return super().spontaneous("delay" if epoch == "response" and self.quiet_response else epoch)


@CONDITIONS.register
class DynamicInput(Condition):
    """An additional population, placed before the others, responds to an irrelevant, moving stimulus.

    Notes
    -----
    Its rates are gain·exp(−10(z_t − φ)²); in every trial, the stimulus z sweeps the range of preferred values φ once.
    The factor 10 has the units of 1/φ² and is the same for all tasks, as published: on the wide ranges of 2AFC and COMP
    few neurons ever fire. Orhan & Ma (2019), Methods.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> make("de1", "dynamic").n_inputs
    100
    """

    condition_name: ClassVar[str] = "dynamic"
    sharpness: ClassVar[float] = 10.0
    """Factor of the squared distance in the exponent of the irrelevant neurons' tuning."""
    irrelevant_gain: float

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:  # noqa: D102 (documented in the base class)
        kind = Annotated[float, Field(ge=0, description="highest rate of the irrelevant neurons, in spikes a step")]
        return {"irrelevant_gain": (kind, task.dynamic_gain)}

    @property
    def n_inputs(self) -> int:
        """Number of input neurons, including the irrelevant ones."""
        return self.n_neurons + super().n_inputs

    @property
    def input_locations(self) -> Int[np.ndarray, " neuron"]:
        """Location of each input neuron; −1 for the irrelevant ones."""
        return np.concatenate([np.full(self.n_neurons, -1), super().input_locations])

    @property
    def max_rate(self) -> float:
        """Largest expected count a step."""
        return max(self.irrelevant_gain, super().max_rate)

    def rates(
        self, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, "time neuron"] | HeldRates:
        """Return the irrelevant neurons' rates, then the task's own.

        Parameters
        ----------
        stimuli, label
            From `draw`.

        Returns
        -------
        Expected counts a step.
        """
        relevant = super().rates(stimuli, label)
        if isinstance(relevant, HeldRates):
            # The barrier keeps the compiler from evaluating functions of constants itself, with other roundings.
            irrelevant = jax.lax.optimization_barrier(self.irrelevant_rates())
            return HeldRates(irrelevant, (1,) * self.n_steps, followed_by=relevant)
        return jnp.concatenate([self.irrelevant_rates(), relevant], axis=1)

    def irrelevant_rates(self) -> Float[Array, "time neuron"]:
        """Return the rates of the irrelevant neurons.

        Returns
        -------
        Expected counts a step, the same in every trial.
        """
        # In double precision: preferred values up to 50 leave single precision few digits for small differences.
        preferred = self.preferred(np)
        sweep = np.linspace(preferred[0], preferred[-1], self.n_steps)
        rates = self.irrelevant_gain * np.exp(-self.sharpness * (sweep[:, None] - preferred) ** 2)
        return jnp.asarray(rates, float)

    def evidence(self, trials: Trials, until: int | None = None) -> Evidence:
        """Sum the spikes of the relevant neurons.

        Parameters
        ----------
        trials, until
            As in `AbstractTask.evidence`.

        Returns
        -------
        The task's evidence without the irrelevant neurons.
        """
        evidence = super().evidence(trials, until)
        return Evidence(evidence.counts[..., self.n_neurons :], evidence.label, evidence.truth)

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:  # noqa: D102 (documented in the base class)
        if issubclass(task, PopulationTask):
            return ""
        return f"{task.title} shows no stimulus whose range an irrelevant one could sweep"


def _fit_into_delay(duration: int, info: Any) -> int:
    """Refuse a distractor that does not fit into the delay; if delay or onset is invalid, pydantic reports that."""
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
    """A second, irrelevant stimulus is shown to the same neurons during the delay.

    Notes
    -----
    Its values come from the distribution of the task's first display, independently of it, and come last in the trial's
    stimuli; nothing else depends on them, and ideal observers ignore them. The delay still counts as one epoch,
    distractor included. With variable delays, a delay that ends too early cuts the distractor short, or leaves it out.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> make("de1", "distractor", distractor_onset=40).epochs["distractor"]
    (65, 90)
    """

    condition_name: ClassVar[str] = "distractor"
    distractor_onset: int | None
    distractor_dur: int
    distractor_rate: float

    @staticmethod
    def settings(task: type[AbstractTask]) -> dict[str, Any]:  # noqa: D102 (documented in the base class)
        about_onset = "steps from the start of the delay to the distractor; by default it is in mid-delay"
        onset = Annotated[int | None, Field(ge=0, description=about_onset)]
        duration = Annotated[
            int, Field(ge=1, description="duration of the distractor, in steps"), AfterValidator(_fit_into_delay)
        ]
        about_rate = "expected spikes of a neuron over a distractor that is its preferred stimulus"
        rate = Annotated[float, Field(gt=0, description=about_rate)]
        return {"distractor_onset": (onset, None), "distractor_dur": (duration, 25), "distractor_rate": (rate, 1.0)}

    @staticmethod
    def refusal(task: type[AbstractTask]) -> str:  # noqa: D102 (documented in the base class)
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
        """Draw the task's own hidden variables, then the values of the distractor.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        The task's displays, then the distractor; the task's discrete variable.
        """
        # A condition precedes a complete task, so super's `draw` is not the abstract one.
        stimuli, label = super().draw(key)  # type: ignore[safe-super]
        far = jr.fold_in(key, 2**30)  # far from the numbers that a task may fold in itself
        another, _ = super().draw(far)  # type: ignore[safe-super]
        return jnp.concatenate([stimuli, another[:1]]), label

    def display_rate(self, epoch: str) -> float:
        """Return the rate of a neuron whose preferred stimulus is shown, the distractor included.

        Parameters
        ----------
        epoch
            Name of the epoch.

        Returns
        -------
        Expected count a step.
        """
        return self.distractor_rate / self.distractor_dur if epoch == "distractor" else super().display_rate(epoch)


@functools.cache
def combined(task: type[AbstractTask], conditions: tuple[type[Condition], ...]) -> type[AbstractTask]:
    """Make a task's class in some conditions; cached, so that equal tasks share a class and compiled programs."""
    if not conditions:
        return task
    fields = {name: field for condition in conditions for name, field in condition.settings(task).items()}
    name = "".join(condition.__name__ for condition in conditions) + task.__name__
    made: Any = pydantic.create_model(
        name, __base__=(*conditions, task), __module__=__name__, __doc__=task.__doc__, **fields
    )
    return cast(type[AbstractTask], made)
