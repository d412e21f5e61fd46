"""Learning curves, averaged in bins so that those of ten thousand networks fit into a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Real

from .contents import Curve

CURVES = {
    "training_fractional_loss": "fractional loss in training",
    "training_loss": "training loss",
    "report_fractional_loss": "fractional loss in training",
}
"""Curves in results, the first choice first; the third is what a study keeps of the first."""
MOST_BINS, MOST_POINTS = 150, 1_000_000
"""Bins of a curve, and points of all networks together: four bytes each, and a third more as text."""


def bins(n_networks: int, n_values: int) -> Int[np.ndarray, " edge"]:
    """Return the limits of equal bins of a training.

    Parameters
    ----------
    n_networks
        Number of networks, which limits how many points each can have.
    n_values
        Number of values of the longest curve.

    Returns
    -------
    First value of each bin, and the number of values.

    Examples
    --------
    >>> bins(10, 4), bins(10, 1500)[:3]
    (array([0, 1, 2, 3, 4]), array([ 0, 10, 20]))
    """
    most = max(20, min(MOST_BINS, MOST_POINTS // max(1, n_networks)))
    size = max(1, -(-n_values // most))
    return np.append(np.arange(0, n_values, size), n_values)


class Binned:
    """Collects one kind of curve of many networks.

    Parameters
    ----------
    name
        One of `CURVES`.
    n_networks
        Number of networks.
    n_values
        Number of values of the longest curve; what is longer still is left out.

    Examples
    --------
    >>> binned = Binned("training_loss", n_networks=2, n_values=2)
    >>> binned.put(1, np.array([4.0, 2.0]))
    >>> binned.curve().value
    array([[nan, nan],
           [ 4.,  2.]], dtype=float32)
    """

    def __init__(self, name: str, n_networks: int, n_values: int) -> None:
        self.name, self._edges = name, bins(n_networks, max(1, n_values))
        self._mean = np.full((n_networks, len(self._edges) - 1), np.nan, np.float32)
        self._iteration: Float[np.ndarray, " value"] | None = None

    def put(
        self, network: int, values: Real[np.ndarray, " value"], iteration: Real[np.ndarray, " value"] | None = None
    ) -> None:
        """Add the curve of a network.

        Parameters
        ----------
        network
            Its number.
        values
            The curve; NaN and infinity are left out of the means.
        iteration
            The iteration of each value; None: 1, 2, …
        """
        if iteration is not None and np.isfinite(iteration).all():
            known = self._iteration
            if known is None or len(iteration) > len(known):
                self._iteration = np.asarray(iteration, np.float64)
        values = np.asarray(values, np.float64)[: self._edges[-1]]
        kept = np.isfinite(values)
        if not kept.any():
            return
        whole = np.zeros((2, self._edges[-1]))
        whole[0, : len(values)][kept], whole[1, : len(values)][kept] = values[kept], 1
        total, n = np.add.reduceat(whole, self._edges[:-1], axis=1)
        self._mean[network] = np.where(n > 0, total / np.maximum(n, 1), np.nan)

    def curve(self) -> Curve:
        """Return all curves.

        Returns
        -------
        The curves, with the bins that any network reaches.
        """
        n_values = int(self._edges[-1])
        at = np.arange(1.0, n_values + 1)
        if self._iteration is not None and len(self._iteration):
            at[: len(self._iteration)] = self._iteration[:n_values]
        n = np.diff(self._edges)
        iteration = np.add.reduceat(at, self._edges[:-1]) / n
        reached = np.isfinite(self._mean).any(axis=0)
        last = int(np.flatnonzero(reached)[-1]) + 1 if reached.any() else 0
        return Curve(self.name, CURVES[self.name], iteration[:last], self._mean[:, :last], int(n[0]))


def shown(found: Sequence[Binned]) -> tuple[Curve, ...]:
    """Return the curves that hold anything; what a study keeps only if there is no finer one.

    Parameters
    ----------
    found
        All curves that were collected.

    Returns
    -------
    Those to show.

    Examples
    --------
    >>> shown([Binned("training_loss", 2, 5)])
    ()
    """
    curves = [of.curve() for of in found]
    full = [curve for curve in curves if curve.value.size]
    finest = {curve.label: curve for curve in reversed(full)}
    return tuple(curve for curve in full if finest[curve.label] is curve)
