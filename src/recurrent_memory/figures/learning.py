"""How the error falls while a network learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..errors import InputError
from .style import LIMIT, NETWORK, OBSERVER, need, new_figure, say, styled

SOLVED = 0.5
"""A network counts as solved below this fractional loss (Orhan & Ma 2019)."""

ERROR_LABELS = {"angle": "Error (rad)", "probability": "Divergence (nats)", "category": "Divergence (nats)"}


@styled
def learning_curve(result: xr.Dataset, window: int | None = None) -> Figure:
    """Draw the network's error beside the ideal observer's, and the fractional loss, against the iteration.

    Parameters
    ----------
    result
        Result of one network, finished or still learning, with any of `training_network_error`,
        `training_observer_error`, `training_fractional_loss` and `training_loss` (all: iteration). Where the
        errors are missing the loss takes their place. `fractional_loss` is shown as the value in test.
    window
        Iterations averaged into each point of the upper curves; by default 1 for the errors, which come
        averaged over recent iterations, and a hundredth of all for the loss, which doesn't.

    Returns
    -------
    The figure: errors above (logarithmic where all are positive), fractional loss below.

    Raises
    ------
    InputError
        Where there is neither a loss nor an error of training, or `window` is below 1.
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
    """Average over a centred window, narrower at both ends, passing over NaN; NaN where all is NaN."""
    if not values.size:
        return values
    kept = np.isfinite(values)
    first = (window + 1) // 2 - 1
    # Sums over the window alone: a difference of running totals would carry an early huge error to the end.
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
        label = str(result[name].attrs.get("long_name", label))
        axes.plot(_iterations(result), mean, color=color, linestyle=dashes, linewidth=1.4, label=label)
    if not drawn:
        say(axes, "no error recorded yet")
        return
    axes.set_ylabel("Loss" if is_loss else _error_label(result, error, response))
    if positive:
        axes.set_yscale("log")
        _plain_log_ticks(axes)
    # Above the axes: between two curves of any shape there is no place that is free for certain.
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
            label=f"test trials: {in_test:.3g} ({'solved' if in_test < SOLVED else 'not solved'})",
        )  # fmt: skip
    axes.axhline(SOLVED, color=LIMIT, linestyle=(0, (2, 2)), linewidth=1.2, label=f"solved: below {SOLVED:g}")
    axes.axhline(0, color="0.6", linewidth=0.8)
    # Without an ideal observer the published measure is the error itself.
    axes.set_ylabel("Mean absolute error" if result.attrs.get("response") == "value" else "Fractional loss")
    top = float(np.nanmax([*(values[np.isfinite(values)] if drawn else []), in_test, 1.0]))
    if top > 5:
        # Early in training the loss is many times the observer's; a linear axis would hide the 0.5 line.
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
    """Put numbers on a logarithmic axis of about a decade, which by default has hardly any."""
    low, high = axes.get_ylim()
    if high / low < 30:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _iterations(result: xr.Dataset) -> Float[np.ndarray, " iteration"]:
    if "iteration" in result.coords:
        return result["iteration"].values.astype(np.float64)
    return np.arange(result.sizes["iteration"], dtype=np.float64)
