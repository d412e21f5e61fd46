"""Pictures of the recurrent weights, with the units in the order of their peaks."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis import connectivity_profile, peak_order
from ..analysis.labels import complaints
from ..analysis.weights import read_weights
from ..errors import InputError
from .canvas import Canvas, canvas, figure_of
from .journal import brief
from .pictures import picture
from .style import (
    NETWORK,
    NOT_SHOWN,
    SIGNED_COLORS,
    complete_trials,
    count_in_whole_numbers,
    say,
    with_activity,
    within,
)

COLOR_PERCENTILE = 99.0
"""The colours end at this percentile of the absolute weights, so that a few large weights do not wash out the rest."""
WIDE = 1.0
"""Width of a matrix's place, relative to its height, above which the bar of its colours is beside it, not below."""

BINS_A_SIDE = 20
"""Approximate number of bins of differences in peak order on either side of zero."""


MIN_WEIGHTS = 5
"""Bins with fewer weights, which lie at both ends, are not drawn: their noise would set the scale.

With at most twice as many units, nearly all bins are that small, and all are drawn.
"""


@picture("activity", "recurrent_weights", given={"weights": "recurrent_weights"})
def recurrent_weights(
    result: xr.Dataset, min_rate: float = 0.1, *, weights: Any = None, ax: Any = None, title: str | None = None,
    steps: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """Draw the recurrent weights sorted by peak time, and their mean against the difference in that order.

    Parameters
    ----------
    result
        Result of one network with `activity` (trial, time, unit) and `recurrent_weights` (source, target_unit); or,
        with `weights`, the activity alone, as in `activity_heatmap`.
    min_rate
        Units whose mean over trials and time is not above this are left out (same unit as `activity`).
    weights
        Weights to draw, (source, target_unit); None: those of the result.
    ax
        Matplotlib axes for the matrix, or one for the matrix and one for the mean weights, in which None leaves a panel
        out; the user's settings stay. None: a new figure.
    title, steps
        As in `activity_heatmap`; the peaks are those within `steps`.

    Returns
    -------
    The figure, or that of `ax`: on the left the matrix, from (rows) to (columns), its diagonal grey; on the right the
    mean weight and its standard error, without the pairs of units that peak in the same step. With fewer than two
    active units the matrix is not sorted.

    Raises
    ------
    InputError
        If a variable is missing or not finite, weights and activity differ in their number of units, `steps` is not a
        part of the trial, or `ax` has another number of axes than there are panels.

    Notes
    -----
    The picture of Orhan & Ma (2019). The diagonal starts at λ0, far above all other weights, so neither the range of
    colours nor the right-hand side includes it. The matrix of a GRU holds the blocks of its gates (reset,
    update) and of its candidate activity side by side; only the last is shown.

    Examples
    --------
    >>> recurrent_weights(np.eye(5)[None], weights=np.diag(np.ones(4), k=1)).get_suptitle()
    "Recurrent weights in the order of the units' peak times"
    """
    result = with_activity(result)
    matrix, what = _of_the_candidate(_weights(result, weights))
    result, which = complete_trials(within(result, steps))
    order = peak_order(result["activity"], mask=result["mask"].values, min_rate=min_rate)
    place = canvas(ax, ("matrix", "mean weights"), width_ratios=[1.15, 1])
    _draw(place, matrix, order, min_rate)
    return place.entitled(result, f"{what} in the order of the units' peak times{which}", title)


def _weights(result: xr.Dataset, weights: Any) -> Float[np.ndarray, "source target"]:
    """Return the weights to draw, if they are those of the units in the activity."""
    if weights is not None:
        matrix = np.asarray(read_weights(weights), np.float64)
        if len(matrix) != result.sizes["unit"]:
            raise InputError(f"`weights` is of {len(matrix)} units, with {result.sizes['unit']} units in the activity.")
        return matrix
    if wrong := complaints(result, ("activity", "recurrent_weights")):
        raise InputError(f"`result` cannot be drawn: {'; '.join(wrong)}.")
    return np.asarray(result["recurrent_weights"].transpose("source", "target_unit").values, np.float64)


def _draw(
    place: Canvas, weights: Float[np.ndarray, "unit unit"], order: Int[np.ndarray, " active"], min_rate: float
) -> None:
    left, right = place.panels
    n_active, n_units = order.size, len(weights)
    if left is not None and n_active > 1:
        _draw_matrix(left, weights[np.ix_(order, order)], "sorted by peak time")
        left.set_title(f"{n_active} of {n_units} units active" + brief(f" (mean above {min_rate:g})", ""))
    elif left is not None:
        _draw_matrix(left, weights, "in their own order")
    if right is not None and n_active > 1:
        _draw_profile(right, weights, order)
    elif right is not None:
        say(right, f"{n_active} of {n_units} units active:\ntoo few to sort by peak time")


def _of_the_candidate(
    weights: Float[np.ndarray, "source target"],
) -> tuple[Float[np.ndarray, "source kept"], str]:
    """Return the weights that act on the activity itself, which in a gated network come after those of the gates."""
    n_units, n_targets = weights.shape
    if n_targets > n_units and n_targets % n_units == 0:
        return weights[:, -n_units:], "Recurrent weights of the candidate activity"
    return weights, "Recurrent weights"


def _draw_matrix(axes: Axes, weights: Float[np.ndarray, "unit unit"], order: str) -> None:
    itself = np.eye(weights.shape[0], dtype=bool)
    others = np.abs(weights[~itself])
    limit = float(np.percentile(others, COLOR_PERCENTILE)) if others.size else 0.0
    limit = (
        limit or float(others.max(initial=0)) or 1e-12
    )  # nearly all weights are zero, as before training with σ0 = 0
    image = axes.imshow(
        np.ma.masked_array(weights, itself),
        cmap=mpl.colormaps[SIGNED_COLORS].with_extremes(bad=NOT_SHOWN),
        vmin=-limit,
        vmax=limit,
        interpolation="none",
    )
    beyond = bool((others > limit).any())
    # Below, a bar is as wide as the place of the matrix, which is square.
    is_wide = axes.bbox.width > WIDE * axes.bbox.height
    where: dict[str, Any] = (
        {"cax": axes.inset_axes((1.03, 0, 0.03, 1))}
        if is_wide
        else {"ax": axes, "location": "bottom", "pad": 0.02, "aspect": 30}
    )
    bar = figure_of(axes).colorbar(image, extend="both" if beyond else "neither", **where)
    note = f"; colours end at the {COLOR_PERCENTILE:g}th percentile" if beyond else ""
    bar.set_label(brief(f"Weight (grey: onto itself, left out{note})", "Weight"), fontsize="small")
    axes.set(xlabel=f"To unit, {order}", ylabel=f"From unit, {order}")
    for axis in (axes.xaxis, axes.yaxis):
        count_in_whole_numbers(axis)


def _draw_profile(axes: Axes, weights: Float[np.ndarray, "unit unit"], order: Int[np.ndarray, " active"]) -> None:
    profile = connectivity_profile(weights, order, bin_width=max(1, round(order.size / BINS_A_SIDE)))
    if profile.attrs["reason"]:
        say(axes, profile.attrs["reason"].replace(": ", ":\n"))
        return
    n_weights = profile["n_weights"].values
    enough = n_weights >= (MIN_WEIGHTS if order.size > 2 * MIN_WEIGHTS else 1)
    apart = profile.isel(difference=(profile["difference"].values != 0) & enough)
    difference = apart["difference"].values
    mean, error = apart["mean_weight"].values, apart["standard_error"].values
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.axvline(0, color="0.6", linewidth=0.8)
    for side in (difference < 0, difference > 0):
        axes.errorbar(
            difference[side], mean[side], yerr=np.nan_to_num(error[side]), color=NETWORK, ecolor="0.5",
            marker="o", markersize=3, linewidth=1.2, elinewidth=1, capsize=0,
        )  # fmt: skip
    axes.set(
        xlabel=brief("Difference in peak order (to − from)", "Peak order, to − from"),
        ylabel=brief("Mean weight (bars: standard error)", "Mean weight ± s.e."),
        title=brief("forward − backward =", "fwd − bwd =") + f" {float(profile['forward_minus_backward']):.2g}",
    )
    for x, side_name in ((0.02, "to earlier"), (0.98, "to later")):
        axes.text(x, 0.99, side_name, transform=axes.transAxes, ha="left" if x < 0.5 else "right", va="top")
    axes.margins(y=0.12)
