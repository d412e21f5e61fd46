"""Pictures of a sweep: maps of a measure over two fields, and lines over one field with intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from ..errors import InputError
from ..settings import SOLVED_BELOW
from .canvas import Canvas, size_of
from .style import (
    ACTIVITY_COLORS,
    BLACK,
    BLUE,
    GREEN,
    NOT_SHOWN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    count_in_whole_numbers,
)
from .sweep_cells import LEVEL, Choice, Field, Panel, View, choose, field_symbol, view
from .sweep_layout import (
    axis_label,
    entitled,
    label_axes,
    letters_across,
    measure_label,
    of_sweep,
    sweep_canvas,
    tick_values,
)
from .sweep_points import draw_networks, has_points, places_of

_FRACTIONAL_LOSSES = ("fractional_loss", "fractional_loss_exact", "fractional_loss_exact_causal")
_UNFINISHED: dict[str, Any] = {"facecolor": NOT_SHOWN, "edgecolor": NOT_SHOWN}
_HIDDEN: dict[str, Any] = {"facecolor": NOT_SHOWN, "edgecolor": "0.45", "hatch": "////"}
_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MARKERS = "osD^vPX"
_MOST_IN_LEGEND = 16


def has_map(dataset: xr.Dataset, x: str | None = None, y: str | None = None, by: Sequence[str] | None = None) -> bool:
    """Return whether there are two fields to draw a map over.

    Parameters
    ----------
    dataset, x, y, by
        As for `measure_map`.

    Returns
    -------
    Whether `measure_map` can draw these networks.

    Raises
    ------
    InputError
        If a field is unknown or given twice.

    Examples
    --------
    >>> has_map(xr.Dataset({"status": ("lambda0", ["finished", "left"])}, coords={"lambda0": [0.8, 0.98]}))
    False
    """
    return choose(dataset, x, y, by).y is not None


@of_sweep
def measure_map(
    dataset: xr.Dataset, measure: str = "sequentiality_index", x: str | None = None, y: str | None = None,
    by: Sequence[str] | None = None, *, solved_only: bool | None = None, about: str = "", ax: Any = None,
    title: str | None = None,
) -> Figure:  # fmt: skip
    """Draw a measure over two fields: a cell for each pair of values, coloured by the mean of its networks.

    Parameters
    ----------
    dataset
        Data set of a sweep, finished or not, from `recurrent_memory.sweeps.collect`.
    measure
        One of `sweep_measures`.
    x, y
        Fields of the axes; by default λ0 and σ0 if both vary, else the first two fields of numbers.
    by
        Fields whose values have a panel each; by default all others in which networks differ except the seed.
    solved_only
        Whether to show only networks that solved their task, as in Orhan & Ma (2019); None: for measures of activity.
    about
        Words for the title, such as which networks have been chosen.
    ax
        Matplotlib axes for each panel, with the user's settings; None: a new figure, with notes below its panels.
    title
        Title of the figure, or of the first of `ax`; several axes have none unless it is given; "": none.

    Returns
    -------
    The figure, or that of `ax`. All cells have one size, however far apart the values are. Grey: no network has
    finished; grey and hatched: some have, but none of them is shown; white: not part of the sweep. All panels share one
    colour scale.

    Raises
    ------
    InputError
        If `dataset` is not one of a sweep, a measure or a field is unknown, there is only one field to draw over, there
        are too many panels, or `ax` has another number of axes than there are panels.

    Examples
    --------
    >>> axes = ("lambda0", "sigma0")
    >>> values = {"status": (axes, [["finished"] * 2] * 2), "fractional_loss": (axes, [[0.2, 0.3], [0.4, 0.9]])}
    >>> sweep = xr.Dataset(values, coords={"lambda0": [0.8, 0.98], "sigma0": [0.0, 0.4]})
    >>> measure_map(sweep, "fractional_loss").axes[-1].get_ylabel()  # the colour bar
    'Fractional loss'
    """
    choice = choose(dataset, x, y, by)
    if choice.y is None:
        raise InputError(f"A map needs another field besides {choice.x!r}: give `y`, or draw lines.")
    seen = view(dataset, measure, choice, solved_only)
    place = sweep_canvas(seen, ax)
    mean = seen.column("mean")
    low, high, extend = _color_limits(measure, mean[np.isfinite(mean)])
    meshes = [_draw_map(axes, panel, seen, (low, high)) for axes, panel in zip(place.drawn, seen.panels, strict=True)]
    label_axes(place, axis_label(dataset, choice.x), axis_label(dataset, choice.y))
    if np.isfinite(mean).any():
        _add_color_bar(place, meshes[0], measure_label(dataset, measure), extend)
    if place.is_new:
        _explain_grey(place.figure, seen)
    return entitled(place, dataset, seen, measure, about, title)


def _add_color_bar(place: Canvas, mesh: QuadMesh, label: str, extend: str) -> None:
    aspect = max(20, 4 * place.figure.get_figheight()) if place.is_new else 20
    whole = place.drawn[0].figure
    whole.colorbar(mesh, ax=place.drawn, label=label, pad=0.02, extend=extend, aspect=aspect)


@of_sweep
def measure_lines(
    dataset: xr.Dataset,
    measure: str = "sequentiality_index",
    x: str | None = None,
    lines: str | None = None,
    by: Sequence[str] | None = None,
    *,
    solved_only: bool | None = None,
    about: str = "",
    ax: Any = None,
    title: str | None = None,
) -> Figure:
    """Draw a measure over one field: the mean over networks and its interval, with a line per value of another field.

    Parameters
    ----------
    dataset, measure, by, solved_only, about, ax, title
        As for `measure_map`.
    x
        Field of the horizontal axis; by default λ0 if it varies, else the first field of numbers.
    lines
        Field whose values have a line each; by default the next field of numbers, else the first of the others.

    Returns
    -------
    The figure, or that of `ax`. Intervals have a level of 95 %: Student's t for the mean, Wilson's for the fraction of
    networks that solved their task. A line is broken at values without a network to show. Behind the means of several
    networks are the networks as small points, shifted sideways so that equal ones can be seen; not in a panel of more
    than 2,000 networks.

    Raises
    ------
    InputError
        As for `measure_map`, but for a single field.

    Examples
    --------
    >>> axes = ("lambda0", "sigma0")
    >>> values = {"status": (axes, [["finished"] * 2] * 2), "fractional_loss": (axes, [[0.2, 0.3], [0.4, 0.9]])}
    >>> sweep = xr.Dataset(values, coords={"lambda0": [0.8, 0.98], "sigma0": [0.0, 0.4]})
    >>> measure_lines(sweep, "fractional_loss").axes[0].get_ylabel()
    'Fractional loss'
    """
    choice = choose(dataset, x, lines, by)
    if choice.y is None and choice.by and by is None:
        choice = Choice(choice.x, choice.by[0], choice.by[1:])
    seen = view(dataset, measure, choice, solved_only)
    place = sweep_canvas(seen, ax)
    for axes, panel in zip(place.drawn, seen.panels, strict=True):
        _draw_lines(axes, panel, seen)
        if measure in _FRACTIONAL_LOSSES:
            axes.axhline(SOLVED_BELOW, color="0.4", linestyle=(0, (2, 2)), linewidth=1)
    for axes in place.drawn[:1] if place.is_laid_out else place.drawn:  # those of a new figure share their axes
        _limit_values(axes, seen)
        _scale_numbers(axes, seen.x)
    for axes, panel in zip(place.drawn, seen.panels, strict=True):
        draw_networks(axes, panel, seen, _line_styles(seen.y)[0])
    label_axes(place, axis_label(dataset, choice.x), measure_label(dataset, measure))
    _add_legend(place, seen, measure)
    return entitled(place, dataset, seen, measure, about, title)


def _draw_map(axes: Axes, panel: Panel, seen: View, limits: tuple[float, float]) -> QuadMesh:
    n_x, n_y = len(seen.x.values), len(seen.y.values)
    mean, finished = (panel.grid(column, n_x, n_y) for column in ("mean", "finished"))
    mesh = axes.pcolormesh(
        np.arange(n_x + 1) - 0.5, np.arange(n_y + 1) - 0.5, np.ma.masked_invalid(mean),
        cmap=ACTIVITY_COLORS, vmin=limits[0], vmax=limits[1],
    )  # fmt: skip
    for style, cells in ((_UNFINISHED, finished == 0), (_HIDDEN, np.isnan(mean) & (finished > 0))):
        squares = [Rectangle((i - 0.5, j - 0.5), 1, 1) for j, i in np.argwhere(cells)]
        axes.add_collection(PatchCollection(squares, linewidth=0, **style))
    width, height = size_of(axes)
    tick_values(axes, "x", seen.x, width)
    tick_values(axes, "y", seen.y, height)
    axes.tick_params(length=2)
    return mesh


def _color_limits(measure: str, values: np.ndarray) -> tuple[float, float, str]:
    """Return the limits of the colours, and on which side values lie beyond them."""
    if measure.startswith("solved") or not values.size:
        return 0.0, 1.0, "neither"
    low, high = float(values.min()), float(values.max())
    if measure in _FRACTIONAL_LOSSES:
        # Networks that have learned nothing can be many times worse than a guess, and would wash out all others.
        low, limit = min(low, 0.0), 1.0
        return low, limit, "max" if high > limit else "neither"
    return (low, high, "neither") if high > low else (low - 0.5, high + 0.5, "neither")


def _explain_grey(figure: Figure, seen: View) -> None:
    """Explain cells without a value, if there are any, below the panels."""
    n_cells = len(seen.panels) * len(seen.x.values) * len(seen.y.values)
    finished, shown = seen.column("finished"), seen.column("shown")
    handles = []
    if (finished == 0).any():
        handles.append(Patch(label="no network has finished", **_UNFINISHED))
    if ((finished > 0) & (shown == 0)).any():
        reasons = ["none has solved its task"] * seen.solved_only + ["the measure is undefined"] * seen.has_undefined
        why = " or ".join(reasons)
        handles.append(Patch(label=f"finished, but {why}", linewidth=0, **_HIDDEN))
    if len(finished) < n_cells:
        handles.append(Patch(facecolor="white", edgecolor="0.6", linewidth=0.8, label="not part of the sweep"))
    if handles:
        letters = sum(len(str(handle.get_label())) + 7 for handle in handles)  # 7 for the square and the gaps
        n_columns = len(handles) if letters <= letters_across(figure) else 1
        figure.legend(handles=handles, loc="outside lower center", ncols=n_columns)


def _draw_lines(axes: Axes, panel: Panel, seen: View) -> None:
    colors, markers = _line_styles(seen.y)
    of = panel.cells
    x = np.stack([places_of(seen, place, len(colors)) for place in range(len(colors))])
    mean = np.full(x.shape, np.nan)
    mean[of["y"], of["x"]] = of["mean"]
    bars = of[np.isfinite(of["low"])]
    of_bars = [colors[place] for place in bars["y"]]  # all in one collection, because a sweep may have thousands
    alpha = 0.6 if len(colors) < 6 else 0.3
    axes.vlines(x[bars["y"], bars["x"]], bars["low"], bars["high"], colors=of_bars, linewidth=1, alpha=alpha)
    # A line between words would suggest values between them.
    style = "solid" if seen.x.is_numeric else "none"
    for own_x, own_mean, color, marker in zip(x, mean, colors, markers, strict=True):
        axes.plot(own_x, own_mean, color=color, marker=marker, markersize=3.5, linewidth=1.2, linestyle=style)


def _line_styles(field: Field) -> tuple[list[Any], list[str]]:
    n = len(field.values)
    if field.is_numeric and n > 1:
        return list(mpl.colormaps[ACTIVITY_COLORS](np.linspace(0, 0.9, n))), ["o"] * n
    return [_COLORS[i % len(_COLORS)] for i in range(n)], [
        _MARKERS[i // len(_COLORS) % len(_MARKERS)] for i in range(n)
    ]


def _limit_values(axes: Axes, seen: View) -> None:
    """Show all means, and intervals and networks up to twice the means' range beyond them, for some are huge."""
    if seen.interval == "Wilson":
        axes.set_ylim(-0.05, 1.05)
        return
    mean = seen.column("mean")
    if not np.isfinite(mean).any():
        return
    lowest, highest = np.nanmin(mean), np.nanmax(mean)
    spread = (highest - lowest) or abs(highest) or 1.0
    single = [panel.networks["value"] for panel in seen.panels if has_points(panel, seen)]
    low = np.nanmin([*seen.column("low"), lowest, *(of.min() for of in single)])
    high = np.nanmax([*seen.column("high"), highest, *(of.max() for of in single)])
    low, high = max(low, lowest - 2 * spread), min(high, highest + 2 * spread)
    margin = 0.05 * (high - low) or 0.1 * spread
    axes.set_ylim(low - margin, high + margin)


def _scale_numbers(axes: Axes, field: Field) -> None:
    """Scale and tick the horizontal axis by the values of its field."""
    if not field.is_numeric:
        tick_values(axes, "x", field, size_of(axes)[0])
        axes.set_xlim(-0.6, len(field.values) - 0.4)
        return
    values = np.asarray(field.values, float)
    positive = values[values > 0]
    if len(values) <= 5 and _unevenness(values) < 0.5:
        axes.set_xticks(values, field.labels)
    elif (values >= 0).all() and positive.size > 2 and _unevenness(np.log(positive)) < _unevenness(positive):
        if positive.size == values.size:
            axes.set_xscale("log")
        else:
            axes.set_xscale("symlog", linthresh=positive.min())
    elif all(isinstance(value, int) for value in field.values):
        count_in_whole_numbers(axes.xaxis)
    # Include values without a point, so that ticks do not become the axis limits, which would cut points in half.
    axes.update_datalim(np.column_stack([values, values]), updatey=False)
    axes.autoscale_view(scaley=False)


def _unevenness(values: np.ndarray) -> float:
    steps = np.diff(values)
    return float(steps.std() / steps.mean()) if steps.size else 0.0


def _add_legend(place: Canvas, seen: View, measure: str) -> None:
    """Explain the lines; in a new figure, also the bars and the points."""
    if seen.y.name:
        colors, markers = _line_styles(seen.y)
        step = -(-len(colors) // _MOST_IN_LEGEND)
        handles = [
            Line2D([], [], color=colors[i], marker=markers[i], markersize=3.5, linewidth=1.2, label=seen.y.labels[i])
            for i in range(0, len(colors), step)
        ]
        name = field_symbol(seen.y.name)
        if place.is_new:
            place.figure.legend(handles=handles, title=name, loc="outside right center")
        else:
            place.drawn[-1].legend(handles=handles, title=name, loc="best")
    if place.is_new and (notes := _notes(place.figure, seen, measure)):
        unbroken = "; ".join(note.replace(" ", "\N{NO-BREAK SPACE}") for note in notes)  # a line ends between notes
        label = textwrap.fill(unbroken, letters_across(place.figure))
        legend = place.figure.legend(
            handles=[Patch(facecolor="none", label=label)], handlelength=0, loc="outside lower center"
        )
        legend.get_texts()[0].set_multialignment("center")


def _notes(figure: Figure, seen: View, measure: str) -> list[str]:
    """Return what there is to say about bars, points and gaps."""
    notes = []
    if np.isfinite(seen.column("low")).any():
        what = "mean" if seen.interval == "t" else "fraction"
        whose = "seeds" if seen.averaged == ["seed"] else "networks"
        notes.append(f"bars: {LEVEL:.0%} {seen.interval} interval of the {what} over {whose}")
        if seen.interval == "t" and (seen.column("shown") == 1).any():
            notes.append("none of a single network")
        if _is_cut(figure, seen):
            notes.append("some end outside the panel")
    if any(has_points(panel, seen) for panel in seen.panels):
        notes.append("small points: single networks")
    low, high = figure.axes[0].get_ylim()
    if measure in _FRACTIONAL_LOSSES and low < SOLVED_BELOW < high:
        notes.append(f"dashed: solved below {SOLVED_BELOW:g}")
    if not np.isfinite(seen.column("mean")).all():
        notes.append("gaps: no network is shown")
    return notes


def _is_cut(figure: Figure, seen: View) -> bool:
    low, high = figure.axes[0].get_ylim()
    return bool(np.nanmin(seen.column("low")) < low or np.nanmax(seen.column("high")) > high)
