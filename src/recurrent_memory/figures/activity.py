"""Pictures of the activity of all units over time."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from ..analysis import cross_validated_order, peak_order
from .canvas import Canvas, canvas, size_of
from .heatmap import add_color_bar, draw_rows, say_none_active, scale_to_peak
from .journal import brief
from .pictures import picture
from .style import complete_trials, mark_masked, with_activity, within
from .typical import choose_trial


@picture("activity")
def activity_heatmap(
    result: xr.Dataset, trial: int | None = None, min_rate: float = 0.1, *, ax: Any = None, title: str | None = None,
    steps: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """Draw the activity in one trial: one row per unit, sorted by peak time and scaled to the unit's peak.

    Parameters
    ----------
    result
        Result of one network with `activity` (trial, time, unit), or the activity alone, as an array or anything else
        that `recurrent_memory.analysis.read_activity` reads. Optional: `mask` (trial, time), True for the steps that
        count, and the attribute `readout_step`, counted from the end of the trial, which is marked.
    trial
        Index of a stored trial; None: a typical one, which is in the middle of the trials both by the error of its
        answer and by the correlation of its activity with the mean over trials.
    min_rate
        Units whose mean over the trial is not above this are left out, as in the sequentiality index (same unit as
        `activity`).
    ax
        Matplotlib axes to draw in, with the user's settings; None: a new figure.
    title
        Title of the figure, or of `ax`; None: one that says what is shown, "": none.
    steps
        First step to use and the step after the last; None: the whole trial. Peaks and means are those of these steps.

    Returns
    -------
    The figure, or that of `ax`; if no unit is active, it shows a message instead of the image.

    Raises
    ------
    InputError
        If `activity` or the trial is missing, the activity is not finite, `steps` is not a part of the trial, or `ax`
        is not axes.

    Notes
    -----
    The picture of Orhan & Ma (2019). Sorted by the peaks of the trial shown, any activity forms a diagonal, even noise;
    `average_heatmap` shows what repeats from trial to trial.

    Examples
    --------
    >>> activity_heatmap(np.eye(5)[None]).get_suptitle()
    'Activity in trial 0'
    """
    whole = with_activity(result)
    place = canvas(ax)
    trial, name = choose_trial(whole, trial)
    result = within(whole, steps)
    one, kept = result["activity"].values[[trial]], result["mask"].values[[trial]]
    rows = one[0][:, peak_order(one, mask=kept, min_rate=min_rate)].T
    is_drawn = _draw(place, result, rows, min_rate, f"Activity / peak of the unit in trial {trial}")
    if is_drawn and mark_masked(place.drawn[0], result, trial):
        place.explain_hatching()
    return place.entitled(result, f"Activity in {name}", title)


@picture("activity")
def average_heatmap(
    result: xr.Dataset, min_rate: float = 0.1, *, ax: Any = None, title: str | None = None,
    steps: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """Draw the mean activity in the odd trials, with the units sorted by their peaks in the even trials.

    Parameters
    ----------
    result
        Result of one network, or the activity alone, as in `activity_heatmap`.
    min_rate
        Units whose mean over the even trials is not above this are left out (same unit as `activity`).
    ax, title, steps
        As in `activity_heatmap`.

    Returns
    -------
    The figure, or that of `ax`; if there is a single trial, it is sorted by its own peaks, and the title says so.

    Raises
    ------
    InputError
        If `activity` is missing or not finite, `steps` is not a part of the trial, or `ax` is not axes.

    Examples
    --------
    >>> average_heatmap(np.eye(5)[None].repeat(4, axis=0)).get_suptitle()
    'Mean activity of odd trials, units sorted by their peak in even trials'
    """
    result, which = complete_trials(within(with_activity(result), steps))
    place = canvas(ax)
    activity, mask = result["activity"], result["mask"].values
    if result.sizes["trial"] > 1:
        rows = cross_validated_order(activity, mask=mask, min_rate=min_rate)["activity"].values
        what = "Mean activity of odd trials, units sorted by their peak in even trials"
    else:
        rows = activity.values[0][:, peak_order(activity, mask=mask, min_rate=min_rate)].T
        what = "Activity of the only trial, sorted by itself (not cross-validated)"
    _draw(place, result, rows, min_rate, "Mean activity / peak of the unit")
    return place.entitled(result, what + which, title)


def _draw(
    place: Canvas, result: xr.Dataset, rows: Float[np.ndarray, "unit time"], min_rate: float, color_label: str
) -> bool:
    """Draw the image and its marks; return whether there is anything to draw."""
    axes = place.drawn[0]
    n_active, n_units = rows.shape[0], result.sizes["unit"]
    if not n_active:
        say_none_active(axes, n_units, min_rate)
        return False
    image = draw_rows(axes, result, scale_to_peak(rows))
    add_color_bar([axes], image, color_label, is_negative=bool((rows < 0).any()))
    count = f"{n_active} of {n_units} active"
    label = brief(f"Unit, sorted by peak time ({count}: mean above {min_rate:g})", f"Unit, by peak time ({count})")
    axes.set_ylabel(label if place.is_new else textwrap.fill(label, max(20, int(12 * size_of(axes)[1]))), wrap=True)
    return True
