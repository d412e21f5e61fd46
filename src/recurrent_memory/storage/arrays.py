"""Named arrays as safetensors files with a checksum, and the arrays of a pytree by name."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..errors import InputError
from .atomic import write_atomically

NOTES = "notes"
"""The only entry in the metadata of a safetensors file; its value is JSON."""
CHECKSUM = "checksum"
"""Name of the metadata entry (arrays) or attribute (data sets) that holds the SHA-256 of the contents."""


def save_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], *, replace: bool = True
) -> bool:
    """Write named arrays as a safetensors file, with a checksum of their contents in the metadata.

    Parameters
    ----------
    path
        File to write.
    arrays
        Arrays by name, of any shape.
    metadata
        Texts by name, stored beside the arrays.
    replace
        Whether to replace an existing file; see `write_atomically`.

    Returns
    -------
    Whether the new file is now the one at `path`.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> save_arrays(path, {"W_rec": np.eye(2)}, {"model": "relu"})
    True
    >>> load_arrays(path)
    ({'W_rec': array([[1., 0.],
           [0., 1.]])}, {'model': 'relu'})
    """
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # A single entry: the library writes several in arbitrary order, and equal contents should give equal files.
    notes = {NOTES: json.dumps({**metadata, CHECKSUM: checksum(arrays)}, sort_keys=True)}
    return write_atomically(path, lambda temporary: _save_file(arrays, temporary, notes), replace=replace)


def _save_file(arrays: dict[str, np.ndarray], path: Path, notes: dict[str, str]) -> None:
    """Write the file; the library reports a full disk as an error of its own, which becomes an OSError here."""
    try:
        save_file(arrays, path, metadata=notes)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a file that :func:`save_arrays` wrote, and check it against its checksum.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    The arrays by name, and the metadata.

    Raises
    ------
    InputError
        If the file is missing, truncated or damaged.

    Examples
    --------
    See :func:`save_arrays`.
    """
    with _opened(path) as file:
        metadata = _notes(file)
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if metadata.pop(CHECKSUM, None) != checksum(arrays):
        raise InputError(f"{path} is damaged: its contents do not match its checksum.\n{remedy(path)}")
    return arrays, metadata


def load_notes(path: Path) -> dict[str, str]:
    """Read the metadata of a file that :func:`save_arrays` wrote, without reading (or checking) its arrays.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    The metadata.

    Raises
    ------
    InputError
        If the file is missing or truncated, or is not a safetensors file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> _ = save_arrays(path, {"W_rec": np.eye(2)}, {"model": "relu"})
    >>> load_notes(path)
    {'model': 'relu'}
    """
    with _opened(path) as file:
        notes = _notes(file)
    if notes.pop(CHECKSUM, None) is None:
        raise InputError(f"{path} is damaged: it has no checksum.\n{remedy(path)}")
    return notes


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; if it cannot be read, say what is wrong with it."""
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
    """Return the first line of a library's error message, or the type of the error if it has no message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the names, types, shapes and contents of arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        if array.dtype.kind not in "fiub":
            # File formats store text in different ways, so the checksum is of the text itself.
            array = np.frombuffer("\0".join(map(str, array.ravel())).encode(), np.uint8)
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def flatten(tree: PyTree, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of a pytree by their paths, such as ``cell.W_rec``.

    Parameters
    ----------
    tree
        Any pytree of arrays, such as a network.
    prefix
        Text put before each name.

    Returns
    -------
    The arrays by name, in the order of the tree.

    Examples
    --------
    >>> flatten({"cell": {"W_rec": np.zeros((3, 3))}})["cell.W_rec"].shape
    (3, 3)
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {prefix + _name(path): np.asarray(leaf) for path, leaf in leaves}


def unflatten(like: Any, arrays: dict[str, np.ndarray], source: Path, prefix: str = "") -> Any:
    """Put arrays back where :func:`flatten` found them.

    Parameters
    ----------
    like
        A pytree with the wanted structure, whose arrays have the wanted shapes and types.
    arrays
        Arrays by name.
    source
        The file that they came from, for error messages.
    prefix
        Text before each name.

    Returns
    -------
    A pytree like `like`, with these arrays.

    Raises
    ------
    InputError
        If an array is missing, or its shape or type differs.

    Examples
    --------
    >>> like = {"W_rec": np.zeros(2)}
    >>> unflatten(like, {"W_rec": np.array([1.0, 2.0])}, Path("weights.safetensors"))
    {'W_rec': array([1., 2.])}
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
