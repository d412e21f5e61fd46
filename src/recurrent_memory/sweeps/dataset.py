"""One labelled data set of a whole sweep, finished or not."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..settings import InputError
from .arrangement import arranged
from .grid import Network
from .store import Record, Store

PROVENANCE = {
    "host": {"long_name": "machine"},
    "device": {"long_name": "kind of processor"},
    "training_seconds": {"long_name": "time of training", "units": "s"},
    "testing_seconds": {"long_name": "time of the test", "units": "s"},
}
"""What a data set tells of each network besides its measures and the versions that made it."""


def collect(
    networks: Sequence[Network],
    store: Store,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> xr.Dataset:
    """Put the measures of all networks into one data set.

    Parameters
    ----------
    networks
        All networks of the sweep.
    store
        Where their results are.
    on_progress
        Called now and then with the number of networks that have been looked at, and of all.
    on_message
        Called with one line for each damaged file.

    Returns
    -------
    xarray.Dataset
        Over the fields in which the networks differ where every combination is there once, otherwise over ``network``.
        Measures of networks that have not finished are NaN; ``status`` is ``finished``, ``left``, ``damaged``, or says
        how a network failed. All fields of the experiments are coordinates.

    Raises
    ------
    InputError
        Where there are no networks.
    """
    if not networks:
        raise InputError("There are no networks to collect: give at least one.")
    finished, failed = store.ended()
    status = np.full(len(networks), "left", dtype=object)
    table = _Table(len(networks))
    for i, network in enumerate(networks):
        if network.identity in finished:
            try:
                table.add(i, store.read(network.identity))
                status[i] = "finished"
            except InputError as error:
                status[i] = "damaged"
                on_message(str(error).splitlines()[0])
        elif network.identity in failed:
            failure = store.failure(network.identity)
            status[i] = "damaged" if failure is None else failure.kind
        if i % 100 == 0:
            on_progress(i, len(networks))
    on_progress(len(networks), len(networks))
    about_status = {"long_name": "finished, left, damaged, or how the network failed"}
    dataset = table.dataset().assign(status=("network", status, about_status))
    dataset = dataset.assign_coords(_fields(networks))
    dataset = dataset.assign_coords(identity=("network", np.array([network.identity for network in networks])))
    return _over_axes(dataset, networks)


def table(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the scalars of a collected data set as a table, with a row for each network, fields first."""
    dims = dataset["status"].dims
    scalars = dataset.drop_vars([name for name, of in dataset.variables.items() if set(of.dims) - set(dims)])
    (flat,) = xr.broadcast(scalars.reset_coords())
    frame = flat.to_dataframe().reset_index(drop=dims == ("network",))
    fields = [name for name in (*dims, *dataset.coords) if name in frame]
    return frame[list(dict.fromkeys([*fields, *frame]))]


class _Column:
    """Values of one measure, which may have dimensions of its own, such as a delay."""

    def __init__(self, n_networks: int, dims: list[str], attrs: dict[str, Any]) -> None:
        self.n_networks, self.dims, self.attrs = n_networks, dims, attrs
        self._of_scalars: np.ndarray | None = None
        self._of_arrays: dict[int, tuple[np.ndarray, list[list[Any]]]] = {}

    def put(self, i: int, value: Any, labels: list[list[Any]]) -> None:
        """Put in the value of one network, with the labels of each dimension."""
        if not self.dims:
            if self._of_scalars is None:
                self._of_scalars = _blank((self.n_networks,), np.asarray(value))
            # Of texts most networks have the same, such as the versions that made them: it is in memory once.
            self._of_scalars[i] = sys.intern(value) if isinstance(value, str) else value
            return
        self._of_arrays[i] = np.asarray(value), labels

    def variable(self) -> xr.Variable:
        """Return the measure of all networks; along dimensions of its own, for each label that any network has."""
        if self._of_scalars is not None:
            return xr.Variable("network", self._of_scalars, self.attrs)
        every = self.labels()
        place = [{label: i for i, label in enumerate(of_dim)} for of_dim in every]
        filled = _blank((self.n_networks, *map(len, every)), next(iter(self._of_arrays.values()))[0])
        for i, (values, labels) in self._of_arrays.items():
            where = [[place[axis][label] for label in of_dim] for axis, of_dim in enumerate(labels)]
            filled[np.ix_([i], *where)] = values
        return xr.Variable(("network", *self.dims), filled, self.attrs)

    def labels(self) -> list[list[Any]]:
        """Return all labels of each dimension, in order."""
        return [
            sorted({label for _, labels in self._of_arrays.values() for label in labels[axis]})
            for axis in range(len(self.dims))
        ]


class _Table:
    """What the records of many networks say, a column for each measure; its memory is that of the numbers alone."""

    def __init__(self, n_networks: int) -> None:
        self.n_networks = n_networks
        self._columns: dict[str, _Column] = {}
        self._attrs_of_dims: dict[str, dict[str, Any]] = {}

    def add(self, i: int, record: Record) -> None:
        """Put in what a record says."""
        for name, value in record.measures.items():
            dims, labels = record.dims[name], []
            if dims:
                sizes = zip(dims, np.shape(value), strict=True)
                labels = [record.coords.get(dim) or list(range(size)) for dim, size in sizes]
                self._attrs_of_dims |= {dim: record.attrs.get(dim, {}) for dim in dims}
            self._column(name, dims, record.attrs[name]).put(i, value, labels)
        for name, attrs in PROVENANCE.items():
            if name in record.provenance:
                self._column(name, [], attrs).put(i, record.provenance[name], [])
        versions = {n.removeprefix("version_"): v for n, v in record.attributes.items() if n.startswith("version_")}
        told = ", ".join(f"{name} {version}" for name, version in versions.items())
        self._column("versions", [], {"long_name": "versions that made the result"}).put(i, told, [])

    def _column(self, name: str, dims: list[str], attrs: dict[str, Any]) -> _Column:
        if name not in self._columns:
            self._columns[name] = _Column(self.n_networks, dims, dict(attrs))
        column = self._columns[name]
        column.attrs = common(column.attrs, attrs)
        return column

    def dataset(self) -> xr.Dataset:
        """Return all columns, over ``network`` and the dimensions that measures have of their own."""
        found = xr.Dataset({name: column.variable() for name, column in self._columns.items()})
        for column in self._columns.values():
            for dim, labels in zip(column.dims, column.labels(), strict=True):
                found = found.assign_coords({dim: (dim, labels, self._attrs_of_dims[dim])})
        return found


def common(attrs: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two say alike: what is said of some networks alone, such as the unit of a task, is not of all."""
    return attrs if attrs == others else {key: value for key, value in attrs.items() if others.get(key) == value}


def _blank(shape: tuple[int, ...], like: np.ndarray) -> np.ndarray:
    """Return an array in which everything is missing."""
    return np.full(shape, "", object) if like.dtype.kind in "US" else np.full(shape, math.nan)


def _fields(networks: Sequence[Network]) -> dict[str, xr.Variable]:
    """Return all fields of the experiments: over ``network`` where networks differ, once where they do not."""
    found: dict[str, xr.Variable] = {}
    for name, field in type(networks[0].experiment).model_fields.items():
        values = [getattr(network.experiment, name) for network in networks]
        found[name] = _labelled(values, {"long_name": field.description or name})
    for name in networks[0].point:
        if "." in name:  # a setting of the task or of the model
            found[name] = _labelled([network.point[name] for network in networks], {"long_name": name})
    return found


def _labelled(values: list[Any], attrs: dict[str, str]) -> xr.Variable:
    if all(value == values[0] for value in values):
        return xr.Variable((), _cells(values[:1])[0], attrs)
    return xr.Variable("network", _cells(values), attrs)


def _cells(values: Sequence[Any]) -> np.ndarray:
    """Return values as a file can hold them: what is neither number nor text as JSON."""
    if all(isinstance(value, bool | int) for value in values):
        return np.array(values)
    if all(isinstance(value, int | float) or value is None for value in values):
        return np.array([math.nan if value is None else value for value in values])
    return np.array([value if isinstance(value, str) else json.dumps(value) for value in values])


def _over_axes(dataset: xr.Dataset, networks: Sequence[Network]) -> xr.Dataset:
    """Return the data set over the fields in which networks differ, where every combination is there once."""
    made = arranged(networks)
    if made.dims == ("network",):
        return dataset
    order = np.empty([len(axis) for axis in made.axes.values()], int)
    for number, place in enumerate(made.places):
        order[place] = number
    values = {name: [network.point[name] for network in networks] for name in (*made.dims, *made.tied)}
    # A single-axis selection with an array of several dimensions gives the result those dimensions.
    gathered = dataset.drop_vars(values, errors="ignore").isel(network=xr.DataArray(order, dims=made.dims))
    labels = {name: (name, _cells(axis), dataset[name].attrs) for name, axis in made.axes.items()}
    for name, along in made.tied.items():
        of_label = dict(zip(values[along], values[name], strict=True))
        labels[name] = (along, _cells([of_label[label] for label in made.axes[along]]), dataset[name].attrs)
    return gathered.assign_coords(labels)
