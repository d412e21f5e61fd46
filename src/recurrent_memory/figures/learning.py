"""Pictures of learning: errors and fractional loss over training."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..errors import InputError
from ..settings import SOLVED_BELOW
from .pictures import picture
from .style import LIMIT, NETWORK, OBSERVER, need, new_figure, say

ERROR_LABELS = {"angle": "Error (rad)", "probability": "Divergence (nats)", "category": "Divergence (nats)"}


@picture()
def learning_curve(result: xr.Dataset, window: int | None = None) -> Figure:
    """Draw the errors of the network and of the ideal observer, and the fractional loss, over training.

    Parameters
    ----------
    result
        Result of one network, trained or still training, with any of `training_network_error`,
        `training_observer_error`, `training_fractional_loss` and `training_loss` (all: iteration). Without errors, the
        loss is drawn. The test's `fractional_loss` is added at the last iteration.
    window
        Number of iterations averaged into each point of the upper curves. By default 1 for the errors, which are
        already running means, and a hundredth of all iterations for the loss, which is not.

    Returns
    -------
    The figure: the errors above (on a logarithmic axis if all are positive), the fractional loss below.

    Raises
    ------
    InputError
        If there is neither a training loss nor a training error, or `window` is below 1.

    Examples
    --------
    >>> result = xr.Dataset({"training_loss": ("iteration", [1.0, 0.5, 0.25])})
    >>> learning_curve(result).get_suptitle()
    'Learning'
    """
    error = "training_network_error" if "training_network_error" in result else "training_loss"
    need(result, error)
    if window is None:
        window = max(result.sizes["iteration"] // 100, 1) if error == "training_loss" else 1
    if window < 1:
        raise InputError(f"`window` must be at least 1 iteration, got {window}.")
    figure = new_figure(result, "Learning" if window == 1 else f"Learning: running mean over {window} iterations")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_errors(above, result, error, window)
    _draw_fractional_loss(below, result)
    below.set_xlabel("Training iteration")
    if result.sizes["iteration"]:
        iterations = _iterations(result)
        pad = max((iterations[-1] - iterations[0]) * 0.02, 0.5)
        below.set_xlim(iterations[0] - pad, iterations[-1] + pad)
    return figure


def running_mean(values: Float[np.ndarray, " iteration"], window: int) -> Float[np.ndarray, " iteration"]:
    """Average over a centred window, narrower at both ends, ignoring NaN; NaN if the whole window is NaN."""
    if not values.size:
        return values
    kept = np.isfinite(values)
    first = (window + 1) // 2 - 1
    # Sum each window separately: in differences of running totals, a huge early error would swamp all later ones.
    total = np.convolve(np.where(kept, values, 0.0), np.ones(window))[first : first + values.size]
    n = np.convolve(kept, np.ones(window))[first : first + values.size]
    mean = np.full(values.size, np.nan)
    np.divide(total, n, out=mean, where=n > 0)
    return mean


def _draw_errors(axes: Axes, result: xr.Dataset, error: str, window: int) -> None:
    response = str(result.attrs.get("response"))
    is_loss = error == "training_loss"
    curves: list[tuple[str, str, str, Any]] = [(error, "training loss" if is_loss else "network", NETWORK, "solid")]
    if not is_loss and "training_observer_error" in result:
        curves.append(("training_observer_error", _reference_name(response), OBSERVER, (0, (5, 1.5))))
    positive, drawn = True, False
    for name, label, color, dashes in curves:
        mean = running_mean(result[name].values.astype(np.float64), window)
        if not np.isfinite(mean).any():
            continue
        positive &= bool((mean[np.isfinite(mean)] > 0).all())
        drawn = True
        # A legend leaves out what has no name, or one that begins with an underscore.
        label = str(result[name].attrs.get("long_name", label)).lstrip("_ ") or label
        axes.plot(_iterations(result), mean, color=color, linestyle=dashes, linewidth=1.4, label=label)
    if not drawn:
        say(axes, "no error recorded yet")
        return
    axes.set_ylabel("Loss" if is_loss else _error_label(result, error, response))
    if positive:
        axes.set_yscale("log")
        _plain_log_ticks(axes)
    # Above the axes, because curves may fill any part of them.
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _draw_fractional_loss(axes: Axes, result: xr.Dataset) -> None:
    drawn = False
    if "training_fractional_loss" in result:
        values = result["training_fractional_loss"].values.astype(np.float64)
        drawn = bool(np.isfinite(values).any())
    in_test = float(result["fractional_loss"]) if "fractional_loss" in result else np.nan
    if not (drawn or np.isfinite(in_test)):
        say(axes, "no fractional loss: this task has no ideal observer\nor too few trials have been seen")
        return
    if drawn:
        axes.plot(_iterations(result), values, color=NETWORK, linewidth=1.4, label="training trials")
    if np.isfinite(in_test):
        last = _iterations(result)[-1] if result.sizes["iteration"] else 0
        axes.plot(
            [last], [in_test], marker="D", markersize=6, linestyle="none", color="black", clip_on=False,
            zorder=5,
            label=f"test trials: {in_test:.3g} ({'solved' if in_test < SOLVED_BELOW else 'not solved'})",
        )  # fmt: skip
    label = f"solved: below {SOLVED_BELOW:g}"
    axes.axhline(SOLVED_BELOW, color=LIMIT, linestyle=(0, (2, 2)), linewidth=1.2, label=label)
    axes.axhline(0, color="0.6", linewidth=0.8)
    # For a task without an ideal observer, the published measure is the error itself.
    axes.set_ylabel("Mean absolute error" if result.attrs.get("response") == "value" else "Fractional loss")
    top = float(np.nanmax([*(values[np.isfinite(values)] if drawn else []), in_test, 1.0]))
    if top > 5:
        # Early losses are many times the observer's, and on a linear axis would squash the line at 0.5 onto 0.
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.legend(loc="upper right")


def _reference_name(response: str) -> str:
    return {"probability": "answer ½ in every trial", "category": "every category as likely in every trial"}.get(
        response, "ideal observer"
    )


def _error_label(result: xr.Dataset, error: str, response: str) -> str:
    units = result[error].attrs.get("units")
    return f"Error ({units})" if units else ERROR_LABELS.get(response, "Error")


def _plain_log_ticks(axes: Axes) -> None:
    """Label a logarithmic axis of about one decade, on which Matplotlib puts hardly any numbers."""
    low, high = axes.get_ylim()
    if high / low < 30:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _iterations(result: xr.Dataset) -> Float[np.ndarray, " iteration"]:
    if "iteration" in result.coords:
        return result["iteration"].values.astype(np.float64)
    return np.arange(result.sizes["iteration"], dtype=np.float64)
