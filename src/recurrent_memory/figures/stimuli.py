"""Pictures of activity by stimulus: whether units peak in one order whatever is remembered."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool
from matplotlib.figure import Figure

from ..analysis import cross_validated_order
from ..errors import InputError, counted, suggestion
from .canvas import TITLE_PAD, Canvas, canvas
from .heatmap import add_color_bar, draw_rows, say_none_active, scale_to_peak
from .pictures import picture
from .style import complete_trials, readable_text, say, with_activity, within

MOST_PANELS = 12
"""Most panels of one picture; more would not be legible."""


class Group(NamedTuple):
    """Trials with the same stimulus, or with stimuli in one bin."""

    name: str
    trials: Bool[np.ndarray, " trial"]


@picture("activity", "stimuli", given={"by": "stimuli"})
def stimulus_heatmaps(
    result: xr.Dataset, *, by: Any = None, n_bins: int = 4, min_rate: float = 0.1, ax: Any = None,
    title: str | None = None, steps: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """Draw the mean activity for each stimulus, or bin of stimuli, with the units in one order.

    Parameters
    ----------
    result
        Result of one network with `activity` (trial, time, unit) and `stimuli` (trial, display, stimulus_location), of
        which the first value of each trial counts; or, with `by`, the activity alone, as in `activity_heatmap`.
    by
        What else to divide the trials by: the name of a variable (trial,) of the result, such as "label", or a value
        for each trial, a number or a word.
    n_bins
        Number of bins, with equally many trials each; numbers with at most so many values, and words, are not put in
        bins.
    min_rate
        Units whose mean over the even trials is not above this are left out (same unit as `activity`).
    ax
        Matplotlib axes for each panel, with the user's settings; None: a new figure.
    title, steps
        As in `activity_heatmap`; several axes have no title unless it is given.

    Returns
    -------
    The figure, or that of `ax`. It shows odd trials, and units sorted by their peaks in the even trials, of all
    stimuli. A unit's activity is divided by its peak in all panels. With a single trial, it shows a message.

    Raises
    ------
    InputError
        If a variable is missing, the activity is not finite, `by` is not one value for each trial or has more than 12
        words, `n_bins` is not from 1 to 12, or `ax` has another number of axes than there are panels.

    Notes
    -----
    If the activity were a clock alone, all panels would be alike. Units with a preferred stimulus are bright in some.

    Examples
    --------
    >>> stimulus = np.arange(8) // 4
    >>> figure = stimulus_heatmaps(np.eye(5)[None].repeat(8, axis=0), by=stimulus)
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['0 (2 trials)', '1 (2 trials)']
    """
    if not 1 <= n_bins <= MOST_PANELS:
        raise InputError(f"`n_bins` must be from 1 to {MOST_PANELS}, got {n_bins}.")
    result, which = complete_trials(within(_with_values(with_activity(result), by), steps))
    shown = result.isel(trial=slice(1, None, 2))  # the odd trials of `cross_validated_order`
    groups = _groups(shown["by"], n_bins)
    place = _panels(ax, groups)
    if groups:
        _draw(place, result, shown, groups, min_rate)
    else:
        say(place.drawn[0], "no stimulus to show:\nthere must be two trials or more, with a value")
    what = f"Mean activity by {result['by'].attrs['long_name']}: odd trials, units sorted by their peak in even trials"
    return place.entitled(result, what + which, title)


def _with_values(result: xr.Dataset, by: Any) -> xr.Dataset:
    """Return a result with the variable `by` (trial), by whose values the trials are divided."""
    if by is None:
        of = result["stimuli"]
        if "trial" not in of.dims or not of.size:
            raise InputError(
                f"`stimuli` must be over trial, display, stimulus_location, got {', '.join(map(str, of.dims))}."
            )
        values, name = of.isel({dim: 0 for dim in of.dims if dim != "trial"}).values, "stimulus"
        units = of.attrs.get("units", "")
    elif isinstance(by, str):
        if by not in result or result[by].dims != ("trial",):
            known = [str(of) for of in result.variables if result[of].dims == ("trial",)]
            raise InputError(f"`by` = {by!r} is not a variable with a value for each trial.{suggestion(by, known)}")
        values, name, units = result[by].values, readable_text(by.replace("_", " ")), result[by].attrs.get("units", "")
    else:
        values, name, units = np.asarray(by), "stimulus", ""
    n_trials = result.sizes["trial"]
    if values.shape != (n_trials,) or values.dtype.kind not in "biufUSO":
        raise InputError(
            f"`by` must be a number or a word for each of the {n_trials} trials, got {values.dtype} {values.shape}."
        )
    return result.assign(by=("trial", values, {"long_name": name, "units": units}))


def _groups(by: xr.DataArray, n_bins: int) -> list[Group]:
    """Divide trials by their values, or into bins of numbers; trials without a value are in none."""
    values, units = by.values, f" {by.attrs['units']}" if by.attrs["units"] else ""
    if values.dtype.kind in "OUS":
        values = values.astype(str)
        there = np.ones(values.shape, bool)
    else:
        there = np.isfinite(values := values.astype(np.float64))
    different = np.unique(values[there])
    if values.dtype.kind == "U":
        if len(different) > MOST_PANELS:
            raise InputError(f"`by` has {len(different)} different words, and a picture at most {MOST_PANELS} panels.")
        return [Group(readable_text(str(word), 24), values == word) for word in different]
    if len(different) <= n_bins:
        return [Group(_word(value, 3) + units, values == value) for value in different]
    edges = np.quantile(values[there], np.linspace(0, 1, n_bins + 1))
    place = np.where(there, np.searchsorted(edges[1:-1], values, side="right"), -1)
    bins = {number: place == number for number in range(n_bins) if (place == number).any()}
    return [Group(f"{_word(edges[i], 2)} to {_word(edges[i + 1], 2)}{units}", trials) for i, trials in bins.items()]


def _word(value: float, digits: int) -> str:
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _panels(ax: Any, groups: list[Group]) -> Canvas:
    names = [group.name for group in groups] or [""]
    n_columns = len(names) if len(names) < 3 else math.ceil(math.sqrt(len(names)))
    shape = (-(-len(names) // n_columns), n_columns)
    return canvas(ax, names, shape=shape, is_grid=True, sharex=True, sharey=True)


def _draw(place: Canvas, result: xr.Dataset, shown: xr.Dataset, groups: list[Group], min_rate: float) -> None:
    """Draw each group of trials in its panel."""
    panels = place.drawn
    order = cross_validated_order(result["activity"], mask=result["mask"].values, min_rate=min_rate)["unit"].values
    for axes, group in zip(panels, groups, strict=True):
        axes.set_title(f"{group.name} ({counted(int(group.trials.sum()), 'trial')})", pad=TITLE_PAD)
    if not order.size:
        for axes in panels:
            say_none_active(axes, result.sizes["unit"], min_rate)
        return
    ordered = shown["activity"].isel(unit=order)
    means = [ordered.isel(trial=group.trials).mean("trial", dtype=np.float64) for group in groups]
    rows = np.stack([mean.transpose("unit", "time").values for mean in means])
    scaled = zip(panels, scale_to_peak(rows), strict=True)
    images = [draw_rows(axes, result, of, names_readout=axes is panels[0]) for axes, of in scaled]
    add_color_bar(panels, images[0], "Mean activity / peak of the unit", is_negative=bool((rows < 0).any()))
    for axes in panels:
        axes.set_ylabel(f"Unit ({order.size} of {result.sizes['unit']} active)")
        if place.is_laid_out:
            axes.label_outer()
