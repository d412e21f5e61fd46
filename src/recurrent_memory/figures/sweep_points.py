"""Single networks of a sweep, as points behind the means."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from .sweep_cells import Panel, View

MOST_POINTS = 2000
"""Most single networks in a panel; more would hide the means."""
_LARGEST_SHIFT, _GOLDEN = 0.012, (5**0.5 - 1) / 2
"""Largest shift of a point sideways, as a part of the panel's width. The shifts are multiples of the golden ratio
modulo 1, which spread any number of points evenly, and the same way each time."""


def has_points(panel: Panel, seen: View) -> bool:
    """Return whether single networks are drawn: several in a cell, not too many, and not 0 or 1 each."""
    return seen.interval == "t" and len(panel.networks) <= MOST_POINTS and bool((panel.cells["shown"] > 1).any())


def draw_networks(axes: Axes, panel: Panel, seen: View, colors: list[Any]) -> None:
    """Draw each network as a faint point behind the mean of its cell, if that is a mean of several.

    The axes must have their final scale and limits.
    """
    if not has_points(panel, seen):
        return
    axes.autoscale(False)
    networks = panel.networks.sort_values(["y", "x"], kind="stable")
    cell = networks.groupby(["y", "x"])["value"]
    number, size = cell.cumcount().to_numpy(), cell.transform("size").to_numpy()
    kept = size > 1
    line, column = (networks[name].to_numpy(int)[kept] for name in ("y", "x"))
    places = np.stack([places_of(seen, of, len(colors)) for of in range(len(colors))])
    values = networks["value"].to_numpy(float)[kept]
    to_fraction = axes.transScale + axes.transLimits  # of the panel's width, whatever the scale of its axis
    points = to_fraction.transform(np.column_stack([places[line, column], values]))
    points[:, 0] += _LARGEST_SHIFT * (2 * ((number[kept] + 1) * _GOLDEN % 1) - 1)
    shifted = to_fraction.inverted().transform(points)[:, 0]
    # All in one collection: one for each cell took half a minute in a sweep of 100,000 networks.
    own = np.array([to_rgba(color) for color in colors])[line]
    axes.scatter(shifted, values, s=5, c=own, alpha=0.35, linewidths=0, zorder=1)


def places_of(seen: View, line: int, n_lines: int) -> Float[np.ndarray, " x"]:
    """Return the places of a line's points along the horizontal axis: its numbers, or beside each word.

    The points of the lines lie side by side there, so that they do not hide each other.
    """
    if seen.x.is_numeric:
        return np.asarray(seen.x.values, float)
    return np.arange(len(seen.x.values)) + 0.6 * ((line + 0.5) / n_lines - 0.5)
