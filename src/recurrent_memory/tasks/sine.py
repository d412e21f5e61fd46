"""Sine: produce a fixed time course after a delay; only the time needs to be remembered."""

from __future__ import annotations

from typing import ClassVar, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import Field

from .populations import HeldRates, standard_normal
from .registry import register
from .responses import Response
from .task import AbstractTask


@final
@register
class Sine(AbstractTask):
    """Produce sin(αx), with x from 0 to π over the response epoch, the same in every trial.

    Notes
    -----
    The inputs are not spikes but normal noise, during the delay only, whose standard deviations ``rates`` returns. The
    ideal observer's answer is the target.

    Examples
    --------
    >>> Sine(alpha=0.5).n_outputs
    1
    """

    name: ClassVar[str] = "sine"
    code: ClassVar[int | None] = 7
    title: ClassVar[str] = "Sine"
    remembered: ClassVar[str] = "nothing but the time"
    response: ClassVar[Response] = "value"
    displays: ClassVar[tuple[str, ...]] = ()

    noise: float = Field(default=0.1, ge=0, description="standard deviation of the input noise in the delay")
    alpha: float = Field(default=0.25, gt=0, description="half-periods of the sine produced over the response epoch")

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Return no stimuli, and 0: trials have no hidden variables.

        Parameters
        ----------
        key
            Not used.

        Returns
        -------
        An empty array; 0.
        """
        return jnp.zeros((0, 0)), jnp.array(0)

    def rates(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> HeldRates:
        """Return the standard deviation of the input noise.

        Parameters
        ----------
        stimuli, label
            Not used.

        Returns
        -------
        Standard deviation in each epoch, 0 outside the delay.
        """
        nothing = jnp.zeros(self.n_inputs)
        return self.over_time(nothing, nothing + self.noise, nothing)

    def inputs(self, key: PRNGKeyArray, rates: Float[Array, "time neuron"] | HeldRates) -> Float[Array, "time neuron"]:
        """Draw normal noise in the delay.

        Parameters
        ----------
        key
            Random key of the trial's noise.
        rates
            Not used: the task's own `noise` counts.

        Returns
        -------
        Noise; 0 outside the delay.
        """
        start, stop = self.epochs["delay"]
        # Random numbers take nearly all the time here, so they are drawn for the delay only.
        noise = self.noise * standard_normal(key, (stop - start, self.n_inputs))
        return jnp.pad(noise, ((start, self.n_steps - stop), (0, 0)))

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        """Return 0 before the response epoch, then the sine.

        Parameters
        ----------
        stimuli, label
            Not used.

        Returns
        -------
        Target at every step.
        """
        start, stop = self.epochs["response"]
        course = jnp.sin(self.alpha * jnp.linspace(0, np.pi, stop - start))
        return jnp.concatenate([jnp.zeros(start), course])[:, None]
