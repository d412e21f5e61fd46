"""Delayed estimation: report orientations after a delay (DE-1, DE-2, VDE-1, GDE)."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar, final

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import Field

from . import observers
from .epochs import Epoch
from .population_task import PopulationTask
from .populations import preferred_values, von_mises_log_tuning
from .registry import register
from .responses import Response
from .task import Evidence


class OrientationTask(PopulationTask):
    """A task about orientations, shown to neurons with von Mises tuning."""

    kappa: float = Field(default=2.0, gt=0, description="concentration of the orientation tuning curves, dimensionless")

    def preferred(self, xp: ModuleType = jnp) -> Any:
        """Return the preferred orientations in radians, 0 and π included."""
        return preferred_values(0.0, np.pi, self.n_neurons, xp)

    def log_tuning(self, values: Any, xp: ModuleType = jnp) -> Any:
        """Return κ(cos 2(s − φ) − 1), shape (*values, neuron)."""
        return von_mises_log_tuning(values, self.preferred(xp), self.kappa, xp)

    def posterior(
        self, evidence: Evidence, until: int | None = None
    ) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, "trial location point"]]:
        """Return a grid of orientations, and the posterior of the first display's at each location.

        Parameters
        ----------
        evidence
            From ``evidence``.
        until
            Number of steps seen, as given to ``evidence``.

        Returns
        -------
        Orientations in [0, π) radians, as many as the narrowest posterior needs, and densities per radian.
        """
        counts = np.asarray(evidence.counts[:, 0], np.float64)
        by_location = counts.reshape(len(counts), self.n_locations, self.n_neurons)
        n_points = self._n_points(by_location)
        densities = [
            observers.orientation_posterior(
                by_location[:, location], self._stimulus_tuning, self.steps_seen(until)[0], n_points
            )
            for location in range(self.n_locations)
        ]
        return observers.orientation_grid(n_points), np.stack(densities, axis=1)

    def _stimulus_tuning(self, values: Float[np.ndarray, " value"]) -> Float[np.ndarray, "value neuron"]:
        return self.log_rates(values, "stimulus")

    def _n_points(self, counts: Float[np.ndarray, "..."]) -> int:
        return observers.orientation_points(counts, self.kappa, self.stim_rate)


class EstimationTask(OrientationTask):
    """Report the orientations shown before the delay."""

    response: ClassVar[Response] = "angle"

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw an orientation for each location from [0, π)."""
        return jr.uniform(key, (1, self.n_locations), maxval=np.pi), jnp.array(0)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, "trial output"]:
        """Answer as the paper's observer does."""
        return self._at_each_location(counts, lambda spikes: observers.paper_orientation(spikes, self.preferred(np)))

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, "trial output"]:
        """Answer from the posterior under the model that drew the trials."""
        n_points = self._n_points(counts)
        return self._at_each_location(
            counts,
            lambda spikes: observers.exact_orientation(spikes, self._stimulus_tuning, n_seen[0], n_points),
        )

    def _at_each_location(self, counts: Any, observer: Any) -> Float[np.ndarray, "trial location"]:
        return np.stack([observer(counts[:, 0, place]) for place in range(self.n_locations)], axis=1)


@final
@register
class DE1(EstimationTask):
    """Delayed estimation of one orientation."""

    name: ClassVar[str] = "de1"
    code: ClassVar[int | None] = 0
    title: ClassVar[str] = "DE-1"
    remembered: ClassVar[str] = "one orientation"
    quiet_response: ClassVar[bool] = True


@final
@register
class DE2(EstimationTask):
    """Delayed estimation of two orientations."""

    name: ClassVar[str] = "de2"
    code: ClassVar[int | None] = 1
    title: ClassVar[str] = "DE-2"
    remembered: ClassVar[str] = "two orientations"
    n_locations: ClassVar[int] = 2
    quiet_response: ClassVar[bool] = True


@final
@register
class VDE1(EstimationTask):
    """DE-1 under the code that the published basic script has for it with variable delays."""

    name: ClassVar[str] = "vde1"
    code: ClassVar[int | None] = 5
    title: ClassVar[str] = "VDE-1"
    remembered: ClassVar[str] = "one orientation, over a variable delay"
    needs_condition: ClassVar[tuple[str, ...]] = ("variable_delay",)
    quiet_response: ClassVar[bool] = True


@final
@register
class GDE(EstimationTask):
    """Gated delayed estimation: of two orientations, report the one that is cued after the delay.

    Notes
    -----
    The cue is a higher spontaneous rate of the cued location's population in the response epoch. The
    observers know the cue, as the published one does.
    """

    name: ClassVar[str] = "gde"
    code: ClassVar[int | None] = 4
    title: ClassVar[str] = "GDE"
    remembered: ClassVar[str] = "two orientations, one of which will be asked for"
    n_locations: ClassVar[int] = 2

    cue_gain: float = Field(
        default=5.0,
        gt=0,
        description="factor on the cued population's spontaneous rate in the response epoch",
    )

    @property
    def n_outputs(self) -> int:
        """One output: the cued orientation."""
        return 1

    @property
    def max_rate(self) -> float:
        """Largest expected count a step."""
        return max(super().max_rate, self.cue_gain * self.spon_rate / self.resp_dur)

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw both orientations from [0, π), and the cued location."""
        key_stimuli, key_cue = jr.split(key)
        stimuli, _ = super().draw(key_stimuli)
        return stimuli, jr.randint(key_cue, (), 0, self.n_locations)

    def epoch_rates(
        self, epoch: Epoch, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, " neuron"]:
        """Return the rates in one epoch, with the cue in the response epoch."""
        rates = super().epoch_rates(epoch, stimuli, label)
        if epoch.name != "response":
            return rates
        location = np.repeat(np.arange(self.n_locations), self.n_neurons)
        return rates * jnp.where(location == label, self.cue_gain, 1.0)

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        """Return the cued orientation at every step."""
        return jnp.broadcast_to(stimuli[0, label], (self.n_steps, 1))

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, "trial output"]:
        """Answer as the paper's observer does."""
        return np.take_along_axis(super().observe_paper(counts, label), label[:, None], axis=1)

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, "trial output"]:
        """Answer from the posterior under the model that drew the trials."""
        return np.take_along_axis(super().observe_exact(counts, label, n_seen), label[:, None], axis=1)
