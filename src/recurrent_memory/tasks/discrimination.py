"""Discrimination of values on a line: which of two it was (2AFC), which was the larger (COMP)."""

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
    """A task about values on a line, shown to neurons with Gaussian tuning."""

    response: ClassVar[Response] = "probability"

    tuning_width: float = Field(gt=0, description="standard deviation of the tuning curves, in units of the value")
    preferred_min: float = Field(description="lowest preferred value")
    preferred_max: float = Field(description="highest preferred value")

    @model_validator(mode="after")
    def _check_preferred(self: _OwnValueTask) -> _OwnValueTask:
        _check_order("preferred", self.preferred_min, self.preferred_max)
        return self

    def preferred(self, xp: ModuleType = jnp) -> Any:
        """Return the preferred values, both ends included."""
        return preferred_values(self.preferred_min, self.preferred_max, self.n_neurons, xp)

    def log_tuning(self, values: Any, xp: ModuleType = jnp) -> Any:
        """Return −(s − φ)²/2σ², shape (*values, neuron)."""
        return gaussian_log_tuning(values, self.preferred(xp), self.tuning_width, xp)


@final
@register
class TwoAFC(ValueTask):
    """Two-alternative forced choice: say how probable it is that the value shown was the positive one."""

    name: ClassVar[str] = "2afc"
    code: ClassVar[int | None] = 6
    title: ClassVar[str] = "2AFC"
    remembered: ClassVar[str] = "which of two values was shown"

    tuning_width: float = Field(
        default=15.0, gt=0, description="standard deviation of the tuning curves, in units of the value"
    )
    preferred_min: float = Field(default=-40.0, description="lowest preferred value")
    preferred_max: float = Field(default=40.0, description="highest preferred value")
    value: float = Field(default=15.0, gt=0, description="the stimulus is plus or minus this value")

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw the class, each as likely as the other."""
        positive = jr.bernoulli(key)
        return jnp.where(positive, self.value, -self.value).reshape(1, 1), positive.astype(int)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial"]:
        """Answer as the paper's observer does."""
        return observers.paper_class(counts[:, 0, 0], self.preferred(np), self.value, self.tuning_width)

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial"]:
        """Answer from the posterior under the model that drew the trials."""
        tuning = functools.partial(self.log_rates, epoch="stimulus")
        return observers.exact_class(counts[:, 0, 0], tuning, n_seen[0], np.array([-self.value, self.value]))


@final
@register
class COMP(ValueTask):
    """Comparison: say how probable it is that the first value exceeds the second, shown after the delay."""

    name: ClassVar[str] = "comp"
    code: ClassVar[int | None] = 8
    title: ClassVar[str] = "COMP"
    remembered: ClassVar[str] = "a value, to be compared with a second one"
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
        """Draw both values uniformly from the range."""
        stimuli = jr.uniform(key, (2, 1), minval=self.value_min, maxval=self.value_max)
        return stimuli, (stimuli[0, 0] > stimuli[1, 0]).astype(int)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial"]:
        """Answer as the paper's observer does."""
        return observers.paper_comparison(counts[:, 0, 0], counts[:, 1, 0], self.preferred(np), self.tuning_width)

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial"]:
        """Answer from the posterior under the model that drew the trials."""
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
            f"Swap them, or widen the range."
        )
