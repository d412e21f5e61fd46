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
from .canvas import Canvas, canvas
from .journal import brief
from .pictures import picture
from .style import LIMIT, NETWORK, OBSERVER, say, within

ERROR_LABELS = {"angle": "Error (rad)", "probability": "Divergence (nats)", "category": "Divergence (nats)"}


IN_TEST = "in the test"
LONG_NAME = 35
"""Letters of a curve's name beside which there is no room in a narrow legend."""
TEST_TERMS = ("fractional_loss_network_error", "fractional_loss_reference_error")
"""Mean errors in the test that the fractional loss is computed from, in the order of the curves."""


@picture(("training_network_error", "training_loss"))
def learning_curve(
    result: xr.Dataset, window: int | None = None, *, ax: Any = None, title: str | None = None,
    steps: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """Draw the errors of the network and of the ideal observer, and the fractional loss, over training.

    Parameters
    ----------
    result
        Result of one network, trained or still training, with any of `training_network_error`,
        `training_observer_error`, `training_fractional_loss` and `training_loss` (all: iteration). Without errors, the
        loss is drawn. The test's `fractional_loss` is added at the last iteration, and the errors that it is computed
        from, `fractional_loss_network_error` and `fractional_loss_reference_error`.
    window
        Number of iterations averaged into each point of the upper curves. By default 1 for the errors, which are
        already running means, and a hundredth of all iterations for the loss, which is not.
    ax
        Matplotlib axes for the errors, or one for the errors and one for the fractional loss, in which None leaves a
        panel out; the user's settings stay. None: a new figure.
    title
        Title of the figure, or of the first of `ax`; None: one that says what is shown, "": none.
    steps
        First iteration to show and the one after the last; None: all. The test is shown only with the last.

    Returns
    -------
    The figure, or that of `ax`: the errors above (on a logarithmic axis if all are positive), the fractional loss
    below.

    Raises
    ------
    InputError
        If there is neither a training loss nor a training error, `window` is below 1, `steps` is not a part of the
        training, or `ax` has another number of axes than there are panels.

    Examples
    --------
    >>> result = xr.Dataset({"training_loss": ("iteration", [1.0, 0.5, 0.25])})
    >>> learning_curve(result).get_suptitle()
    'Learning'
    """
    error = "training_network_error" if "training_network_error" in result else "training_loss"
    if window is None:
        window = max(result.sizes["iteration"] // 100, 1) if error == "training_loss" else 1
    if window < 1:
        raise InputError(f"`window` must be at least 1 iteration, got {window}.")
    shown = within(result, steps, "iteration", "training")
    if steps is not None and steps[1] < result.sizes["iteration"]:
        shown = shown.drop_vars(("fractional_loss", *TEST_TERMS), errors="ignore")
    place = canvas(ax, ("errors", "fractional loss"), shape=(2, 1), sharex=True)
    above, below = place.panels
    if above is not None:
        _draw_errors(place, above, shown, error, window)
    if below is not None:
        _draw_fractional_loss(below, shown)
    for axes in place.drawn:
        _label_iterations(axes, shown, named=not place.is_laid_out or axes is below)
    what = "Learning" if window == 1 else f"Learning: running mean over {window} iterations"
    return place.entitled(result, what, title)


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


def _draw_errors(place: Canvas, axes: Axes, result: xr.Dataset, error: str, window: int) -> None:
    response = str(result.attrs.get("response"))
    is_loss = error == "training_loss"
    curves: list[tuple[str, str, str, Any]] = [(error, "training loss" if is_loss else "network", NETWORK, "solid")]
    if not is_loss and "training_observer_error" in result:
        curves.append(("training_observer_error", _reference_name(response), OBSERVER, (0, (5, 1.5))))
    positive, drawn = True, False
    tests = dict(zip((name for name, *_ in curves), TEST_TERMS, strict=False))
    for name, label, color, dashes in curves:
        mean = running_mean(result[name].values.astype(np.float64), window)
        if not np.isfinite(mean).any():
            continue
        positive &= bool((mean[np.isfinite(mean)] > 0).all())
        drawn = True
        # A legend leaves out what has no name, or one that begins with an underscore.
        label = str(result[name].attrs.get("long_name", label)).lstrip("_ ") or label
        axes.plot(_iterations(result), mean, color=color, linestyle=dashes, linewidth=1.4, label=label)
        if not is_loss and (in_test := _scalar(result, tests.get(name, ""))) > 0:
            _mark_test(axes, result, in_test, color, f"{IN_TEST}: {in_test:.3g}")
    if not drawn:
        say(axes, "no error recorded yet")
        return
    axes.set_ylabel("Loss" if is_loss else _error_label(result, error, response))
    if positive:
        axes.set_yscale("log")
        _plain_log_ticks(axes)
    if place.is_laid_out:
        # Above the axes, because curves may fill any part of them: curves in one column, and the test in another.
        entries = sorted(zip(*axes.get_legend_handles_labels(), strict=True), key=lambda of: of[1].startswith(IN_TEST))
        names = [brief(label, label.partition(" (")[0]) for _, label in entries]
        beside = len(entries) > 3 and (place.is_wide or max(map(len, names)) < LONG_NAME)
        axes.legend(
            [handle for handle, _ in entries], names, ncols=1 + beside, loc="lower center", bbox_to_anchor=(0.5, 1.0)
        )
    else:
        axes.legend(loc="best")


def _draw_fractional_loss(axes: Axes, result: xr.Dataset) -> None:
    drawn = False
    if "training_fractional_loss" in result:
        values = result["training_fractional_loss"].values.astype(np.float64)
        drawn = bool(np.isfinite(values).any())
    in_test = _scalar(result, "fractional_loss")
    if not (drawn or np.isfinite(in_test)):
        say(axes, "no fractional loss: this task has no ideal observer\nor too few trials have been seen")
        return
    if drawn:
        axes.plot(_iterations(result), values, color=NETWORK, linewidth=1.4, label="training trials")
    if np.isfinite(in_test):
        solved = "solved" if in_test < SOLVED_BELOW else "not solved"
        _mark_test(axes, result, in_test, "black", f"test trials: {in_test:.3g} ({solved})")
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


def _scalar(result: xr.Dataset, name: str) -> float:
    return float(result[name]) if name in result and not result[name].dims else np.nan


def _mark_test(axes: Axes, result: xr.Dataset, value: float, color: str, label: str) -> None:
    """Draw a number of the test at the last iteration."""
    last = _iterations(result)[-1] if result.sizes["iteration"] else 0
    axes.plot(
        [last], [value], marker="D", markersize=6, linestyle="none", color=color, markeredgecolor="black", zorder=5,
        label=label, clip_on=False,
    )  # fmt: skip


def _label_iterations(axes: Axes, result: xr.Dataset, *, named: bool) -> None:
    if named:
        axes.set_xlabel("Training iteration")
    if result.sizes["iteration"]:
        first, last = _iterations(result)[[0, -1]]
        pad = max((last - first) * 0.02, 0.5)
        axes.set_xlim(first - pad, last + pad)


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
