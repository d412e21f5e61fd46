"""The input of measures of connectivity: a square matrix of recurrent weights, (from, to), from any source."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ..errors import InputError
from .arguments import read_numbers

DIMS = ("source", "target_unit")
"""Dimensions of the recurrent weights of a result: (from, to)."""


def read_weights(weights: Any) -> Float[np.ndarray, "unit unit"]:
    """Return recurrent weights, or those of a result; raise `InputError` unless they are square and finite."""
    if isinstance(weights, xr.Dataset):
        if "recurrent_weights" not in weights:
            raise InputError(
                "`weights` is a data set without the variable `recurrent_weights`: give a matrix (from, to)."
            )
        weights = weights["recurrent_weights"]
    if isinstance(weights, xr.DataArray) and set(weights.dims) == set(DIMS):
        weights = weights.transpose(*DIMS)
    matrix = read_numbers("weights", weights)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        blocks = "\nOf a gru, give the candidate's weights alone: the last N of the 3·N columns."
        raise InputError(
            f"`weights` must be a square matrix (from, to), got the shape {matrix.shape}."
            + (blocks if matrix.ndim == 2 and matrix.shape[1] == 3 * matrix.shape[0] else "")
        )
    if matrix.size == 0:
        raise InputError("`weights` is empty: there are no units.")
    if not np.isfinite(matrix).all():
        n_bad = int((~np.isfinite(matrix)).sum())
        raise InputError(f"`weights` holds {n_bad} NaN or infinite numbers of {matrix.size}; all must be finite.")
    return matrix
