"""The labels of a result's arrays: which dimensions each has, and whether a data set keeps to that."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

DIMS: dict[str, tuple[str, ...]] = {
    "activity": ("trial", "time", "unit"),
    "inputs": ("trial", "time", "neuron"),
    "targets": ("trial", "time", "output"),
    "outputs": ("trial", "time", "output"),
    "mask": ("trial", "time"),
    "observer_estimate": ("trial", "answer"),
    "recurrent_weights": ("source", "target_unit"),
    "training_loss": ("iteration",),
    "training_fractional_loss": ("iteration",),
    "training_network_error": ("iteration",),
    "training_observer_error": ("iteration",),
    "fractional_loss": (),
    "sequentiality_index": (),
    "time": ("time",),
    "trial": ("trial",),
    "unit": ("unit",),
    "iteration": ("iteration",),
    "epoch": ("time",),
    "location": ("neuron",),
}
"""Dimensions of the arrays of a result that analyses and pictures know, in any order."""
_ANSWERS = ("observer_estimate",)
"""Arrays whose second dimension may have any name: that of the answers or that of the outputs."""
_WORDS = ("epoch", "location")
"""Coordinates that may hold words."""
_PLACES = ("time", "iteration")
"""Coordinates, whose values must be finite."""
_DRAWN = ("inputs", "recurrent_weights")
"""Arrays that cannot be drawn unless all values are finite; for activity, the measures check that."""
_NEVER_EMPTY = ("activity", "inputs", "targets", "outputs", "recurrent_weights")


def complaints(result: xr.Dataset, names: Iterable[str] = DIMS, *, to_draw: bool = False) -> list[str]:
    """Say which arrays of a result are not what their names say.

    Parameters
    ----------
    result
        Result of one network, or a part of it.
    names
        The arrays to look at, as far as the result has them.
    to_draw
        Whether the arrays are to be drawn, for which more of them have to be finite.

    Returns
    -------
    A sentence without a full stop for each array that is wrong.

    Examples
    --------
    >>> complaints(xr.Dataset({"activity": (("trial", "unit"), [[0.5]]), "fractional_loss": "low"}))
    ['`activity` is over trial, unit, not over trial, time, unit', '`fractional_loss` holds no real numbers']
    """
    known = [name for name in names if name in DIMS and name in result.variables]
    finite = _PLACES + _DRAWN if to_draw else _PLACES
    found = [wrong for name in known if (wrong := _complaint(name, result.variables[name], finite))]
    sizes = result.sizes
    if not found and {"recurrent_weights", "activity"} <= set(known):
        source, target = (sizes[dim] for dim in DIMS["recurrent_weights"])
        if source != sizes["unit"] or target % source:
            found.append(f"`recurrent_weights` is {source} × {target}, with {sizes['unit']} units in `activity`")
    return found


def is_numeric(variable: xr.Variable) -> bool:
    """Return whether an array holds real numbers or truth values."""
    return variable.dtype.kind in "biuf"


def _complaint(name: str, variable: xr.Variable, finite: tuple[str, ...]) -> str:
    known = {"trial"} if name in _ANSWERS else set(DIMS[name])
    if not known <= set(variable.dims) or variable.ndim != len(DIMS[name]):
        of, should = (", ".join(map(str, dims)) or "nothing" for dims in (variable.dims, DIMS[name]))
        return f"`{name}` is over {of}, not over {should}"
    if name in _WORDS:
        return ""
    if not is_numeric(variable):
        return f"`{name}` holds no real numbers"
    if name in _NEVER_EMPTY and not variable.size:
        return f"`{name}` is empty"
    if name in finite and not np.isfinite(variable.values).all():
        return f"`{name}` holds NaN or infinite numbers"
    return ""
