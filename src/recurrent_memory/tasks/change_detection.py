"""Change detection: whether an orientation changed over the delay (CD-1, CD-2)."""

from __future__ import annotations

import functools
from typing import ClassVar, final

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import Field

from . import observers
from .estimation import OrientationTask
from .registry import register
from .responses import Response


class ChangeDetectionTask(OrientationTask):
    """Report the probability that the second display, in the response epoch, differs from the first.

    Notes
    -----
    A change replaces the orientation at one location, chosen at random, by a new one, drawn uniformly: it can be of any
    size, even tiny.

    Examples
    --------
    >>> CD2(change_prob=0.2).displays
    ('stimulus', 'response')
    """

    response: ClassVar[Response] = "probability"
    displays: ClassVar[tuple[str, ...]] = ("stimulus", "response")
    dynamic_gain: ClassVar[float] = 0.1
    label_means: ClassVar[str] = "whether there is a change"

    change_prob: float = Field(default=0.5, gt=0, lt=1, description="probability of a change in a trial")

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw the orientations of both displays, and whether there is a change.

        Parameters
        ----------
        key
            Random key of the trial's hidden variables.

        Returns
        -------
        Orientations in [0, π) radians; 1 if there is a change, else 0.
        """
        key_change, key_place, key_first, key_new = jr.split(key, 4)
        change = jr.bernoulli(key_change, self.change_prob)
        changed = change & (jnp.arange(self.n_locations) == jr.randint(key_place, (), 0, self.n_locations))
        first = jr.uniform(key_first, (self.n_locations,), maxval=np.pi)
        new = jr.uniform(key_new, (self.n_locations,), maxval=np.pi)
        return jnp.stack([first, jnp.where(changed, new, first)]), change.astype(int)

    def observe_paper(
        self, counts: Float[np.ndarray, "trial display location neuron"], label: Int[np.ndarray, " trial"]
    ) -> Float[np.ndarray, " trial"]:
        """Return the probability of a change by `observers.paper_change`.

        Parameters
        ----------
        counts
            Spikes of each neuron over each display.
        label
            Not used.

        Returns
        -------
        P(change).
        """
        return observers.paper_change(counts[:, 0], counts[:, 1], self.preferred(np))

    def observe_exact(
        self,
        counts: Float[np.ndarray, "trial display location neuron"],
        label: Int[np.ndarray, " trial"],
        n_seen: tuple[int, ...],
    ) -> Float[np.ndarray, " trial"]:
        """Return the probability of a change by `observers.exact_change`.

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
        P(change).
        """
        first, second = (functools.partial(self.log_rates, epoch=epoch) for epoch in self.displays)
        n_points = self._n_points(counts.sum(axis=1))
        return observers.exact_change(
            counts[:, 0], counts[:, 1], (first, second), (n_seen[0], n_seen[1]), self.change_prob, n_points
        )


@final
@register
class CD1(ChangeDetectionTask):
    """Change detection with one orientation (Orhan & Ma 2019, CD-1).

    Examples
    --------
    >>> CD1().change_prob
    0.5
    """

    name: ClassVar[str] = "cd1"
    code: ClassVar[int | None] = 2
    title: ClassVar[str] = "CD-1"
    remembered: ClassVar[str] = "one orientation"


@final
@register
class CD2(ChangeDetectionTask):
    """Change detection with two orientations, one of which may change (Orhan & Ma 2019, CD-2).

    Examples
    --------
    >>> CD2().n_inputs
    100
    """

    name: ClassVar[str] = "cd2"
    code: ClassVar[int | None] = 3
    title: ClassVar[str] = "CD-2"
    remembered: ClassVar[str] = "two orientations"
    n_locations: ClassVar[int] = 2
