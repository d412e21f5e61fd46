"""The analysis that a file holds already: the one that goes on, or another, which is kept under another name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from .. import storage
from ..errors import FileError, InputError, first_line
from .analysed import FORMAT


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


def make_way(
    path: Path, before: xr.Dataset, attributes: Mapping[str, Any], *, of_sweep: bool, on_message: Callable[[str], None]
) -> bool:
    """Keep the analysis that a file holds under another name, if it is another one than that which is about to be made.

    Parameters
    ----------
    path, before
        The file, and the analysis in it.
    attributes
        Attributes of the new one.
    of_sweep
        Whether the new one is of a sweep, whose file may have another name by now.
    on_message
        Called with one line if the file is renamed, for example to ``analysis.1.nc``.

    Returns
    -------
    Whether it was another analysis.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "analysis.nc"
    >>> _ = path.write_text("of 0 surrogates")
    >>> before = xr.Dataset(attrs={"null": "none", "n": 0})
    >>> make_way(path, before, {"null": "none", "n": 200}, of_sweep=False, on_message=lambda line: None)
    True
    >>> [file.name for file in path.parent.iterdir()]
    ['analysis.1.nc']
    """
    other = _difference(before, attributes, of_sweep)
    if other:
        on_message(f"{path} held another analysis ({other}), which is kept as {_set_aside(path)}")
    return bool(other)


def _difference(before: xr.Dataset, attributes: Mapping[str, Any], of_sweep: bool) -> str:
    """Return in which settings a written analysis is another one, such as "measures: sqi"; "" if it is the same."""
    if ("network" in before.dims) != of_sweep:
        return "of one network" if of_sweep else "of a sweep"
    names = [name for name in attributes if not name.startswith("version_") and not (of_sweep and name == "source")]
    both = {name: (str(before.attrs.get(name, "")), str(attributes[name])) for name in names}
    return ", ".join(f"{name}: {one or 'everything'}" for name, (one, other) in both.items() if one != other)


def _set_aside(path: Path) -> Path:
    """Rename a file, and return its new name, which no other file has had."""
    number = 1
    while (free := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    os.rename(path, free)
    return free
