"""A heat map of activity: one row per unit, with the marks of a trial's epochs."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from .canvas import figure_of
from .journal import SMALLEST, current
from .style import ACTIVITY_COLORS, count_in_whole_numbers, label_time, mark_epochs, mark_readout, say, time_edges


def scale_to_peak(rows: Float[np.ndarray, "*panel unit time"]) -> Float[np.ndarray, "*panel unit time"]:
    """Divide each unit's activity by its peak in all panels; a unit that never exceeds zero stays as it is, as NaN."""
    others = tuple(axis for axis in range(rows.ndim) if axis != rows.ndim - 2)
    peak = np.where(np.isnan(rows), -np.inf, rows).max(axis=others, keepdims=True)
    return np.asarray(rows / np.where(peak > 0, peak, 1))


def draw_rows(
    axes: Axes, result: xr.Dataset, rows: Float[np.ndarray, "unit time"], *, names_readout: bool = True
) -> AxesImage:
    """Draw rows that are scaled to their peaks, over the time of a result, with its epochs and the read-out step."""
    image = axes.imshow(
        rows,
        aspect="auto",
        origin="upper",
        extent=(*time_edges(result), len(rows) - 0.5, -0.5),
        cmap=ACTIVITY_COLORS,
        vmin=0,
        vmax=1,
        interpolation="none" if len(rows) < 300 else "auto",
    )
    count_in_whole_numbers(axes.yaxis)
    mark_epochs(axes, result)
    if mark_readout(axes, result) and names_readout:
        _name_readout(axes, result)
    label_time(axes, result)
    return image


def add_color_bar(axes: list[Axes], image: AxesImage, label: str, *, is_negative: bool) -> None:
    """Add the colour bar of one or more heat maps, whose lower end says whether there is activity below zero."""
    figure_of(axes[0]).colorbar(image, ax=axes, label=label, pad=0.02, extend="min" if is_negative else "neither")


def say_none_active(axes: Axes, n_units: int, min_rate: float) -> None:
    """Write that there is no row to draw."""
    say(axes, f"No unit is active enough to show\n(none of {n_units} has a mean activity above {min_rate:g})")


def _name_readout(axes: Axes, result: xr.Dataset) -> None:
    """Name the read-out step beside its line, on a ground that can be read on any colour."""
    axes.annotate(
        "read-out",
        (result.attrs["readout_time"], 0.02), xycoords=("data", "axes fraction"),
        xytext=(-2, 0), textcoords="offset points", rotation=90, ha="right", va="bottom",
        fontsize="x-small" if current() is None else SMALLEST,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
    )  # fmt: skip
