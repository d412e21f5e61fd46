"""Files that are whole or not there, and never execute: arrays as safetensors with a checksum, data sets as NetCDF."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import jax
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from . import atomic as files
from ..errors import InputError

if TYPE_CHECKING:
    import xarray as xr

NOTES = "notes"
"""The one entry of a safetensors file's metadata: JSON."""
CHECKSUM = "checksum"
"""Name of the entry (arrays) or attribute (data sets) that holds the SHA-256 of the contents."""


def save_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], *, replace: bool = True
) -> bool:
    """Write named arrays as safetensors, with a checksum of their contents in the metadata.

    For ``replace`` and what is returned see :func:`recurrent_memory.files.write_atomically`.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # One entry, since the library writes several in any order: equal contents are to give equal files.
    notes = {NOTES: json.dumps({**metadata, CHECKSUM: _checksum(arrays)}, sort_keys=True)}
    return files.write_atomically(path, lambda temporary: _save_file(arrays, temporary, notes), replace=replace)


def _save_file(arrays: dict[str, np.ndarray], path: Path, notes: dict[str, str]) -> None:
    """Call the library, which tells of a full disk as of anything else, as an OSError."""
    try:
        save_file(arrays, path, metadata=notes)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what :func:`save_arrays` wrote.

    Returns
    -------
    The arrays by name, and the metadata.

    Raises
    ------
    InputError
        Where there is no such file, or it is truncated or damaged.
    """
    with _opened(path) as file:
        metadata = _notes(file)
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if metadata.pop(CHECKSUM, None) != _checksum(arrays):
        raise InputError(f"{path} is damaged: its contents do not match its checksum.\n{_remedy(path)}")
    return arrays, metadata


def load_notes(path: Path) -> dict[str, str]:
    """Read the metadata that :func:`save_arrays` was given, without the arrays: their checksum is not looked at.

    Raises
    ------
    InputError
        Where there is no such file, or it is truncated or no safetensors file.
    """
    with _opened(path) as file:
        notes = _notes(file)
    if notes.pop(CHECKSUM, None) is None:
        raise InputError(f"{path} is damaged: it has no checksum.\n{_remedy(path)}")
    return notes


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file, and tell what is wrong with it."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path} is damaged or truncated ({_first_line(error)}).\n{_remedy(path)}") from None


def _notes(file: Any) -> dict[str, str]:
    notes: dict[str, str] = json.loads((file.metadata() or {}).get(NOTES, "{}"))
    return notes


def _remedy(path: Path) -> str:
    return f"Restore it from a copy, or delete {path.parent} and train again."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        if array.dtype.kind not in "fiub":
            # Files hold text in their own way, so what counts is the text.
            array = np.frombuffer("\0".join(map(str, array.ravel())).encode(), np.uint8)
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


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

    files.write_atomically(path, write)


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
        raise InputError(f"{path} is damaged or not NetCDF ({_first_line(error)}).\n{_remedy(path)}") from None
    if dataset.attrs.pop(CHECKSUM, None) not in (None, _checksum_of(dataset)):
        raise InputError(f"{path} is damaged: its contents do not match its checksum.\n{_remedy(path)}")
    return dataset


def open_dataset(path: Path) -> xr.Dataset:
    """Open a NetCDF file that was just written or checked; its variables are read when they are looked at."""
    import xarray

    dataset = xarray.open_dataset(path, engine="h5netcdf")
    dataset.attrs.pop(CHECKSUM, None)
    return dataset


def _checksum_of(dataset: xr.Dataset) -> str:
    return _checksum({str(name): variable.values for name, variable in dataset.variables.items()})


def flatten(tree: PyTree, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of a pytree by the names of their places in it, such as ``cell.W_rec``."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {prefix + _name(path): np.asarray(leaf) for path, leaf in leaves}


def unflatten(like: Any, arrays: dict[str, np.ndarray], source: Path, prefix: str = "") -> Any:
    """Put arrays where :func:`flatten` took them from.

    Parameters
    ----------
    like
        A pytree of the wanted structure; its arrays give the wanted shapes and types.
    arrays
        Arrays by name.
    source
        The file they came from, for the error message.

    Raises
    ------
    InputError
        Where an array is missing or has another shape or type.
    """

    def pick(path: tuple[Any, ...], leaf: Any) -> np.ndarray:
        name = prefix + _name(path)
        if name not in arrays:
            raise InputError(f"{source} has no array {name!r}: it belongs to another kind of network.")
        found = arrays[name]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise InputError(
                f"{source}: {name!r} is {found.dtype} {found.shape}, but this experiment needs "
                f"{leaf.dtype} {leaf.shape}.\nUse the experiment (and the JAX precision) it was saved with."
            )
        return found

    return jax.tree_util.tree_map_with_path(pick, like)


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
