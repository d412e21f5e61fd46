"""The one protocol all tasks follow: from a key to trials, and from trials to the best possible answer.

A task is a frozen description (settings with the paper's values as defaults) of one trial: ``draw`` its
hidden variables, ``rates`` of the input neurons given them, ``targets`` to be learned. Batches, spikes, and
compilation follow from these three. A task of one's own is a subclass with them and a name, marked with
`register`.
"""

from __future__ import annotations

import functools
import operator
from abc import abstractmethod
from types import ModuleType
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import Field, model_validator

from ..errors import InputError
from ..settings import Settings
from .populations import MAX_RATE, HeldRates, at_every_step, poisson_counts

Response: TypeAlias = Literal["angle", "probability", "value"]
_OwnTask = TypeVar("_OwnTask", bound="PopulationTask")
VARIANTS: tuple[str, ...] = ("paper", "exact")


class Trials(eqx.Module):
    """A batch of trials: what the network gets, what it should answer, and what nobody tells it."""

    inputs: Float[Array, "trial time neuron"]
    """Spike counts of the input neurons."""
    targets: Float[Array, "trial time output"]
    """Wanted output at every step; only the response epoch enters the loss."""
    mask: Bool[Array, "trial time"]
    """False at steps that do not exist for a trial."""
    stimuli: Float[Array, "trial display location"]
    """What was shown, display after display."""
    label: Int[Array, " trial"]
    """The binary variable of a trial (change, class, order, cued location); 0 where there is none."""
    rates: Float[Array, "trial time neuron"]
    """Expected counts a step, were all steps there (Sine: standard deviation of the input noise)."""


class Evidence(eqx.Module):
    """All that an ideal observer needs of a batch, small enough to keep for every test trial."""

    counts: Float[Array, "trial display neuron"]
    """Spikes summed over the steps of each stimulus display."""
    label: Int[Array, " trial"]
    """The trials' binary variable; only the observer of a cued task looks at it."""
    truth: Float[Array, " trial *answer"]
    """The wanted answer, in the shape of the observer's."""


class AbstractTask(Settings):
    """One trial of a task, described by its settings.

    Subclasses give ``name``, ``title``, ``remembered``, ``response``, and the methods ``draw``, ``rates`` and
    (for the response ``"value"``) ``targets``. Without ``observe`` of their own, their ideal observer is
    taken to know the truth.
    """

    name: ClassVar[str]
    """Name by which experiments ask for the task."""
    code: ClassVar[int | None] = None
    """The published scripts' integer for the task."""
    title: ClassVar[str]
    """Name in figures and tables."""
    remembered: ClassVar[str]
    """What has to be kept over the delay."""
    response: ClassVar[Response]
    """Angle in radians modulo π (linear output), probability (sigmoid), or any value (linear)."""
    n_locations: ClassVar[int] = 1
    """Places at which a stimulus is shown, each with a population of its own."""
    skips_steps: ClassVar[bool] = False
    """Whether trials may have steps that do not exist for them (mask False)."""
    displays: ClassVar[tuple[str, ...]] = ("stimulus",)
    """The epochs in which a stimulus is shown."""
    needs_condition: ClassVar[tuple[str, ...]] = ()
    """Conditions without which the task does not exist."""
    dynamic_gain: ClassVar[float] = 1.0
    """Highest rate of irrelevant neurons in the dynamic condition, as published for this task."""
    quiet_response: ClassVar[bool] = False
    """Whether, with variable delays, neurons fire in the response epoch at the rate of the delay, as published."""

    n_neurons: int = Field(default=50, ge=2, description="input neurons at each stimulus location")
    stim_dur: int = Field(default=25, ge=1, description="duration of the stimulus, in steps of about 10 ms")
    delay_dur: int = Field(default=100, ge=1, description="duration of the delay, in steps")
    resp_dur: int = Field(default=25, ge=1, description="duration of the response epoch, in steps")

    @abstractmethod
    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw the hidden variables of one trial: what is shown, and the binary variable (or 0)."""

    @abstractmethod
    def rates(
        self, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, "time neuron"] | HeldRates:
        """Return the expected counts a step in one trial, a pure function of its hidden variables.

        Rates that change at few steps are drawn from faster as `HeldRates`, such as `over_time` returns.
        """

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        """Return the wanted output at every step: the label, or the orientations of the first display."""
        if self.response == "value":
            raise NotImplementedError(f"{type(self).__name__} needs a method `targets`")
        answer = stimuli[0] if self.response == "angle" else label[None].astype(float)
        return jnp.broadcast_to(answer, (self.n_steps, self.n_outputs))

    def inputs(self, key: PRNGKeyArray, rates: Float[Array, "time neuron"] | HeldRates) -> Float[Array, "time neuron"]:
        """Draw the input neurons' activity in one trial given their rates: Poisson counts."""
        return poisson_counts(key, rates, self.max_rate)

    def steps(self, key: PRNGKeyArray) -> Bool[Array, " time"]:
        """Draw which steps exist in one trial; asked only where ``skips_steps``."""
        return jnp.ones(self.n_steps, bool)

    @property
    def max_rate(self) -> float:
        """Largest expected count a step that ``rates`` can return; inputs above it come out as NaN."""
        return 1.0

    @property
    def n_inputs(self) -> int:
        """Number of input neurons."""
        return self.n_neurons * self.n_locations

    @property
    def input_locations(self) -> Int[np.ndarray, " neuron"]:
        """Stimulus location of each input neuron, −1 for a neuron that stands for none."""
        return np.repeat(np.arange(self.n_locations), self.n_neurons)

    @property
    def n_outputs(self) -> int:
        """Number of outputs: one for each remembered angle, or one."""
        return self.n_locations if self.response == "angle" else 1

    @property
    def n_steps(self) -> int:
        """Number of steps in a trial."""
        return self.stim_dur + self.delay_dur + self.resp_dur

    @property
    def epochs(self) -> dict[str, tuple[int, int]]:
        """First step and end (exclusive) of each epoch."""
        delay, response = self.stim_dur, self.stim_dur + self.delay_dur
        return {
            "stimulus": (0, delay),
            "delay": (delay, response),
            "response": (response, self.n_steps),
        }

    def sample(self, key: PRNGKeyArray, batch_size: int) -> Trials:
        """Draw a batch of trials.

        Parameters
        ----------
        key
            Trial i depends on the key and i alone: it is the same in a batch of any size.
        batch_size
            Number of trials, at least 1.

        Raises
        ------
        InputError
            Where `batch_size` is not a positive integer.
        """
        trials: Trials = _sample(self, key, _whole("batch_size", batch_size, low=1))
        return trials

    def evidence(self, trials: Trials, until: int | None = None) -> Evidence:
        """Sum up the spikes for the observer, inside or outside of compiled code.

        Parameters
        ----------
        trials
            A batch of this task.
        until
            Number of steps seen, from the start of the trial; all by default.

        Raises
        ------
        InputError
            Where `until` is not a number of steps of this task.
        """
        end = self._end(until)
        counts = [
            trials.inputs[:, start : min(stop, end)].sum(axis=1)
            for start, stop in (self.epochs[display] for display in self.displays)
        ]
        nothing = jnp.zeros((trials.inputs.shape[0], 0, trials.inputs.shape[2]), trials.inputs.dtype)
        return Evidence(
            counts=jnp.stack(counts, axis=1) if counts else nothing,
            label=trials.label,
            truth=self._truth(trials.targets),
        )

    def observe(
        self, evidence: Evidence, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        """Return the ideal observer's answers, in double precision, on the host.

        Parameters
        ----------
        evidence
            From ``evidence``, possibly of many batches, joined along the trial axis.
        variant
            ``"paper"``: the published observer. ``"exact"``: the posterior under the model that drew the
            trials.
        until
            Number of steps seen, as given to ``evidence``.

        Returns
        -------
        Angles in radians, of shape (trial, output); probabilities, (trial,); or values, (trial, time) over
        the response epoch.

        Raises
        ------
        InputError
            Where `variant` or `until` is not one of those possible.

        Notes
        -----
        A task without an observer of its own gets one that knows the truth, so that its losses are absolute:
        for probabilities the "fractional" loss is then the cross-entropy in units of ln 2; for angles, whose
        error is divided by the observer's, there is none.
        """
        self._check_observer(variant, until)
        return np.asarray(evidence.truth, np.float64)

    def ideal_observer(
        self, trials: Trials, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        """Return the ideal observer's answers to a batch: ``observe`` applied to its ``evidence``."""
        self._check_observer(variant, until)
        return self.observe(self.evidence(trials, until), variant, until)

    def over_time(
        self,
        stimulus: Float[Array, " neuron"],
        delay: Float[Array, " neuron"],
        response: Float[Array, " neuron"],
    ) -> HeldRates:
        """Hold one value for each neuron constant over each epoch."""
        return HeldRates(jnp.stack([stimulus, delay, response]), (self.stim_dur, self.delay_dur, self.resp_dur))

    def _truth(self, targets: Float[Array, "trial time output"]) -> Float[Array, " trial *answer"]:
        if self.response == "value":
            start, stop = self.epochs["response"]
            values = targets[:, start:stop]
            return values[..., 0] if self.n_outputs == 1 else values
        return targets[:, -1, 0] if self.response == "probability" else targets[:, -1]

    def _end(self, until: int | None) -> int:
        return self.n_steps if until is None else _whole("until", until, low=1, high=self.n_steps)

    def _n_seen(self, until: int | None) -> tuple[int, ...]:
        """Return how many steps of each display lie before `until`."""
        end = self._end(until)
        windows = (self.epochs[display] for display in self.displays)
        return tuple(max(0, min(stop, end) - start) for start, stop in windows)

    def _check_observer(self, variant: str, until: int | None) -> None:
        if variant not in VARIANTS:
            raise InputError(f'`variant` = {variant!r} is not allowed: it must be "paper" or "exact".')
        self._end(until)


class PopulationTask(AbstractTask):
    """A task whose stimuli are shown to populations of tuned Poisson neurons, one for each location."""

    stim_rate: float = Field(
        default=1.0,
        gt=0,
        description="expected spikes of a neuron over one display of its preferred stimulus",
    )
    spon_rate: float = Field(
        default=0.1,
        ge=0,
        description="expected spikes of a neuron over an epoch without stimulus",
    )

    @abstractmethod
    def preferred(self, xp: ModuleType = jnp) -> Any:
        """Return the neurons' preferred values at one location, shape (neuron,)."""

    @abstractmethod
    def log_tuning(self, values: Any, xp: ModuleType = jnp) -> Any:
        """Return the log of the neurons' tuning curves, shape (*values, neuron); 0 is the highest."""

    @property
    def max_rate(self) -> float:
        """Largest expected count a step."""
        shown = [self.stim_rate / self._duration(display) for display in self.displays]
        return max(*shown, self.spon_rate / self.delay_dur, self.spon_rate / self.resp_dur)

    @model_validator(mode="after")
    def _check_rates(self: _OwnTask) -> _OwnTask:
        if self.max_rate > MAX_RATE:
            raise ValueError(
                f"{type(self).__name__} would have neurons with {self.max_rate:g} expected spikes a step, "
                f"over {MAX_RATE:g}. Lower `stim_rate` or `spon_rate`, or lengthen the epochs."
            )
        return self

    def rates(
        self, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, "time neuron"] | HeldRates:
        """Return tuning curves during the displays, spontaneous rates elsewhere, location after location."""
        shown = dict(zip(self.displays, stimuli, strict=True))
        return self.over_time(
            *(
                self.evoked(shown[epoch], epoch) if epoch in shown else self.spontaneous(epoch)
                for epoch in ("stimulus", "delay", "response")
            )
        )

    def evoked(self, values: Float[Array, " location"], epoch: str) -> Float[Array, " neuron"]:
        """Return the rates evoked by one display, of the neurons of all locations."""
        return (self.stim_rate / self._duration(epoch) * jnp.exp(self.log_tuning(values))).reshape(-1)

    def spontaneous(self, epoch: str) -> Float[Array, " neuron"]:
        """Return the rates without a stimulus, of the neurons of all locations."""
        return jnp.full(self.n_neurons * self.n_locations, self.spon_rate / self._duration(epoch), float)

    def log_rates(self, values: Float[np.ndarray, " value"], epoch: str) -> Float[np.ndarray, "value neuron"]:
        """Return the log rates that values evoke at one location, in double precision, for the observers."""
        return np.asarray(np.log(self.stim_rate / self._duration(epoch)) + self.log_tuning(values, np))

    def observe(
        self, evidence: Evidence, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        """Return the ideal observer's answers; see `AbstractTask.observe`."""
        self._check_observer(variant, until)
        counts = np.asarray(evidence.counts, np.float64)
        by_location = counts.reshape(*counts.shape[:2], self.n_locations, self.n_neurons)
        if variant == "paper":
            return self._observe_as_published(by_location, np.asarray(evidence.label))
        return self._observe_exactly(by_location, np.asarray(evidence.label), self._n_seen(until))

    @abstractmethod
    def _observe_as_published(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial *answer"]:
        """Answer from the spikes of each display at each location."""

    @abstractmethod
    def _observe_exactly(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial *answer"]:
        """Answer likewise, given the number of steps seen of each display."""

    def _duration(self, epoch: str) -> int:
        start, stop = self.epochs[epoch]
        return stop - start


@functools.partial(jax.jit, static_argnums=(0, 2))
def _sample(task: AbstractTask, key: PRNGKeyArray, batch_size: int) -> Trials:
    def trial(index: Int[Array, ""]) -> tuple[Array, ...]:
        key_trial = jr.fold_in(key, index)
        key_hidden, key_inputs = jr.split(key_trial)
        stimuli, label = task.draw(key_hidden)
        rates = task.rates(stimuli, label)
        inputs, targets = task.inputs(key_inputs, rates), task.targets(stimuli, label)
        mask = jnp.ones(task.n_steps, bool)
        if task.skips_steps:
            mask = task.steps(jr.fold_in(key_trial, 2))  # `split` has taken 0 and 1
            inputs, targets = (jnp.where(mask[:, None], values, 0) for values in (inputs, targets))
        return inputs, targets, mask, stimuli, label, at_every_step(rates)

    return Trials(*jax.vmap(trial)(jnp.arange(batch_size)))


def _whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return an integer within bounds, or say what is wrong."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or number < low or (high is not None and number > high):
        rule = f"at least {low}" if high is None else f"from {low} to {high}, the number of steps in a trial"
        raise InputError(f"`{name}` = {value!r} is not allowed: it must be a whole number, {rule}.")
    return number
