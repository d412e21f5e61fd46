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
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import Field, model_validator

from ..errors import InputError
from ..settings import Settings
from .epochs import Epoch, windows
from .populations import HeldRates, at_every_step, poisson_counts
from .responses import RESPONSES, AbstractResponse, Response

_OwnTask = TypeVar("_OwnTask", bound="AbstractTask")
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
    """What was shown, display after display; one that does not count, such as a distractor, comes last."""
    label: Int[Array, " trial"]
    """The discrete variable of a trial (change, class, order, cued location, category); 0 if there is none."""
    rates: Float[Array, "trial time neuron"]
    """Expected counts a step, were all steps there (Sine: standard deviation of the input noise)."""


class Evidence(eqx.Module):
    """All that an ideal observer needs of a batch, small enough to keep for every test trial."""

    counts: Float[Array, "trial display neuron"]
    """Spikes summed over the steps of each stimulus display."""
    label: Int[Array, " trial"]
    """The trials' discrete variable; only the observer of a cued task looks at it."""
    truth: Float[Array, " trial *answer"]
    """The wanted answer, in the shape of the observer's."""


class AbstractTask(Settings):
    """One trial of a task, described by its settings.

    Subclasses give ``name``, ``title``, ``remembered``, ``response``, and the methods ``draw``, ``rates`` and
    (for the response ``"value"``) ``targets``. An ideal observer of their own is their method ``observe``; without
    one, probabilities and categories are compared with chance alone.
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
    """Name of the kind of answer in `RESPONSES`: angle, probability, category or value."""
    n_categories: ClassVar[int] = 2
    """Number of categories, if the answer is one."""
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
        """Draw the hidden variables of one trial: what is shown, and the discrete variable (or 0)."""

    @abstractmethod
    def rates(
        self, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, "time neuron"] | HeldRates:
        """Return the expected counts a step in one trial, a pure function of its hidden variables.

        Rates that change at few steps are drawn from faster as `HeldRates`, such as `over_time` returns.
        """

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        """Return the wanted output at every step: the label, or the orientations of the first display.

        A label is a probability of 0 or 1 at every output, or a category: 1 at its output and 0 at the others. Tasks
        whose outputs differ otherwise give a method of their own.
        """
        if self.response == "angle":
            answer = stimuli[0]
        elif self.response == "probability":
            answer = label[None].astype(float)
        elif self.response == "category":
            answer = jax.nn.one_hot(label, self.n_outputs, dtype=float)
        else:
            raise NotImplementedError(f"{type(self).__name__} needs a method `targets`")
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
        """Number of outputs: one for each remembered angle or category, or one; own tasks may have any number."""
        return {"angle": self.n_locations, "category": self.n_categories}.get(self.response, 1)

    @property
    def kind(self) -> type[AbstractResponse]:
        """What depends on the kind of answer."""
        return RESPONSES[self.response]

    @property
    def epoch_list(self) -> tuple[Epoch, ...]:
        """The epochs of a trial, in order; the last is the response, in which the answer counts."""
        durations = {"stimulus": self.stim_dur, "delay": self.delay_dur, "response": self.resp_dur}
        shown = {name: number for number, name in enumerate(self.displays)}
        return tuple(Epoch(name, duration, shown.get(name)) for name, duration in durations.items())

    @property
    def epochs(self) -> dict[str, tuple[int, int]]:
        """First step and end (exclusive) of each epoch; a delay with a distractor in it is one epoch, as a whole."""
        return windows(self.epoch_list)

    @property
    def n_steps(self) -> int:
        """Number of steps in a trial."""
        return sum(epoch.duration for epoch in self.epoch_list)

    @model_validator(mode="after")
    def _check_epochs(self: _OwnTask) -> _OwnTask:
        names = [epoch.name for epoch in self.epoch_list]
        if "delay" not in self.epochs or names[-1] != "response":
            raise ValueError(
                f"{type(self).__name__} has the epochs {', '.join(names)}: one must be a delay, and the last "
                "must be the response."
            )
        return self

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
            If `key` is not a random key, or `batch_size` not a positive integer.

        Examples
        --------
        >>> from recurrent_memory.tasks import make
        >>> make("de1").sample(jax.random.key(0), 3).inputs.shape
        (3, 150, 50)
        """
        _check_key(key)
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
            truth=self.kind.answer(trials.targets[:, slice(*self.epochs["response"])]),
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
        Angles in radians, of shape (trial, output); a probability, (trial,), or several, (trial, output); the
        probabilities of categories, (trial, category); or values over the response epoch, (trial, time), or
        (trial, time, output) for several outputs.

        Raises
        ------
        InputError
            If `variant` or `until` is not one of those possible.

        Notes
        -----
        The hook for an observer of your own: override it. This one knows the truth. A task that has no other is judged
        by its cross-entropy in units of that of chance (ln 2, or the logarithm of the number of categories) if its
        answer is a probability or a category; an angle, whose error is divided by the observer's, then has no
        fractional loss.
        """
        self._check_observer(variant, until)
        return np.asarray(evidence.truth, np.float64)

    def ideal_observer(
        self, trials: Trials, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        """Return the ideal observer's answers to a batch: ``observe`` applied to its ``evidence``."""
        self._check_observer(variant, until)
        return self.observe(self.evidence(trials, until), variant, until)

    @property
    def has_observer(self) -> bool:
        """Whether the task has an ideal observer of its own."""
        return type(self).observe is not AbstractTask.observe

    def over_time(self, *rates: Float[Array, " neuron"], **by_name: Float[Array, " neuron"]) -> HeldRates:
        """Hold one rate for each neuron constant over each epoch.

        Parameters
        ----------
        *rates, **by_name
            The neurons' rates in each of `epochs`, in their order or by name.

        Raises
        ------
        InputError
            If there is not one for each epoch.
        """
        given = {**dict(zip(self.epochs, rates, strict=False)), **by_name}
        if len(rates) + len(by_name) != len(self.epochs) or set(given) != set(self.epochs):
            raise InputError(
                f"{type(self).__name__} has the epochs {', '.join(self.epochs)}, and gives `over_time` rates for "
                f"{len(rates) + len(by_name)}: give one for each."
            )
        return self.hold([given[epoch.name] for epoch in self.epoch_list])

    def hold(self, rates: Sequence[Float[Array, " neuron"]]) -> HeldRates:
        """Hold one rate for each neuron constant over each entry of `epoch_list`."""
        return HeldRates(jnp.stack(list(rates)), tuple(epoch.duration for epoch in self.epoch_list))

    def steps_seen(self, until: int | None = None) -> tuple[int, ...]:
        """Return how many steps of each display lie before `until`; all steps by default."""
        end = self._end(until)
        displays = (self.epochs[display] for display in self.displays)
        return tuple(max(0, min(stop, end) - start) for start, stop in displays)

    def _end(self, until: int | None) -> int:
        return self.n_steps if until is None else _whole("until", until, low=1, high=self.n_steps)

    def _check_observer(self, variant: str, until: int | None) -> None:
        if variant not in VARIANTS:
            raise InputError(f'`variant` = {variant!r} is not allowed: it must be "paper" or "exact".')
        self._end(until)


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


def _check_key(key: Any) -> None:
    """Refuse what is not one random key, such as the number of a seed."""
    is_array = isinstance(key, jax.Array)
    is_key = is_array and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()
    if not (is_key or (is_array and key.dtype == jnp.uint32 and key.shape == (2,))):
        seed = key if isinstance(key, int) else 0
        raise InputError(f"`key` = {key!r} is not allowed: it must be a random key, such as jax.random.key({seed}).")


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
