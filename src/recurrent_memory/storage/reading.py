"""Read files that others may have made: whole, bounded, and with an error that says what is wrong.

A file that the operating system does not let us read is not damaged: it may be someone else's, in use, or on a disk
that is away. Damaged is what was read and is not what it should be.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from ..errors import DamagedResultError, FileError, UnreadableFileError

MOST_TEXT = 64 * 2**20
"""Bytes of a text file that is read; ours are far smaller."""
MOST_UNPACKED, MOST_PACKED = 256 * 2**20, 100
"""A file may unpack to so many bytes, and this many times its size; results are packed about fivefold."""
MOST_LEVELS = 50
"""Levels of lists and tables in a file; ours have ten at most. Code that walks through them needs a few frames each."""
_NESTED = (dict, list, tuple)


def read_bytes(path: Path, *, most: int | None = None, head: int | None = None) -> bytes:
    """Return the contents of a file.

    Parameters
    ----------
    path
        File to read.
    most
        Largest size (bytes) that is read; None reads any.
    head
        Number of bytes to read from its beginning; None reads all.

    Returns
    -------
    The bytes.

    Raises
    ------
    FileError
        If there is no such file; an :class:`UnreadableFileError` if it cannot be read, a :class:`DamagedResultError` if
        it is too large, or something else than a file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> path.write_text("Units stay active.")
    18
    >>> read_bytes(path, head=5)
    b'Units'
    """
    try:
        # Not blocking: a named pipe would wait for a writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise unreadable(path, ValueError("it is a link to a file that is not there")) from None
        raise FileError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise unreadable(path, error) from None
    try:
        with os.fdopen(handle, "rb", buffering=0) as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise not_a_file(path, about.st_mode)
            if most is not None and about.st_size > most:
                raise DamagedResultError(
                    f"{path} is damaged, or not what its name says: it has {about.st_size:,} bytes, more than {most:,}."
                )
            size = about.st_size if head is None else min(head, about.st_size)
            _check_holes(path, handle, size)
            return _read(file, size)
    except IsADirectoryError:
        raise not_a_file(path, stat.S_IFDIR) from None
    except OSError as error:
        raise unreadable(path, error) from None


def read_json(path: Path, *, most: int = MOST_TEXT) -> Any:
    """Return what a JSON file holds.

    Parameters
    ----------
    path
        File to read.
    most
        Largest size (bytes) that is read.

    Returns
    -------
    The value.

    Raises
    ------
    FileError
        As for :func:`read_bytes`; a :class:`DamagedResultError` if it is not JSON.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "timing.json"
    >>> path.write_text('{"training_seconds": 3.6}')
    25
    >>> read_json(path)
    {'training_seconds': 3.6}
    """
    return parse_json(read_bytes(path, most=most).decode(errors="replace"), path)


def parse_json(text: str, path: Path, *, deep: bool = False) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text
        The text.
    path
        Where it comes from, for messages.
    deep
        Whether the caller looks for what is nested too deep: looking everywhere takes longer than reading.

    Returns
    -------
    The value.

    Raises
    ------
    DamagedResultError
        If it is not JSON, or is nested too deep; 200 levels are, in any case.

    Examples
    --------
    >>> parse_json("[1, 2]", Path("list.json"))
    [1, 2]
    """
    try:
        found = from_json(text)  # two to four times as fast as `json`; refuses halves of characters and 200 levels
        what = "it is nested too deep" if not deep and is_deep(found) else ""
    except ValueError as error:
        what = "it is nested too deep" if "recursion" in str(error) else "it is not JSON"
    if what:
        raise DamagedResultError(f"{path} is damaged: {what}.")
    return found


def is_deep(value: Any, most: int = MOST_LEVELS) -> bool:
    """Return whether lists and tables are nested deeper than so many levels.

    Examples
    --------
    >>> is_deep([[1]], most=2), is_deep([[[1]]], most=2)
    (False, True)
    """
    level = [value] if isinstance(value, _NESTED) else []
    for _ in range(most):
        if not level:
            return False
        parts = (part.values() if isinstance(part, dict) else part for part in level)
        level = [one for part in parts for one in part if isinstance(one, _NESTED)]
    return bool(level)


def not_a_file(path: Path, mode: int) -> DamagedResultError:
    """Return the error about a folder, a named pipe or the like where a file should be."""
    return DamagedResultError(f"{path} is damaged: it is not a file, but {_kind(mode)}.")


def unreadable(path: Path, error: Exception) -> UnreadableFileError:
    """Return the error about a file that cannot be read, which says why not.

    Parameters
    ----------
    path
        The file.
    error
        What went wrong.

    Returns
    -------
    The error to raise.
    """
    cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UnreadableFileError(f"{path} cannot be read: {cause}. It was left as it is.")


def check_holes(path: Path) -> None:
    """Raise an error for a file that is mostly a hole, and would fill the memory with zeros.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    FileError
        As for :func:`read_bytes`; a :class:`DamagedResultError` if it is.
    """
    read_bytes(path, head=1)
    with path.open("rb") as file:
        _check_holes(path, file.fileno(), path.stat().st_size)


def _check_holes(path: Path, handle: int, size: int) -> None:
    if size <= most_for(0) or not hasattr(os, "SEEK_DATA"):
        return
    written = _written(handle, size)
    if size > most_for(written):
        raise DamagedResultError(f"{path} is damaged: only {written:,} of its {size:,} bytes were ever written.")


def _written(handle: int, size: int) -> int:
    """Return the number of bytes of a file that are not in holes; all, on a file system that does not say."""
    written = end = 0
    try:
        while end < size:
            begin = os.lseek(handle, end, os.SEEK_DATA)
            end = os.lseek(handle, begin, os.SEEK_HOLE)
            written += end - begin
    except OSError as error:
        if error.errno != errno.ENXIO:  # nothing but a hole is left
            return size
    finally:
        os.lseek(handle, 0, os.SEEK_SET)
    return written


def most_for(size: int) -> int:
    """Return the number of bytes to which a file of `size` bytes may unpack."""
    return MOST_UNPACKED + MOST_PACKED * size


def _read(file: Any, size: int) -> bytes:
    parts, left = [], size
    while left > 0 and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
