"""What every measure takes: the activity of units over the time steps of trials, from any source."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Real

from ..errors import InputError

DIMS = ("trial", "time", "unit")


def read_activity(activity: Any) -> xr.DataArray:
    """Check activity and give it the axes (trial, time, unit), without copying it.

    Parameters
    ----------
    activity
        Real numbers with three axes. An `xarray.DataArray` whose dimensions are named trial, time and unit
        may have them in any order; all else (NumPy, JAX, nested lists, other names) is taken as trial, time,
        unit.

    Returns
    -------
    The same numbers, (trial, time, unit), in the precision they came in; with the coordinates of those
    dimensions where `activity` had any.

    Raises
    ------
    InputError
        Where `activity` isn't three-dimensional, numeric, non-empty and finite.
    """
    labelled = activity if isinstance(activity, xr.DataArray) else None
    if labelled is not None and set(labelled.dims) == set(DIMS):
        labelled = labelled.transpose(*DIMS)
    values = _as_array(activity if labelled is None else labelled.values)
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
    """Return the first step and the step after the last, or raise `InputError` where they leave the trial."""
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
    """Return which units have a mean over time above `min_rate`, as the published index selects them."""
    return np.asarray(activity.mean(axis=-2) > min_rate)


def peak_times(activity: Float[np.ndarray, "*trial time unit"]) -> Int[np.ndarray, "*trial unit"]:
    """Return each unit's step of highest activity, the first of them where several are equal."""
    return np.asarray(activity.argmax(axis=-2))


def check_min_rate(min_rate: float) -> None:
    """Raise `InputError` for an activity threshold that isn't a finite number."""
    if not np.isfinite(min_rate):
        raise InputError(
            f"`min_rate` must be a finite number, got {min_rate}: units with a lower mean activity are left "
            "out (the paper uses 0.1; -1 keeps every unit of a non-negative network)."
        )


def _as_array(activity: Any) -> Real[np.ndarray, "..."]:
    try:
        values = np.asarray(activity)
    except (TypeError, ValueError) as error:
        raise InputError(f"`activity` can't be read as an array (trial, time, unit): {error}") from None
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"`activity` must hold real numbers, got {type(activity).__name__} of type {values.dtype}.\n"
            "Give an array (trial, time, unit) of floats or integers."
        )
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


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
    """Return the coordinates that lie along one of our dimensions and bear its name."""
    if labelled is None:
        return {}
    return {name: labelled.coords[name].variable for name in DIMS if name in labelled.indexes}
