"""Named arrays as safetensors files with a checksum, and the arrays of a pytree by name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from ..errors import DamagedResultError, InputError, first_line
from .atomic import write_atomically
from .reading import parse_json, read_bytes

LENGTH = 8
"""Bytes of a safetensors file that give the length of its header."""
USUAL_HEADER = 2**16
"""Bytes in which the headers of most files end, and which are read at once."""
MOST_HEADER = 100_000_000
"""Largest header (bytes) that the safetensors library reads."""
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
    FileError
        If the file is missing or cannot be read; a :class:`DamagedResultError` if it is truncated or damaged.

    Examples
    --------
    >>> _ = save_arrays(Path("weights.safetensors"), {"W_rec": np.eye(2)}, {"model": "relu"})
    >>> arrays, metadata = load_arrays(Path("weights.safetensors"))
    >>> arrays["W_rec"].shape, metadata
    ((2, 2), {'model': 'relu'})
    """
    header, size = _read_header(path)
    # Before all is read: what is behind the header might be anything, and of any size.
    data = read_bytes(path, most=size)
    metadata = _notes(header, path)
    try:
        arrays = load(data)
    except Exception as error:  # the library checks sizes and types, and raises errors of its own
        raise _damaged(path, first_line(error)) from None
    if metadata.pop(CHECKSUM, None) != checksum(arrays):
        raise DamagedResultError(f"{path} is damaged: its contents do not match its checksum.\n{remedy(path)}")
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
    FileError
        If the file is missing or cannot be read; a :class:`DamagedResultError` if it is truncated, or is not a
        safetensors file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> _ = save_arrays(path, {"W_rec": np.eye(2)}, {"model": "relu"})
    >>> load_notes(path)
    {'model': 'relu'}
    """
    header, size = _read_header(path)
    if path.stat().st_size != size:
        raise _damaged(path, "its size is not what its header says")
    notes = _notes(header, path)
    if notes.pop(CHECKSUM, None) is None:
        raise _damaged(path, "it has no checksum")
    return notes


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file (its length, in eight bytes, and JSON), and the file's size by it."""
    data = read_bytes(path, head=USUAL_HEADER)
    length = int.from_bytes(data[:LENGTH], "little")
    if len(data) < LENGTH or length > MOST_HEADER:
        raise _damaged(path, "it is not a safetensors file")
    data = data[: LENGTH + length] if LENGTH + length <= USUAL_HEADER else read_bytes(path, head=LENGTH + length)
    text = data[LENGTH:].decode(errors="replace")
    if len(data) < LENGTH + length or not isinstance(header := parse_json(text, path), dict):
        raise _damaged(path, "its header is incomplete")
    return header, LENGTH + length + _size_of_arrays(header, path)


def _size_of_arrays(header: dict[str, Any], path: Path) -> int:
    """Return the number of bytes of all arrays, as the header says; the library checks each array."""
    try:
        return max([int(of["data_offsets"][1]) for name, of in header.items() if name != "__metadata__"], default=0)
    except (TypeError, ValueError, LookupError, OverflowError):
        raise _damaged(path, "its header does not say where the arrays are") from None


def _notes(header: dict[str, Any], path: Path) -> dict[str, str]:
    metadata = header.get("__metadata__", {})
    notes = parse_json(str(metadata.get(NOTES, "{}")), path) if isinstance(metadata, dict) else None
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise _damaged(path, "its notes are not texts by name")
    return notes


def _damaged(path: Path, what: str) -> DamagedResultError:
    return DamagedResultError(f"{path} is damaged or truncated ({what}).\n{remedy(path)}")


def remedy(path: Path) -> str:
    """Return what to do about a damaged file."""
    return f"Restore it from a copy, or move {path.parent} aside and train again."


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
