"""The scalars of a sweep's data set as a table, for programs without labelled dimensions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import h5netcdf
import pandas as pd
import xarray as xr

from ...errors import InputError
from ...storage import table_of_networks, write_atomically
from .dims import blocks
from .netcdf import NETWORKS_AT_ONCE


def table(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the scalars of a collected data set as a table.

    Parameters
    ----------
    dataset
        Data set that `collect` returned.

    Returns
    -------
    One row per network: the fields first, then status and measures.

    Examples
    --------
    >>> dataset = xr.Dataset({"status": ("lambda0", ["finished", "left"])}, coords={"lambda0": [0.9, 0.98]})
    >>> table(dataset)
       lambda0    status
    0     0.90  finished
    1     0.98      left
    """
    return table_of_networks(dataset)


def write_csv(path: str | os.PathLike[str], dataset: str | os.PathLike[str]) -> None:
    """Write the table of a data set as CSV, without ever holding all of it in memory.

    Parameters
    ----------
    path
        File to write.
    dataset
        File that :func:`collect_to` wrote.

    Raises
    ------
    InputError
        If there is no such data set.

    Examples
    --------
    >>> write_csv("sweep.csv", "no/such/file.nc")
    Traceback (most recent call last):
        ...
    recurrent_memory.errors.InputError: There is no file no/such/file.nc.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            for number, part in enumerate(_tables(dataset)):
                part.to_csv(file, index=False, header=number == 0)

    write_atomically(Path(path), write)


def write_parquet(path: str | os.PathLike[str], dataset: str | os.PathLike[str]) -> None:
    """Write the table of a data set as Parquet, which needs pyarrow.

    Parameters
    ----------
    path, dataset
        As for :func:`write_csv`.

    Raises
    ------
    InputError
        If there is no such data set.

    Examples
    --------
    >>> write_parquet("sweep.parquet", "no/such/file.nc")
    Traceback (most recent call last):
        ...
    recurrent_memory.errors.InputError: There is no file no/such/file.nc.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(temporary: Path) -> None:
        with contextlib.ExitStack() as stack:
            writer = None
            for part in _tables(dataset):
                rows = pa.Table.from_pandas(part, writer and writer.schema, preserve_index=False)
                writer = writer or stack.enter_context(pq.ParquetWriter(temporary, rows.schema))
                writer.write_table(rows)

    write_atomically(Path(path), write)


def _tables(path: str | os.PathLike[str]) -> Iterator[pd.DataFrame]:
    """Yield the table in parts, each of the networks that lie together in the file."""
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}.")
    # Not with xarray, which would read all texts of the file at once.
    with h5netcdf.File(path, "r", decode_vlen_strings=True) as opened:
        dims = opened.variables["status"].dimensions
        scalars = {name: of for name, of in opened.variables.items() if set(of.dimensions) <= set(dims)}
        for places in blocks(opened.variables["status"].shape, NETWORKS_AT_ONCE):
            place = dict(zip(dims, places, strict=True))
            part = {
                name: xr.Variable(of.dimensions, of[tuple(place[dim] for dim in of.dimensions)], dict(of.attrs))
                for name, of in scalars.items()
            }
            yield table(xr.decode_cf(xr.Dataset(part).set_coords(opened.attrs["coordinates"].split())))
