"""What all pictures share: size, colours, title, and the marks of a trial's epochs."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import xarray as xr
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..analysis import read_activity
from ..analysis.activity import check_steps
from ..analysis.labels import DIMS, complaints
from ..errors import InputError, counted, plain
from .journal import SETTINGS, current

# Okabe & Ito's palette, distinguishable with every common form of colour blindness.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
OUTPUT_COLORS = (BLUE, VERMILION, GREEN, PURPLE)
"""One colour for each output of the network."""
NETWORK, OBSERVER, LIMIT = BLUE, ORANGE, VERMILION
"""Colours of the network, of its reference, and of the line between solved and not solved."""
NOT_SHOWN = "0.75"
"""Grey of what does not count: masked steps, and the diagonal of the weights."""
READOUT, TRAINED = VERMILION, "#FFF3D6"
"""Colours of the step at which the answer is read, and of the epoch in which answers are trained."""
TRAINED_EPOCH = "response"
MARKS = ("read-out step", "trained epoch")
"""Names of the two in a legend."""
ACTIVITY_COLORS = "viridis"
SIGNED_COLORS = "RdBu_r"

SIZE, DPI = (7.0, 5.0), 150
LONGEST_WORDS, LONGEST_LABEL, LONGEST_UNITS = 120, 70, 24
"""Characters of a text from a data set that are drawn: in a title, in a legend, and along an axis."""

_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "figure.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.h_pad": 0.06,
}

P = ParamSpec("P")


def styled(picture: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with the font sizes of this module, whatever the caller's Matplotlib settings, and restore those.

    In the caller's axes, the caller's settings stay. The data set's words are made :func:`readable` first.
    """

    @functools.wraps(picture)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        is_new = kwargs.get("ax") is None
        with mpl.rc_context() if is_new else contextlib.nullcontext():
            if is_new:
                mpl.rcdefaults()
                mpl.rcParams.update(of_pictures())
            shown: Any = [readable(given) if isinstance(given, xr.Dataset) else given for given in args]
            return picture(*shown, **kwargs)

    return drawn


def of_pictures() -> dict[Any, Any]:
    """Return the settings of pictures in a figure of their own."""
    return _SETTINGS if current() is None else _SETTINGS | SETTINGS


def readable(result: xr.Dataset) -> xr.Dataset:
    """Return a data set whose words can be drawn, whatever file it is from: short, and neither control nor formula."""
    shown = result.copy(deep=False)
    for name, variable in result.variables.items():
        attrs = {key: readable_text(value, LONGEST_LABEL) for key, value in variable.attrs.items() if _is_shown(value)}
        if "units" in attrs:
            attrs["units"] = readable_text(variable.attrs["units"], LONGEST_UNITS)
        shown[name].attrs = attrs
        if name in ("epoch", "location") and variable.dtype.kind in "OUS":
            words = np.array(
                [readable_text(str(word), LONGEST_UNITS) for word in variable.values.ravel()], dtype=object
            )
            shown[name] = (variable.dims, words.reshape(variable.shape), shown[name].attrs)
    return shown.assign_attrs({key: readable_text(value) for key, value in result.attrs.items() if _is_shown(value)})


def _is_shown(value: Any) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def readable_text(value: Any, letters: int = LONGEST_WORDS) -> Any:
    """Return a short text without control characters or a bare $, which would begin a formula; numbers as they are."""
    return plain(value, letters, 1).replace("$", r"\$") if isinstance(value, str) else value


def describe_network(result: xr.Dataset) -> str:
    """Return a line about the network, for example "DE-1, tethered, relu, N = 500, λ0 = 0.98, SI = 4.31"."""
    known = result.attrs
    words = [known.get("task_title") or known.get("task"), known.get("condition"), known.get("model")]
    parts = [str(word).replace("_", " ") for word in words if word]
    for symbol, name in (("N", "n_hidden"), ("$λ_0$", "lambda0"), ("$σ_0$", "sigma0"), ("ρ", "rho")):
        if _is_number(known.get(name)) and not (name == "rho" and known[name] == 0):
            parts.append(f"{symbol} = {known[name]:g}")
    if "sequentiality_index" in result:
        index = float(result["sequentiality_index"])
        parts.append("SI undefined" if np.isnan(index) else f"SI = {index:.2f}")
    return ", ".join(parts)


def need(result: xr.Dataset, *names: str | tuple[str, ...]) -> None:
    """Raise `InputError` if a variable to draw is missing or wrong, or the result holds several networks.

    Of a tuple of names, one is enough.
    """
    if "network" in result.dims:
        raise InputError(
            f"`result` holds {counted(result.sizes['network'], 'network')}, a picture shows one: give "
            "result.isel(network=0)."
        )
    missing = [in_words(name) for name in names if not has(result, name)]
    if missing:
        raise InputError(
            f"`result` has no {', '.join(missing)}, which this picture shows.\n"
            f"It has: {', '.join(sorted(str(name) for name in result.data_vars)) or 'nothing'}."
        )
    # The axes of activity may have other names, which `with_activity` understands.
    if wrong := complaints(result, set(DIMS) - {"activity", "mask"}, to_draw=True):
        raise InputError(f"`result` cannot be drawn: {'; '.join(wrong)}.")


def has(result: xr.Dataset, name: str | tuple[str, ...]) -> bool:
    """Return whether a result has a variable, or any of several."""
    return any(one in result for one in ((name,) if isinstance(name, str) else name))


def in_words(name: str | tuple[str, ...]) -> str:
    """Return the name of a variable, or of several of which one is enough, for a message."""
    return " or ".join(f"`{one}`" for one in ((name,) if isinstance(name, str) else name))


def kind_of(value: Any) -> str:
    """Return the type of a value, and its shape if it has one, for a message."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + ("" if shape is None else f" {tuple(shape)}")


def with_activity(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose activity is checked and is (trial, time, unit), with a mask (trial, time) in any case."""
    activity = read_activity(result["activity"], mask=result["mask"].astype(bool) if "mask" in result else None)
    rest = result.drop_vars(["activity", "mask"], errors="ignore")
    mask = activity.notnull().any("unit")  # what is left out is NaN
    return rest.assign(activity=activity, mask=mask)


def with_readout(result: xr.Dataset) -> xr.Dataset:
    """Return a result whose attribute `readout_time` is the time of the step at which the answer is read, if known.

    The step is an attribute `readout_step`, counted from the end of the trial, or a setting of the experiment.
    """
    step = result.attrs.get("readout_step")
    if step is None:
        with contextlib.suppress(TypeError, ValueError, AttributeError):  # the attribute may be anyone's
            step = json.loads(result.attrs["experiment"]).get("readout_step") if "experiment" in result.attrs else None
    if not isinstance(step, int | np.integer) or "time" not in result.dims or not -result.sizes["time"] <= step < 0:
        return result
    return result.assign_attrs(readout_time=float(step_times(result)[step]))


def within(result: xr.Dataset, steps: tuple[int, int] | None, dim: str = "time", whole: str = "trial") -> xr.Dataset:
    """Return the steps from the first to before the second of two numbers, with their times; None: all."""
    if steps is None:
        return result
    first, stop = check_steps(steps, result.sizes[dim], whole)
    return result.assign_coords({dim: result[dim]}).isel({dim: slice(first, stop)})


def complete_trials(result: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Return the trials without skipped steps and words that say so; all trials if all or none are complete.

    An average over trials with different delays would smear each peak.
    """
    if "mask" not in result:
        return result, ""
    complete = result["mask"].all("time").values.astype(bool)
    if complete.all() or not complete.any():
        return result, ""
    return result.isel(trial=complete), ", longest delay"


def say(axes: Axes, message: str) -> None:
    """Write a message in place of the data."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", fontsize="large", color="0.3")


def time_edges(result: xr.Dataset) -> tuple[float, float]:
    """Return the start of the first step and the end of the last."""
    times = step_times(result)
    return float(times[0]) - 0.5, float(times[-1]) + 0.5


def step_times(result: xr.Dataset) -> Real[np.ndarray, " time"]:
    """Return the time of each step, (time,)."""
    return np.asarray(result["time"].values if "time" in result.coords else np.arange(result.sizes["time"]))


def label_time(axes: Axes, result: xr.Dataset) -> None:
    """Label and limit the time axis."""
    units = result["time"].attrs.get("units", "steps") if "time" in result.coords else "steps"
    axes.set_xlabel(f"Time in the trial ({units})")
    axes.set_xlim(*time_edges(result))


def epochs(result: xr.Dataset) -> list[tuple[str, float, float]]:
    """Return the name, start and end of each epoch, in order; empty if the epochs are unknown."""
    if "epoch" not in result.coords:
        return []
    names = result["epoch"].values.astype(str)
    edges = step_times(result) - 0.5
    starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1)]
    stops = [*starts[1:], names.size]
    return [
        (str(names[first]), float(edges[first]), float(edges[stop - 1]) + 1)
        for first, stop in zip(starts, stops, strict=True)
    ]


def mark_epochs(axes: Axes, result: xr.Dataset, *, names: bool = True) -> None:
    """Draw a line between the epochs and, if `names`, write the name of each above the axes."""
    for number, (name, first, stop) in enumerate(epochs(result)):
        if number:
            # Black dashes on white are visible on light and dark images alike.
            axes.axvline(first, color="white", linewidth=1.2, zorder=1)
            axes.axvline(first, color="black", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        if names:
            where = axes.get_xaxis_transform()
            middle = (first + stop) / 2
            axes.text(middle, 1.01, name, transform=where, ha="center", va="bottom", fontsize="small", color="0.25")


def mark_readout(axes: Axes, result: xr.Dataset) -> bool:
    """Mark the step at which the answer is read, if it is known and shown; return whether it is."""
    time = result.attrs.get("readout_time")
    first, stop = time_edges(result)
    if time is None or not first < time < stop:
        return False
    axes.axvline(time, color="white", linewidth=1.8, zorder=1.5)
    axes.axvline(time, color=READOUT, linewidth=1.0, zorder=1.5, label=MARKS[0])
    return True


def shade_trained(axes: Axes, result: xr.Dataset) -> None:
    """Shade the epoch in which answers are trained, if it is shown."""
    for name, first, stop in epochs(result):
        if name == TRAINED_EPOCH:
            axes.axvspan(first, stop, color=TRAINED, linewidth=0, zorder=0, label=MARKS[1])


def count_in_whole_numbers(axis: Axis) -> None:
    """Put the ticks of an axis that counts units at whole numbers, even if there are few units."""
    axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))


def mark_masked(axes: Axes, result: xr.Dataset, trial: int) -> bool:
    """Hatch the steps that a trial leaves out, as one with a short delay does; return whether there are any."""
    if "mask" not in result:
        return False
    masked = ~result["mask"].isel(trial=trial).values.astype(bool)
    for step in np.flatnonzero(np.diff(masked, prepend=False).astype(bool) & masked):
        length = int(np.argmin(np.append(masked[step:], False)))
        first = float(step_times(result)[step]) - 0.5
        axes.axvspan(first, first + length, facecolor=NOT_SHOWN, edgecolor="0.5", hatch="//", linewidth=0, zorder=3)
    return bool(masked.any())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and bool(np.isfinite(value))
