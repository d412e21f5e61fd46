"""What units are tuned to, step by step: mean activity for each stimulus, and how much of the variance it explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ..errors import InputError
from .activity import Recording
from .arguments import check_count, is_number, read_labels
from .samples import about_units, complete_trials, whole_units
from .summaries import mean_of_defined, scalar

MOST_VALUES = 12
"""Numbers with more values than this are put in bins unless `n_bins` says otherwise."""


def tuning(
    activity: Any, stimulus: Any, *, n_bins: int | None = None, period: float | None = None,
    steps: tuple[int, int] | None = None, mask: Any = None,
) -> xr.Dataset:  # fmt: skip
    """Measure the tuning of each unit to a stimulus at each step.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit), of which every trial has every measured step; see `read_activity`.
    stimulus
        Stimulus of each trial, (trial,): classes (numbers or words), or numbers.
    n_bins
        Number of bins of equal width, for numbers; None: their values themselves if there are at most 12, else 8 bins.
    period
        Period of a circular stimulus, in its unit, which the bins then cover; None: not circular.
    steps, mask
        As in `sqi`.

    Returns
    -------
    `tuning`: mean of `selectivity` over steps and units; `selectivity` (time, unit), share of the variance over trials
    that the stimulus explains, about 0 by chance, 1 at most, NaN for a unit that does not vary;
    `tuning_curve` (time, unit, stimulus), mean activity; `preferred` (time, unit), the stimulus with the highest mean,
    as its place along `stimulus`; `curve_stability` (unit), the mean correlation of a unit's tuning curves at all pairs
    of steps: 1 if the unit prefers the same throughout; `n_trials` (stimulus). Attributes: settings, `reason`,
    `source`, `left_out`.

    Raises
    ------
    InputError
        If activity or stimulus cannot be read, or fewer than two stimuli have trials.

    Notes
    -----
    The selectivity is ε² = 1 - (1 - η²) (n - 1) / (n - K) for n trials and K stimuli, with η² the share of the sum of
    squares between stimuli, which is far above 0 for few trials (Kelley 1935, PNAS 21:554–559).

    Examples
    --------
    >>> stimulus = np.arange(30) % 3
    >>> found = tuning(np.eye(3)[stimulus][:, None], stimulus)  # each unit responds to one stimulus
    >>> float(found.tuning), found.preferred[0].values
    (1.0, array([0, 1, 2]))
    """
    recording, values = complete_trials("tuning", activity, mask, steps)
    names, place = _read_stimulus(stimulus, n_bins, period, len(values))
    count = np.bincount(place, minlength=len(names))
    shown = np.flatnonzero(count)
    if shown.size < 2 or len(values) <= shown.size:
        raise InputError(
            f"`stimulus` has {shown.size} values or bins with trials, of {len(values)} trials: there must be two or "
            "more, and more trials than stimuli."
        )
    is_in = np.eye(len(names))[place]
    with np.errstate(invalid="ignore"):  # bins without trials: 0 / 0
        curve = np.einsum("ntu,ns->tus", values, is_in) / count
    selectivity = _selectivity(values, curve[:, :, shown], count[shown])
    found = _result(recording, selectivity, curve, count).assign_coords(stimulus=names)
    return found.assign_attrs(n_bins=n_bins or "none", period=period or "none")


def _result(
    recording: Recording, selectivity: Float[np.ndarray, "time unit"], curve: Float[np.ndarray, "time unit stimulus"],
    count: Int[np.ndarray, " stimulus"],
) -> xr.Dataset:  # fmt: skip
    shown, whole, mean = np.flatnonzero(count), whole_units(recording), mean_of_defined(selectivity.ravel())
    variables = {
        "tuning": scalar(mean, "1", "Share of the variance that the stimulus explains, mean over steps and units"),
        "selectivity": (("time", "unit"), selectivity, _about("1", "Share of the variance that the stimulus explains")),
        "tuning_curve": (("time", "unit", "stimulus"), curve, _about("units of the activity", "Mean activity")),
        "preferred": (("time", "unit"), shown[curve[:, :, shown].argmax(axis=2)], _about("1", "Preferred stimulus")),
        "curve_stability": ("unit", _stability(curve[:, :, shown]), _about("1", "Correlation of tuning curves")),
        "n_trials": ("stimulus", count, _about("trials", "Number of trials")),
    }
    reason = "" if np.isfinite(mean) else "no unit varies between trials"
    labels = recording.coords("unit").get("unit", np.arange(whole.size))
    coords = {"time": np.arange(recording.first, recording.first + len(curve)), "unit": np.asarray(labels)[whole]}
    about = {"source": "ε²: Kelley (1935), PNAS 21:554–559", "reason": reason}
    return xr.Dataset(variables, coords=coords, attrs=about_units(recording) | about)


def _selectivity(
    values: Float[np.ndarray, "trial time unit"], curve: Float[np.ndarray, "time unit stimulus"],
    count: Int[np.ndarray, " stimulus"],
) -> Float[np.ndarray, "time unit"]:  # fmt: skip
    n, n_stimuli = len(values), count.size
    mean = values.mean(axis=0)
    total = ((values - mean) ** 2).sum(axis=0)
    between = ((curve - mean[:, :, None]) ** 2) @ count
    varies = total > 1e-20 * (values**2).sum(axis=0)
    share = np.divide(between, total, out=np.full(total.shape, np.nan), where=varies)
    return np.asarray(1 - (1 - np.minimum(share, 1)) * (n - 1) / (n - n_stimuli))


def _stability(curve: Float[np.ndarray, "time unit stimulus"]) -> Float[np.ndarray, " unit"]:
    """Return the mean correlation of the curves of a unit at two different steps; NaN if it has fewer than two."""
    centred = curve - curve.mean(axis=2, keepdims=True)
    length = np.linalg.norm(centred, axis=2, keepdims=True)
    there = length[:, :, 0] > 1e-10 * np.abs(curve).max(axis=2)
    unit = np.divide(centred, length, out=np.zeros(centred.shape), where=there[:, :, None])
    n = there.sum(axis=0)
    pairs = (unit.sum(axis=0) ** 2).sum(axis=1) - n  # of each pair both orders, without those of a step with itself
    return np.asarray(np.divide(pairs, n * (n - 1), out=np.full(n.shape, np.nan), where=n > 1))


def _read_stimulus(
    stimulus: Any, n_bins: int | None, period: float | None, n_trials: int
) -> tuple[np.ndarray, Int[np.ndarray, " trial"]]:
    """Return the stimuli (values, or middles of bins), and the place of each trial's stimulus among them."""
    found = read_labels("stimulus", stimulus)
    if found.shape != (n_trials,):
        raise InputError(f"`stimulus` must hold one entry for each of the {n_trials} trials, got {found.shape}.")
    numeric = found.dtype.kind in "iuf"
    if not numeric and (n_bins is not None or period is not None):
        raise InputError(f"`n_bins` and `period` are for a stimulus that is a number; this one is {found.dtype}.")
    if n_bins is not None:
        check_count("n_bins", n_bins, 2, most=10_000)
    if period is not None and not (is_number(period) and 0 < period < np.inf):
        raise InputError(f"`period` must be a number above 0, got {period!r}.")
    if not numeric or (n_bins is None and np.unique(found).size <= MOST_VALUES):
        names, place = np.unique(found if period is None else found % period, return_inverse=True)
        return names, place.astype(np.int64)
    numbers = found.astype(np.float64) if period is None else found % period
    low, high = (numbers.min(), numbers.max()) if period is None else (0.0, period)
    edges = np.linspace(low, high, (n_bins or 8) + 1)
    place = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, edges.size - 2)
    return (edges[1:] + edges[:-1]) / 2, place.astype(np.int64)


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
