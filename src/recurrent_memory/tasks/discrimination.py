"""Discrimination of values on a line: which of two was shown (2AFC), which of two was larger (COMP)."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, ClassVar, TypeVar, final

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import Field, model_validator

from . import observers
from .population_task import PopulationTask
from .populations import gaussian_log_tuning, preferred_values
from .registry import register
from .responses import Response

_OwnValueTask = TypeVar("_OwnValueTask", bound="ValueTask")


class ValueTask(PopulationTask):
    """A task about values on a line, shown to neurons with Gaussian tuning.

    Examples
    --------
    >>> COMP(n_neurons=5).preferred(np)
    array([-50., -25.,   0.,  25.,  50.])
    """

    response: ClassVar[Response] = "probability"

    tuning_width: float = Field(gt=0, description="standard deviation of the tuning curves, in units of the value")
    preferred_min: float = Field(description="lowest preferred value")
    preferred_max: float = Field(description="highest preferred value")

    @model_validator(mode="after")
    def _check_preferred(self: _OwnValueTask) -> _OwnValueTask:
        _check_order("preferred", self.preferred_min, self.preferred_max)
        return self

    def preferred(self, xp: ModuleType = jnp) -> Any:
        """Return evenly spaced preferred values, from `preferred_min` to `preferred_max`, both included.

        Parameters
        ----------
        xp
            Array module, NumPy or JAX's.

        Returns
        -------
        Shape (neuron,).
        """
        return preferred_values(self.preferred_min, self.preferred_max, self.n_neurons, xp)

    def log_tuning(self, values: Any, xp: ModuleType = jnp) -> Any:
        """Return the log tuning curves, −(s − φ)²/2σ².

        Parameters
        ----------
        values
            Stimuli s, of any shape.
        xp
            Array module, NumPy or JAX's.

        Returns
        -------
        Shape (*values, neuron).
        """
        return gaussian_log_tuning(values, self.preferred(xp), self.tuning_width, xp)


@final
@register
class TwoAFC(ValueTask):
    """Two-alternative forced choice: report the probability that the value shown was the positive one.

    Examples
    --------
    >>> TwoAFC(value=10.0).tuning_width
    15.0
    """

    name: ClassVar[str] = "2afc"
    code: ClassVar[int | None] = 6
    title: ClassVar[str] = "2AFC"
    remembered: ClassVar[str] = "which of two values was shown"
    label_means: ClassVar[str] = "whether the value is the positive one"

    tuning_width: float = Field(
        default=15.0, gt=0, description="standard deviation of the tuning curves, in units of the value"
    )
    preferred_min: float = Field(default=-40.0, description="lowest preferred value")
    preferred_max: float = Field(default=40.0, description="highest preferred value")
    value: float = Field(default=15.0, gt=0, description="the stimulus is plus or minus this value")

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw which value is shown; both are equally likely.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        The value; 1 if it is the positive one, else 0.
        """
        positive = jr.bernoulli(key)
        return jnp.where(positive, self.value, -self.value).reshape(1, 1), positive.astype(int)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial"]:
        """Return the probability of the positive value by `observers.paper_class`.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Not used.

        Returns
        -------
        P(+value).
        """
        return observers.paper_class(counts[:, 0, 0], self.preferred(np), self.value, self.tuning_width)

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial"]:
        """Return the probability of the positive value by `observers.exact_class`.

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
        P(+value).
        """
        tuning = functools.partial(self.log_rates, epoch="stimulus")
        return observers.exact_class(counts[:, 0, 0], tuning, n_seen[0], np.array([-self.value, self.value]))


@final
@register
class COMP(ValueTask):
    """Comparison: report the probability that the first value is larger than the second, shown after the delay.

    Examples
    --------
    >>> spikes = np.zeros((1, 2, 1, 50))
    >>> spikes[0, 0, 0, 30] = spikes[0, 1, 0, 20] = 2  # the first display drives neurons of higher preferred values
    >>> COMP().observe_paper(spikes, np.zeros(1, int)).round(2)
    array([0.98])
    """

    name: ClassVar[str] = "comp"
    code: ClassVar[int | None] = 8
    title: ClassVar[str] = "COMP"
    remembered: ClassVar[str] = "a value, to be compared with a second one"
    label_means: ClassVar[str] = "whether the first value is larger"
    displays: ClassVar[tuple[str, ...]] = ("stimulus", "response")
    dynamic_gain: ClassVar[float] = 0.1

    tuning_width: float = Field(
        default=10.0, gt=0, description="standard deviation of the tuning curves, in units of the value"
    )
    preferred_min: float = Field(default=-50.0, description="lowest preferred value")
    preferred_max: float = Field(default=50.0, description="highest preferred value")
    value_min: float = Field(default=-40.0, description="lowest value shown")
    value_max: float = Field(default=40.0, description="highest value shown")

    @model_validator(mode="after")
    def _check_values(self) -> COMP:
        _check_order("value", self.value_min, self.value_max)
        return self

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw both values uniformly from the range.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        The values; 1 if the first is larger, else 0.
        """
        stimuli = jr.uniform(key, (2, 1), minval=self.value_min, maxval=self.value_max)
        return stimuli, (stimuli[0, 0] > stimuli[1, 0]).astype(int)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial"]:
        """Return the probability that the first value is larger by `observers.paper_comparison`.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Not used.

        Returns
        -------
        P(first > second).
        """
        return observers.paper_comparison(counts[:, 0, 0], counts[:, 1, 0], self.preferred(np), self.tuning_width)

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial"]:
        """Return the probability that the first value is larger by `observers.exact_comparison`.

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
        P(first > second).
        """
        first, second = (functools.partial(self.log_rates, epoch=epoch) for epoch in self.displays)
        limits = (self.value_min, self.value_max)
        return observers.exact_comparison(
            counts[:, 0, 0],
            counts[:, 1, 0],
            (first, second),
            (n_seen[0], n_seen[1]),
            limits,
            observers.comparison_points(counts, self.tuning_width, limits),
        )


def _check_order(name: str, low: float, high: float) -> None:
    if not low < high:
        raise ValueError(
            f"`{name}_min` = {low:g} and `{name}_max` = {high:g} are not allowed: the first must be lower. "
            "Swap them, or widen the range."
        )
