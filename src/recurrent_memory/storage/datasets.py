"""Labelled data sets as NetCDF files that are complete or absent."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np

from ..errors import DamagedResultError, UnreadableFileError, first_line
from .arrays import CHECKSUM, checksum, remedy
from .atomic import write_atomically
from .bounds import LINK, SUPERBLOCK, check_contents, used
from .probe import NoAnswerError, check_apart
from .reading import most_for, read_bytes, unreadable

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

CHECKSUM_OF = "checksum_of"
"""Name of the attribute that says which variables and attributes the checksum is of, as JSON."""
COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "fletcher32": True}
"""How large arrays are written: with HDF5's own checksum, so that other readers notice damage too."""


def _seal(content: bytes | memoryview) -> bytes:
    """Return what is written after the end of an HDF5 file, which the library leaves out: these bytes are as written.

    A file without it is not damaged, but may be: somebody has changed it, or another program made it.
    """
    return b"\nrecurrent-memory sha256 " + hashlib.sha256(content).hexdigest().encode() + b"\n"


_SEAL = len(_seal(b""))
"""Bytes of a seal."""


_AS_WRITTEN: dict[str, Any] = {"engine": "h5netcdf", "phony_dims": "access", "decode_times": False}
"""How files are read: variables that somebody has added need no named dimensions, nor units of time that make sense."""


class _Enduring(io.FileIO):
    """A file that records a write error and carries on as if there were none.

    If HDF5 cannot write to a file, for example on a full disk, it cannot close it either, and ends the whole process.
    If it cannot open one, it writes to it once more when the remains are collected, though it is closed by then.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        left = size = memoryview(data).nbytes
        while left and self.error is None and not self.closed:
            try:
                left -= super().write(memoryview(data).cast("B")[size - left :]) or 0
            except OSError as error:
                self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        if self.closed:
            return 0
        try:
            return super().truncate(size)
        except OSError as error:  # this is also how a file is made longer
            self.error = self.error or error
            return self.tell() if size is None else size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return 0 if self.closed else super().seek(offset, whence)

    def flush(self) -> None:
        """Do nothing, for nothing is buffered."""

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
        of = json.dumps({"variables": [str(name) for name in dataset.variables], "attributes": list(dataset.attrs)})
        dataset = dataset.assign_attrs({CHECKSUM: _checksum_of(dataset, of), CHECKSUM_OF: of})

    def write(temporary: Path) -> None:
        with _Enduring(temporary, "r+") as file:
            content = dataset.to_netcdf(engine="h5netcdf", encoding=encoding)
            file.write(content)
            if add is None and used(bytes(content[:SUPERBLOCK])) == len(content):
                file.write(_seal(content))
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
    FileError
        If the file is missing or cannot be read; a :class:`DamagedResultError` if it is truncated or damaged, or is not
        NetCDF.

    Examples
    --------
    >>> import xarray as xr
    >>> save_dataset(Path("result.nc"), xr.Dataset({"fractional_loss": 0.31}))
    >>> float(load_dataset(Path("result.nc")).fractional_loss)
    0.31
    """
    superblock = read_bytes(path, head=SUPERBLOCK)
    try:
        length = used(superblock)
    except ValueError as error:
        raise DamagedResultError(f"{path} is damaged or not NetCDF ({error}).\n{remedy(path)}") from None
    content = read_bytes(path, head=length + _SEAL)
    data = content[:length]
    is_as_written = content[length:] == _seal(data)
    del content
    try:
        most = most_for(len(data))
        # What is as it was written reads well; of the rest, HDF5 may crash or never end.
        (check_contents if is_as_written else check_apart)(data, most)
        dataset = _dataset_in(data, most)
    except (NoAnswerError, MemoryError) as error:
        raise unreadable(path, error) from None
    except Exception as error:  # on a damaged file, the HDF5 layers raise almost any exception
        if LINK in str(error):
            raise UnreadableFileError(
                f"{path} cannot be read: {first_line(error)}, which is not followed.\n"
                "Remove it, as `del file[name]` does in h5py; everything else is as it was."
            ) from None
        raise DamagedResultError(f"{path} is damaged or not NetCDF ({first_line(error)}).\n{remedy(path)}") from None
    noted, of = dataset.attrs.pop(CHECKSUM, None), dataset.attrs.pop(CHECKSUM_OF, None)
    if noted is not None and noted != _checksum_of(dataset, of):
        raise DamagedResultError(f"{path} is damaged: its contents do not match its checksum.\n{remedy(path)}")
    return dataset


def _dataset_in(data: bytes, most: int) -> xr.Dataset:
    """Read a file; variables that somebody has added stay as they are in it if their attributes make no sense."""
    try:
        return _decoded(data, most)
    except Exception:
        with h5py.File(io.BytesIO(data)) as file:
            ours = json.loads(file.attrs.get(CHECKSUM_OF, "{}")).get("variables")
            added = [name for name in file if ours is not None and name not in ours]
        if not added:
            raise
    dataset, plain = _decoded(data, most, drop_variables=added), _decoded(data, most, decode_cf=False)
    return dataset.assign({name: plain[name].variable for name in added if name in plain})


def _decoded(data: bytes, most: int, **changes: Any) -> xr.Dataset:
    import xarray

    # From memory: HDF5 would lock the file, which fails if another program has it open, or without locks.
    with warnings.catch_warnings(), xarray.open_dataset(io.BytesIO(data), **_AS_WRITTEN, **changes) as file:
        # Of odd fill values and the like, one for each variable: what is read is checked by whoever needs it.
        warnings.simplefilter("ignore", xarray.SerializationWarning)
        if file.nbytes > most:  # decoding can widen numbers
            raise ValueError(f"its {len(data):,} bytes unpack to {file.nbytes:,}")
        return _with_own_dimensions(file.load())


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

    # Without HDF5's lock, which fails if another program writes the file, or on a file system without locks.
    dataset = _with_own_dimensions(xarray.open_dataset(path, driver_kwds={"locking": False}, **_AS_WRITTEN))
    for name in (CHECKSUM, CHECKSUM_OF):
        dataset.attrs.pop(name, None)
    return dataset


def _with_own_dimensions(dataset: xr.Dataset) -> xr.Dataset:
    """Mend coordinates: beside a variable without named dimensions, h5netcdf gets that of the first one wrong."""
    wrong = {name: of for name, of in dataset.variables.items() if name in dataset.sizes and of.dims != (name,)}
    rest = dataset.drop_vars(list(wrong))
    values = {name: np.asarray(of.values) for name, of in wrong.items()}
    own = {name: (name, values[name], of.attrs) for name, of in wrong.items() if name in rest.sizes}
    return rest.assign_coords({name: of for name, of in own.items() if of[1].shape == (rest.sizes[name],)})


def table_of_networks(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the scalars of a data set of many networks as a table.

    Parameters
    ----------
    dataset
        Data set whose variable ``status`` has the dimensions over networks; variables with further dimensions are left
        out.

    Returns
    -------
    One row per network: first the fields of the experiments, including those that all networks share, then the rest.

    Examples
    --------
    >>> import xarray as xr
    >>> status = ("seed", ["finished", "left"])
    >>> table_of_networks(xr.Dataset({"status": status}, coords={"seed": [0, 1], "lambda0": 0.9}))
       seed  lambda0    status
    0     0      0.9  finished
    1     1      0.9      left
    """
    import xarray

    dims = dataset["status"].dims
    scalars = dataset.drop_vars([name for name, of in dataset.variables.items() if set(of.dims) - set(dims)])
    (flat,) = xarray.broadcast(scalars.reset_coords())
    frame = flat.to_dataframe().reset_index(drop=dims == ("network",))
    fields = [name for name in (*dims, *dataset.coords) if name in frame]
    return frame[list(dict.fromkeys([*fields, *frame]))]


def _checksum_of(dataset: xr.Dataset, of: Any) -> str | None:
    """Return the checksum of the variables and attributes that a file had when it was written.

    What was added to it since is not damage. Files of version 0.1 do not say what they had: all variables.
    """
    try:
        if of is None:
            return checksum({str(name): variable.values for name, variable in dataset.variables.items()})
        named = json.loads(of)
        variables = {str(name): dataset.variables[name].values for name in named["variables"]}
        attributes = {name: _plain(dataset.attrs[name]) for name in named["attributes"]}
        text = json.dumps(attributes, sort_keys=True)
        return checksum({**variables, "": np.frombuffer(text.encode(), np.uint8)})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    """Return an attribute in JSON's types: a file has arrays in place of lists, and NumPy's numbers."""
    return np.asarray(value).tolist()
