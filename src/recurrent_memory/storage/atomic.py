"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_UMASK = os.umask(0)  # looked at once: it can only be read by setting it, which other threads would see
os.umask(_UMASK)


def write_atomically(path: Path, write: Callable[[Path], object], *, replace: bool = True) -> bool:
    """Write a file under a temporary name in the same folder, sync it, and give it its name.

    Whoever looks sees the old file or the whole new one, whatever dies in between; on failure the temporary file is
    removed and the old one stays.

    Parameters
    ----------
    path
        Final name.
    write
        Writes the file at the path it is given.
    replace
        Whether a file of that name is replaced; otherwise it stays, and the new one is removed.

    Returns
    -------
    Whether the new file is the one that is there.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        # mkstemp makes files private; results are as readable as the user's other files.
        temporary.chmod(0o666 & ~_UMASK)
        _sync(temporary)
        if replace:
            temporary.replace(path)
        else:
            # Unlike a look and then a renaming, this cannot come between another one's look and renaming.
            os.link(temporary, path)
        _sync(path.parent)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
