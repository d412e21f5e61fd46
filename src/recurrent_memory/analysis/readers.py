"""Readers of activity: each turns one kind of recording into an array (trial, time, unit).

A reader is a function that takes whatever the user gives as activity and returns an array (NumPy, or an
`xarray.DataArray` to keep coordinates), or None if the activity is not of its kind. The readers are asked in turn, the
one registered last first; `array` is the last resort and reads everything that NumPy can. To add a reader, for example
of a file format or of another library's recordings, mark a function with `@READERS.register`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ..errors import InputError
from ..registry import Registry

DIMS = ("trial", "time", "unit")
"""Dimensions of activity, in this order."""

Reader = Callable[[Any], "np.ndarray | xr.DataArray | None"]

READERS: Registry[Reader] = Registry("reader of activity")
"""All readers by name.

Examples
--------
>>> READERS.names()
('array', 'data_array', 'dataset')
"""


def read(activity: Any) -> np.ndarray | xr.DataArray:
    """Read activity by the first reader that takes it.

    Parameters
    ----------
    activity
        Activity of any kind for which there is a reader.

    Returns
    -------
    Its numbers; whether they are (trial, time, unit), real and finite is not checked (see `read_activity`).

    Raises
    ------
    InputError
        If no reader takes it.

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


@READERS.register
def array(activity: Any) -> np.ndarray:
    """Read what NumPy reads: arrays of NumPy and JAX, and a list of one array (time, unit) for each trial."""
    try:
        return np.asarray(activity)
    except (TypeError, ValueError) as error:
        raise InputError(f"`activity` can't be read as an array (trial, time, unit): {error}") from None


@READERS.register
def data_array(activity: Any) -> xr.DataArray | None:
    """Read an xarray.DataArray; dimensions named trial, time and unit may come in any order."""
    if not isinstance(activity, xr.DataArray):
        return None
    return activity.transpose(*DIMS) if set(activity.dims) == set(DIMS) else activity


@READERS.register
def dataset(activity: Any) -> xr.DataArray | None:
    """Read the variable `activity` of an xarray.Dataset, such as a result."""
    if not isinstance(activity, xr.Dataset) or "activity" not in activity:
        return None
    return data_array(activity["activity"])
