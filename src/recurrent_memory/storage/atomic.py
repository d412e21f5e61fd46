"""Write files that are complete or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_UMASK = os.umask(0)  # read only once, because reading it means setting it, which other threads would see
os.umask(_UMASK)


def write_atomically(path: Path, write: Callable[[Path], object], *, replace: bool = True) -> bool:
    """Write a file under a temporary name in the same folder, sync it to disk, and give it its final name.

    Readers see either the old file or the complete new one, even if the process or the machine dies in between. If
    writing fails, the old file stays and the temporary file is removed.

    Parameters
    ----------
    path
        Final name.
    write
        Function that writes the file at the path that it receives.
    replace
        Whether to replace an existing file. If False, an existing file stays, and the new one is removed.

    Returns
    -------
    Whether the new file is now the one at `path`.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomically(folder / "note.txt", lambda path: path.write_text("first"))
    True
    >>> write_atomically(folder / "note.txt", lambda path: path.write_text("second"), replace=False)
    False
    >>> (folder / "note.txt").read_text()
    'first'
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        # mkstemp makes private files; results should be as readable as the user's other files.
        temporary.chmod(0o666 & ~_UMASK)
        _sync(temporary)
        if replace:
            temporary.replace(path)
        else:
            # A link fails if the name exists; "look, then rename" could overwrite a file that appears in between.
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
