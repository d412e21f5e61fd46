"""Paths as users write them: with ``~`` and environment variables."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import FileError, InputError, plain

LONGEST_NAME, LONGEST_PATH = 255, 4095
"""Bytes of a name, and of a path, that Linux and most file systems take."""
_VARIABLE = re.compile(r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})", re.ASCII)


def expanded(path: str | os.PathLike[str], folder: str | os.PathLike[str] = "") -> Path:
    """Return a path with ``~``, ``~user``, ``$NAME`` and ``${NAME}`` replaced, as a shell would.

    Parameters
    ----------
    path
        The path. A folder or file that exists and has a dollar sign in its name is meant as it is written.
    folder
        Where a relative path begins; taken as it is.

    Returns
    -------
    The path.

    Raises
    ------
    InputError
        If a variable is not set, or there is no such user: a folder of that name is hardly what is wanted. Also if no
        file can have this name, because it is too long.

    Examples
    --------
    >>> os.environ["SCRATCH"] = "/scratch/me"
    >>> str(expanded("$SCRATCH/runs"))
    '/scratch/me/runs'
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"A path is needed, as text or as a pathlib.Path, got {path!r}.")
    text = os.fspath(path)
    if len(os.fsencode(text)) > LONGEST_PATH or any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(text).parts):
        raise InputError(
            f"{plain(repr(text), 60)} is not allowed (File name too long): give at most "
            f"{LONGEST_NAME} bytes for a name and {LONGEST_PATH} for a path."
        )
    if "$" not in text and not text.startswith("~"):
        return Path(folder, text)
    parts: list[str] = []
    for part in Path(text).parts:
        is_name = "$" in part and os.path.lexists(Path(folder, *parts, part))
        parts.append(part if is_name else _VARIABLE.sub(lambda found: _value(found, text), part))
    try:
        return Path(folder, Path(*parts).expanduser())
    except RuntimeError:
        raise InputError(
            f"{text!r} is not allowed: there is no such user, or no home directory. Write it out."
        ) from None


def make_folder(path: Path) -> Path:
    """Make a folder and those above it, if they do not exist.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    The same path.

    Raises
    ------
    FileError
        If a file, or anything else, has the name of one of them.
    OSError
        If it cannot be made for another reason.

    Examples
    --------
    >>> (make_folder(Path("store") / "log") / "events.jsonl").write_text("")
    0
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        other = next((one for one in (path, *path.parents) if os.path.lexists(one)), path)
        raise FileError(f"{other} is in the way: there should be a folder. Move it elsewhere.") from None
    return path


def _value(found: re.Match[str], text: str) -> str:
    name = found["name"] or found["braced"]
    value = os.environ.get(name)
    if not value:
        raise InputError(f"{text!r} is not allowed: the variable {name} is not set. Set it, or write it out.")
    return value
