"""What every measure takes: the activity of units over the time steps of trials, from any source."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Real

from ..errors import InputError
from .readers import DIMS, read


def read_activity(activity: Any) -> xr.DataArray:
    """Check activity and give it the axes (trial, time, unit), without copying it.

    Parameters
    ----------
    activity
        Real, finite numbers with three axes (trial, time, unit), in any unit: a NumPy or JAX array, a list of one
        array (time, unit) for each trial, an `xarray.DataArray`, or an `xarray.Dataset` with a variable `activity`.
        Dimensions named trial, time and unit may come in any order. `analysis.readers` has all kinds.

    Returns
    -------
    The same numbers, (trial, time, unit), in their own precision, with the coordinates of these dimensions that
    `activity` has.

    Raises
    ------
    InputError
        If `activity` is not three-dimensional, numeric, non-empty and finite.

    Examples
    --------
    >>> read_activity(np.zeros((4, 150, 100))).sizes["unit"]
    100
    """
    found = read(activity)
    labelled = found if isinstance(found, xr.DataArray) else None
    values = _real_numbers(found if labelled is None else labelled.values, type(activity).__name__)
    if values.ndim != 3:
        raise InputError(
            f"`activity` must have three axes (trial, time, unit), got {values.ndim}: shape {values.shape}.\n"
            "Give one trial as activity[None], and one network of many at a time."
        )
    if 0 in values.shape:
        raise InputError(
            f"`activity` is empty: (trial, time, unit) = {values.shape}. Every axis needs at least one entry."
        )
    _refuse_non_finite(values)
    return xr.DataArray(values, dims=DIMS, coords=_own_coords(labelled))


def check_steps(steps: tuple[int, int] | None, n_steps: int) -> tuple[int, int]:
    """Return the first step and the step after the last; raise `InputError` if they are not within the trial."""
    if steps is None:
        return 0, n_steps
    if len(steps) != 2:
        raise InputError(f"`steps` must be two numbers (first, stop), got {len(steps)}: {tuple(steps)}.")
    first, stop = (int(step) for step in steps)
    if not 0 <= first < stop <= n_steps:
        raise InputError(
            f"`steps` = ({first}, {stop}) is not a part of the trial, which has {n_steps} steps.\n"
            f"Allowed: 0 <= first < stop <= {n_steps} (stop is not included); in the paper's trials the "
            "delay is (25, 125)."
        )
    return first, stop


def active_units(activity: Float[np.ndarray, "*trial time unit"], min_rate: float) -> Bool[np.ndarray, "*trial unit"]:
    """Return which units have a mean over time above `min_rate`, the published criterion."""
    return np.asarray(activity.mean(axis=-2) > min_rate)


def peak_times(activity: Float[np.ndarray, "*trial time unit"]) -> Int[np.ndarray, "*trial unit"]:
    """Return the step at which each unit is most active, the first if there are several."""
    return np.asarray(activity.argmax(axis=-2))


def check_min_rate(min_rate: float) -> None:
    """Raise `InputError` if the activity threshold is not a finite number."""
    if not np.isfinite(min_rate):
        raise InputError(
            f"`min_rate` must be a finite number, got {min_rate}: units with a lower mean activity are left "
            "out (the paper uses 0.1; -1 keeps every unit of a non-negative network)."
        )


def _real_numbers(values: Any, kind: str) -> Real[np.ndarray, "..."]:
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"`activity` must hold real numbers, got {kind} of type {values.dtype}.\n"
            "Give an array (trial, time, unit) of floats or integers."
        )
    return np.asarray(values.astype(np.uint8) if values.dtype.kind == "b" else values)


def _refuse_non_finite(values: Real[np.ndarray, "trial time unit"]) -> None:
    finite = np.isfinite(values)
    if finite.all():
        return
    trial, time, unit = (int(axis) for axis in np.unravel_index(int(finite.argmin()), values.shape))
    raise InputError(
        f"`activity` holds {values.size - int(finite.sum())} NaN or infinite numbers of {values.size}, the "
        f"first at trial {trial}, step {time}, unit {unit}.\n"
        "All must be finite. A network that diverged can't be measured; in a recording, drop those trials."
    )


def _own_coords(labelled: xr.DataArray | None) -> dict[str, Any]:
    """Return the coordinates of the dimensions trial, time and unit."""
    if labelled is None:
        return {}
    return {name: labelled.coords[name].variable for name in DIMS if name in labelled.indexes}
