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

from .pictures import picture
from .style import (
    OUTPUT_COLORS,
    SIGNED_COLORS,
    label_time,
    mark_epochs,
    mark_masked,
    need_trial,
    new_figure,
    step_times,
    time_edges,
)

ANSWER_LABELS = {"angle": "Orientation (rad)", "probability": "Probability", "category": "Probability"}
"""Label of the answers by kind of response; any other kind is labelled "Output", with its unit if it has one."""


MOST_SPIKES = 1000
"""Largest number of spikes in a step for which each number has a grey of its own."""


@picture("inputs", "targets", "outputs")
def trial_structure(result: xr.Dataset, trial: int = 0) -> Figure:
    """Draw the input, the target, the output of the network and the answer of the ideal observer in one trial.

    Parameters
    ----------
    result
        Result of one network with `inputs` (trial, time, neuron), `targets` and `outputs` (trial, time, output).
        Optional: `observer_estimate` (trial, one per output), `mask` (trial, time), and the coordinates `epoch` (time)
        and `location` (neuron; its population).
    trial
        Index of a stored trial.

    Returns
    -------
    The figure: the input above, the answers below, on a common time axis.

    Raises
    ------
    InputError
        If a variable or the trial is missing.

    Examples
    --------
    >>> answers = (("trial", "time", "output"), np.zeros((1, 3, 1)))
    >>> inputs = (("trial", "time", "neuron"), np.ones((1, 3, 4)))
    >>> trial_structure(xr.Dataset({"inputs": inputs, "targets": answers, "outputs": answers})).get_suptitle()
    'Trial 0: input, target and output'
    """
    need_trial(result, trial)
    figure = new_figure(result, f"Trial {trial}: input, target and output")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    _draw_inputs(figure, above, result, trial)
    _draw_answers(figure, below, result, trial)
    masked = mark_masked(above, result, trial)
    mark_masked(below, result, trial)
    if masked:
        above.set_title("hatched: steps left out of this trial", loc="right", fontsize=8, pad=16)
    label_time(below, result)
    return figure


def _draw_inputs(figure: Figure, axes: Axes, result: xr.Dataset, trial: int) -> None:
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
    bar = figure.colorbar(image, ax=axes, label=label, pad=0.01, aspect=18)
    if not signed and limit <= 8:
        bar.set_ticks(np.arange(int(limit) + 1).tolist())
    axes.set_ylabel("Input neuron")
    _mark_locations(axes, result)
    mark_epochs(axes, result)


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


def _draw_answers(figure: Figure, axes: Axes, result: xr.Dataset, trial: int) -> None:
    one = result.isel(trial=trial)
    times = step_times(result)
    n_outputs = result.sizes["output"]
    observer = _observer(one, n_outputs)
    answer_from = _first_response_step(result)
    for output in range(n_outputs):
        color = OUTPUT_COLORS[output % len(OUTPUT_COLORS)]
        which = f" {output + 1}" if n_outputs > 1 else ""
        target = one["targets"].transpose("time", "output").values[:, output]
        answer = one["outputs"].transpose("time", "output").values[:, output]
        axes.plot(times, target, color="0.25", linestyle=_dashes(output), linewidth=1.2, label=f"target{which}")
        axes.plot(times, answer, color=color, linewidth=1.3, label=f"network's output{which}")
        if np.isfinite(observer[output]):
            axes.plot(
                [times[answer_from], times[-1]], [observer[output]] * 2, color=color, linewidth=3.5,
                alpha=0.45, solid_capstyle="butt", label=f"ideal observer{which}",
            )  # fmt: skip
    axes.set_ylabel(_answer_label(result))
    _limit_answers(axes, str(result.attrs.get("response")))
    mark_epochs(axes, result, names=False)
    _legend(figure, axes, n_outputs)


def _answer_label(result: xr.Dataset) -> str:
    unit = result["outputs"].attrs.get("units", "arbitrary units")
    other = "Output" if unit == "arbitrary units" else f"Output ({unit})"
    return ANSWER_LABELS.get(str(result.attrs.get("response")), other)


def _observer(one: xr.Dataset, n_outputs: int) -> Float[np.ndarray, " output"]:
    """Return the ideal observer's answer for each output; NaN if there is none, or not one per output."""
    if "observer_estimate" in one and one["observer_estimate"].size == n_outputs:
        return np.asarray(one["observer_estimate"].values, dtype=np.float64).reshape(n_outputs)
    return np.full(n_outputs, np.nan)


def _legend(figure: Figure, axes: Axes, n_outputs: int) -> None:
    """Put the legend below the axes, one row per output."""
    handles, labels = axes.get_legend_handles_labels()
    n_columns = -(-len(handles) // n_outputs)
    columnwise = [i for column in range(n_columns) for i in range(column, len(handles), n_columns)]
    figure.legend(
        [handles[i] for i in columnwise],
        [labels[i] for i in columnwise],
        loc="outside lower center",
        ncols=n_columns,
    )


def _first_response_step(result: xr.Dataset) -> int:
    if "epoch" not in result.coords:
        return 0
    response = np.flatnonzero(result["epoch"].values.astype(str) == "response")
    return int(response[0]) if response.size else 0


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
