"""What a result must have, checked once when its file is read."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..analysis.labels import DIMS, complaints, is_numeric
from ..errors import DamagedResultError, counted
from .measures import MEASURES

TEXTS = ("task", "task_title", "condition", "model", "response", "experiment", "status")
NUMBERS = ("n_hidden", "lambda0", "sigma0", "rho", "seed")
"""Attributes of every result."""
ARRAYS = (
    "activity", "inputs", "targets", "outputs", "mask", "recurrent_weights", "training_loss", "iteration",
    "fractional_loss",
)  # fmt: skip
"""Variables of every result."""
NOTES = ("units", "long_name", "reason", "formula", "term", "variant")
"""Attributes of variables that are texts."""
PARTS = {"delay_": "delay", "stage_": "stage"}
"""Beginnings of the names of measures of each delay and of each task, and the dimension that they have then."""


def check_result(result: xr.Dataset, path: Path) -> xr.Dataset:
    """Return a result that has what every result has, of the right kind; what else it has is the user's.

    Parameters
    ----------
    result
        What the file holds.
    path
        The file.

    Returns
    -------
    The same result.

    Raises
    ------
    DamagedResultError
        If something is missing or of another kind; the message names it.

    Examples
    --------
    >>> try:
    ...     check_result(xr.Dataset(attrs={"task": 5}), Path("run/result.nc"))
    ... except DamagedResultError as error:
    ...     print(str(error).partition(" (")[0])
    run/result.nc is not a whole result: its attribute `task` is no text
    """
    wrong = [
        *_of_attributes(result.attrs), *_missing(result), *complaints(result), *_of_measures(result), *_of_notes(result)
    ]  # fmt: skip
    if wrong:
        more = f" ({counted(len(wrong) - 1, 'more fault')})" if len(wrong) > 1 else ""
        raise DamagedResultError(
            f"{path} is not a whole result: {wrong[0]}{more}.\n"
            f"Restore it from a copy, or move {path.parent} aside and train again."
        )
    return result


def is_number(value: Any) -> bool:
    """Return whether a value from a file is one finite real number."""
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)


def _of_attributes(attrs: Mapping[Any, Any]) -> Iterator[str]:
    for name in (*TEXTS, *NUMBERS):
        if name not in attrs:
            yield f"it has no attribute `{name}`"
        elif name in TEXTS and not isinstance(attrs[name], str):
            yield f"its attribute `{name}` is no text"
        elif name in NUMBERS and not is_number(attrs[name]):
            yield f"its attribute `{name}` is no number"


def _missing(result: xr.Dataset) -> Iterator[str]:
    yield from (f"it has no variable `{name}`" for name in ARRAYS if name not in result.variables)


def _of_measures(result: xr.Dataset) -> Iterator[str]:
    """Yield what is wrong with the measures, which summaries show: each is a number, or one for each delay or task."""
    dims = measured_dims()
    for name, variable in result.variables.items():
        if name in dims and (set(variable.dims) != set(dims[str(name)]) or not is_numeric(variable)):
            yield f"`{name}` is not {'numbers over ' + ', '.join(dims[str(name)]) if dims[str(name)] else 'a number'}"
    task = result.variables.get("stage_task")
    if "stage" in result.dims and (task is None or task.dims != ("stage",)):
        yield "it does not name the task of each stage"


def _of_notes(result: xr.Dataset) -> Iterator[str]:
    """Yield what is wrong with the attributes of variables that summaries and pictures show."""
    checked = {*DIMS, *measured_dims()}
    for name in (name for name in result.variables if name in checked):
        attrs = result.variables[name].attrs
        yield from (f"`{note}` of `{name}` is no text" for note in NOTES if not isinstance(attrs.get(note, ""), str))
        if not is_number(attrs.get("n_units", 0)):
            yield f"`n_units` of `{name}` is no number"


def measured_dims() -> dict[str, tuple[str, ...]]:
    """Return the dimensions of each variable of a measure, by the variable's name."""
    return _measured_dims(tuple(map(id, MEASURES.values())))


@functools.lru_cache(maxsize=4)
def _measured_dims(_: tuple[int, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for measure in MEASURES.values():
        found |= dict.fromkeys(measure.variables(), measure.dims)
        for prefix, dim in PARTS.items():
            for variant in measure.by_delay if dim == "delay" else measure.by_stage:
                own = tuple(f"{prefix}{name}" for name in measure.dims)
                found[prefix + measure.variable(variant)] = (dim, *own)
    return found
