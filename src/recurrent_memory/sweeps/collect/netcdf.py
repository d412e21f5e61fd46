"""A sweep's data set as a NetCDF file, written block by block so that it need not fit into memory."""

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
from ...errors import DamagedResultError, InputError, counted, first_line
from ..grid import Network
from ..store.layout import RESULT
from ..store.record import Part, part_of
from ..store.store import Store
from .dataset import Collection, common
from .dims import blocks

NETWORKS_AT_ONCE = 4096
"""Number of networks whose measures are in memory at once, and lie together in the file."""


class Collected(NamedTuple):
    """What a data set contains.

    Examples
    --------
    >>> collected = Collected(Counter({"finished": 7, "left": 5}), {"lambda0": 3, "seed": 4})
    >>> collected.statuses["left"]
    5
    """

    statuses: Counter[str]
    """Number of networks with each status."""
    sizes: dict[str, int]
    """Sizes of the dimensions over networks."""


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
        As for :func:`collect`, which also describes dimensions, measures and missing values.
    parts
        Arrays to include: ``curves``, ``activity``. Along their own dimensions (``iteration``, ``trial``, …) networks
        are aligned by label, and the longest sets the size.
    on_progress
        Called a few times a second with the number of networks read so far, and the total; with parts, each network is
        read twice.
    on_message
        Called with one line for each damaged file, and for each part that some networks have not kept.

    Returns
    -------
    The number of networks with each status, and the sizes of the dimensions.

    Raises
    ------
    InputError
        If there are no networks, or `parts` includes weights, whose shapes differ: :meth:`Store.network` returns those
        of one network.

    Examples
    --------
    >>> import tempfile, recurrent_memory as rm
    >>> networks = rm.sweeps.networks(rm.sweeps.Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}]))
    >>> folder = Path(tempfile.mkdtemp())
    >>> collect_to(folder / "sweep.nc", networks, Store(folder / "store"))
    Collected(statuses=Counter({'left': 2}), sizes={'seed': 2})
    """
    if unknown := set(parts) - {"curves", "activity"}:
        raise InputError(f"{', '.join(unknown)} cannot be collected, only curves and activity.")
    collection = Collection(networks, store, 1 + bool(parts), on_progress=on_progress, on_message=on_message)
    output = _Output(collection, store, parts, on_message)
    storage.save_dataset(Path(path), collection.labels(), output.write)
    output.report_missing()
    return Collected(output.statuses, dict(zip(collection.dims, collection.order.shape, strict=True)))


class _Output:
    """Writes a collection block by block, and counts statuses and missing parts."""

    def __init__(
        self, collection: Collection, store: Store, parts: Sequence[Part], on_message: Callable[[str], None]
    ) -> None:
        self._collection, self._store, self._parts, self._on_message = collection, store, parts, on_message
        self.statuses: Counter[str] = Counter()
        self._without: Counter[Part] = Counter()

    def write(self, file: BinaryIO, check: Callable[[], None]) -> None:
        """Add all networks to a file; ``check`` raises an OSError if the disk is full."""
        shape = self._collection.order.shape
        with h5netcdf.File(file, "r+") as opened:
            writer = _Writer(opened, self._collection.dims, shape)
            for places in blocks(shape, NETWORKS_AT_ONCE):
                measures = self._collection.block(places)
                writer.put(places, measures)
                check()
                statuses = measures["status"].values.ravel().tolist()
                identities = measures["identity"].values.ravel().tolist()
                for i, place in enumerate(_each(places)) if self._parts else ():
                    if statuses[i] == "finished" and not self._put_arrays(writer, place, identities[i]):
                        statuses[i] = opened.variables["status"][place] = "damaged"
                    check()
                    self._collection.step()
                self.statuses.update(statuses)
            writer.finish()

    def _put_arrays(self, writer: _Writer, place: tuple[slice, ...], identity: str) -> bool:
        """Put in the arrays of one network; return whether its file can be read."""
        try:
            kept = _kept(self._store, identity, self._parts)
            writer.check(kept, self._store.file(identity, RESULT))
        except DamagedResultError as error:
            self._on_message(first_line(error))
            return False
        writer.put(place, kept)
        self._without.update(set(self._parts) - {part_of(str(name), of) for name, of in kept.variables.items()})
        return True

    def report_missing(self) -> None:
        """Say which parts some networks have not kept."""
        for part, number in sorted(self._without.items()):
            self._on_message(
                f"{part}: {number} of {counted(self.statuses['finished'], 'finished network')} without it, because "
                "`save` did not list it when they were trained"
            )


def _each(places: tuple[slice, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield each place by itself, in C order."""
    for at in itertools.product(*(range(of.start, of.stop) for of in places)):
        yield tuple(slice(i, i + 1) for i in at)


def _kept(store: Store, identity: str, parts: Sequence[Part]) -> xr.Dataset:
    """Return the arrays of a network's result that belong to these parts."""
    whole = store.dataset(identity)
    return whole.drop_vars([name for name, of in whole.variables.items() if part_of(str(name), of) not in parts])


class _Writer:
    """Variables of a NetCDF file over the dimensions of a sweep, which grow along their own dimensions as needed."""

    def __init__(self, file: h5netcdf.File, dims: tuple[str, ...], shape: tuple[int, ...]) -> None:
        self._file, self._over = file, dims
        self._labels: dict[str, np.ndarray] = {}
        self._attrs: dict[str, dict[str, Any]] = {}
        self._coordinates = [name for name in file.variables if name not in file.dimensions]
        for dim, size in zip(dims, shape, strict=True):
            if dim not in file.dimensions:
                file.dimensions[dim] = size

    def check(self, found: xr.Dataset, path: Path) -> None:
        """Raise a DamagedResultError if a network's variables have other dimensions or types than those of others."""
        for name, variable in found.variables.items():
            own = [str(dim) for dim in variable.dims if dim not in self._over]
            there = self._file.variables.get(str(name))
            if there is not None:
                dims = [dim for dim in there.dimensions if dim not in self._over]
                if dims != own or (there.dtype.kind in "OSU") != (variable.dtype.kind in "OSU"):
                    raise DamagedResultError(f"{path} is damaged: `{name}` is of another kind than in other networks.")

    def put(self, places: tuple[slice, ...], found: xr.Dataset) -> None:
        """Write the variables of the networks at some places; for a single network they need no dimension."""
        shape = tuple(place.stop - place.start for place in places)
        for name, variable in found.variables.items():
            if name not in found.dims:
                own = [str(dim) for dim in variable.dims if dim not in self._over]
                values = variable.values.reshape(*shape, *(found.sizes[dim] for dim in own))
                where = [self._where(dim, found) for dim in own]
                # Every network has fields, but only some have results.
                is_whole = name in found.coords and len(own) < variable.ndim
                target = self._variable(str(name), own, values, variable.attrs, is_whole=is_whole)
                filled = np.full((*shape, *target.shape[len(shape) :]), _missing(target.dtype), target.dtype)
                filled[np.ix_(*map(np.arange, shape), *where)] = values
                target[places] = filled

    def finish(self) -> None:
        """Sort the labels, and write the attributes that all networks share, such as units."""
        for dim, labels in self._labels.items():
            order = np.argsort(labels, kind="stable")
            if not np.array_equal(order, np.arange(len(order))):
                self._reorder(dim, order)
        for name, attrs in self._attrs.items():
            self._file.variables[name].attrs.update(attrs)
        self._file.attrs["coordinates"] = " ".join(self._coordinates)  # where xarray looks for their names

    def _reorder(self, dim: str, order: np.ndarray) -> None:
        for variable in self._file.variables.values():
            if dim in variable.dimensions:
                n_over = sum(name in self._over for name in variable.dimensions)
                of_one = math.prod(variable.shape[n_over:])
                for places in blocks(variable.shape[:n_over], max(1, NETWORKS_AT_ONCE // of_one)):
                    variable[places] = np.take(variable[places], order, axis=variable.dimensions.index(dim))

    def _where(self, dim: str, found: xr.Dataset) -> np.ndarray:
        """Return the positions of some labels along a dimension, which grows if any of them is new."""
        labels, known = found[dim].values, self._labels.get(dim)
        is_labelled = dim in found.coords
        if known is None:
            known = labels[:0]
            self._file.dimensions[dim] = None
            if is_labelled:
                self._file.create_variable(dim, (dim,), _in_file(labels.dtype), chunks=(1024,))
        if is_labelled:
            self._describe(dim, found[dim].attrs)
        if np.array_equal(known[: len(labels)], labels):  # true of nearly all networks
            return np.arange(len(labels))
        known = np.concatenate([known, labels[~np.isin(labels, known)]])
        self._file.resize_dimension(dim, len(known))
        if is_labelled:
            self._file.variables[dim][:] = known
        self._labels[dim] = known
        order = np.argsort(known, kind="stable")
        return order[np.searchsorted(known, labels, sorter=order)]

    def _variable(self, name: str, own: list[str], like: np.ndarray, attrs: dict[str, Any], *, is_whole: bool) -> Any:
        # NetCDF has no Boolean type; this is how xarray marks one.
        is_truth = is_whole and like.dtype.kind == "b"
        self._describe(name, attrs | {"dtype": "bool"} if is_truth else attrs)
        if name not in self._file.variables:
            dtype = np.dtype(np.int8) if is_truth else _in_file(like.dtype)
            is_text = dtype.kind == "O"
            if not is_text and not is_whole:  # a missing value is NaN, which needs floating-point numbers
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
    return {"O": "", "f": np.nan}.get(dtype.kind, 0)  # integers are fields, which are never missing
