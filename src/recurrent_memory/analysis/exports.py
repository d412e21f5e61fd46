"""Activity in the forms that other packages take: trials, averages over conditions, and a matrix of units."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ..errors import InputError
from .activity import Recording, read_recording
from .arguments import read_labels
from .samples import whole_units


def as_trials(
    activity: Any, *, mask: Any = None, steps: tuple[int, int] | None = None
) -> Float[np.ndarray, "trial time unit"] | list[Float[np.ndarray, "time unit"]]:
    """Return activity as dsa-metric takes it: one array, or one for each trial if they differ in length.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit); see `read_activity`. Units that some trials lack are left out.
    mask
        (trial, time), True for the steps that count; None: all. With variable delays, give `result.mask`.
    steps
        First step to use and the step after the last; None: the whole trial.

    Returns
    -------
    Numbers (trial, time, unit); if trials lack steps, a list of arrays (time, unit).

    Raises
    ------
    InputError
        If the activity cannot be read.

    Notes
    -----
    `DSA([as_trials(one), as_trials(other)]).fit_score()` compares the dynamics of two networks (Ostrow et al. 2023,
    NeurIPS; the package `dsa-metric`).

    Examples
    --------
    >>> as_trials(np.ones((4, 150, 20)), steps=(25, 125)).shape
    (4, 100, 20)
    """
    recording = read_recording(activity, mask=mask, steps=steps)
    values = _whole(recording)
    if recording.steps.all():
        return values
    return [trial[there] for trial, there in zip(values, recording.steps, strict=True)]


def as_conditions(
    activity: Any, by: Any, *, bins: Any = None, mask: Any = None, steps: tuple[int, int] | None = None
) -> xr.DataArray:
    """Average activity over the trials of each condition.

    Parameters
    ----------
    activity, mask, steps
        As for `as_trials`.
    by
        What tells the conditions apart: one entry for each trial, (trial,) or (trial, …), or the name of a variable of
        the data set, such as "label" or "stimuli".
    bins
        Borders of the bins of numbers, in ascending order, such as np.linspace(0, np.pi, 9); None: each value is a
        condition of its own. Numbers beyond the borders are not allowed.

    Returns
    -------
    Averages (condition, time, unit), NaN where no trial of the condition has the step. `n_trials` (condition); if
    conditions are single numbers or words, the coordinate `condition` holds them, or the middle of their bins.

    Raises
    ------
    InputError
        If the activity or the conditions cannot be read, or a bin has no trial.

    Examples
    --------
    >>> found = as_conditions(np.ones((4, 150, 20)), by=["low", "high", "low", "low"])
    >>> found.shape, found["condition"].values.tolist(), found.n_trials.values.tolist()
    ((2, 150, 20), ['high', 'low'], [1, 3])
    """
    recording = read_recording(activity, mask=mask, steps=steps)
    values = _whole(recording)
    number, names = _conditions(_labels(activity, by, len(values)), bins)
    members = number == np.arange(int(number.max()) + 1)[:, None]
    there = recording.steps[:, :, None]
    count = np.tensordot(members.astype(float), there.astype(float), 1)
    total = np.tensordot(members.astype(float), np.where(there, values, 0), 1)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    coords: dict[str, Any] = recording.coords("time")
    if whole_units(recording).all():
        coords |= recording.coords("unit")
    coords["n_trials"] = ("condition", members.sum(axis=1), {"long_name": "number of trials of the condition"})
    if names is not None:
        coords["condition"] = names
    about = {"long_name": "activity, mean over the trials of a condition", "units": "arbitrary units"}
    return xr.DataArray(mean, dims=("condition", "time", "unit"), coords=coords, name="activity", attrs=about)


def as_matrix(
    activity: Any, *, mask: Any = None, steps: tuple[int, int] | None = None
) -> Float[np.ndarray, "sample unit"]:
    """Return activity as measures of similarity between networks take it: one row for each step of each trial.

    Parameters
    ----------
    activity
        Averages from `as_conditions`, or activity as for `as_trials`.
    mask, steps
        As for `as_trials`.

    Returns
    -------
    Numbers (sample, unit): the steps of the first condition or trial, then those of the next. Steps that do not exist
    are left out.

    Raises
    ------
    InputError
        If the activity cannot be read.

    Notes
    -----
    For netrep, CKA, Procrustes distances and canonical correlations, rows of two networks must mean the same: give them
    the same conditions, or show them the same trials (`simulate(trials)`). Widths may differ.

    Examples
    --------
    >>> as_matrix(np.ones((4, 150, 20))).shape
    (600, 20)
    """
    if isinstance(activity, xr.DataArray) and "condition" in activity.dims:
        activity = activity.transpose("condition", "time", "unit").values
        there = np.isfinite(activity).all(axis=2)
        mask = there if mask is None else there & np.asarray(mask)
    recording = read_recording(activity, mask=mask, steps=steps)
    return np.asarray(_whole(recording)[recording.steps])


def _whole(recording: Recording) -> Float[np.ndarray, "trial time whole"]:
    """Return the units that were recorded in all trials."""
    whole = whole_units(recording)
    if not whole.any():
        raise InputError("No unit was recorded in all trials, so trials cannot be put together.")
    return np.asarray(recording.values.values[:, :, whole], np.float64)


def _labels(activity: Any, by: Any, n_trials: int) -> np.ndarray:
    if isinstance(by, str):
        known = activity.variables if isinstance(activity, xr.Dataset) else {}
        if by not in known:
            of_trials = {str(name) for name, of in known.items() if of.dims[:1] == ("trial",)}
            names = [name for name in ("label", "stimuli", "cued_location", "trial_delay") if name in of_trials]
            has = f"the data set has {', '.join(names)}" if names else "give a data set that has it"
            raise InputError(f"There is no {by!r} to tell conditions apart by: {has}, or give one entry per trial.")
        by = activity[by].values
    labels = read_labels("by", by)
    if labels.ndim == 0 or len(labels) != n_trials:
        raise InputError(
            f"`by` must hold one entry for each of the {n_trials} trials, (trial, …), got the shape {labels.shape}."
        )
    return labels.reshape(n_trials, -1)


def _conditions(labels: np.ndarray, bins: Any) -> tuple[Int[np.ndarray, " trial"], np.ndarray | None]:
    """Return the number of each trial's condition, and the names of the conditions if they are single values."""
    if bins is None:
        names, number = np.unique(labels, axis=0, return_inverse=True)
        return number.reshape(-1), names[:, 0] if labels.shape[1] == 1 else None
    edges = np.asarray(bins)
    if labels.shape[1] != 1 or labels.dtype.kind not in "iuf":
        raise InputError("`bins` are only for one number per trial, such as `by=out.stimuli[:, 0, 0]`.")
    if edges.ndim != 1 or edges.size < 2 or edges.dtype.kind not in "iuf" or not (np.diff(edges) > 0).all():
        raise InputError(f"`bins` = {bins!r} are not borders: give two or more numbers in ascending order.")
    values = labels[:, 0]
    if values.min() < edges[0] or values.max() > edges[-1]:
        raise InputError(
            f"`by` holds numbers from {values.min():g} to {values.max():g}, beyond the borders of the bins, "
            f"{edges[0]:g} and {edges[-1]:g}."
        )
    number = np.minimum(np.searchsorted(edges, values, side="right") - 1, edges.size - 2)
    empty = np.setdiff1d(np.arange(edges.size - 1), number)
    if empty.size:
        raise InputError(f"{empty.size} of {edges.size - 1} `bins` have no trial: give wider ones, or more trials.")
    return number, (edges[:-1] + edges[1:]) / 2
