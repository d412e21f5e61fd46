"""The measures of an analysis, beside what they are by chance."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import InputError
from .canvas import canvas
from .style import NETWORK, readable_text, say, styled

COLUMNS, MOST_GROUPS = 3, 12
"""Panels side by side, and the most groups of networks that have rows of their own."""
PANEL, ROW = (3.0, 0.95), 0.22
"""Inches of a panel with one row, and of each further row."""
GROUPED_BY = ("task", "condition", "model", "curriculum", "sigma0", "lambda0", "rho")
"""Fields whose values become rows, the first that has several."""


class _Row(NamedTuple):
    """Networks of one group, or the only network or recording."""

    name: str
    value: Float[np.ndarray, " network"]
    chance: tuple[float, float]
    """Mean and standard deviation over surrogates; NaN if there are none."""


@styled
def measures_by_chance(
    analysis: xr.Dataset, by: str | None = None, *, ax: Any = None, title: str | None = None
) -> Figure:
    """Draw each measure of an analysis, and the range that it has by chance.

    Parameters
    ----------
    analysis
        What `recurrent-memory analyse` writes, or `analysis.measure_all` returns: `value` over `measure` and perhaps
        `network`, with or without `null_mean` and `null_sd`.
    by
        A coordinate over `network` whose values become rows, such as "task"; None: the first field of the experiments
        that differs, of those with at most 12 values.
    ax
        Matplotlib axes, one for each measure; None: a new figure.
    title
        Title of the figure; None: one that says what is shown, "": none.

    Returns
    -------
    The figure: a panel for each measure. Points are networks, the black diamond is their mean, or the value of the only
    network; the grey bar covers two standard deviations of surrogates to both sides of their mean.

    Raises
    ------
    InputError
        If this is no analysis, there is no such coordinate, or `ax` is not axes.

    Examples
    --------
    >>> from recurrent_memory import analysis
    >>> sequence = np.eye(20)[None].repeat(8, axis=0) + np.random.default_rng(0).random((8, 20, 20))
    >>> found = analysis.measure_all(sequence, ["sqi", "peak_consistency"], null="circular_shift", n=19)
    >>> [axes.get_title() for axes in measures_by_chance(found).axes]
    ['sqi', 'peak_consistency']
    """
    if "value" not in analysis or "measure" not in analysis["value"].dims:
        raise InputError("This is no analysis: give what `analysis.measure_all` or `recurrent-memory analyse` returns.")
    names = [readable_text(str(name)) for name in analysis["measure"].values]
    groups = _groups(analysis, by)
    shape = (math.ceil(len(names) / COLUMNS), min(COLUMNS, len(names)))
    size = (PANEL[0] * shape[1], 0.7 + (PANEL[1] + ROW * (len(groups) - 1)) * shape[0])
    place = canvas(ax, names, shape=shape, is_grid=True, size=size)
    for number, axes in enumerate(place.drawn):
        _draw(axes, analysis.isel(measure=number), groups)
        axes.set_title(names[number], fontsize="medium")
    what = "Measures of sequences"
    if "null_mean" in analysis:
        what += f"; grey: by chance ({readable_text(str(analysis.attrs.get('null', 'surrogates')))}), mean ± 2 sd"
    return place.entitled(analysis, what, title)


def _groups(analysis: xr.Dataset, by: str | None) -> list[tuple[str, Any]]:
    """Return the names of the groups, and which networks each has; None: there is only one network."""
    if "network" not in analysis["value"].dims:
        if by is not None:
            raise InputError(f"`by` = {by!r} is not allowed: this analysis is of one network.")
        return [("", None)]
    known = [str(name) for name, of in analysis.coords.items() if of.dims == ("network",)]
    if by is not None and by not in known:
        raise InputError(f"`by` = {by!r} is not allowed: it must be one of {', '.join(known)}.")
    everyone = np.ones(analysis.sizes["network"], bool)
    for name in GROUPED_BY if by is None else (by,):
        if name not in known:
            continue
        values = analysis[name].values
        levels = list(dict.fromkeys(values.tolist()))
        if by is not None or 1 < len(levels) <= MOST_GROUPS:
            return [(readable_text(f"{level:g}" if isinstance(level, float) else str(level)), values == level)
                    for level in levels]  # fmt: skip
    return [("", everyone)]


def _rows(of: xr.Dataset, groups: list[tuple[str, Any]]) -> list[_Row]:
    rows = []
    for name, chosen in groups:
        some = of if chosen is None else of.isel(network=chosen)
        value = np.atleast_1d(some["value"].values).astype(np.float64)
        chance = tuple(
            float(np.nanmean(finite)) if (finite := _finite(np.atleast_1d(some[part].values))).size else math.nan
            for part in ("null_mean", "null_sd")
            if part in some
        )
        rows.append(_Row(name, _finite(value), (chance[0], chance[1]) if chance else (math.nan, math.nan)))
    return rows


def _draw(axes: Axes, of: xr.Dataset, groups: list[tuple[str, Any]]) -> None:
    rows = _rows(of, groups)
    if not any(row.value.size for row in rows):
        reason = np.atleast_1d(of["reason"].values)[0] if "reason" in of else ""
        say(axes, readable_text(str(reason), 60) or "no value")
        return
    for number, row in enumerate(rows):
        mean, sd = row.chance
        if math.isfinite(mean) and math.isfinite(sd):
            axes.barh(number, 4 * sd, left=mean - 2 * sd, height=0.5, color="0.75", zorder=1)
            axes.plot([mean, mean], [number - 0.25, number + 0.25], color="0.4", linewidth=1, zorder=2)
        if row.value.size > 1:
            aside = np.linspace(-0.2, 0.2, row.value.size)
            axes.plot(row.value, number + aside, ".", color=NETWORK, alpha=0.5, markersize=4, zorder=3)
        if row.value.size:
            axes.plot(row.value.mean(), number, "D", color="black", markersize=4.5, zorder=4)
    named = any(row.name for row in rows)
    axes.set_yticks(range(len(rows)) if named else [], [row.name for row in rows] if named else [])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    unit = readable_text(str(np.atleast_1d(of["units"].values)[0])) if "units" in of.coords else ""
    axes.set_xlabel("" if unit in ("", "1") else unit, labelpad=1)
    axes.use_sticky_edges = False  # a bar's end is no edge of the panel
    axes.margins(x=0.08)


def _finite(values: Float[np.ndarray, " network"]) -> Float[np.ndarray, " finite"]:
    return np.asarray(values[np.isfinite(values)], np.float64)
