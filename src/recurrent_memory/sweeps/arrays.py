"""The arrays of a sweep's data set, such as learning curves: all together they need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from .. import storage
from ..settings import InputError
from .arrangement import arranged
from .dataset import collect, common
from .grid import Network
from .store import Part, Store, labelled, part_of


def collect_to(
    path: str | os.PathLike[str],
    networks: Sequence[Network],
    store: Store,
    parts: Collection[Part] = (),
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> xr.Dataset:
    """Write one data set of all networks as NetCDF: their measures, and arrays, one network after the other.

    Parameters
    ----------
    path
        File to write.
    networks, store
        As for :func:`collect`; likewise the order of dimensions, and what is missing.
    parts
        Which arrays are written: ``curves``, ``activity``. Along dimensions of their own (``iteration``, ``trial``, …)
        networks are aligned by their labels, and as long as the longest. Networks are never all in memory.
    on_progress
        Called now and then with how much has been looked at, and of how much.
    on_message
        Called with one line for each damaged file, and for each part that networks have not kept.

    Returns
    -------
    xarray.Dataset
        The measures, as :func:`collect` returns them.

    Raises
    ------
    InputError
        Where there are no networks; or weights are asked for, which differ in shape: :meth:`Store.network` returns
        those of one network.
    """
    if unknown := set(parts) - {"curves", "activity"}:
        raise InputError(f"{', '.join(unknown)} cannot be collected, only curves and activity.")
    total = len(networks) * (1 + bool(parts))
    measures = collect(networks, store, on_progress=lambda done, _: on_progress(done, total), on_message=on_message)

    def add(file: BinaryIO, check: Callable[[], None]) -> None:
        finished = (measures["status"] == "finished").values
        without = dict.fromkeys(sorted(parts), 0)
        with h5netcdf.File(file, "r+") as opened:
            arrays = _Arrays(opened, measures)
            for number, (network, place) in enumerate(zip(networks, arranged(networks).places, strict=True)):
                if finished[place]:
                    try:
                        kept = _kept(store, network.identity, parts)
                        arrays.put(place, kept)
                        found = {part_of(str(name), variable) for name, variable in kept.variables.items()}
                        for part in without.keys() - found:
                            without[part] += 1
                    except InputError as error:
                        measures["status"][place] = opened.variables["status"][place] = "damaged"
                        on_message(str(error).splitlines()[0])
                check()
                on_progress(len(networks) + number + 1, total)
            arrays.describe()
        for part, number in without.items():
            if number:
                on_message(
                    f"{part}: {number} of {finished.sum()} finished networks have kept none, since `save` did not name "
                    "it when they were trained"
                )

    storage.save_dataset(Path(path), measures, add if parts else None)
    return measures


def _kept(store: Store, identity: str, parts: Collection[Part]) -> xr.Dataset:
    """Return the arrays of a network's result that belong to some parts."""
    whole = labelled(*store.read_all(identity))
    return whole.drop_vars([name for name, of in whole.variables.items() if part_of(str(name), of) not in parts])


class _Arrays:
    """Variables of a NetCDF file over the dimensions of a sweep, that grow as longer ones come."""

    def __init__(self, file: h5netcdf.File, measures: xr.Dataset) -> None:
        self._file = file
        self._over = measures["status"].dims
        self._labels = {str(dim): measures[dim].values for dim in set(measures.dims) - set(self._over)}
        self._attrs: dict[str, dict[str, Any]] = {}

    def put(self, place: tuple[int, ...], found: xr.Dataset) -> None:
        """Put in the arrays of one network."""
        for name, variable in found.variables.items():
            if name not in found.dims:
                where = [self._where(str(dim), found) for dim in variable.dims]
                own = self._variable(str(name), variable)
                whole = np.full(own.shape[len(self._over) :], _missing(variable), own.dtype)
                whole[np.ix_(*where)] = variable.values
                own[place] = whole

    def describe(self) -> None:
        """Write what is said of all networks alike, such as units."""
        for name, attrs in self._attrs.items():
            self._file.variables[name].attrs.update(attrs)

    def _where(self, dim: str, found: xr.Dataset) -> np.ndarray:
        """Return where the labels of one network are along a dimension, which becomes longer for new ones."""
        labels, known = found[dim].values, self._labels.get(dim)
        is_labelled = dim in found.coords
        if known is None:
            known = labels[:0]
            self._file.dimensions[dim] = None
            if is_labelled:
                made = self._file.create_variable(dim, (dim,), labels.dtype, chunks=(1024,))
                made.attrs.update(found[dim].attrs)
        if np.array_equal(known[: len(labels)], labels):  # so it is for nearly all networks
            return np.arange(len(labels))
        known = np.concatenate([known, labels[~np.isin(labels, known)]])
        self._file.resize_dimension(dim, len(known))
        if is_labelled:
            self._file.variables[dim][:] = known
        self._labels[dim] = known
        order = np.argsort(known, kind="stable")
        return order[np.searchsorted(known, labels, sorter=order)]

    def _variable(self, name: str, like: xr.Variable) -> Any:
        self._attrs[name] = common(self._attrs.get(name, like.attrs), like.attrs)
        if name not in self._file.variables:
            is_text = like.dtype.kind in "US"
            self._file.create_variable(
                name,
                (*self._over, *map(str, like.dims)),
                # What is missing is NaN, which only floating-point numbers have.
                h5py.string_dtype() if is_text else np.promote_types(like.dtype, np.float32),
                fillvalue=None if is_text else np.nan,
                chunks=(*[1] * len(self._over), *(max(1, size) for size in like.shape)),
                **({} if is_text else storage.COMPRESSED),
            )
        return self._file.variables[name]


def _missing(variable: xr.Variable) -> Any:
    return "" if variable.dtype.kind in "US" else np.nan
