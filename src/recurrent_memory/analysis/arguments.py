"""Checks of what measures are given besides activity: settings, arrays of numbers, labels of trials."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from ..errors import InputError, first_line

MOST = 10_000_000
"""Largest number of draws, parts or steps: with more, no measure would end."""
MOST_SEED = 2**63 - 1
"""Largest seed that a data set can hold."""


def check_count(name: str, value: Any, least: int, most: int = MOST) -> None:
    """Raise `InputError` if a setting is not a whole number, too low, or beyond what can be computed."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise InputError(f"`{name}` must be a whole number, {least} or more, got {value!r}.")
    if value > most:
        raise InputError(f"`{name}` must be a whole number, at most {most:,}, got {value:,}.")


def check_seed(seed: Any) -> int:
    """Return a seed; raise `InputError` unless it is a whole number that generators take and data sets can hold."""
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed <= MOST_SEED:
        raise InputError(f"`seed` must be a whole number from 0 to 2^63 - 1, got {seed!r}.")
    return int(seed)


def generator(seed: Any, *stream: int) -> np.random.Generator:
    """Return the generator of a seed, or of one of its streams; raise `InputError` if the seed is none."""
    return np.random.default_rng([check_seed(seed), *stream] if stream else check_seed(seed))


def is_number(value: Any) -> bool:
    """Return whether a setting is one real number, of Python or NumPy.

    Examples
    --------
    >>> is_number(np.float32(0.5)), is_number("0.5"), is_number(True)
    (True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool)


def read_numbers(name: str, values: Any) -> Float[np.ndarray, "..."]:
    """Return an array of real numbers; NaN where a NumPy masked array has none. Raise `InputError` for anything else.

    Examples
    --------
    >>> read_numbers("peak_times", np.ma.masked_array([3, 8], mask=[False, True]))
    array([ 3., nan])
    """
    try:
        given = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
        numbers = None if given.dtype.kind in "cUS" else given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` can't be read as real numbers: {first_line(error)}.") from None
    if numbers is None:
        what = "text" if given.dtype.kind in "US" else f"{given.dtype} (take .real, or .imag)"
        raise InputError(f"`{name}` must hold real numbers, got {what}.")
    return np.asarray(np.ma.filled(numbers, np.nan))


def read_labels(name: str, values: Any) -> Shaped[np.ndarray, "..."]:
    """Return labels of trials, texts or numbers; raise `InputError` if some are missing, or are neither."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise InputError(f"`{name}` has masked entries: leave those trials out, here and in the activity.")
    labels = np.asarray(values)
    if labels.dtype.kind == "O":
        flat = labels.ravel().tolist()
        if any(isinstance(one, list | tuple | np.ndarray) or pd.isna(one) for one in flat):
            raise InputError(f"`{name}` has entries without a label (None or NaN), or lists: leave those trials out.")
        if not all(isinstance(one, str) for one in flat) and not all(isinstance(one, Real) for one in flat):
            raise InputError(f"`{name}` must hold only texts or only numbers.")
        labels = np.array(flat).reshape(labels.shape)
    if labels.dtype.kind in "fc" and not np.isfinite(labels).all():
        raise InputError(f"`{name}` holds NaN or infinite numbers: leave those trials out.")
    return labels
