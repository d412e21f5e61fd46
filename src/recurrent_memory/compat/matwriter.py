"""MATLAB files: arrays as such a file holds them, and labelled data sets for users of MATLAB."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.io import savemat
from scipy.io.matlab import MatWriteError

from ..errors import FileError, InputError
from ..storage.atomic import write_atomically
from ..storage.paths import expanded

LONGEST_NAME = 63
"""Characters of a name in MATLAB."""


def write_mat(path: Path, content: dict[str, Any], **options: Any) -> None:
    """Write variables to a MATLAB 5 file, which is complete or absent; `options` are those of `scipy.io.savemat`."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            savemat(file, content, do_compression=True, **options)

    write_atomically(path, write)


def to_mat(path: str | os.PathLike[str], *datasets: xr.Dataset) -> None:
    """Write data sets as one MATLAB file: activity, inputs, stimuli, labels, weights and whatever else they hold.

    Parameters
    ----------
    path
        File to write, which ends in ``.mat``.
    *datasets
        A result, simulated trials, a network's `weights`, or any others. Their variables must differ, or be equal.

    Raises
    ------
    InputError
        If a variable differs between data sets, or an array is too large for such a file (2 GB).
    FileError
        If the file cannot be written.

    Notes
    -----
    Each variable and coordinate is a variable of its own: texts are cell arrays, single numbers are 1 × 1, and vectors
    are columns. `dimensions` is a struct that names the dimensions of each, such as ``trial, time, unit``; `units` one
    of their units; `attributes` one that says which experiment they are of.

    Examples
    --------
    >>> activity = (("trial", "time", "unit"), np.ones((2, 5, 3)))
    >>> to_mat("out.mat", xr.Dataset({"activity": activity}, attrs={"task": "de1"}))
    >>> import scipy.io
    >>> found = scipy.io.loadmat("out.mat", simplify_cells=True)
    >>> found["activity"].shape, found["dimensions"]["activity"], found["attributes"]["task"]
    ((2, 5, 3), 'trial, time, unit', 'de1')
    """
    if not isinstance(path, str | os.PathLike) or expanded(path).suffix != ".mat":
        raise InputError(f"`path` = {path!r} is not the name of a MATLAB file: it must end in .mat.")
    place = expanded(path)
    variables = _joined(datasets)
    attributes: dict[str, Any] = {}
    for dataset in datasets:
        attributes |= {_short(str(name)): value for name, value in dataset.attrs.items()}
    content: dict[str, Any] = {name: _as_matlab(of) for name, of in variables.items()}
    about = {
        "dimensions": {name: ", ".join(map(str, of.dims)) for name, of in variables.items()},
        "units": {name: str(of.attrs["units"]) for name, of in variables.items() if "units" in of.attrs},
        "attributes": attributes,
    }
    content |= {name: of for name, of in about.items() if of}
    try:
        write_mat(place, content, oned_as="column", long_field_names=True)
    except MatWriteError as error:
        raise InputError(f"{place} cannot hold this: {error}. Write fewer trials, or only some variables.") from None
    except OSError as error:
        raise FileError(f"{place} cannot be written to ({error.strerror}): choose another.") from None


def _joined(datasets: tuple[xr.Dataset, ...]) -> dict[str, xr.Variable]:
    found: dict[str, xr.Variable] = {}
    for dataset in datasets:
        if not isinstance(dataset, xr.Dataset):
            raise InputError(f"{type(dataset).__name__} is not a data set: give results, simulated trials or weights.")
        for name, variable in dataset.variables.items():
            known = found.setdefault(_short(str(name)), variable)
            if not known.equals(variable):
                raise InputError(f"`{name}` differs between the data sets: write them to files of their own.")
    return found


def _short(name: str) -> str:
    return name[:LONGEST_NAME]


def _as_matlab(variable: xr.Variable) -> Any:
    """Return numbers and truth values as they are, and texts as objects, which MATLAB reads as cells."""
    values = np.asarray(variable.values)
    if values.dtype.kind in "biuf":
        return values
    return str(values) if values.ndim == 0 else values.astype(str).astype(object)
