"""The record of a finished network: everything about its result but the large arrays."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import xarray as xr

from ...errors import DamagedResultError
from ...runs.schema import is_number, measured_dims
from ...storage.reading import is_deep, parse_json
from .layout import digest

Part: TypeAlias = Literal["curves", "weights", "activity"]
"""What can be kept of a network besides its measures."""

PARTS: dict[str, Part] = {
    "activity": "activity",
    "inputs": "activity",
    "targets": "activity",
    "outputs": "activity",
    "mask": "activity",
    "observer_estimate": "activity",
    "recurrent_weights": "activity",  # also among the weights of the network
}
"""Variables of a result that belong to a part; :func:`part_of` sorts all others by their dimensions."""
DATA, WEIGHT = "data.", "weights."
"""Beginnings of the names of the arrays of a result, and of a network."""
_NAME = re.compile(r"[^\W\d]\w{0,199}")
_RESERVED = frozenset(
    ("_FillValue", "missing_value", "scale_factor", "add_offset", "dtype", "_Unsigned", "calendar", "coordinates",
     "CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates")
)  # fmt: skip
"""Attributes that mean something to the libraries that read NetCDF."""
_OF_VARIABLES = ("measures", "dims", "attrs", "coords", "coordinates")
"""Parts of a record whose depth is known if they are those of a form."""
_SECONDS, _MACHINE = ("training_seconds", "testing_seconds"), ("host", "device")


class _Form(NamedTuple):
    """What nearly all records of a sweep have in common, so that it is looked at, and is in memory, only once."""

    dims: dict[str, list[str]]
    attrs: dict[str, dict[str, Any]]
    coords: dict[str, Any]
    coordinates: list[str]
    attributes: dict[str, Any]
    types: dict[str, type]
    """Type of each measure."""
    shapes: dict[str, tuple[int, ...]]
    """Shape of each measure that is not simply a float."""
    known: dict[str, tuple[str, ...]]
    """The variables of measures that there were, with their dimensions."""

    @classmethod
    def of(cls, about: dict[str, Any]) -> _Form:
        """Return the form of a record that has no fault."""
        known, measures = measured_dims(), about["measures"]
        shapes = {
            name: _shape(value, text=name not in known) or ()
            for name, value in measures.items()
            if type(value) is not float
        }
        parts = {name: about[name] for name in ("dims", "attrs", "coords", "coordinates", "attributes")}
        return cls(**parts, types=_types(measures), shapes=shapes, known=known)

    def shared(self, about: dict[str, Any]) -> dict[str, Any] | None:
        """Return what a record of this form has in common with it, the same objects; None if it is of another form.

        The variables of a record of this form have no fault. Their attributes may be others: some say how many of the
        network's units are active.
        """
        measures, of_record = about["measures"], about["attrs"]
        if not (
            self.known is measured_dims()
            and all(about[name] == getattr(self, name) for name in ("dims", "coords", "coordinates"))
            and of_record.keys() == self.attrs.keys()
            and _types(measures) == self.types
            and all(_shape(measures[name], text=name not in self.known) == of for name, of in self.shapes.items())
        ):
            return None
        attrs = {}
        for name, expected in self.attrs.items():
            found = of_record[name]
            if found == expected:
                found = expected
            elif not _are_attributes(found, but=expected):
                return None
            attrs[name] = found
        return {"dims": self.dims, "attrs": attrs, "coords": self.coords, "coordinates": self.coordinates}


def _types(measures: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in measures.items()}


_forms: list[_Form] = []
"""The form of the record that was found without fault last, if any."""


class Record(NamedTuple):
    """The file of a finished network, without its arrays.

    Examples
    --------
    >>> measures = {"fractional_loss": 0.31}
    >>> record = Record({"task": "de1"}, measures, {"fractional_loss": []}, {}, {}, [], {}, {"host": "node7"})
    >>> record.measures["fractional_loss"], record.provenance["host"]
    (0.31, 'node7')
    """

    experiment: dict[str, Any]
    measures: dict[str, Any]
    """Scalars, and lists if a measure has a dimension of its own (a delay, a stage)."""
    dims: dict[str, list[str]]
    """Dimensions of the measures and the coordinates."""
    attrs: dict[str, dict[str, Any]]
    """Attributes (units, long names) of each."""
    coords: dict[str, Any]
    coordinates: list[str]
    """Names of all coordinates, including those kept as arrays."""
    attributes: dict[str, Any]
    """Attributes of the result as a whole, such as versions."""
    provenance: dict[str, Any]
    """Host, device, seconds."""


def read_record(notes: Mapping[str, str], path: Path) -> Record:
    """Return the record in the metadata of a result's file.

    Parameters
    ----------
    notes
        The metadata.
    path
        The file, for messages.

    Returns
    -------
    The record.

    Raises
    ------
    DamagedResultError
        If it does not match its checksum, or is not what a record should be.
    """
    text = notes.get("about", "")
    if notes.get("about_checksum") != digest(text):
        raise DamagedResultError(f"{path} is damaged: its contents do not match its checksum.")
    about, form = parse_json(text, path, deep=True), _forms[0] if _forms else None
    wrong = next(_faults(about, {} if form is None else form.attributes), None)
    shared = form.shared(about) if form is not None and wrong is None else None
    if shared is None and wrong is None:
        wrong = "it is nested too deep" if is_deep(about) else next(_faults_of_variables(about), None)
    if wrong is not None:
        raise DamagedResultError(f"{path} is damaged: {wrong}.")
    if shared is None:
        _forms[:] = [_Form.of(about)]
    return Record(**{name: about[name] for name in Record._fields} | (shared or {}))


def _faults(about: Any, usual: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a record but for its variables; after the first fault, the rest may not be looked at.

    Attributes that are as usual are not looked at.
    """
    if not isinstance(about, dict):
        yield "it is not a table"
        return
    for name in Record._fields:
        if not isinstance(about.get(name), list if name == "coordinates" else dict):
            yield f"it has no `{name}`, or one of another kind"
            return
    if not all(isinstance(name, str) for name in about["coordinates"]):
        yield "`coordinates` are not names"
    numbers = [about["provenance"].get(name, 0.0) for name in _SECONDS]
    words = [about["provenance"].get(name, "") for name in _MACHINE]
    if not (all(map(is_number, numbers)) and all(isinstance(word, str) for word in words)):
        yield "`provenance` does not say where and how long"
    if not _are_attributes(about["attributes"], but=usual):
        yield "its attributes are neither texts nor numbers"
    if is_deep({name: of for name, of in about.items() if name not in _OF_VARIABLES}):
        yield "it is nested too deep"


def _faults_of_variables(about: Any) -> Iterator[str]:
    """Yield what is wrong with the measures and coordinates of a record."""
    if not all(map(_are_attributes, about["attrs"].values())):
        yield "its attributes are neither texts nor numbers"
        return
    sizes: dict[str, int] = {}
    every = measured_dims()
    for part in ("coords", "measures"):
        for name, value in about[part].items():
            yield from _faults_of_variable(about, name, value, sizes, every.get(name) if part == "measures" else None)


def _are_attributes(attrs: Any, but: Mapping[str, Any] = MappingProxyType({})) -> bool:
    """Return whether something is a table of attributes; those that are as in `but` are not looked at."""
    return isinstance(attrs, dict) and all(
        _can_be_attribute(name, value) for name, value in attrs.items() if name not in but or but[name] != value
    )


def _can_be_attribute(name: str, value: Any) -> bool:
    """Return whether a NetCDF file can hold an attribute, and reads it as it was written."""
    if name in _RESERVED or not name or "/" in name or "\0" in name or (name == "units" and " since " in str(value)):
        return False
    values = value if isinstance(value, list) and value else [value]
    return all(isinstance(of, str) for of in values) or all(
        (is_number(of) and not isinstance(of, bool) and abs(of) < 2**63) or isinstance(of, float) for of in values
    )


def _faults_of_variable(
    about: Any, name: str, value: Any, sizes: dict[str, int], known: tuple[str, ...] | None
) -> Iterator[str]:
    dims = about["dims"].get(name)
    if not _NAME.fullmatch(name):
        yield f"{name!r} cannot be a name"
    elif name not in about["attrs"]:
        yield f"`{name}` has no attributes"
    elif not isinstance(dims, list) or not all(isinstance(dim, str) and _NAME.fullmatch(dim) for dim in dims):
        yield f"`{name}` has no dimensions"
    elif known is not None and dims != list(known):
        yield f"`{name}` has the dimensions {', '.join(dims) or 'of one number'}"
    elif (shape := _shape(value, text=known is None)) is None or len(shape) != len(dims):
        yield f"`{name}` does not hold numbers over {', '.join(dims) or 'nothing'}"
    elif any(sizes.setdefault(dim, size) != size for dim, size in zip(dims, shape, strict=True)):
        yield f"`{name}` has another size than other variables over {', '.join(dims)}"
    elif name in dims and (len(dims) > 1 or len(set(value)) < len(value)):
        yield f"`{name}` cannot be a label: it has equal values, or several dimensions"


def _shape(value: Any, *, text: bool) -> tuple[int, ...] | None:
    """Return the shape of a number or of nested lists of numbers (or, if allowed, of texts); None for anything else."""
    shape, level = [], [value]
    while level and all(isinstance(one, list) for one in level):
        sizes = {len(one) for one in level}
        if len(sizes) > 1:
            return None
        shape.append(sizes.pop())
        level = [one for part in level for one in part]
    is_text = text and all(isinstance(one, str) for one in level)
    return tuple(shape) if is_text or all(map(_is_real, level)) else None


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and (abs(value) <= sys.float_info.max or not math.isfinite(value))


def labelled(record: Record, arrays: Mapping[str, np.ndarray], path: Path | str = "The result") -> xr.Dataset:
    """Return a record and the arrays of its result as a labelled data set, without the weights.

    Parameters
    ----------
    record, arrays
        What :meth:`Store.read_all` returns.
    path
        Where they are from, for messages.

    Returns
    -------
    The result.

    Raises
    ------
    DamagedResultError
        If the arrays do not have the dimensions that the record says.
    """
    values = {**record.measures, **record.coords}
    values |= {name.removeprefix(DATA): array for name, array in arrays.items() if name.startswith(DATA)}
    attrs = {**record.attributes, "experiment": json.dumps(record.experiment, ensure_ascii=False)}
    try:
        variables = {name: xr.Variable(record.dims[name], value, record.attrs[name]) for name, value in values.items()}
        coords = {name: variable for name, variable in variables.items() if name in record.coordinates}
        return xr.Dataset({name: of for name, of in variables.items() if name not in coords}, coords, attrs)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        what = (str(error).splitlines() or [""])[0]
        raise DamagedResultError(f"{path} is damaged: its arrays do not fit its record ({what}).") from None


def part_of(name: str, variable: xr.Variable) -> Part | None:
    """Return the part that a variable of a result belongs to; None if it is always kept."""
    if name in PARTS:
        return PARTS[name]
    if name.startswith("snapshot_"):
        return "weights" if set(variable.dims) - {"snapshot"} else None
    if {"trial", "time", "unit", "neuron"} & set(variable.dims):
        return "activity"
    return "curves" if any(str(dim).endswith(("iteration", "report")) for dim in variable.dims) else None
