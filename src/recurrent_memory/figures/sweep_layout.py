"""Layout of all pictures of sweeps: panels, titles, labels and ticks."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import matplotlib as mpl
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import InputError
from ..settings import SOLVED_BELOW
from .canvas import Canvas, canvas, size_of
from .style import SIZE, describe_network, kind_of, readable, readable_text, styled
from .sweep_cells import Field, View, field_symbol

_AXIS_LABELS = {
    "lambda0": "Initial self-connection $λ_0$",
    "sigma0": "Initial coupling $σ_0$",
    "rho": "Weight decay ρ",
    "n_hidden": "Number of units N",
}
_MOST_TICKS, _LONGEST_LABEL = 12, 30

P = ParamSpec("P")


def of_sweep(picture: Callable[Concatenate[xr.Dataset, P], Figure]) -> Callable[..., Figure]:
    """Draw with this package's style, and refuse what is no data set of a sweep."""

    @functools.wraps(picture)
    def drawn(dataset: Any, *args: P.args, **kwargs: P.kwargs) -> Figure:
        if not isinstance(dataset, xr.Dataset) or "status" not in dataset:
            raise InputError(
                f"`{picture.__name__}` needs a data set with a measure and the `status` of each network of a sweep, "
                f"got {kind_of(dataset)}: give what `recurrent_memory.sweeps.collect` returns."
            )
        return styled(picture)(dataset, *args, **kwargs)

    return drawn


def sweep_canvas(seen: View, ax: Any) -> Canvas:
    """Return a new figure with the panels of a sweep, or the user's axes for them, with the panels' titles."""
    n_panels = len(seen.panels)
    n_columns = _columns([len(field.values) for field in seen.by], n_panels)
    n_rows = -(-n_panels // n_columns)
    # One panel is as large as the other pictures; several are smaller, but still legible.
    size = (max(SIZE[0], 2.2 * n_columns + 1.5), max(SIZE[1], 1.9 * n_rows + 1.6))
    labels = [panel.label for panel in seen.panels]
    place = canvas(ax, labels, shape=(n_rows, n_columns), is_grid=True, size=size, sharex=True, sharey=True)
    if place.is_laid_out:
        for axes in place.drawn[max(n_panels - n_columns, 0) :]:  # the panels above an empty place are labelled too
            axes.tick_params(labelbottom=True)
    for axes, panel in zip(place.drawn, seen.panels, strict=True):
        shown, networks = int(panel.cells["shown"].sum()), int(panel.cells["networks"].sum())
        if panel.label:
            count = f" ({shown} of {networks} shown)" if shown < networks else ""
            width = int(14 * size_of(axes)[0])
            fits = len(panel.label + count) <= width
            axes.set_title(panel.label + count if fits else textwrap.fill(panel.label, width) + "\n" + count.strip())
    return place


def entitled(place: Canvas, dataset: xr.Dataset, seen: View, measure: str, about: str, title: str | None) -> Figure:
    """Draw the title of a picture of a sweep, and return the figure."""
    lines = _title(dataset, seen, measure, about)
    if not place.is_new:
        return place.entitled(xr.Dataset(), lines[0], title)
    width = int(11 * place.figure.get_figwidth())
    words = "\n".join(textwrap.fill(line, width) for given in lines for line in given.split("\n"))
    return place.entitled(xr.Dataset(), words, title)


def _columns(by: list[int], n_panels: int) -> int:
    """Return the number of columns of panels; the panels of two fields form a table."""
    if len(by) == 2 and by[0] * by[1] == n_panels and by[1] <= 8:
        return by[1]
    return min(n_panels, round(math.sqrt(2.2 * n_panels)))


def _title(dataset: xr.Dataset, seen: View, measure: str, about: str) -> list[str]:
    """Return the lines of the title: the measure, the networks, how many of them there are, and how many are shown."""
    what = _measure_name(measure)
    if seen.averaged:
        n_values = seen.averaged_values
        all_shown = seen.column("shown").min() == seen.column("networks").max()
        seeds = f"{n_values} seeds" if all_shown else f"up to {n_values} seeds"
        over = [seeds if name == "seed" else field_symbol(name) for name in seen.averaged]
        what += f", {'of' if measure.startswith('solved') else 'mean over'} {' and '.join(over)}"
    counts = status_counts(dataset)
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "finished")
    n_shown = int(seen.column("shown").sum())
    if seen.solved_only:
        shown = f"the {n_shown:,} that solved their task (fractional loss < {SOLVED_BELOW:g})"
    else:
        shown = "all that finished" if n_shown == counts["finished"] else f"the {n_shown:,} in which it is defined"
    shared = describe_network(readable(xr.Dataset(attrs=shared_fields(dataset))))
    about = readable_text(textwrap.shorten(about, 200, placeholder=" …"), 1000)
    whose = ", ".join(part for part in (about, shared) if part)
    return [line for line in (what, whose, f"Networks: {told}", f"Shown: {shown}") if line]


def letters_across(figure: Figure) -> int:
    """Return the number of letters of a legend that fit in a line below the panels."""
    return int(14 * figure.get_figwidth())


def tick_values(axes: Axes, which: str, field: Field, inches: float) -> None:
    """Label the positions 0, 1, … of an axis with the values of a field, as many as fit."""
    labels = field.labels
    if not field.is_numeric:
        labels = [textwrap.shorten(label, 24, placeholder="…") for label in labels]
    characters = max(map(len, labels)) + 1
    turned = which == "x" and 0.075 * characters * min(len(labels), _MOST_TICKS) > inches
    space = 0.14 if turned or which == "y" else 0.075 * characters
    step = -(-len(labels) // max(1, min(_MOST_TICKS, int(inches / space))))
    places = range(0, len(labels), step if field.is_numeric else 1)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(list(places), [labels[i] for i in places], rotation=90 if turned else 0)


def label_axes(place: Canvas, x: str, y: str) -> None:
    """Label the outer panels, or the only one, or each of the user's."""
    if len(place.drawn) == 1 or not place.is_laid_out:
        for axes in place.drawn:
            axes.set(xlabel=x, ylabel=y)
        return
    place.drawn[0].figure.supylabel(y, fontsize=mpl.rcParams["axes.labelsize"])
    for axes in place.drawn:  # one label for all panels would lie below the legend
        if axes.xaxis.get_tick_params()["labelbottom"]:
            axes.set_xlabel(textwrap.shorten(x, _LONGEST_LABEL, placeholder="…"))


def axis_label(dataset: xr.Dataset, name: str) -> str:
    """Return the label of a field, with its symbol and units if it has them."""
    attrs = dataset[name].attrs if name in dataset.coords else {}
    about = str(attrs.get("long_name", ""))  # may be a whole sentence
    label = _AXIS_LABELS.get(name) or (about if 0 < len(about) <= _LONGEST_LABEL else field_symbol(name))
    return f"{label} ({attrs['units']})" if "units" in attrs else label


def _measure_name(measure: str) -> str:
    if measure == "solved":
        return "Fraction of networks that solved their task"
    name = str(readable_text(measure.replace("_", " ")))
    return name[0].upper() + name[1:]


def measure_label(dataset: xr.Dataset, measure: str) -> str:
    """Return the label of a measure, with its units if it has them."""
    units = dataset[measure].attrs.get("units")
    return _measure_name(measure) + (f" ({units})" if units else "")


def shared_fields(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the fields that have one value in all networks, with that value."""
    return {str(name): of.item() for name, of in dataset.coords.items() if of.ndim == 0}


def status_counts(dataset: xr.Dataset) -> dict[str, int]:
    """Count the networks that have finished, have failed, are damaged, and are left to train."""
    status = dataset["status"].values.ravel()
    counts = {name: int((status == name).sum()) for name in ("finished", "damaged", "left")}
    failed = status.size - sum(counts.values())
    return {"finished": counts["finished"], "failed": failed, "damaged": counts["damaged"], "left": counts["left"]}
