"""The analysis that a file holds already: the one that goes on, or another, which is kept under another name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from .. import storage
from ..errors import FileError, InputError, first_line
from .analysed import FORMAT

WHERE = "where"
"""Attribute of an analysis of some networks of a sweep: the expression that chose them."""


def load_analysis(path: Path) -> xr.Dataset | None:
    """Read an analysis that is already there, which a new one may replace.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The analysis; None if there is no such file.

    Raises
    ------
    InputError
        If there is a file, and it is anything else: it is not overwritten.

    Examples
    --------
    >>> load_analysis(Path("no_such_file.nc")) is None
    True
    """
    if not path.exists():
        return None
    try:
        found = storage.load_dataset(path)
    except FileError as error:
        raise InputError(f"{path} exists and is not an analysis ({first_line(error)}): give another name.") from None
    if found.attrs.get("format") != FORMAT:
        raise InputError(f"{path} exists and is not an analysis: give another name.")
    return found


def difference(before: xr.Dataset, attributes: Mapping[str, Any], *, of_sweep: bool) -> str:
    """Say what makes a written analysis another one than that which is about to be made.

    Parameters
    ----------
    before
        The written analysis.
    attributes
        Attributes of the new one.
    of_sweep
        Whether the new one is of a sweep, whose file may have another name by now.

    Returns
    -------
    Its other settings, such as "measures: sqi"; empty if it is the same analysis.

    Examples
    --------
    >>> difference(xr.Dataset(attrs={"null": "none", "n": 0}), {"null": "none", "n": 200}, of_sweep=False)
    'n: 0'
    """
    if ("network" in before.dims) != of_sweep:
        return "of one network" if of_sweep else "of a sweep"
    names = [name for name in attributes if not name.startswith("version_") and not (of_sweep and name == "source")]
    both = {name: (str(before.attrs.get(name, "")), str(attributes.get(name, ""))) for name in (*names, WHERE)}
    return ", ".join(f"{name}: {one or 'everything'}" for name, (one, other) in both.items() if one != other)


def set_aside(path: Path) -> Path:
    """Rename a file, for example to ``analysis.1.nc``, and return its new name, which no other file has had.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "analysis.nc"
    >>> path.write_text("one")
    3
    >>> set_aside(path).name, path.exists()
    ('analysis.1.nc', False)
    """
    number = 1
    while (free := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    os.rename(path, free)
    return free
