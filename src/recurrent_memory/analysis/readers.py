"""Readers of activity: each turns one kind of recording into an array (trial, time, unit).

A reader is a function that takes whatever the user gives as activity and returns an array (a NumPy array, a masked one
if entries are missing, or an `xarray.DataArray` to keep coordinates), or None if the activity is of another kind.
`read` tries the readers in turn, the latest first; `array`, the last resort, reads everything that NumPy can. To add a
reader, for example of a file format or of another library's recordings, decorate a function with `@READERS.register`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Real, Shaped

from ..errors import InputError
from ..registry import Registry
from .dims import DIMS, standard_order

Reader = Callable[[Any], "np.ndarray | xr.DataArray | None"]

READERS: Registry[Reader] = Registry("reader of activity")
"""All readers by name.

Examples
--------
>>> READERS.names()
('array', 'trials', 'data_frame', 'data_array', 'dataset')
"""


def read(activity: Any) -> np.ndarray | xr.DataArray:
    """Read activity with the first reader that accepts it.

    Parameters
    ----------
    activity
        Activity of any kind that has a reader.

    Returns
    -------
    Its numbers; whether they are (trial, time, unit), real and finite is not checked (see `read_activity`).

    Raises
    ------
    InputError
        If no reader accepts it.

    Examples
    --------
    >>> read([[[0.0, 1.0], [1.0, 0.0]]]).shape
    (1, 2, 2)
    """
    for reader in reversed(list(READERS.values())):
        values = reader(activity)
        if values is not None:
            return values
    raise InputError(f"`activity` can't be read as an array (trial, time, unit): it is {type(activity).__name__}.")


def real_numbers(values: Any, kind: str) -> Real[np.ndarray, "..."]:
    """Return an array as real numbers, masked if it is; raise `InputError` if it holds anything else."""
    if values.dtype.name.startswith(("bfloat16", "float8")):  # types of JAX, which NumPy takes for raw bytes
        values = np.asarray(values).astype(np.float32)
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"`activity` must hold real numbers, got {kind} of type {values.dtype}.\n"
            "Give an array (trial, time, unit) of floats or integers."
        )
    return np.asanyarray(values.astype(np.uint8) if values.dtype.kind == "b" else values)


@READERS.register
def array(activity: Any) -> np.ndarray:
    """Read what NumPy reads: arrays of NumPy and JAX; a masked array keeps its mask."""
    try:
        return activity if isinstance(activity, np.ma.MaskedArray) else np.asarray(activity)
    except (TypeError, ValueError) as error:
        raise InputError(f"`activity` can't be read as an array (trial, time, unit): {error}") from None


@READERS.register
def trials(activity: Any) -> np.ndarray | None:
    """Read a list of one (time, unit) array for each trial; shorter trials than the longest are padded and masked."""
    cells = (
        isinstance(activity, np.ndarray)
        and activity.dtype == object
        and activity.size == max(activity.shape, default=0)
    )
    if not cells and not isinstance(activity, list | tuple):
        return None
    parts = [_trial(trial, number) for number, trial in enumerate(activity.ravel() if cells else activity)]
    if not any(values.ndim == 2 for values, _ in parts):
        return None  # one trial, one number or nothing: `array` reads it, and its axes are counted later
    labels = [names for _, names in parts if names is not None]
    for number, (values, names) in enumerate(parts):
        if values.ndim != 2 or values.shape[1] != parts[0][0].shape[-1]:
            raise InputError(
                f"`activity` can't be read as an array (trial, time, unit): trial {number} has the shape "
                f"{values.shape}, trial 0 {parts[0][0].shape}.\nEach trial must be (time, unit), with the same units; "
                "the number of steps may differ. If units are missing in some trials, mask them there (numpy.ma)."
            )
        if names is not None and names != labels[0]:
            raise InputError(
                f"`activity` can't be read as an array (trial, time, unit): trial {number} names its units "
                f"differently, or in another order, than the first trial.\nGive all trials the same units in one order."
            )
    return _padded([values for values, _ in parts])


@READERS.register
def data_frame(activity: Any) -> None:
    """Refuse a pandas.DataFrame, which has two axes, and say what to give instead."""
    if isinstance(activity, pd.DataFrame):
        raise InputError(
            f"`activity` must have three axes (trial, time, unit), got a DataFrame of shape {activity.shape}.\n"
            "Give a list of one DataFrame (rows: time, columns: units) for each trial, such as "
            '[trial for _, trial in frame.groupby(level="trial")].'
        )


@READERS.register
def data_array(activity: Any) -> xr.DataArray | None:
    """Read an xarray.DataArray, whose dimensions may come in any order and under the names in `dims.SYNONYMS`."""
    if not isinstance(activity, xr.DataArray):
        return None
    return named(activity, DIMS) if activity.ndim == len(DIMS) else activity


@READERS.register
def dataset(activity: Any) -> xr.DataArray | None:
    """Read the variable `activity` of an xarray.Dataset, such as a result."""
    if not isinstance(activity, xr.Dataset):
        return None
    if "activity" not in activity:
        raise InputError(
            "`activity` can't be read as an array (trial, time, unit): the data set has no variable `activity`.\n"
            f"It has: {', '.join(map(str, activity.data_vars)) or 'nothing'}. Give one of these, as data['name']."
        )
    return data_array(activity["activity"])


def named(values: xr.DataArray, expected: tuple[str, ...]) -> xr.DataArray:
    """Give an array the expected dimensions in their order, with its own coordinates along them."""
    order = standard_order(values.dims, expected)
    new: dict[Hashable, Hashable] = dict(zip(order, expected, strict=True))
    found = values.reset_coords(drop=True).transpose(*order)
    return found.rename({old: name for old, name in new.items() if old != name})


def _trial(trial: Any, number: int) -> tuple[Shaped[np.ndarray, "..."], list[Any] | None]:
    """Return the numbers of one trial, masked where they are, and the names of its units if it has any."""
    names = None
    if isinstance(trial, pd.DataFrame):
        names = trial.columns.tolist()
        if all(pd.api.types.is_numeric_dtype(dtype) for dtype in trial.dtypes):
            trial = trial.to_numpy(np.float64, na_value=np.nan)  # a column of Float64 or Int64 may hold pandas.NA
    elif isinstance(trial, xr.DataArray) and trial.ndim == 2:
        trial = named(trial, DIMS[1:])
        names = trial.indexes["unit"].tolist() if "unit" in trial.indexes else None
    kind = type(trial).__name__
    try:
        values = trial if isinstance(trial, np.ma.MaskedArray) else np.asarray(trial)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`activity` can't be read as an array (trial, time, unit): trial {number} is not (time, unit): {error}"
        ) from None
    return (real_numbers(values, kind) if values.ndim == 2 else values), names


def _padded(parts: list[np.ndarray]) -> np.ndarray:
    """Stack trials; steps that a trial lacks are masked, as are those that it masks itself."""
    longest = max(len(trial) for trial in parts)
    if all(len(trial) == longest and not np.ma.isMaskedArray(trial) for trial in parts):
        return np.stack(parts)
    shape = (len(parts), longest, parts[0].shape[1])
    values, mask = np.zeros(shape, np.result_type(*parts)), np.ones(shape, bool)
    for number, trial in enumerate(parts):
        values[number, : len(trial)] = np.ma.getdata(trial)
        mask[number, : len(trial)] = np.ma.getmaskarray(trial)
    return np.ma.masked_array(values, mask)
