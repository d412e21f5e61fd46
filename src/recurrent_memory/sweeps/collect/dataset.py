"""One labelled data set of a whole sweep, finished or not."""

from __future__ import annotations

import json
import math
import operator
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Int

from ...errors import DamagedResultError, InputError, first_line
from ..grid import Network
from ..store.layout import RESULT
from ..store.record import Record
from ..store.store import Store
from .dims import arranged

PROVENANCE = {
    "host": {"long_name": "machine"},
    "device": {"long_name": "kind of processor"},
    "training_seconds": {"long_name": "time of training", "units": "s"},
    "testing_seconds": {"long_name": "time of the test", "units": "s"},
}
"""Facts about each network that a data set includes besides its measures and versions."""
VERSIONS = {"long_name": "versions that made the result"}
SECONDS_BETWEEN_REPORTS = 0.1


def collect(
    networks: Sequence[Network],
    store: Store,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> xr.Dataset:
    """Put the measures of all networks into one data set, in memory.

    Parameters
    ----------
    networks
        All networks of the sweep.
    store
        Store with their results.
    on_progress
        Called a few times a second with the number of networks read so far, and the total.
    on_message
        Called with one line for each damaged file.

    Returns
    -------
    xarray.Dataset
        If every combination of the fields in which the networks differ occurs once, these fields are the dimensions;
        otherwise ``network`` is. Measures of networks that have not finished are NaN; ``status`` is ``finished``,
        ``left``, ``damaged``, or the kind of failure. All fields of the experiments are coordinates.

    Raises
    ------
    InputError
        If there are no networks.

    Examples
    --------
    >>> import tempfile, recurrent_memory as rm
    >>> networks = rm.sweeps.networks(rm.sweeps.Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}]))
    >>> collect(networks, Store(tempfile.mkdtemp()))["status"].values
    array(['left', 'left'], dtype=object)
    """
    collection = Collection(networks, store, on_progress=on_progress, on_message=on_message)
    whole = collection.block(tuple(slice(0, size) for size in collection.order.shape))
    return collection.labels().merge(whole)


class Collection:
    """The networks of a sweep by their places in its data set, which is made from this block by block.

    Parameters
    ----------
    networks, store, on_progress, on_message
        As for :func:`collect`.
    looks
        How often each network is read, for ``on_progress``.

    Raises
    ------
    InputError
        If there are no networks.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        store: Store,
        looks: int = 1,
        *,
        on_progress: Callable[[int, int], None],
        on_message: Callable[[str], None],
    ) -> None:
        if not networks:
            raise InputError("There are no networks to collect: give at least one.")
        self._networks, self._store = networks, store
        self._arrangement, self._fields = arranged(networks), _survey(networks)
        self._on_progress, self._on_message = on_progress, on_message
        self._agreed: dict[str, tuple[Any, ...]] = {}
        self._done, self._total, self._reported = 0, looks * len(networks), time.monotonic()

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions over networks."""
        return self._arrangement.dims

    @property
    def order(self) -> Int[np.ndarray, "..."]:
        """Number of the network at each place."""
        return self._arrangement.order

    def labels(self) -> xr.Dataset:
        """Return the values along the axes, and those of the fields that all networks share."""
        axes, tied = self._arrangement.axes, self._arrangement.tied
        along = {name: (name, values) for name, values in axes.items()} | tied
        found = {}
        for name, field in self._fields.items():
            if name in along:
                dim, values = along[name]
                found[name] = xr.Variable(dim, _cells(values, _kind(map(type, values))), field.attrs)
            elif field.is_shared:
                found[name] = xr.Variable((), _cells([field.first], field.kind)[0], field.attrs)
        return xr.Dataset(coords=found)

    def block(self, places: tuple[slice, ...]) -> xr.Dataset:
        """Return the measures, the status and the identity of the networks at some places."""
        numbers = self.order[places]
        known = self._arrangement.axes.keys() | self._arrangement.tied.keys()
        varying: dict[str, list[Any]] = {
            name: [] for name, field in self._fields.items() if not field.is_shared and name not in known
        }
        identities, status = [], np.full(numbers.size, "left", dtype=object)
        table = _Table(numbers.size, self._agreed)
        for i, number in enumerate(numbers.ravel().tolist()):
            network = self._networks[number]  # built anew and let go: an experiment takes kilobytes
            identities.append(network.identity)
            for name, values in varying.items():
                values.append(_value(network, name))
            status[i] = self._read(network.identity, i, table)
            self.step()
        about_status = {"long_name": "finished, left, damaged, or how the network failed"}
        found = xr.Dataset({"status": ("network", status, about_status)}).merge(table.dataset())
        for name, values in varying.items():
            field = self._fields[name]
            found = found.assign_coords({name: ("network", _cells(values, field.kind), field.attrs)})
        found = found.assign_coords(identity=("network", np.array(identities)))
        return _unfolded(found, self.dims, numbers.shape)

    def _read(self, identity: str, i: int, table: _Table) -> str:
        """Put what is known of a network into a row of a table, and return its status."""
        try:
            if self._store.is_finished(identity):
                table.add(i, self._store.read(identity), self._store.file(identity, RESULT))
                return "finished"
            return self._store.failure(identity).kind if self._store.has_failed(identity) else "left"
        except DamagedResultError as error:
            self._on_message(first_line(error))
            return "damaged"

    def step(self) -> None:
        """Count one more network as read."""
        self._done += 1
        now = time.monotonic()
        if now - self._reported > SECONDS_BETWEEN_REPORTS or self._done == self._total:
            self._reported = now
            self._on_progress(self._done, self._total)


class _Column:
    """Values of one measure, which may have dimensions of its own, such as a delay."""

    def __init__(self, n_networks: int, dims: list[str], attrs: dict[str, Any]) -> None:
        self.n_networks, self.dims, self.attrs, self._last_attrs = n_networks, dims, attrs, attrs
        self._values: np.ndarray | None = None
        """Of all networks with the labels of the first one."""
        self._labels: list[list[Any]] = []
        self._alike: list[int] = []
        self._others: dict[int, tuple[np.ndarray, list[list[Any]]]] = {}

    def put(self, i: int, value: Any, labels: list[list[Any]], attrs: dict[str, Any]) -> None:
        """Store the value of one network, with the labels of each dimension; keep attributes that it has as well."""
        if attrs is not self._last_attrs:
            self.attrs, self._last_attrs = common(self.attrs, attrs), attrs
        if self._values is None:
            like = np.asarray(value)
            self._values, self._labels = _blank((self.n_networks, *like.shape), like), labels
        if labels != self._labels:
            self._others[i] = np.asarray(value), labels
            return
        # Most networks share their texts, such as versions: each is in memory only once.
        self._values[i] = sys.intern(value) if isinstance(value, str) else value
        if self.dims:
            self._alike.append(i)

    def variable(self) -> xr.Variable:
        """Return the measure of all networks; along its own dimensions it has every label that any network has."""
        assert self._values is not None
        every = self.labels()
        if every == self._labels and not self._others:
            return xr.Variable(("network", *self.dims), self._values, self.attrs)
        place = [{label: i for i, label in enumerate(of_dim)} for of_dim in every]
        filled = _blank((self.n_networks, *map(len, every)), self._values)

        def put(networks: list[int], values: np.ndarray, labels: list[list[Any]]) -> None:
            where = [[place[axis][label] for label in of_dim] for axis, of_dim in enumerate(labels)]
            filled[np.ix_(networks, *where)] = values

        put(self._alike, self._values[self._alike], self._labels)
        for i, (values, labels) in self._others.items():
            put([i], values, labels)
        return xr.Variable(("network", *self.dims), filled, self.attrs)

    def labels(self) -> list[list[Any]]:
        """Return all labels of each dimension, in order."""
        found = [self._labels, *(labels for _, labels in self._others.values())]
        return [sorted({label for labels in found for label in labels[axis]}) for axis in range(len(self.dims))]


class _Table:
    """The records of many networks, one column per measure; it needs no more memory than the numbers themselves.

    Parameters
    ----------
    n_networks
        Number of networks.
    agreed
        What the values of each measure are, as the first record that has it says; shared by all tables of a data set.
    """

    def __init__(self, n_networks: int, agreed: dict[str, tuple[Any, ...]]) -> None:
        self.n_networks, self._agreed = n_networks, agreed
        self._columns: dict[str, _Column] = {}
        self._attrs_of_dims: dict[str, dict[str, Any]] = {}
        self._labels: dict[str, list[list[Any]]] = {}
        self._form: list[Any] = []
        self._kinds: list[Any] = []

    def add(self, i: int, record: Record, path: Path) -> None:
        """Store what a record says; raise a DamagedResultError, before any of it is stored, if others do not agree."""
        if not self._is_like_last(record):
            self._agree(record, path)
        for name, value in record.measures.items():
            self._columns[name].put(i, value, self._labels[name], record.attrs[name])
        for name, attrs in PROVENANCE.items():
            if name in record.provenance:
                self._column(name, [], attrs).put(i, record.provenance[name], [], attrs)
        versions = {n.removeprefix("version_"): v for n, v in record.attributes.items() if n.startswith("version_")}
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
        self._column("versions", [], VERSIONS).put(i, text, [], VERSIONS)

    def _is_like_last(self, record: Record) -> bool:
        """Return whether a record has the same measures as the last one; the parts of its form are the same objects."""
        form = [record.dims, record.coords, *(record.attrs[dim] for dim in record.coords)]
        values = record.measures.values()
        kinds = [*record.measures, *map(type, values), *(_is_text(value) for value in values if type(value) is list)]
        same = bool(self._form) and all(map(operator.is_, form, self._form)) and kinds == self._kinds
        self._form, self._kinds = form, kinds
        return same

    def _agree(self, record: Record, path: Path) -> None:
        """Make columns for a record; raise a DamagedResultError if other records do not agree with it."""
        is_text = {name: _is_text(value) for name, value in (record.measures | record.coords).items()}
        found = {name: (tuple(record.dims[name]), of) for name, of in is_text.items()}
        for name, what in found.items():
            if self._agreed.get(name, what) != what:
                self._form = []
                raise DamagedResultError(f"{path} is damaged: `{name}` is of another kind than in other networks.")
        self._agreed.update(found)
        for name, value in record.measures.items():
            dims = record.dims[name]
            sizes = zip(dims, np.shape(value), strict=True)
            self._labels[name] = [record.coords.get(dim) or list(range(size)) for dim, size in sizes]
            for dim in dims:
                attrs = record.attrs.get(dim, {})
                self._attrs_of_dims[dim] = common(self._attrs_of_dims.get(dim, attrs), attrs)
            self._column(name, dims, record.attrs[name])

    def _column(self, name: str, dims: list[str], attrs: dict[str, Any]) -> _Column:
        if name not in self._columns:
            self._columns[name] = _Column(self.n_networks, dims, dict(attrs))
        return self._columns[name]

    def dataset(self) -> xr.Dataset:
        """Return all columns, over ``network`` and the measures' own dimensions."""
        found = xr.Dataset({name: column.variable() for name, column in self._columns.items()})
        for column in self._columns.values():
            for dim, labels in zip(column.dims, column.labels(), strict=True):
                found = found.assign_coords({dim: (dim, labels, self._attrs_of_dims[dim])})
        return found


def _is_text(value: Any) -> bool:
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, str)


def common(attrs: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two data sets' attributes, keeping those on which they agree."""
    return attrs if attrs == others else {key: value for key, value in attrs.items() if others.get(key) == value}


def _blank(shape: tuple[int, ...], like: np.ndarray) -> np.ndarray:
    """Return an array whose values are all missing."""
    return np.full(shape, "", object) if like.dtype.kind in "US" else np.full(shape, math.nan)


class _Field(NamedTuple):
    """The values of one field of the experiments."""

    first: Any
    is_shared: bool
    kind: type
    attrs: dict[str, str]


def _survey(networks: Sequence[Network]) -> dict[str, _Field]:
    """Return all fields of the experiments, and the options of tasks and models in which the networks differ."""
    about = {name: field.description or name for name, field in type(networks[0].experiment).model_fields.items()}
    about |= {name: name for name in networks[0].point if "." in name}
    first = {name: _value(networks[0], name) for name in about}
    kinds = {name: {type(value)} for name, value in first.items()}
    differing = set()
    for network in networks:
        for name, of_first in first.items():
            value = _value(network, name)
            if value is not of_first:
                kinds[name].add(type(value))
                if value != of_first:
                    differing.add(name)
    return {
        name: _Field(first[name], name not in differing, _kind(kinds[name]), {"long_name": about[name]})
        for name in about
    }


def fields_of(networks: Sequence[Network], among: Sequence[Network]) -> dict[str, xr.Variable]:
    """Return the fields of the experiments of some networks, as in a data set over ``network``.

    Parameters
    ----------
    networks
        The networks.
    among
        All networks of the sweep; a field that all of them share is a single value.

    Returns
    -------
    The values of each field, for use as coordinates; and the networks' `identity`.
    """
    found = {
        name: xr.Variable((), _cells([field.first], field.kind)[0], field.attrs)
        if field.is_shared
        else xr.Variable("network", _cells([_value(network, name) for network in networks], field.kind), field.attrs)
        for name, field in _survey(among).items()
    }
    return {**found, "identity": xr.Variable("network", np.array([network.identity for network in networks]))}


def _value(network: Network, name: str) -> Any:
    return network.point[name] if "." in name else getattr(network.experiment, name)


def _kind(types: Iterable[type]) -> type:
    """Return the type in which a file can hold values; what is neither number nor text becomes JSON."""
    types = set(types)
    if types <= {bool, int}:
        return bool if types == {bool} else int
    return float if types <= {bool, int, float, type(None)} else str


def _cells(values: Sequence[Any], kind: type) -> np.ndarray:
    if kind is str:
        return np.array([value if isinstance(value, str) else json.dumps(value) for value in values])
    return np.array([math.nan if value is None else value for value in values], dtype=kind)


def _unfolded(dataset: xr.Dataset, dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Dataset:
    """Return a data set with several dimensions in place of ``network``."""

    def unfold(variable: xr.Variable) -> xr.Variable:
        own_dims, own_shape = variable.dims[1:], variable.shape[1:]
        return xr.Variable((*dims, *own_dims), variable.values.reshape(*shape, *own_shape), variable.attrs)

    found = {name: unfold(of) if "network" in of.dims else of for name, of in dataset.variables.items()}
    coords = {name: found.pop(name) for name in dataset.coords}
    return xr.Dataset(found, coords)
