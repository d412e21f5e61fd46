"""Named arrays as safetensors files with a checksum, and the arrays of a pytree by name."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..errors import InputError
from .atomic import write_atomically

if TYPE_CHECKING:
    pass

NOTES = "notes"
"""The one entry of a safetensors file's metadata: JSON."""
CHECKSUM = "checksum"
"""Name of the entry (arrays) or attribute (data sets) that holds the SHA-256 of the contents."""


def save_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], *, replace: bool = True
) -> bool:
    """Write named arrays as safetensors, with a checksum of their contents in the metadata.

    For ``replace`` and what is returned see :func:`recurrent_memory.write_atomically`.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # One entry, since the library writes several in any order: equal contents are to give equal files.
    notes = {NOTES: json.dumps({**metadata, CHECKSUM: checksum(arrays)}, sort_keys=True)}
    return write_atomically(path, lambda temporary: _save_file(arrays, temporary, notes), replace=replace)


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
    if metadata.pop(CHECKSUM, None) != checksum(arrays):
        raise InputError(f"{path} is damaged: its contents do not match its checksum.\n{remedy(path)}")
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
        raise InputError(f"{path} is damaged: it has no checksum.\n{remedy(path)}")
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
        raise InputError(f"{path} is damaged or truncated ({first_line(error)}).\n{remedy(path)}") from None


def _notes(file: Any) -> dict[str, str]:
    notes: dict[str, str] = json.loads((file.metadata() or {}).get(NOTES, "{}"))
    return notes


def remedy(path: Path) -> str:
    """Return what to do about a damaged file."""
    return f"Restore it from a copy, or delete {path.parent} and train again."


def first_line(error: Exception) -> str:
    """Return the first line of what a library complains of, or the kind of error if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of named arrays: of their names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        if array.dtype.kind not in "fiub":
            # Files hold text in their own way, so what counts is the text.
            array = np.frombuffer("\0".join(map(str, array.ravel())).encode(), np.uint8)
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


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
