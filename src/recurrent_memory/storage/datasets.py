"""Labelled data sets as NetCDF files that are complete or absent."""

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
"""How large arrays are written: with HDF5's own checksum, so that other readers notice damage too."""


class _Enduring(io.FileIO):
    """A file that records a write error and carries on as if there were none.

    If HDF5 cannot write to a file, for example on a full disk, it cannot close it either, and ends the whole process.
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
        except OSError as error:  # this is also how a file is made longer
            self.error = self.error or error
            return self.tell() if size is None else size

    def check(self, path: Path) -> None:
        """Raise the recorded error, as an error about the final file."""
        if self.error is not None:
            raise OSError(self.error.errno, self.error.strerror, str(path))


def save_dataset(
    path: Path, dataset: xr.Dataset, add: Callable[[BinaryIO, Callable[[], None]], None] | None = None
) -> None:
    """Write a data set as compressed NetCDF, with a checksum of its numbers as an attribute.

    Parameters
    ----------
    path
        File to write.
    dataset
        Data set to write.
    add
        Function that adds variables that do not fit into memory. It receives the open file before the file gets its
        final name, and a function to call now and then, which raises an OSError if the disk is full. Such a file has no
        checksum of its own, only HDF5's.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full.

    Examples
    --------
    >>> import tempfile, xarray as xr
    >>> path = Path(tempfile.mkdtemp()) / "result.nc"
    >>> save_dataset(path, xr.Dataset({"fractional_loss": 0.31}))
    >>> float(load_dataset(path).fractional_loss)
    0.31
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
    """Read a NetCDF file into memory, and check it against its checksum if it has one.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    The data set.

    Raises
    ------
    InputError
        If the file is missing, truncated or damaged, or is not NetCDF.

    Examples
    --------
    See :func:`save_dataset`.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    import xarray

    try:
        with xarray.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
    except Exception as error:  # on a damaged file, the HDF5 layers raise almost any exception
        raise InputError(f"{path} is damaged or not NetCDF ({first_line(error)}).\n{remedy(path)}") from None
    if dataset.attrs.pop(CHECKSUM, None) not in (None, _checksum_of(dataset)):
        raise InputError(f"{path} is damaged: its contents do not match its checksum.\n{remedy(path)}")
    return dataset


def open_dataset(path: Path) -> xr.Dataset:
    """Open a NetCDF file that was just written or checked; its variables are read on first use.

    Parameters
    ----------
    path
        File to open.

    Returns
    -------
    The data set; close it (or use it as a context manager) when it is no longer needed.

    Examples
    --------
    >>> import tempfile, xarray as xr
    >>> path = Path(tempfile.mkdtemp()) / "result.nc"
    >>> save_dataset(path, xr.Dataset({"fractional_loss": 0.31}))
    >>> with open_dataset(path) as result:
    ...     float(result.fractional_loss)
    0.31
    """
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
