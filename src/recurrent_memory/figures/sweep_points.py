"""Single networks of a sweep, as points behind the means."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

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
    to_fraction = axes.transScale + axes.transLimits  # of the panel's width, whatever the scale of its axis
    for (line, column), of_cell in panel.networks.groupby(["y", "x"]):
        n = len(of_cell)
        if n < 2:
            continue
        values = of_cell["value"].to_numpy(float)
        x = places_of(seen, line, len(colors))[column]
        points = to_fraction.transform(np.column_stack([np.full(n, x), values]))
        points[:, 0] += _LARGEST_SHIFT * (2 * (np.arange(1, n + 1) * _GOLDEN % 1) - 1)
        shifted = to_fraction.inverted().transform(points)[:, 0]
        axes.scatter(shifted, values, s=5, color=[colors[line]], alpha=0.35, linewidths=0, zorder=1)


def places_of(seen: View, line: int, n_lines: int) -> Float[np.ndarray, " x"]:
    """Return the places of a line's points along the horizontal axis: its numbers, or beside each word.

    The points of the lines lie side by side there, so that they do not hide each other.
    """
    if seen.x.is_numeric:
        return np.asarray(seen.x.values, float)
    return np.arange(len(seen.x.values)) + 0.6 * ((line + 0.5) / n_lines - 0.5)
