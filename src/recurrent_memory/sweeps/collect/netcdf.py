"""A sweep's data set as a file that is written block by block: not even its measures need fit into memory."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from ... import storage
from ...errors import InputError
from ..grid import Network
from ..store.store import Part, Store, labelled, part_of
from .dataset import Collection, common
from .dims import blocks

NETWORKS_AT_ONCE = 4096
"""Of which the measures are in memory, and together in the file."""


class Collected(NamedTuple):
    """What a data set holds."""

    statuses: Counter[str]
    """How many networks have which status."""
    sizes: dict[str, int]
    """Of its dimensions over networks."""


def collect_to(
    path: str | os.PathLike[str],
    networks: Sequence[Network],
    store: Store,
    parts: Sequence[Part] = (),
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Write one data set of all networks as NetCDF, in memory that does not grow with their number.

    Parameters
    ----------
    path
        File to write.
    networks, store
        As for :func:`collect`; likewise the order of dimensions, the measures, and what is missing.
    parts
        Which arrays are written as well: ``curves``, ``activity``. Along dimensions of their own (``iteration``,
        ``trial``, …) networks are aligned by their labels, and as long as the longest.
    on_progress
        Called a few times a second with how much has been looked at, and of how much.
    on_message
        Called with one line for each damaged file, and for each part that networks have not kept.

    Raises
    ------
    InputError
        Where there are no networks; or weights are asked for, which differ in shape: :meth:`Store.network` returns
        those of one network.
    """
    if unknown := set(parts) - {"curves", "activity"}:
        raise InputError(f"{', '.join(unknown)} cannot be collected, only curves and activity.")
    collection = Collection(networks, store, 1 + bool(parts), on_progress=on_progress, on_message=on_message)
    shape = collection.order.shape
    counted: Counter[str] = Counter()
    without: Counter[Part] = Counter()

    def add(file: BinaryIO, check: Callable[[], None]) -> None:
        with h5netcdf.File(file, "r+") as opened:
            writer = _Writer(opened, collection.dims, shape)
            for places in blocks(shape, NETWORKS_AT_ONCE):
                measures = collection.block(places)
                writer.put(places, measures)
                check()
                statuses = measures["status"].values.ravel().tolist()
                identities = measures["identity"].values.ravel().tolist()
                for i, place in enumerate(_each(places)) if parts else ():
                    if statuses[i] == "finished":
                        try:
                            kept = _kept(store, identities[i], parts)
                        except InputError as error:
                            statuses[i] = opened.variables["status"][place] = "damaged"
                            on_message(str(error).splitlines()[0])
                        else:
                            writer.put(place, kept)
                            check()
                            without.update(set(parts) - {part_of(str(name), of) for name, of in kept.variables.items()})
                    collection.step()
                counted.update(statuses)
            writer.finish()

    storage.save_dataset(Path(path), collection.labels(), add)
    for part, number in sorted(without.items()):
        on_message(
            f"{part}: {number} of {counted['finished']} finished networks have kept none, since `save` did not name it "
            "when they were trained"
        )
    return Collected(counted, dict(zip(collection.dims, shape, strict=True)))


def _each(places: tuple[slice, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield each place by itself, in C order."""
    for at in itertools.product(*(range(of.start, of.stop) for of in places)):
        yield tuple(slice(i, i + 1) for i in at)


def _kept(store: Store, identity: str, parts: Sequence[Part]) -> xr.Dataset:
    """Return the arrays of a network's result that belong to some parts."""
    whole = labelled(*store.read_all(identity))
    return whole.drop_vars([name for name, of in whole.variables.items() if part_of(str(name), of) not in parts])


class _Writer:
    """Variables of a NetCDF file over the dimensions of a sweep, that grow along others as longer ones come."""

    def __init__(self, file: h5netcdf.File, dims: tuple[str, ...], shape: tuple[int, ...]) -> None:
        self._file, self._over = file, dims
        self._labels: dict[str, np.ndarray] = {}
        self._attrs: dict[str, dict[str, Any]] = {}
        self._coordinates = [name for name in file.variables if name not in file.dimensions]
        for dim, size in zip(dims, shape, strict=True):
            if dim not in file.dimensions:
                file.dimensions[dim] = size

    def put(self, places: tuple[slice, ...], found: xr.Dataset) -> None:
        """Put in what is known of the networks at some places; variables of a single one need not say of which."""
        shape = tuple(place.stop - place.start for place in places)
        for name, variable in found.variables.items():
            if name not in found.dims:
                own = [str(dim) for dim in variable.dims if dim not in self._over]
                values = variable.values.reshape(*shape, *(found.sizes[dim] for dim in own))
                where = [self._where(dim, found) for dim in own]
                # Fields are known of each network, results of some.
                is_whole = name in found.coords and len(own) < variable.ndim
                target = self._variable(str(name), own, values, variable.attrs, is_whole=is_whole)
                filled = np.full((*shape, *target.shape[len(shape) :]), _missing(target.dtype), target.dtype)
                filled[np.ix_(*map(np.arange, shape), *where)] = values
                target[places] = filled

    def finish(self) -> None:
        """Put labels in order, and write what is said of all networks alike, such as units."""
        for dim, labels in self._labels.items():
            order = np.argsort(labels, kind="stable")
            if not np.array_equal(order, np.arange(len(order))):
                self._reorder(dim, order)
        for name, attrs in self._attrs.items():
            self._file.variables[name].attrs.update(attrs)
        self._file.attrs["coordinates"] = " ".join(self._coordinates)  # from which xarray tells which these are

    def _reorder(self, dim: str, order: np.ndarray) -> None:
        for variable in self._file.variables.values():
            if dim in variable.dimensions:
                n_over = sum(name in self._over for name in variable.dimensions)
                of_one = math.prod(variable.shape[n_over:])
                for places in blocks(variable.shape[:n_over], max(1, NETWORKS_AT_ONCE // of_one)):
                    variable[places] = np.take(variable[places], order, axis=variable.dimensions.index(dim))

    def _where(self, dim: str, found: xr.Dataset) -> np.ndarray:
        """Return where the labels of some networks are along a dimension, which becomes longer for new ones."""
        labels, known = found[dim].values, self._labels.get(dim)
        is_labelled = dim in found.coords
        if known is None:
            known = labels[:0]
            self._file.dimensions[dim] = None
            if is_labelled:
                self._file.create_variable(dim, (dim,), _in_file(labels.dtype), chunks=(1024,))
        if is_labelled:
            self._describe(dim, found[dim].attrs)
        if np.array_equal(known[: len(labels)], labels):  # so it is for nearly all networks
            return np.arange(len(labels))
        known = np.concatenate([known, labels[~np.isin(labels, known)]])
        self._file.resize_dimension(dim, len(known))
        if is_labelled:
            self._file.variables[dim][:] = known
        self._labels[dim] = known
        order = np.argsort(known, kind="stable")
        return order[np.searchsorted(known, labels, sorter=order)]

    def _variable(self, name: str, own: list[str], like: np.ndarray, attrs: dict[str, Any], *, is_whole: bool) -> Any:
        # NetCDF has no type for what is true or false; so xarray marks it.
        is_truth = is_whole and like.dtype.kind == "b"
        self._describe(name, attrs | {"dtype": "bool"} if is_truth else attrs)
        if name not in self._file.variables:
            dtype = np.dtype(np.int8) if is_truth else _in_file(like.dtype)
            is_text = dtype.kind == "O"
            if not is_text and not is_whole:  # what is missing is NaN, which only floating-point numbers have
                dtype = np.promote_types(dtype, np.float32)
            self._file.create_variable(
                name,
                (*self._over, *own),
                dtype,
                fillvalue=None if is_text or is_whole else np.nan,
                chunks=tuple(max(1, size) for size in like.shape),
                **({} if is_text else storage.COMPRESSED),
            )
            if is_whole:
                self._coordinates.append(name)
        return self._file.variables[name]

    def _describe(self, name: str, attrs: dict[str, Any]) -> None:
        self._attrs[name] = common(self._attrs.get(name, attrs), attrs)


def _in_file(dtype: np.dtype) -> np.dtype:
    return h5py.string_dtype() if dtype.kind in "OUS" else dtype


def _missing(dtype: np.dtype) -> Any:
    return {"O": "", "f": np.nan}.get(dtype.kind, 0)  # whole numbers are those of fields, of which none is missing
