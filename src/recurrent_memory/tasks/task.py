"""The protocol that all tasks follow: from a key to trials, and from trials to the best possible answer.

A task is a frozen description of one trial: its settings, whose defaults are the paper's values, and three methods.
``draw`` draws the hidden variables, ``rates`` gives the input neurons' rates and ``targets`` the outputs to be learned;
batches, spikes and compilation follow from these. A task of your own is a named subclass, marked with `register`.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import Field, model_validator

from ..errors import InputError
from ..settings import Settings
from .epochs import Epoch, Evidence, Trials, trials_that_fit, whole_number, windows
from .populations import HeldRates, at_every_step, check_key, poisson_counts
from .responses import RESPONSES, AbstractResponse, Response

_OwnTask = TypeVar("_OwnTask", bound="AbstractTask")
VARIANTS: tuple[str, ...] = ("paper", "exact")
"""Ideal observers: the published one, and the posterior under the model that generates the trials."""


class AbstractTask(Settings):
    """One trial of a task, described by its settings.

    Subclasses define ``name``, ``title``, ``remembered``, ``response`` and the methods ``draw``, ``rates`` and, for the
    response ``"value"``, ``targets``. An ideal observer is the method ``observe``; without one, probabilities and
    categories are compared with chance.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> make("de1", delay_dur=50).epochs
    {'stimulus': (0, 25), 'delay': (25, 75), 'response': (75, 100)}
    """

    name: ClassVar[str]
    """Name by which experiments ask for the task."""
    code: ClassVar[int | None] = None
    """The published scripts' integer for the task."""
    title: ClassVar[str]
    """Name in figures and tables."""
    remembered: ClassVar[str]
    """What must be remembered over the delay."""
    response: ClassVar[Response]
    """Name of the kind of answer in `RESPONSES`: angle, probability, category or value."""
    n_categories: ClassVar[int] = 2
    """Number of categories, if the answer is one."""
    n_locations: ClassVar[int] = 1
    """Stimulus locations, each with a population of its own."""
    skips_steps: ClassVar[bool] = False
    """Whether trials may lack some of the steps (mask False)."""
    displays: ClassVar[tuple[str, ...]] = ("stimulus",)
    """The epochs in which a stimulus is shown."""
    stimulus_unit: ClassVar[str] = ""
    """Unit of the stimuli; empty if it is not known."""
    label_means: ClassVar[str] = ""
    """What the label of a trial says, such as ``cued location``; empty if that is not known."""
    needs_condition: ClassVar[tuple[str, ...]] = ()
    """Conditions without which the task does not exist."""
    dynamic_gain: ClassVar[float] = 1.0
    """Highest rate of the irrelevant neurons in the dynamic condition, as published for this task."""
    quiet_response: ClassVar[bool] = False
    """Whether neurons fire at the delay's rate in the response epoch if delays vary, as published for some tasks."""

    n_neurons: int = Field(default=50, ge=2, description="input neurons at each stimulus location")
    stim_dur: int = Field(default=25, ge=1, description="duration of the stimulus, in steps of about 10 ms")
    delay_dur: int = Field(default=100, ge=1, description="duration of the delay, in steps")
    resp_dur: int = Field(default=25, ge=1, description="duration of the response epoch, in steps")

    @abstractmethod
    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw the hidden variables of one trial.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        Values shown in each display at each location; the discrete variable, 0 if the task has none.
        """

    @abstractmethod
    def rates(
        self, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, "time neuron"] | HeldRates:
        """Return the input neurons' rates in one trial, a pure function of its hidden variables.

        Parameters
        ----------
        stimuli, label
            From `draw`.

        Returns
        -------
        Expected counts a step. If they change at few steps, counts are drawn faster from `HeldRates` (see `over_time`).
        """

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        """Return the target outputs of one trial: the label, or the angles of the first display.

        Parameters
        ----------
        stimuli, label
            From `draw`.

        Returns
        -------
        The same at every step: angles in radians; a probability of 0 or 1; or 1 for the category and 0 for the others.

        Raises
        ------
        NotImplementedError
            If the response is of another kind: the task then needs its own `targets`.
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
        """Draw the input neurons' activity in one trial: independent Poisson counts.

        Parameters
        ----------
        key, rates
            Random key of the trial's counts; expected counts a step.

        Returns
        -------
        Counts.
        """
        return poisson_counts(key, rates, self.max_rate)

    def steps(self, key: PRNGKeyArray) -> Bool[Array, " time"]:
        """Draw which steps one trial has; called only if ``skips_steps``.

        Parameters
        ----------
        key
            Random key of the trial's steps.

        Returns
        -------
        True for the steps that the trial has; by default all.
        """
        return jnp.ones(self.n_steps, bool)

    @property
    def max_rate(self) -> float:
        """Largest expected count a step that ``rates`` can return; counts at higher rates are NaN."""
        return 1.0

    @property
    def n_inputs(self) -> int:
        """Number of input neurons."""
        return self.n_neurons * self.n_locations

    @property
    def input_locations(self) -> Int[np.ndarray, " neuron"]:
        """Stimulus location of each input neuron; −1 for a neuron without one."""
        return np.repeat(np.arange(self.n_locations), self.n_neurons)

    @property
    def n_outputs(self) -> int:
        """Number of outputs: by default one for each location (angle) or category, else 1; tasks may override it."""
        return {"angle": self.n_locations, "category": self.n_categories}.get(self.response, 1)

    @property
    def kind(self) -> type[AbstractResponse]:
        """The class of `RESPONSES` that describes the kind of answer."""
        return RESPONSES[self.response]

    @property
    def epoch_list(self) -> tuple[Epoch, ...]:
        """The epochs of a trial, in order; the last is the response, in which the answer counts."""
        durations = {"stimulus": self.stim_dur, "delay": self.delay_dur, "response": self.resp_dur}
        shown = {name: number for number, name in enumerate(self.displays)}
        return tuple(Epoch(name, duration, shown.get(name)) for name, duration in durations.items())

    @property
    def epochs(self) -> dict[str, tuple[int, int]]:
        """First step and end (exclusive) of each epoch; a delay spans the distractor in it."""
        return windows(self.epoch_list)

    @property
    def n_steps(self) -> int:
        """Number of steps in a trial."""
        return sum(epoch.duration for epoch in self.epoch_list)

    @model_validator(mode="after")
    def _check_epochs(self: _OwnTask) -> _OwnTask:
        names = [epoch.name for epoch in self.epoch_list]
        if "delay" not in self.epochs or names[-1] != "response":
            has = f"{type(self).__name__} has the epochs {', '.join(names)}"
            raise ValueError(f"{has}: one must be a delay, and the last must be the response.")
        return self

    def sample(self, key: PRNGKeyArray, batch_size: int) -> Trials:
        """Draw a batch of trials.

        Parameters
        ----------
        key
            Trial i depends on the key and i alone: it is the same in a batch of any size.
        batch_size
            Number of trials, at least 1.

        Returns
        -------
        The trials.

        Raises
        ------
        InputError
            If `key` is not a random key, or `batch_size` not a positive integer, or too large for this machine.
        """
        check_key(key)
        trials: Trials = _sample(self, key, trials_that_fit(batch_size, self.n_steps, self.n_inputs))
        return trials

    def evidence(self, trials: Trials, until: int | None = None) -> Evidence:
        """Sum the spikes of each display for the observer, inside or outside compiled code.

        Parameters
        ----------
        trials
            A batch of this task.
        until
            Number of steps seen, from the start of the trial; None: all.

        Returns
        -------
        Spike counts of the displays that count, with the labels and the true answers.

        Raises
        ------
        InputError
            If `until` is not between 1 and the number of steps in a trial.
        """
        end = self._end(until)
        displays = (self.epochs[display] for display in self.displays)
        counts = [trials.inputs[:, start : min(stop, end)].sum(axis=1) for start, stop in displays]
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
            From ``evidence``; batches may be joined along the trial axis.
        variant
            ``"paper"``: the published observer. ``"exact"``: the posterior under the model that generates the trials.
        until
            Number of steps seen, as given to ``evidence``.

        Returns
        -------
        Angles in radians (trial, output); one probability (trial,) or several (trial, output); probabilities of
        categories (trial, category); values over the response epoch (trial, time), or (trial, time, output) if several.

        Raises
        ------
        InputError
            If `variant` or `until` is not allowed.

        Notes
        -----
        Override this method to add an observer. This one returns the truth, and counts as none: the cross-entropy of
        probabilities and categories is then divided by that of chance, and angles have no fractional loss.
        """
        self._check_observer(variant, until)
        return np.asarray(evidence.truth, np.float64)

    def ideal_observer(
        self, trials: Trials, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        """Return the ideal observer's answers to a batch: ``observe`` applied to its ``evidence``.

        Parameters
        ----------
        trials, variant, until
            As in `evidence` and `observe`.

        Returns
        -------
        Answers in the shapes of `observe`.
        """
        self._check_observer(variant, until)
        return self.observe(self.evidence(trials, until), variant, until)

    @property
    def has_observer(self) -> bool:
        """Whether the task has an ideal observer of its own."""
        return type(self).observe is not AbstractTask.observe

    def over_time(self, *rates: Float[Array, " neuron"], **by_name: Float[Array, " neuron"]) -> HeldRates:
        """Hold each neuron's rate constant over each epoch.

        Parameters
        ----------
        *rates, **by_name
            The neurons' expected counts a step in each of `epochs`, in order or by name.

        Returns
        -------
        Rates for the whole trial.

        Raises
        ------
        InputError
            If an epoch has no rates, or more than one set.
        """
        given = {**dict(zip(self.epochs, rates, strict=False)), **by_name}
        if len(rates) + len(by_name) != len(self.epochs) or set(given) != set(self.epochs):
            raise InputError(
                f"{type(self).__name__} has the epochs {', '.join(self.epochs)}, but gives `over_time` rates for "
                f"{len(rates) + len(by_name)}: give one for each."
            )
        return self.hold([given[epoch.name] for epoch in self.epoch_list])

    def hold(self, rates: Sequence[Float[Array, " neuron"]]) -> HeldRates:
        """Hold each neuron's rate constant over each entry of `epoch_list`.

        Parameters
        ----------
        rates
            The neurons' expected counts a step, one array for each entry.

        Returns
        -------
        Rates for the whole trial.
        """
        return HeldRates(jnp.stack(list(rates)), tuple(epoch.duration for epoch in self.epoch_list))

    def steps_seen(self, until: int | None = None) -> tuple[int, ...]:
        """Count the steps of each display that lie before a step.

        Parameters
        ----------
        until
            Number of steps seen, from the start of the trial; None: all.

        Returns
        -------
        Steps seen of each display.
        """
        end, displays = self._end(until), (self.epochs[display] for display in self.displays)
        return tuple(max(0, min(stop, end) - start) for start, stop in displays)

    def _end(self, until: int | None) -> int:
        return self.n_steps if until is None else whole_number("until", until, low=1, high=self.n_steps)

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
