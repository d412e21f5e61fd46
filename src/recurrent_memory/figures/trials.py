"""Pictures of one trial: its input, the target, and the answers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .canvas import Canvas, canvas, figure_of
from .pictures import picture
from .style import (
    MARKS,
    OUTPUT_COLORS,
    SIGNED_COLORS,
    TRAINED_EPOCH,
    label_time,
    mark_epochs,
    mark_masked,
    mark_readout,
    shade_trained,
    step_times,
    time_edges,
    within,
)
from .typical import choose_trial

ANSWER_LABELS = {"angle": "Orientation (rad)", "probability": "Probability", "category": "Probability"}
"""Label of the answers by kind of response; any other kind is labelled "Output", with its unit if it has one."""


MOST_SPIKES = 1000
"""Largest number of spikes in a step for which each number has a grey of its own."""


@picture("inputs", "targets", "outputs")
def trial_structure(
    result: xr.Dataset, trial: int | None = None, *, ax: Any = None, title: str | None = None,
    steps: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """Draw the input, the target, the output of the network and the answer of the ideal observer in one trial.

    Parameters
    ----------
    result
        Result of one network with `inputs` (trial, time, neuron), `targets` and `outputs` (trial, time, output).
        Optional: `observer_estimate` (trial, one per output), `mask` (trial, time), the coordinates `epoch` (time)
        and `location` (neuron; its population), and the attribute `readout_step`, counted from the end of the trial.
    trial
        Index of a stored trial; None: a typical one, as in `activity_heatmap`, and the same.
    ax
        Matplotlib axes for the input, or one for the input and one for the answers, in which None leaves a panel out;
        the user's settings stay. None: a new figure.
    title
        Title of the figure, or of the first of `ax`; None: one that says what is shown, "": none.
    steps
        First step to show and the step after the last; None: the whole trial.

    Returns
    -------
    The figure, or that of `ax`: the input above, the answers below, on a common time axis. The step at which the answer
    is read is marked, and the epoch in which answers are trained is shaded.

    Raises
    ------
    InputError
        If a variable or the trial is missing, `steps` is not a part of the trial, or `ax` has another number of axes
        than there are panels.

    Examples
    --------
    >>> answers = (("trial", "time", "output"), np.zeros((1, 3, 1)))
    >>> inputs = (("trial", "time", "neuron"), np.ones((1, 3, 4)))
    >>> trial_structure(xr.Dataset({"inputs": inputs, "targets": answers, "outputs": answers})).get_suptitle()
    'Trial 0: input, target and output'
    """
    trial, name = choose_trial(result, trial)
    place = canvas(ax, ("input", "answers"), shape=(2, 1), sharex=True, height_ratios=[3, 2])
    answer_from, result = _start_of_response(result), within(result, steps)
    above, below = place.panels
    if above is not None:
        _draw_inputs(above, result, trial)
    if below is not None:
        _draw_answers(place, below, result, trial, answer_from)
    masked = [mark_masked(axes, result, trial) for axes in place.drawn]
    if masked[0]:
        place.explain_hatching()
    for axes in place.drawn if not place.is_laid_out else place.drawn[-1:]:
        label_time(axes, result)
    return place.entitled(result, f"{name[0].upper()}{name[1:]}: input, target and output", title)


def _draw_inputs(axes: Axes, result: xr.Dataset, trial: int) -> None:
    inputs = result["inputs"].isel(trial=trial).transpose("neuron", "time").values
    limit = float(np.abs(inputs).max()) or 1.0
    # Noise in the Sine task, and whatever else is no spike count.
    signed = bool((inputs < 0).any()) or limit > MOST_SPIKES
    if not signed:
        limit = float(np.ceil(limit))
    image = axes.imshow(
        inputs,
        aspect="auto",
        origin="lower",
        interpolation="none",
        extent=(*time_edges(result), -0.5, inputs.shape[0] - 0.5),
        cmap=SIGNED_COLORS if signed else _count_colors(int(limit)),
        vmin=-limit if signed else -0.5,
        vmax=limit if signed else limit + 0.5,
    )
    label = "Input (noise)" if signed else "Spikes per step"
    bar = figure_of(axes).colorbar(image, ax=axes, label=label, pad=0.01, aspect=18)
    if not signed and limit <= 8:
        bar.set_ticks(np.arange(int(limit) + 1).tolist())
    axes.set_ylabel("Input neuron")
    _mark_locations(axes, result)
    mark_epochs(axes, result)
    mark_readout(axes, result)


def _mark_locations(axes: Axes, result: xr.Dataset) -> None:
    """Separate the populations of input neurons, and label them by name instead of numbering the neurons."""
    if "location" not in result.coords or result["location"].dims != ("neuron",):
        return
    names = result["location"].values.astype(str)
    starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), names.size]
    if len(starts) == 2:  # the neurons of a single population keep their numbers
        return
    for edge in starts[1:-1]:
        axes.axhline(edge - 0.5, color="0.3", linewidth=0.9)
    middles = [(first + stop - 1) / 2 for first, stop in pairwise(starts)]
    labels = [_location_name(names[first]) for first in starts[:-1]]
    axes.set_yticks(middles, labels, rotation=90, va="center")
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Input neurons")


def _count_colors(largest: int) -> ListedColormap:
    """White for no spike and a grey for each number of spikes, dark enough to see a single spike."""
    return ListedColormap(["white", *mpl.colormaps["Greys"](np.linspace(0.6, 1, largest))])


def _location_name(name: str) -> str:
    return "irrelevant" if name == "-1" else f"location {int(name) + 1}" if name.isdigit() else name


def _draw_answers(place: Canvas, axes: Axes, result: xr.Dataset, trial: int, answer_from: float) -> None:
    one = result.isel(trial=trial)
    times = step_times(result)
    n_outputs = result.sizes["output"]
    observer = _observer(one, n_outputs)
    answer_from = max(answer_from, times[0])
    for output in range(n_outputs):
        color = OUTPUT_COLORS[output % len(OUTPUT_COLORS)]
        which = f" {output + 1}" if n_outputs > 1 else ""
        target = one["targets"].transpose("time", "output").values[:, output]
        answer = one["outputs"].transpose("time", "output").values[:, output]
        axes.plot(times, target, color="0.25", linestyle=_dashes(output), linewidth=1.2, label=f"target{which}")
        axes.plot(times, answer, color=color, linewidth=1.3, label=f"network's output{which}")
        if np.isfinite(observer[output]) and answer_from <= times[-1]:
            axes.plot(
                [answer_from, times[-1]], [observer[output]] * 2, color=color, linewidth=3.5,
                alpha=0.45, solid_capstyle="butt", label=f"ideal observer{which}",
            )  # fmt: skip
    axes.set_ylabel(_answer_label(result))
    _limit_answers(axes, str(result.attrs.get("response")))
    mark_epochs(axes, result, names=False)
    mark_readout(axes, result)
    shade_trained(axes, result)
    _legend(place, axes, n_outputs)


def _answer_label(result: xr.Dataset) -> str:
    unit = result["outputs"].attrs.get("units", "arbitrary units")
    other = "Output" if unit == "arbitrary units" else f"Output ({unit})"
    return ANSWER_LABELS.get(str(result.attrs.get("response")), other)


def _observer(one: xr.Dataset, n_outputs: int) -> Float[np.ndarray, " output"]:
    """Return the ideal observer's answer for each output; NaN if there is none, or not one per output."""
    if "observer_estimate" in one and one["observer_estimate"].size == n_outputs:
        return np.asarray(one["observer_estimate"].values, dtype=np.float64).reshape(n_outputs)
    return np.full(n_outputs, np.nan)


def _legend(place: Canvas, axes: Axes, n_outputs: int) -> None:
    """Put the legend below a figure of its own, a row per output, and the marks of the trial in further columns."""
    handles, labels = axes.get_legend_handles_labels()
    if not place.is_laid_out:
        axes.legend(handles, labels, fontsize="small")
        return
    n_marks = sum(label in MARKS for label in labels)
    n_columns = (len(handles) - n_marks) // n_outputs
    in_order = [i for column in range(n_columns) for i in range(column, n_columns * n_outputs, n_columns)]
    in_order += range(n_columns * n_outputs, len(handles))
    entries = [(handles[i], labels[i]) for i in in_order]
    n_rows = n_outputs if place.is_wide else max(2, n_outputs)
    entries += [(Patch(alpha=0), "")] * (-len(entries) % n_rows)  # or else the columns would have other lengths
    axes.figure.legend(*map(list, zip(*entries, strict=True)), loc="outside lower center", ncols=len(entries) // n_rows)


def _start_of_response(result: xr.Dataset) -> float:
    """Return the time of the first step of the response; if no epoch is called so, of the trial."""
    is_response = result["epoch"].values.astype(str) == TRAINED_EPOCH if "epoch" in result.coords else np.zeros(1, bool)
    return float(step_times(result)[int(is_response.argmax())])


def _dashes(output: int) -> Any:
    return (0, (5, 2)) if output % 2 == 0 else (0, (1.5, 1.5))


def _limit_answers(axes: Axes, response: str) -> None:
    """Show at least the range of correct answers, and more if the network leaves it."""
    low, high = axes.get_ylim()
    if response == "angle":
        axes.set_ylim(min(low, -0.1), max(high, np.pi + 0.1))
        if high - low < 3 * np.pi:
            axes.set_yticks([0, np.pi / 2, np.pi], ["0", "π/2", "π"])
    elif ANSWER_LABELS.get(response) == "Probability":
        axes.set_ylim(min(low, -0.05), max(high, 1.05))
