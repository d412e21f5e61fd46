"""The trial that a picture of one trial shows unless another is asked for."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float, Real

from ..errors import InputError
from .style import step_times

ANSWERS = ("outputs", "targets")


def choose_trial(result: xr.Dataset, trial: int | None) -> tuple[int, str]:
    """Return a trial and words for it; None: the typical one.

    Parameters
    ----------
    result
        What is drawn, with whole trials.
    trial
        Index of a trial.

    Returns
    -------
    The index, and "trial 5", or "trial 5 (typical)" if it was chosen among others.

    Raises
    ------
    InputError
        If there is no such trial.
    """
    n_trials = result.sizes["trial"]
    if trial is None:
        trial = typical_trial(result)
        return trial, f"trial {trial}" + (" (typical)" if n_trials > 1 else "")
    if not 0 <= trial < n_trials:
        raise InputError(f"`trial` must be from 0 to {n_trials - 1} ({n_trials} trials are stored), got {trial}.")
    return trial, f"trial {trial}"


def typical_trial(result: xr.Dataset) -> int:
    """Return the trial that is in the middle by all that is known of it.

    Trials are ranked by the error of the answer when it is read, and by the correlation of the activity with the mean
    over trials: neither the best nor the worst trial is typical. The larger distance of the two from the middle rank
    counts. Trials that skip steps take part only if all do. The first of equal trials is chosen, so that the same
    result always gives the same trial.
    """
    n_trials = result.sizes["trial"]
    places = np.arange(n_trials)
    if "mask" in result:
        complete = result["mask"].transpose("trial", "time").values.astype(bool).all(axis=1)
        places = places[complete] if complete.any() else places
    some = result if len(places) == n_trials else result.isel(trial=places)
    distance = np.zeros(len(places))
    if set(ANSWERS) <= set(some.data_vars):
        distance = np.maximum(distance, _from_middle(_errors(some)))
    if "activity" in some and set(some["activity"].dims) == {"trial", "time", "unit"}:
        distance = np.maximum(distance, _from_middle(_likeness(some)))
    return int(places[distance.argmin()])


def _from_middle(values: Float[np.ndarray, " trial"]) -> Float[np.ndarray, " trial"]:
    """Return the distance of each value's rank from the middle, 0 to ½; equal values share their mean rank."""
    ordered = np.sort(values := np.where(np.isfinite(values), values, np.inf))
    rank = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    return np.abs(rank / len(values) - 0.5)


def _errors(result: xr.Dataset) -> Float[np.ndarray, " trial"]:
    """Return the mean distance of the outputs from the targets in the step at which the answer is read, or the last."""
    at = np.flatnonzero(step_times(result) == result.attrs.get("readout_time"))
    step = int(at[0]) if at.size else -1
    outputs, targets = (result[name].isel(time=step).transpose("trial", "output").values for name in ANSWERS)
    error = np.abs(outputs.astype(np.float64) - targets)
    if result.attrs.get("response") == "angle":  # orientations: 0 and π are the same
        error = np.minimum(error % np.pi, -error % np.pi)
    return np.asarray(error.mean(axis=1))


def _likeness(result: xr.Dataset) -> Float[np.ndarray, " trial"]:
    """Return the correlation of each trial's activity with the mean over trials; steps that a trial lacks are left out.

    The trials are taken one by one, which needs no copy of all activity.
    """
    activity: Real[np.ndarray, "trial time unit"] = result["activity"].transpose("trial", "time", "unit").values
    there = np.ones(activity.shape[:2], bool)
    if "mask" in result:
        there = result["mask"].transpose("trial", "time").values.astype(bool)
    found = np.full(len(activity), np.nan)
    with np.errstate(all="ignore"):  # a network that has diverged: its trials are as typical as each other
        total = activity.sum(axis=0, where=there[:, :, None], dtype=np.float64)
        mean = total / np.maximum(there.sum(axis=0), 1)[:, None]
        for trial, kept in enumerate(there):
            one, other = activity[trial, kept].ravel().astype(np.float64), mean[kept].ravel()
            if one.size and np.ptp(one) > 0 and np.ptp(other) > 0:
                found[trial] = np.corrcoef(one, other)[0, 1]
    return found
