"""Labelled data sets as NetCDF files that are whole or not there."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError
from .arrays import CHECKSUM, checksum, first_line, remedy
from .atomic import write_atomically

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "fletcher32": True}
"""How large arrays are written: with HDF5's own checksum, so that other readers find damage too."""


class _Enduring(io.FileIO):
    """A file that notes an error of writing, and goes on as if there were none.

    HDF5 cannot close a file that it could not write to, as on a full disk, and takes the process down at its end.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        left = size = memoryview(data).nbytes
        while left and self.error is None:
            try:
                left -= super().write(memoryview(data).cast("B")[size - left :]) or 0
            except OSError as error:
                self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:  # a file is made longer in this way, too
            self.error = self.error or error
            return self.tell() if size is None else size

    def check(self, path: Path) -> None:
        """Raise the error, as one of the file that this was to become."""
        if self.error is not None:
            raise OSError(self.error.errno, self.error.strerror, str(path))


def save_dataset(
    path: Path, dataset: xr.Dataset, add: Callable[[BinaryIO, Callable[[], None]], None] | None = None
) -> None:
    """Write a data set as NetCDF, compressed, with a checksum of its numbers as an attribute.

    Parameters
    ----------
    path
        File to write.
    dataset
        What to write.
    add
        Called with the file before it gets its name, to add variables that do not fit into memory, and with a function
        to call now and then, which raises an OSError where the disk is full. Then only HDF5's checksums tell of damage.
    """
    encoding = {
        name: COMPRESSED
        for name, variable in dataset.variables.items()
        if variable.size > 1000 and variable.dtype.kind in "fiub"
    }
    if add is None:
        dataset = dataset.assign_attrs({CHECKSUM: _checksum_of(dataset)})

    def write(temporary: Path) -> None:
        with _Enduring(temporary, "r+") as file:
            file.write(dataset.to_netcdf(engine="h5netcdf", encoding=encoding))
            file.check(path)
            if add is not None:
                add(file, lambda: file.check(path))
            file.check(path)

    write_atomically(path, write)


def load_dataset(path: Path) -> xr.Dataset:
    """Read a NetCDF file into memory.

    Raises
    ------
    InputError
        Where there is no such file, or it is truncated, damaged or not NetCDF.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    import xarray

    try:
        with xarray.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
    except Exception as error:  # the HDF5 layers raise almost anything on a damaged file
        raise InputError(f"{path} is damaged or not NetCDF ({first_line(error)}).\n{remedy(path)}") from None
    if dataset.attrs.pop(CHECKSUM, None) not in (None, _checksum_of(dataset)):
        raise InputError(f"{path} is damaged: its contents do not match its checksum.\n{remedy(path)}")
    return dataset


def open_dataset(path: Path) -> xr.Dataset:
    """Open a NetCDF file that was just written or checked; its variables are read when they are looked at."""
    import xarray

    dataset = xarray.open_dataset(path, engine="h5netcdf")
    dataset.attrs.pop(CHECKSUM, None)
    return dataset


def table_of_networks(dataset: xr.Dataset) -> pd.DataFrame:
    """Return what is one value a network as a table, with a row for each network, fields first.

    Parameters
    ----------
    dataset
        Data set of many networks: over the dimensions of its variable ``status``, others left out. A field that all
        networks share is a column like any other.
    """
    import xarray

    dims = dataset["status"].dims
    scalars = dataset.drop_vars([name for name, of in dataset.variables.items() if set(of.dims) - set(dims)])
    (flat,) = xarray.broadcast(scalars.reset_coords())
    frame = flat.to_dataframe().reset_index(drop=dims == ("network",))
    fields = [name for name in (*dims, *dataset.coords) if name in frame]
    return frame[list(dict.fromkeys([*fields, *frame]))]


def _checksum_of(dataset: xr.Dataset) -> str:
    return checksum({str(name): variable.values for name, variable in dataset.variables.items()})
