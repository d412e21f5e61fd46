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
from .epochs import Epoch, Evidence
from .population_task import PopulationTask
from .populations import preferred_values, von_mises_log_tuning
from .registry import register
from .responses import Response


class OrientationTask(PopulationTask):
    """A task about orientations, shown to neurons with von Mises tuning.

    Examples
    --------
    >>> DE1(n_neurons=3).log_tuning(np.array(0.0), np)  # of neurons that prefer 0, π/2 and π
    array([ 0., -4.,  0.])
    """

    stimulus_unit: ClassVar[str] = "radians"

    kappa: float = Field(default=2.0, gt=0, description="concentration of the orientation tuning curves, dimensionless")

    def preferred(self, xp: ModuleType = jnp) -> Any:
        """Return evenly spaced preferred orientations, 0 and π included.

        Parameters
        ----------
        xp
            Array module, NumPy or JAX's.

        Returns
        -------
        Orientations in radians, shape (neuron,).
        """
        return preferred_values(0.0, np.pi, self.n_neurons, xp)

    def log_tuning(self, values: Any, xp: ModuleType = jnp) -> Any:
        """Return the log tuning curves, κ(cos 2(s − φ) − 1).

        Parameters
        ----------
        values
            Orientations s in radians, of any shape.
        xp
            Array module, NumPy or JAX's.

        Returns
        -------
        Shape (*values, neuron).
        """
        return von_mises_log_tuning(values, self.preferred(xp), self.kappa, xp)

    def posterior(
        self, evidence: Evidence, until: int | None = None
    ) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, "trial location point"]]:
        """Compute the posterior of the first display's orientation at each location.

        Parameters
        ----------
        evidence
            From ``evidence``.
        until
            Number of steps seen, as given to ``evidence``.

        Returns
        -------
        A grid of orientations in [0, π) radians, fine enough for the narrowest posterior; densities per radian.
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
    """Report the orientations shown before the delay.

    Examples
    --------
    >>> spikes = np.zeros((1, 1, 1, 50))
    >>> spikes[0, 0, 0, 7] = 1  # one spike, of the neuron that prefers π/7
    >>> DE1().observe_paper(spikes, np.zeros(1, int)).round(3)
    array([[0.449]])
    """

    response: ClassVar[Response] = "angle"

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw an orientation for each location, uniformly.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        Orientations in [0, π) radians; 0.
        """
        return jr.uniform(key, (1, self.n_locations), maxval=np.pi), jnp.array(0)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, "trial output"]:
        """Estimate the orientation at each location by `observers.paper_orientation`.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Not used.

        Returns
        -------
        Orientations in [0, π] radians.
        """
        return self._at_each_location(counts, lambda spikes: observers.paper_orientation(spikes, self.preferred(np)))

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, "trial output"]:
        """Estimate the orientation at each location by `observers.exact_orientation`.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Not used.
        n_seen
            Number of steps seen of each display.

        Returns
        -------
        Orientations in [0, π) radians.
        """
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
    """Delayed estimation of one orientation (Orhan & Ma 2019, DE-1).

    Examples
    --------
    >>> DE1().epochs
    {'stimulus': (0, 25), 'delay': (25, 125), 'response': (125, 150)}
    """

    name: ClassVar[str] = "de1"
    code: ClassVar[int | None] = 0
    title: ClassVar[str] = "DE-1"
    remembered: ClassVar[str] = "one orientation"
    quiet_response: ClassVar[bool] = True


@final
@register
class DE2(EstimationTask):
    """Delayed estimation of two orientations (Orhan & Ma 2019, DE-2).

    Examples
    --------
    >>> DE2().n_inputs, DE2().n_outputs
    (100, 2)
    """

    name: ClassVar[str] = "de2"
    code: ClassVar[int | None] = 1
    title: ClassVar[str] = "DE-2"
    remembered: ClassVar[str] = "two orientations"
    n_locations: ClassVar[int] = 2
    quiet_response: ClassVar[bool] = True


@final
@register
class VDE1(EstimationTask):
    """DE-1 with variable delays, under the code that the published basic script has for it.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> make("vde1", "variable_delay", delays=(10, 40)).delays
    (10, 40)
    """

    name: ClassVar[str] = "vde1"
    code: ClassVar[int | None] = 5
    title: ClassVar[str] = "VDE-1"
    remembered: ClassVar[str] = "one orientation, over a variable delay"
    needs_condition: ClassVar[tuple[str, ...]] = ("variable_delay",)
    quiet_response: ClassVar[bool] = True


@final
@register
class GDE(EstimationTask):
    """Gated delayed estimation: report the one of two orientations that is cued after the delay (GDE).

    Notes
    -----
    In the response epoch, the population of the cued location fires at a higher spontaneous rate. The observers know
    the cue, as the published one does.

    Examples
    --------
    >>> GDE().n_inputs, GDE().n_outputs
    (100, 1)
    """

    name: ClassVar[str] = "gde"
    code: ClassVar[int | None] = 4
    title: ClassVar[str] = "GDE"
    remembered: ClassVar[str] = "two orientations, one of which will be asked for"
    label_means: ClassVar[str] = "cued location"
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
        """Draw both orientations, uniformly, and the cued location.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        Orientations in [0, π) radians; the cued location, 0 or 1.
        """
        key_stimuli, key_cue = jr.split(key)
        stimuli, _ = super().draw(key_stimuli)
        return stimuli, jr.randint(key_cue, (), 0, self.n_locations)

    def epoch_rates(
        self, epoch: Epoch, stimuli: Float[Array, "display location"], label: Int[Array, ""]
    ) -> Float[Array, " neuron"]:
        """Return the rates in one epoch, with the cue in the response epoch.

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
        rates = super().epoch_rates(epoch, stimuli, label)
        if epoch.name != "response":
            return rates
        location = np.repeat(np.arange(self.n_locations), self.n_neurons)
        return rates * jnp.where(location == label, self.cue_gain, 1.0)

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        """Return the cued orientation as the target at every step.

        Parameters
        ----------
        stimuli, label
            From `draw`.

        Returns
        -------
        Radians.
        """
        return jnp.broadcast_to(stimuli[0, label], (self.n_steps, 1))

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, "trial output"]:
        """Estimate the cued orientation as the published observer does.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Cued location.

        Returns
        -------
        Orientation in [0, π] radians.
        """
        return np.take_along_axis(super().observe_paper(counts, label), label[:, None], axis=1)

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, "trial output"]:
        """Estimate the cued orientation from its posterior.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Cued location.
        n_seen
            Number of steps seen of each display.

        Returns
        -------
        Orientation in [0, π) radians.
        """
        return np.take_along_axis(super().observe_exact(counts, label, n_seen), label[:, None], axis=1)
