"""Is it the same sequence in each trial? The peak times of one half of the trials against those of the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from .activity import Recording, active_units, check_min_rate, peak_times, read_recording, refuse_empty_trials
from .arguments import check_count, generator
from .blocks import first_step_of
from .splits import halves, numbered_groups
from .summaries import left_out, mean_of_defined, scalar

NUMBERS = 2**23
"""Numbers in the averages of some splits, which are computed together."""

Splits = Float[np.ndarray, "split active"]


def peak_consistency(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float = 0.1,
    n_splits: int = 50, groups: Any = None, seed: int = 0,
) -> xr.Dataset:  # fmt: skip
    """Correlate the peak times in random halves of the trials: near 1 for a sequence that repeats, near 0 if none does.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit), in any unit; may be below zero; at least two trials. See `read_activity`.
    steps, mask
        As in `sqi`.
    min_rate
        Units whose mean over trials and time is not above this are left out (same unit as `activity`).
    n_splits
        Number of random divisions of the trials into two halves.
    groups
        A label for each trial, such as its stimulus or session; trials with the same label stay in the same half.
        None: each trial may be in either half.
    seed
        Of the divisions.

    Returns
    -------
    `peak_consistency`: Spearman's rank correlation, over units, of the peak times of the average over one half of the
    trials with those of the other half, mean over the splits (from -1 to 1); `standard_deviation` over the splits;
    `n_active_units` of `n_units`; `split_peak_consistency` (split); `unit_peak_time` (unit), in the average over all
    trials (steps from the start of the trial; -1: left out); `unit_peak_difference` (unit), mean absolute difference
    of the peak times in the two halves (steps; NaN: left out). Attributes: settings, `source`, `reason` (why it is
    NaN), `left_out`.

    Raises
    ------
    InputError
        If the activity cannot be read or has fewer than two trials (or groups), or a setting is out of range.

    Notes
    -----
    Harvey, Coen & Tank (2012), Nature 484:62–68, sort units by one half of the trials and show the other; the
    correlation is ours. Units that peak in the same step share a rank. A high value says that the order of peaks
    repeats, not that there are many: units that start high and fall, with others that rise, have a high one, too. The
    peak entropy tells these apart.

    Examples
    --------
    >>> sequence = np.eye(20)[None].repeat(6, axis=0)  # 20 units peak in turn, in 6 trials alike
    >>> float(peak_consistency(sequence, min_rate=0.0).peak_consistency.round(6))
    1.0
    """
    check_min_rate(min_rate)
    check_count("n_splits", n_splits, 1)
    recording = read_recording(activity, mask=mask, steps=steps)
    refuse_empty_trials(recording)
    groups = numbered_groups(groups, recording.values.shape[0])
    first = halves(generator(seed), groups, n_splits)
    average = recording.average()
    active = active_units(average, min_rate)
    one, other = (_peaks(recording, half, active) for half in (first, ~first))
    peak = np.where(active, recording.first + peak_times(average), -1)
    return _result(recording, peak, one, other, {"min_rate": min_rate, "n_splits": n_splits, "seed": seed})


def _result(
    recording: Recording, peak: Int[np.ndarray, " unit"], one: Splits, other: Splits, settings: dict[str, Any]
) -> xr.Dataset:  # fmt: skip
    active = peak >= 0
    correlation = spearman(one, other)
    apart = np.full(active.shape, np.nan)
    apart[active] = mean_of_defined(np.abs(one - other).T)
    n_active, n_units = active.sum(keepdims=True), recording.units.any(axis=0).sum(keepdims=True)
    mean = mean_of_defined(correlation)
    variables = {
        "peak_consistency": scalar(mean, "1", "Rank correlation of peak times in halves of trials, mean over splits"),
        "standard_deviation": scalar(_deviation(correlation), "1", "Standard deviation over splits"),
        "n_active_units": scalar(n_active[0], "units", "Number of active units"),
        "n_units": scalar(n_units[0], "units", "Number of units, active or left out"),
        "split_peak_consistency": ("split", correlation, {"units": "1", "long_name": "Rank correlation of peak times"}),
        "unit_peak_time": (
            "unit", peak, {"units": "steps from the start of the trial", "long_name": "Peak time; -1: left out"},
        ),
        "unit_peak_difference": (
            "unit", apart, {"units": "steps", "long_name": "Difference of peak times in halves; NaN: left out"},
        ),
    }  # fmt: skip
    attrs = {
        "steps": [recording.first, recording.first + recording.steps.shape[1]], **settings,
        "source": "halves: Harvey, Coen & Tank (2012), Nature 484:62–68",
        "reason": _reason(correlation, int(n_active[0]), settings["min_rate"], recording),
    }  # fmt: skip
    attrs |= left_out(n_active, n_units, active.size, settings["min_rate"])
    return xr.Dataset(variables, coords=recording.coords("unit"), attrs=attrs)


def spearman(one: Splits, other: Splits) -> Float[np.ndarray, " split"]:
    """Return the rank correlation over units for each split, without the units that are NaN in either."""
    from scipy.stats import rankdata  # takes half a second, for which other measures need not wait

    there = ~(np.isnan(one) | np.isnan(other))
    centred = []
    for values in (one, other):
        known = np.where(there, values, np.nan)
        ranks = rankdata(known, axis=1, nan_policy="propagate" if there.all() else "omit")
        ranks -= mean_of_defined(ranks)[:, None]
        centred.append(np.where(there, ranks, 0))
    with np.errstate(invalid="ignore"):  # units that all peak in the same step have no correlation
        product, squares = (centred[0] * centred[1]).sum(axis=1), [(ranks**2).sum(axis=1) for ranks in centred]
        return np.asarray(product / np.sqrt(squares[0] * squares[1]))


def _peaks(
    recording: Recording, half: Bool[np.ndarray, "split trial"], active: Bool[np.ndarray, " unit"]
) -> Splits:  # fmt: skip
    """Return the peak time of each active unit in the average over the trials of each half; NaN if it has no step."""
    n_trials, n_steps, _ = recording.values.shape
    n_active = int(active.sum())
    entries = recording.entries()[:, :, active]
    values = np.where(entries, recording.values.values[:, :, active], 0).astype(np.float64).reshape(n_trials, -1)
    whole = entries.all()
    there = np.ones((n_trials, 1)) if whole else entries.astype(np.float64).reshape(n_trials, -1)
    peaks = np.empty((half.shape[0], n_active))
    size = max(1, NUMBERS // max(1, n_steps * n_active))
    for start in range(0, half.shape[0], size):
        chosen = half[start : start + size].astype(np.float64)
        count = chosen @ there
        with np.errstate(invalid="ignore"):
            mean = np.where(count > 0, chosen @ values / count, -np.inf)
        mean = mean.reshape(chosen.shape[0], n_steps, n_active)
        highest = mean.max(axis=1)
        peaks[start : start + size] = np.where(np.isinf(highest), np.nan, first_step_of(mean, highest))
    return peaks


def _deviation(correlation: Float[np.ndarray, " split"]) -> float:
    defined = correlation[~np.isnan(correlation)]
    return float(defined.std(ddof=1)) if defined.size > 1 else float("nan")


def _reason(correlation: Float[np.ndarray, " split"], n_active: int, min_rate: float, recording: Recording) -> str:
    if n_active < 2:
        reason = f"fewer than two units are active enough (mean above {min_rate:g})"
        lowest = float(recording.values.values.min(where=recording.entries(), initial=0))
        of_scores = f"; activity below zero, such as z-scores, needs a lower `min_rate`, here {math.floor(lowest) - 1}"
        return reason + (of_scores if lowest < min(0, min_rate) else "")
    n_undefined = int(np.isnan(correlation).sum())
    return f"{n_undefined} of {correlation.size} splits: all units peak in the same step" if n_undefined else ""
