"""What an HDF5 file would unpack to, found out before anything of it is unpacked, and without other files.

Run as a script, it reads the files that it is sent, because the HDF5 library can crash on a damaged one, or go round in
circles: see :mod:`~.probe`. It then imports nothing of this package.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK = 64
"""Bytes at the beginning of an HDF5 file that are looked at first."""
_END = {0: 40, 1: 44, 2: 28, 3: 28}
"""Where a superblock of each version says how long the file is; before it come three or two other addresses."""


LINK = "is a link to something else"
"""What is wrong with an entry that is in another place, or in another file."""
NO_MEMORY = "there is not enough memory for it"
"""What the script says then: the file may be whole."""
REQUEST = struct.Struct("<QQQ")
"""What precedes each file that the script is sent: its size, bytes to which it may unpack, seconds of computing."""


def used(superblock: bytes) -> int:
    """Return the number of bytes at the beginning of an HDF5 file that are part of it: what follows was added.

    Parameters
    ----------
    superblock
        The first bytes of the file.

    Raises
    ------
    ValueError
        If it is no HDF5 file.
    """
    if not superblock.startswith(SIGNATURE) or len(superblock) < SUPERBLOCK:
        raise ValueError("file signature not found")
    version = superblock[8]
    width = superblock[13 if version < 2 else 9]
    if version not in _END or width != 8:
        return sys.maxsize  # of another program; the HDF5 library knows
    return int.from_bytes(superblock[_END[version] : _END[version] + width], "little")


def check_contents(data: bytes, most: int, *, read: bool = False) -> None:
    """Raise an error for an HDF5 file that unpacks to too much, or whose contents lie in other files.

    Parameters
    ----------
    data
        The file.
    most
        Bytes to which it may unpack.
    read
        Whether all of it is read as well.

    Raises
    ------
    ValueError
        If it does; the HDF5 library raises almost any other exception for a damaged file.

    Notes
    -----
    Texts of variable length take 16 bytes each in an array, but may all be one text as long as the file. They are
    therefore read and counted in parts, and lists of them in attributes, which cannot be read in parts, kept short.
    """
    unpacked = 0
    with h5py.File(io.BytesIO(data)) as file:
        for name in file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name!r} {LINK}")
        objects: list[Any] = [file]
        file.visititems(lambda _, found: objects.append(found))
        for item in objects:
            _check_attributes(item, len(data), most)
            if read:
                dict(item.attrs)
            if not isinstance(item, h5py.Dataset):
                continue
            if item.is_virtual or item.external:
                raise ValueError(f"{item.name!r} is in another file")
            unpacked += item.size * item.dtype.itemsize
            if item.dtype.kind == "O":
                unpacked += _length_of_texts(item, len(data), most - unpacked)
            if unpacked > most:
                raise _too_much(len(data), unpacked)
            if read:
                item[()]


def _check_attributes(item: Any, size: int, most: int) -> None:
    for name in item.attrs:
        found = item.attrs.get_id(name)
        number = math.prod(found.shape)
        if number * (size if found.dtype.kind == "O" else found.dtype.itemsize) > most:
            raise _too_much(size, number * size)


def _length_of_texts(item: Any, size: int, most: int) -> int:
    """Return the length of all texts in an array, read in parts that stay below `most` bytes."""
    length = 0
    for places in _parts(item.shape, max(1, most // 4 // size)):
        part = np.asarray(item[places], object)
        length += sum(len(one) if isinstance(one, bytes | str | np.ndarray) else 1 for one in part.ravel())
        if length > most:
            break
    return length


def _parts(shape: tuple[int, ...], most: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield indices of consecutive parts of an array, of at most so many elements each."""
    axis, whole = len(shape), 1
    while axis and whole * shape[axis - 1] <= most:
        axis -= 1
        whole *= shape[axis]
    if axis == 0:
        yield ()
        return
    step = max(1, most // max(1, whole))
    for outer in np.ndindex(*shape[: axis - 1]):
        for first in range(0, shape[axis - 1], step):
            yield (*outer, slice(first, first + step))


def _too_much(size: int, unpacked: int) -> ValueError:
    return ValueError(f"its {size:,} bytes unpack to {unpacked:,}")


def _answer_requests() -> None:
    """Check each file that comes from standard input, and write a line of JSON about it: what is wrong, or null."""
    requests, answers = sys.stdin.buffer, sys.stdout
    while head := requests.read(REQUEST.size):
        size, most, seconds = REQUEST.unpack(head)
        _limit(most, seconds)
        wrong = None
        try:
            check_contents(requests.read(size), most, read=True)
        except MemoryError:  # sizes were checked before
            wrong = NO_MEMORY
        except Exception as error:  # on a damaged file, the HDF5 library raises almost any exception
            wrong = str(error) or type(error).__name__
        print(json.dumps(wrong), file=answers, flush=True)


def _limit(memory: int, seconds: int) -> None:
    """Limit what is taken from now on, if the system can."""
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        computed = math.ceil(used.ru_utime + used.ru_stime) + seconds
        for which, most in ((resource.RLIMIT_CPU, computed), (resource.RLIMIT_AS, 2**30 + 2 * memory)):
            _, hard = resource.getrlimit(which)
            resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    except (ImportError, ValueError, OSError):
        pass


if __name__ == "__main__":
    _answer_requests()
