"""Write files that are complete or absent, on whatever file system they are."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .makers import is_left_over, token

_NOT_HERE = {
    getattr(errno, name)
    for name in ("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EPERM", "EACCES", "EMLINK", "EBADF", "ENOTTY", "EISDIR")
    if hasattr(errno, name)
}
"""How file systems say that they lack hard links, or cannot sync."""
MOST_TRIES = 100
"""Of a call that a signal interrupts."""
LONGEST_STEM = 100
"""Characters of a name that its temporary name repeats: a name has at most 255."""

Result = TypeVar("Result")


def write_atomically(path: Path, contents: str | bytes | Callable[[Path], object], *, replace: bool = True) -> bool:
    """Write a file under a temporary name in the same folder, sync it to disk, and give it its final name.

    Readers see either the old file or the complete new one, even if the process or the machine dies in between. If
    writing fails, the old file stays and the temporary file is removed; that of a killed process is removed when the
    same file is written again.

    Parameters
    ----------
    path
        Final name.
    contents
        Text (in UTF-8), bytes, or a function that writes the file at the path that it receives.
    replace
        Whether to replace an existing file. If False, an existing file stays, and the new one is removed. Of several
        processes that write at the same time one wins, if the file system has hard links; otherwise the last may.

    Returns
    -------
    Whether the new file is now the one at `path`.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full; it names `path`.

    Notes
    -----
    What a file system lacks is done without: modes (FAT), hard links, the sync of a folder (some network mounts).

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomically(folder / "note.txt", "first")
    True
    >>> write_atomically(folder / "note.txt", "second", replace=False)
    False
    >>> (folder / "note.txt").read_text()
    'first'
    """
    with _temporary(path) as temporary:
        if callable(contents):
            contents(temporary)
        else:
            temporary.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        _sync(temporary)
        linked = None if replace else _link(temporary, path)
        if replace or (linked is None and not path.exists()):
            _again(temporary.replace, path)
        elif not linked:
            return False
    _sync_folder(path.parent)
    return True


def create(path: Path, contents: bytes) -> bool:
    """Make a small file unless there is one; of several processes exactly one succeeds, on any file system.

    Parameters
    ----------
    path
        Name of the file.
    contents
        What is in it. Without hard links, readers may see it empty for a moment.

    Returns
    -------
    Whether the file was made.

    Raises
    ------
    OSError
        If it cannot be made, for a reason other than that there is one.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> create(folder / "claim", b"mine"), create(folder / "claim", b"mine, too")
    (True, False)
    """
    with _temporary(path) as temporary:
        temporary.write_bytes(contents)
        linked = _link(temporary, path)
        return _create_exclusively(path, contents) if linked is None else linked


def remove_left_over(folder: Path, stem: str = "") -> None:
    """Remove the temporary files of killed processes from a folder, as far as their makers are known to be dead.

    Parameters
    ----------
    folder
        The folder; it need not exist.
    stem
        Stem of the file that they were to become; empty: of any.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(f".{stem}-" if stem else "."):
                remove_if_left_over(entry)


def remove_if_left_over(entry: os.DirEntry[str]) -> None:
    """Remove a file if it is a temporary one whose maker is known to be dead.

    Parameters
    ----------
    entry
        A file whose name begins with a dot.
    """
    if is_left_over(entry.name.split(".")[1]):
        with contextlib.suppress(OSError):
            os.unlink(entry.path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Make a file beside the final one, and remove it in the end, unless it has got the final name."""
    with _named(path):
        temporary = _new_file(path)
        try:
            yield temporary
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _new_file(path: Path) -> Path:
    """Make an empty file beside the final one, after those of killed processes are removed."""
    stem = path.stem.lstrip(".").replace(".", "_")[:LONGEST_STEM]
    remove_left_over(path.parent, stem)
    temporary = path.with_name(f".{stem}-{token()}{path.suffix}")
    os.close(_again(os.open, temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    return temporary


def _link(temporary: Path, path: Path) -> bool | None:
    """Give a file a second name, unless that exists; None on a file system without hard links.

    "Look, then rename" could overwrite a file that appears in between.
    """
    try:
        _again(os.link, temporary, path)
    except FileExistsError:
        # A network file system may have made the link, lost its answer, and tried again.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        return None
    return True


def append_line(path: Path, line: str) -> None:
    """Append a line to a log, if that is possible: a full disk, or a named pipe of that name, ends no training.

    Parameters
    ----------
    path
        The log; it is made if it does not exist.
    line
        The line, without its end.

    Examples
    --------
    >>> append_line(Path("log.txt"), "starting")
    >>> Path("log.txt").read_text()
    'starting\\n'
    """
    with contextlib.suppress(OSError), open(path, "a", encoding="utf-8", opener=_not_waiting) as file:
        file.write(line + "\n")


def _not_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def _create_exclusively(path: Path, contents: bytes) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            file.write(contents)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a name survives the death of the machine; the file itself is already safe."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _again(call: Callable[..., Result], *arguments: Any) -> Result:
    """Call again what a signal has interrupted; Python itself does so with reading and writing alone."""
    for _ in range(MOST_TRIES):
        with contextlib.suppress(InterruptedError):
            return call(*arguments)
    return call(*arguments)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have an error name the final file, not the temporary one."""
    try:
        yield
    except OSError as error:
        about = error.filename
        if error.errno is None or (about is not None and Path(os.fsdecode(about)).parent != path.parent):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
