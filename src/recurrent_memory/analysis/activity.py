"""The input of every measure: the activity of units over the time steps of trials, from any source."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Real

from ..errors import InputError
from .dims import DIMS
from .readers import named, read, real_numbers

ROUNDING = 1e-6
"""Activity below zero by less than this part of the largest is rounding, as after a filter in float32."""


MASK = "mask"
"""Variable of a data set, (trial, time), that is True for the steps that a trial has."""


@dataclass(frozen=True)
class Recording:
    """The steps of a recording that are measured, and what each trial has of them.

    A value that a trial does not have may be anything, NaN included.
    """

    values: xr.DataArray
    """Activity, (trial, time, unit)."""
    first: int
    """The first step measured, from the start of the trial."""
    steps: Bool[np.ndarray, "trial time"]
    """Which steps each trial has."""
    units: Bool[np.ndarray, "trial unit"]
    """Which units were recorded in each trial."""
    n_steps: int
    """Number of steps of a whole trial, measured or not."""

    def entries(self) -> Bool[np.ndarray, "trial time unit"]:
        """Return which entries there are."""
        return np.asarray(self.steps[:, :, None] & self.units[:, None, :])

    def average(self, trials: slice = slice(None)) -> Float[np.ndarray, "time unit"]:
        """Return the mean over the trials that have a step and a unit; NaN if none has."""
        values = self.values.values[trials]
        if self.steps[trials].all() and self.units[trials].all():
            return np.asarray(values.mean(axis=0, dtype=np.float64))
        there = self.entries()[trials]
        count = there.sum(axis=0)
        total = np.where(there, values, 0).sum(axis=0, dtype=np.float64)
        return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))

    def coords(self, *names: str) -> dict[str, Any]:
        """Return the coordinates that the recording has of its own, as far as it has them."""
        return {name: self.values.coords[name] for name in names if name in self.values.coords}

    def averaged(self) -> Recording:
        """Return the average over trials as a recording of one trial, of the steps that some trial has of each unit."""
        mean, units = self.average(), np.asarray(self.units.any(axis=0, keepdims=True))
        steps = np.equal((np.isnan(mean) & units).sum(axis=1), 0).reshape(1, -1)
        values = self.values.isel(trial=slice(1)).drop_vars("trial", errors="ignore").copy(data=mean[None])
        return Recording(values, self.first, steps, units, self.n_steps)


def read_activity(activity: Any, *, mask: Any = None) -> xr.DataArray:
    """Check activity and give it the axes (trial, time, unit), without copying it unless entries are left out.

    Parameters
    ----------
    activity
        Real numbers with three axes (trial, time, unit), in any unit, finite except where they are left out: an array
        of NumPy or JAX; a NumPy masked array, whose mask leaves out a step for all units or a unit for a whole trial;
        a list of one array (time, unit) for each trial, of equal or unequal lengths; an `xarray.DataArray`, or an
        `xarray.Dataset` with a variable `activity`, whose dimensions may come in any order and be called neuron, step,
        epoch and so on (`analysis.dims.SYNONYMS`). `analysis.READERS` lists all kinds.
    mask
        (trial, time), True for the steps that count; None: the variable `mask` of a data set that has one, else all.
        NumPy's own masks mean the opposite.

    Returns
    -------
    The same numbers, (trial, time, unit), in their own precision, with the coordinates that `activity` has for these
    dimensions. Entries left out are NaN.

    Raises
    ------
    InputError
        If `activity` is not three-dimensional, numeric, non-empty and finite, or has single entries masked.

    Examples
    --------
    >>> read_activity(np.zeros((4, 150, 100))).sizes["unit"]
    100
    >>> read_activity([np.ones((2, 5)), np.ones((3, 5))])[0, :, 0].values  # the first trial is shorter
    array([ 1.,  1., nan])
    """
    found = read_recording(activity, mask=mask)
    entries = found.entries()
    if entries.all():
        return found.values
    return found.values.copy(data=np.where(entries, found.values.values, np.nan))


def read_recording(activity: Any, *, mask: Any = None, steps: tuple[int, int] | None = None) -> Recording:
    """Read activity, as `read_activity` does, with what is missing in it, and choose the steps to measure."""
    found = read(activity)
    labelled = found if isinstance(found, xr.DataArray) else None
    values = real_numbers(found if labelled is None else labelled.values, type(activity).__name__)
    if values.ndim != 3:
        raise InputError(
            f"`activity` must have three axes (trial, time, unit), got {values.ndim}: shape {values.shape}.\n"
            "Give one trial as activity[None], and one network of many at a time."
        )
    if 0 in values.shape:
        raise InputError(
            f"`activity` is empty: (trial, time, unit) = {values.shape}. Every axis needs at least one entry."
        )
    numbers = xr.DataArray(np.ma.getdata(values), dims=DIMS, coords=_own_coords(labelled))
    first, stop = check_steps(steps, values.shape[1])
    kept = _kept_steps(_own_mask(activity) if mask is None else mask, numbers)
    kept[:, :first] = kept[:, stop:] = False
    kept, units = _without_masked(values, kept)
    _refuse_non_finite(numbers.values, kept, units)
    return Recording(numbers.isel(time=slice(first, stop)), first, kept[:, first:stop], units, values.shape[1])


def check_steps(steps: tuple[int, int] | None, n_steps: int, whole: str = "trial") -> tuple[int, int]:
    """Return the first step and the step after the last; raise `InputError` if they are not within the whole."""
    if steps is None:
        return 0, n_steps
    try:
        first, stop = (operator.index(step) for step in steps)
    except (TypeError, ValueError):  # not two, or not whole numbers
        example = f"(0, {n_steps})"
        raise InputError(
            f"`steps` must be two whole numbers (first, stop), such as {example}, got {steps!r}."
        ) from None
    if not 0 <= first < stop <= n_steps:
        raise InputError(
            f"`steps` = ({first}, {stop}) is not a part of the {whole}, which has {n_steps} steps.\n"
            f"Allowed: 0 <= first < stop <= {n_steps} (stop is not included)"
            + ("; in the paper's trials the delay is (25, 125)." if whole == "trial" else ".")
        )
    return first, stop


def active_units(activity: Float[np.ndarray, "*trial time unit"], min_rate: float) -> Bool[np.ndarray, "*trial unit"]:
    """Return which units have a mean over time above `min_rate`, as in the published criterion; NaN is left out."""
    mean = activity.mean(axis=-2)
    if np.isnan(mean).any():
        there = ~np.isnan(activity)
        with np.errstate(invalid="ignore"):  # a unit that was never recorded has no mean: 0/0
            mean = np.where(there, activity, 0).sum(axis=-2) / there.sum(axis=-2)
    return np.asarray(mean > min_rate)


def peak_times(activity: Float[np.ndarray, "*trial time unit"]) -> Int[np.ndarray, "*trial unit"]:
    """Return the step at which each unit is most active, the first if there are several; NaN is left out."""
    gaps = np.isnan(activity)
    return np.asarray((np.where(gaps, -np.inf, activity) if gaps.any() else activity).argmax(axis=-2))


def check_min_rate(min_rate: float) -> None:
    """Raise `InputError` if the activity threshold is not a finite number."""
    if not (isinstance(min_rate, int | float | np.number) and np.isfinite(min_rate)):
        raise InputError(
            f"`min_rate` must be a finite number, got {min_rate!r}: units with a lower mean activity are left "
            "out (the paper uses 0.1; -1 keeps every unit of a non-negative network)."
        )


def refuse_empty_trials(recording: Recording) -> None:
    """Raise `InputError` if a trial has none of the measured steps, so that there is nothing to measure in it."""
    empty = np.flatnonzero(~recording.steps.any(axis=1))
    if empty.size == 1:
        raise InputError(f"Trial {empty[0]} has no measured step: leave it out.")
    if empty.size:
        n_trials = recording.steps.shape[0]
        raise InputError(
            f"{empty.size} of {n_trials} trials have no measured step, the first is trial {empty[0]}: leave them out."
        )


def refuse_short_trials(recording: Recording, measure: str, window: int, default: int, trial: str = "") -> None:
    """Raise `InputError` if a trial has no steps outside a window around a peak, which are the background.

    The message is one line, because tables of measures show no more, and says all to someone who gave no window.
    `trial` is what it calls the trial; "": its number.
    """
    n_steps = recording.steps.sum(axis=1)
    shortest = int(n_steps.argmin())
    if n_steps[shortest] > window:
        return
    last = recording.first + recording.steps.shape[1] - 1
    all_alike = "each trial" if np.ptp(n_steps) == 0 else f"trial {shortest}"
    raise InputError(
        f"`{measure}` needs more steps in each trial than its `window` of {window} (the default is {default}), but "
        f"{trial or all_alike} has {n_steps[shortest]} of the steps {recording.first} … {last}: measure more steps, "
        f"leave out short trials, or call `{measure}` with a smaller `window`."
    )


def refuse_negative(recording: Recording, measure: str) -> None:
    """Raise `InputError` if a recording has activity below zero, which a measure of rates has no meaning for."""
    values = recording.values.values
    if values.min() >= 0:
        return
    there = recording.entries()
    bad = there & (values < -ROUNDING * values.max(where=there, initial=0))
    if bad.any():
        raise InputError(
            f"`{measure}` needs rates of at least 0, but `activity` holds {_counted(bad, 'numbers below zero')}.\n"
            "Give the rates, not z-scores or differences from a baseline."
        )


def _own_mask(activity: Any) -> xr.DataArray | None:
    """Return the mask of a data set, such as a result, whose trials may have shorter delays than the longest."""
    own = activity.get(MASK) if isinstance(activity, xr.Dataset) else None
    return own if own is not None and own.ndim == 2 and own.dtype == bool else None


def _kept_steps(mask: Any, activity: xr.DataArray) -> Bool[np.ndarray, "trial time"]:
    """Return a copy of a user's mask; True everywhere if there is none."""
    shape = activity.shape[:2]
    if mask is None:
        return np.ones(shape, bool)
    if isinstance(mask, xr.DataArray) and mask.ndim == 2:
        mask = named(mask, DIMS[:2])
        for name in set(mask.indexes) & set(activity.indexes):
            if not mask.indexes[name].equals(activity.indexes[name]):
                raise InputError(f"`mask` and `activity` have different coordinates for {name}: align them first.")
    try:
        kept = np.asarray(mask)
    except ValueError:  # a list of lists of unequal length
        kept = np.array(mask, dtype=object)
    if kept.shape != shape or kept.dtype != bool:
        raise InputError(
            f"`mask` must be Boolean and of the shape (trial, time) = {shape} of the activity, got {kept.dtype} "
            f"{kept.shape}: True for every step that a trial has."
        )
    return kept.copy()


def _without_masked(
    values: Real[np.ndarray, "trial time unit"], kept: Bool[np.ndarray, "trial time"]
) -> tuple[Bool[np.ndarray, "trial time"], Bool[np.ndarray, "trial unit"]]:
    """Return which of the kept steps, and which units, the mask of the array leaves to each trial."""
    missing = np.ma.getmaskarray(values)
    steps, units, single = _split(missing, kept)
    if single.any():
        raise InputError(
            f"`activity` is masked in {_counted(single, 'entries')}, but neither for all units in this step nor "
            "for this unit in the whole trial.\nFill such entries, as by interpolation, or leave these steps out for "
            "all units: `activity[np.ma.getmaskarray(activity).any(axis=2)] = np.ma.masked`."
        )
    return steps, units


def _split(
    missing: Bool[np.ndarray, "trial time unit"], kept: Bool[np.ndarray, "trial time"]
) -> tuple[Bool[np.ndarray, "trial time"], Bool[np.ndarray, "trial unit"], Bool[np.ndarray, "trial time unit"]]:
    """Divide what is missing into whole steps, units missing in whole trials, and single entries, which are returned.

    The first two are returned as the steps and the units that are left.
    """
    if not missing.any():
        return kept, np.ones((missing.shape[0], missing.shape[2]), bool), missing
    steps = kept & ~missing.all(axis=2)
    units = np.asarray((~missing & steps[:, :, None]).any(axis=1))
    return steps, units, missing & steps[:, :, None] & units[:, None, :]


def _refuse_non_finite(
    values: Real[np.ndarray, "trial time unit"],
    kept: Bool[np.ndarray, "trial time"],
    units: Bool[np.ndarray, "trial unit"],
) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        bad &= kept[:, :, None] & units[:, None, :]
    if not bad.any():
        return
    steps, left, single = _split(bad, kept)
    # Advice that holds for every function: all take masked arrays, not all a `mask`. A file has no masked arrays.
    advice = in_file = "in a recording, drop those trials."
    if not single.any() and steps.any(axis=1).all():
        if left.all():
            why = "if they pad short trials, "
            advice = f"{why}give a masked array, such as np.ma.masked_invalid(activity), or a list of trials."
            in_file = f"{why}add to the file an array `mask`, (trial, time), True for the steps that have numbers."
        else:
            why = "if a unit is missing in some trials, "
            advice = f"{why}np.ma.masked_invalid(activity) leaves it out there."
            in_file = f"{why}leave that unit or those trials out of the file."
    found = (
        f"`activity` holds {_counted(bad, 'NaN or infinite numbers')}.\n"
        "All must be finite. A network that diverged can't be measured; "
    )
    raise InputError(found + advice, for_command=found + in_file)


def _counted(chosen: Bool[np.ndarray, "trial time unit"], what: str) -> str:
    trial, time, unit = (int(axis) for axis in np.unravel_index(int(chosen.argmax()), chosen.shape))
    return f"{int(chosen.sum())} {what} of {chosen.size}, the first at trial {trial}, step {time}, unit {unit}"


def _own_coords(labelled: xr.DataArray | None) -> dict[str, Any]:
    """Return the coordinates of the dimensions trial, time and unit."""
    if labelled is None:
        return {}
    return {name: labelled.coords[name].variable for name in DIMS if name in labelled.indexes}
