"""One labelled data set of a whole sweep, finished or not."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..settings import InputError
from .grid import Network
from .store import Record, Store

PROVENANCE = ("host", "device", "training_seconds", "testing_seconds")
"""What a data set tells of each network besides its measures, where it is known."""


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
        how a network failed. All fields of the experiments are coordinates where they differ, attributes where not.
    """
    finished, failed = store.finished(), store.failed()
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
    fields, shared = _fields(networks)
    dataset = xr.Dataset(
        {"status": ("network", status.astype(str)), **table.variables()},
        coords={
            **table.coords(),
            **{name: ("network", values) for name, values in fields.items()},
            "identity": ("network", np.array([network.identity for network in networks])),
        },
        attrs={**{name: _attribute(value) for name, value in shared.items()}, **table.shared_attributes()},
    )
    return _over_axes(dataset, networks)


def table(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the scalars of a collected data set as a table, with a row for each network."""
    dims = dataset["status"].dims
    scalars = dataset.drop_vars([name for name, of in dataset.variables.items() if set(of.dims) - set(dims)])
    flat = scalars.stack(network_=dims, create_index=False) if dims != ("network",) else scalars
    return flat.reset_coords().to_dataframe().reset_index(drop=True)


class _Table:
    """Values of many networks, a column for each measure; memory for a column is taken once it is first met."""

    def __init__(self, n_networks: int) -> None:
        self.n_networks = n_networks
        self._columns: dict[str, np.ndarray] = {}
        self._dims: dict[str, list[str]] = {}
        self._attrs: dict[str, dict[str, Any]] = {}
        self._coords: dict[str, tuple[list[str], Any]] = {}
        self._provenance: dict[str, np.ndarray] = {}
        self._about: Counter[str] = Counter()

    def add(self, i: int, record: Record) -> None:
        """Put in what a record says."""
        for name, value in record.measures.items():
            values = np.asarray(value, float)
            if name not in self._columns:
                self._columns[name] = np.full((self.n_networks, *values.shape), math.nan)
                self._dims[name], self._attrs[name] = record.dims[name], record.attrs[name]
            if self._columns[name].shape[1:] == values.shape:
                self._columns[name][i] = values
        for name, value in record.coords.items():
            if set(record.dims[name]) <= {dim for dims in self._dims.values() for dim in dims}:
                self._coords.setdefault(name, (record.dims[name], value))
        for name in PROVENANCE:
            if name in record.provenance:
                value = record.provenance[name]
                blank: Any = "" if isinstance(value, str) else math.nan
                column = self._provenance.setdefault(name, np.full(self.n_networks, blank, object))
                column[i] = value
        versions = {n: v for n, v in record.provenance.items() if n.endswith("_version")}
        self._about[json.dumps(versions, sort_keys=True)] += 1

    def variables(self) -> dict[str, Any]:
        """Return the measures, and what is known of where they come from."""
        measures = {
            name: (("network", *self._dims[name]), column, self._attrs[name]) for name, column in self._columns.items()
        }
        told = {
            name: ("network", column.astype(str if isinstance(column[0], str) else float))
            for name, column in self._provenance.items()
        }
        return {**measures, **told}

    def coords(self) -> dict[str, Any]:
        """Return the coordinates of dimensions that measures have of their own."""
        return dict(self._coords)

    def shared_attributes(self) -> dict[str, str]:
        """Return the versions that made the results; several where they differ."""
        return {"versions": "; ".join(f"{text} ({count} networks)" for text, count in self._about.items())}


def _fields(networks: Sequence[Network]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the experiments' fields in which networks differ, and those that they share."""
    differing: dict[str, np.ndarray] = {}
    shared: dict[str, Any] = {}
    for name in type(networks[0].experiment).model_fields:
        values = [getattr(network.experiment, name) for network in networks]
        if all(value == values[0] for value in values):
            shared[name] = values[0]
        elif all(isinstance(value, int | float) or value is None for value in values):
            differing[name] = np.array([math.nan if value is None else value for value in values])
        else:
            differing[name] = np.array([str(_attribute(value)) for value in values])
    for name in networks[0].point:
        if "." in name:  # a setting of the task or of the model
            differing[name] = np.array([network.point[name] for network in networks])
    return differing, shared


def _attribute(value: Any) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return json.dumps(value)
    return value


def _over_axes(dataset: xr.Dataset, networks: Sequence[Network]) -> xr.Dataset:
    """Return the data set over the fields in which networks differ, where every combination is there once."""
    points = [tuple(network.point.values()) for network in networks]
    axes = [list(dict.fromkeys(values)) for values in zip(*points, strict=True)]
    names = list(networks[0].point)
    if not names or math.prod(map(len, axes)) != len(points) or len(set(points)) != len(points):
        return dataset
    ordered = dataset.drop_vars([name for name in names if name in dataset.coords])
    shape = tuple(map(len, axes))
    place = np.empty(shape, int)
    where = [{value: i for i, value in enumerate(axis)} for axis in axes]
    for number, point in enumerate(points):
        place[tuple(of[value] for of, value in zip(where, point, strict=True))] = number
    # A single-axis selection with an array of several dimensions gives the result those dimensions.
    gathered = ordered.isel(network=xr.DataArray(place, dims=names))
    return gathered.assign_coords({name: (name, np.array(axis)) for name, axis in zip(names, axes, strict=True)})
