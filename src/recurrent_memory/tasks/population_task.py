"""Tasks whose stimuli are shown to populations of tuned neurons."""

from __future__ import annotations

from abc import abstractmethod
from types import ModuleType
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field, model_validator

from ..errors import InputError
from .epochs import Epoch, Evidence
from .populations import MAX_RATE, HeldRates
from .task import AbstractTask

_OwnTask = TypeVar("_OwnTask", bound="PopulationTask")


class PopulationTask(AbstractTask):
    """A task whose stimuli are shown to populations of tuned Poisson neurons, one for each location.

    Subclasses define ``preferred``, ``log_tuning`` and ``draw``, and may add an ideal observer: ``observe_paper``,
    ``observe_exact`` or both.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> make("de1", stim_rate=2.0).display_rate("stimulus")
    0.08
    """

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
        """Return the preferred values of the neurons at one location.

        Parameters
        ----------
        xp
            Array module, NumPy or JAX's.

        Returns
        -------
        Shape (neuron,).
        """

    @abstractmethod
    def log_tuning(self, values: Any, xp: ModuleType = jnp) -> Any:
        """Return the log tuning curves of the neurons at one location.

        Parameters
        ----------
        values
            Stimuli, of any shape.
        xp
            Array module, NumPy or JAX's.

        Returns
        -------
        Shape (*values, neuron), at most 0.
        """

    @property
    def max_rate(self) -> float:
        """Largest expected count a step."""
        shown = [self.display_rate(epoch.name) for epoch in self.epoch_list if epoch.shows is not None]
        # Delay and response count even if something is shown there: the bound affects how counts are rounded.
        quiet = {epoch.name for epoch in self.epoch_list if epoch.shows is None} | {"delay", "response"}
        return max(*shown, *(self.spon_rate / self.duration(name) for name in quiet))

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
        """Return the neurons' rates in all epochs.

        Parameters
        ----------
        stimuli, label
            From `draw`.

        Returns
        -------
        Expected counts a step, constant over each epoch.
        """
        return self.hold([self.epoch_rates(epoch, stimuli, label) for epoch in self.epoch_list])

    def epoch_rates(
        self, epoch: Epoch, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, " neuron"]:
        """Return the neurons' rates in one epoch: evoked by a display, or spontaneous.

        Parameters
        ----------
        epoch
            Epoch of `epoch_list`.
        stimuli, label
            From `draw`.

        Returns
        -------
        Expected counts a step.
        """
        return self.spontaneous(epoch.name) if epoch.shows is None else self.evoked(stimuli[epoch.shows], epoch.name)

    def evoked(self, values: Float[Array, " location"], epoch: str) -> Float[Array, " neuron"]:
        """Return the rates evoked by one display.

        Parameters
        ----------
        values
            Stimulus at each location.
        epoch
            Name of the epoch in which they are shown.

        Returns
        -------
        Expected counts a step, of the neurons of all locations.
        """
        return (self.display_rate(epoch) * jnp.exp(self.log_tuning(values))).reshape(-1)

    def spontaneous(self, epoch: str) -> Float[Array, " neuron"]:
        """Return the rates without a stimulus.

        Parameters
        ----------
        epoch
            Name of the epoch.

        Returns
        -------
        Expected counts a step, of the neurons of all locations.
        """
        return jnp.full(self.n_neurons * self.n_locations, self.spon_rate / self.duration(epoch), float)

    def display_rate(self, epoch: str) -> float:
        """Return the rate of a neuron whose preferred stimulus is shown.

        Parameters
        ----------
        epoch
            Name of the epoch.

        Returns
        -------
        Expected count a step.
        """
        return self.stim_rate / self.duration(epoch)

    def duration(self, epoch: str) -> int:
        """Return the duration of an epoch.

        Parameters
        ----------
        epoch
            Name of the epoch.

        Returns
        -------
        Number of steps.
        """
        start, stop = self.epochs[epoch]
        return stop - start

    def log_rates(self, values: Float[np.ndarray, " value"], epoch: str) -> Float[np.ndarray, "value neuron"]:
        """Return the log rates that stimuli evoke at one location, in double precision, for the observers.

        Parameters
        ----------
        values
            Stimuli.
        epoch
            Name of the epoch in which they are shown.

        Returns
        -------
        Log of the expected counts a step.
        """
        return np.asarray(np.log(self.display_rate(epoch)) + self.log_tuning(values, np))

    @property
    def has_observer(self) -> bool:
        """Whether the task has an ideal observer of its own."""
        hooks = ("observe", "observe_paper", "observe_exact")
        return any(getattr(type(self), hook) is not getattr(PopulationTask, hook) for hook in hooks)

    def observe(
        self, evidence: Evidence, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        """Return the ideal observer's answers, from `observe_paper` or `observe_exact`.

        Parameters
        ----------
        evidence, variant, until
            As in `AbstractTask.observe`.

        Returns
        -------
        Answers in the shapes of `AbstractTask.observe`.
        """
        if not self.has_observer:
            return super().observe(evidence, variant, until)
        self._check_observer(variant, until)
        counts = np.asarray(evidence.counts, np.float64)
        by_location = counts.reshape(*counts.shape[:2], self.n_locations, self.n_neurons)
        if variant == "paper":
            return self.observe_paper(by_location, np.asarray(evidence.label))
        return self.observe_exact(by_location, np.asarray(evidence.label), self.steps_seen(until))

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial *answer"]:
        """Answer as the published observer does; by default, as the exact one does at the end of the trial.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display that counts, in double precision.
        label
            The trials' discrete variable, for tasks with a cue.

        Returns
        -------
        Answers in the shapes of `AbstractTask.observe`.
        """
        return self.observe_exact(counts, label, self.steps_seen())

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial *answer"]:
        """Answer from the posterior under the model that generates the trials; by default, as `observe_paper` does.

        Parameters
        ----------
        counts, label
            As in `observe_paper`.
        n_seen
            Number of steps seen of each display.

        Returns
        -------
        Answers in the shapes of `AbstractTask.observe`.

        Raises
        ------
        InputError
            If the task has no observer of its own.
        """
        if type(self).observe_paper is PopulationTask.observe_paper:
            raise InputError(
                f"{type(self).__name__} has no ideal observer: give it a method `observe_exact` or `observe_paper`."
            )
        return self.observe_paper(counts, label)
