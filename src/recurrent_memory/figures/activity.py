"""Pictures of the activity of all units over time."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from ..analysis import cross_validated_order, peak_order
from .pictures import picture
from .style import (
    ACTIVITY_COLORS,
    complete_trials,
    count_in_whole_numbers,
    label_time,
    mark_epochs,
    mark_masked,
    need_trial,
    new_figure,
    say,
    time_edges,
    with_activity,
)


@picture("activity")
def activity_heatmap(result: xr.Dataset, trial: int = 0, min_rate: float = 0.1) -> Figure:
    """Draw the activity in one trial: one row per unit, sorted by peak time and scaled to the unit's peak.

    Parameters
    ----------
    result
        Result of one network with `activity` (trial, time, unit), or a recording. Optional: `mask` (trial, time), True
        for the steps that count.
    trial
        Index of a stored trial.
    min_rate
        Units whose mean over the trial is not above this are left out, as in the sequentiality index (same unit as
        `activity`).

    Returns
    -------
    The figure; if no unit is active, it shows a message instead of the image.

    Raises
    ------
    InputError
        If `activity` or the trial is missing, or the activity is not finite.

    Notes
    -----
    The picture of Orhan & Ma (2019). Sorted by the peaks of the trial shown, any activity forms a diagonal, even noise;
    `average_heatmap` shows what repeats from trial to trial.

    Examples
    --------
    >>> result = xr.Dataset({"activity": (("trial", "time", "unit"), np.eye(5)[None])})
    >>> activity_heatmap(result).get_suptitle()
    'Activity in trial 0'
    """
    result = with_activity(result)
    need_trial(result, trial)
    one, steps = result["activity"].values[[trial]], result["mask"].values[[trial]]
    rows = one[0][:, peak_order(one, mask=steps, min_rate=min_rate)].T
    figure = new_figure(result, f"Activity in trial {trial}")
    masked = _draw(figure, result, rows, min_rate, f"Activity / peak of the unit in trial {trial}", trial)
    if masked:
        figure.axes[0].set_title("hatched: steps left out of this trial", loc="right", fontsize=8, pad=16)
    return figure


@picture("activity")
def average_heatmap(result: xr.Dataset, min_rate: float = 0.1) -> Figure:
    """Draw the mean activity in the odd trials, with the units sorted by their peaks in the even trials.

    Parameters
    ----------
    result
        Result of one network with `activity` (trial, time, unit), or a recording; `mask` as in `activity_heatmap`.
    min_rate
        Units whose mean over the even trials is not above this are left out (same unit as `activity`).

    Returns
    -------
    The figure; if there is a single trial, it is sorted by its own peaks, and the title says so.

    Raises
    ------
    InputError
        If `activity` is missing or not finite.

    Examples
    --------
    >>> result = xr.Dataset({"activity": (("trial", "time", "unit"), np.eye(5)[None].repeat(4, axis=0))})
    >>> average_heatmap(result).get_suptitle()
    'Mean activity of odd trials, units sorted by their peak in even trials'
    """
    result, which = complete_trials(with_activity(result))
    activity, mask = result["activity"], result["mask"].values
    if result.sizes["trial"] > 1:
        rows = cross_validated_order(activity, mask=mask, min_rate=min_rate)["activity"].values
        what = "Mean activity of odd trials, units sorted by their peak in even trials"
    else:
        rows = activity.values[0][:, peak_order(activity, mask=mask, min_rate=min_rate)].T
        what = "Activity of the only trial, sorted by itself (not cross-validated)"
    figure = new_figure(result, what + which)
    _draw(figure, result, rows, min_rate, "Mean activity / peak of the unit", None)
    return figure


def scale_to_peak(rows: Float[np.ndarray, "unit time"]) -> Float[np.ndarray, "unit time"]:
    """Divide each unit's activity by its peak; a unit that never exceeds zero stays as it is, and so does NaN."""
    peak = np.where(np.isnan(rows), -np.inf, rows).max(axis=1, keepdims=True)
    return np.asarray(rows / np.where(peak > 0, peak, 1))


def _draw(
    figure: Figure,
    result: xr.Dataset,
    rows: Float[np.ndarray, "unit time"],
    min_rate: float,
    color_label: str,
    trial: int | None,
) -> bool:
    """Draw the image and its marks; return whether any step is masked."""
    axes = figure.subplots()
    n_active, n_units = rows.shape[0], result.sizes["unit"]
    if n_active == 0:
        say(
            axes,
            f"No unit is active enough to show\n(none of {n_units} has a mean activity above {min_rate:g})",
        )
        return False
    image = axes.imshow(
        scale_to_peak(rows),
        aspect="auto",
        extent=(*time_edges(result), n_active - 0.5, -0.5),
        cmap=ACTIVITY_COLORS,
        vmin=0,
        vmax=1,
        interpolation="none" if n_active < 300 else "auto",
    )
    negative = bool((rows < 0).any())
    figure.colorbar(image, ax=axes, label=color_label, pad=0.02, extend="min" if negative else "neither")
    axes.set_ylabel(f"Unit, sorted by peak time ({n_active} of {n_units} active: mean above {min_rate:g})", wrap=True)
    count_in_whole_numbers(axes.yaxis)
    mark_epochs(axes, result)
    label_time(axes, result)
    return mark_masked(axes, result, trial) if trial is not None else False
