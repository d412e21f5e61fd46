"""Python files that register variants, imported by path."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ..errors import InputError

_IMPORTED: dict[str, tuple[str, ModuleType]] = {}
"""Digest of the content, and the module, of each file that was imported here, by the module's name."""


def imported_files() -> list[Path]:
    """Return the paths of all files that were imported here, for another process that is to know the same."""
    return [Path(str(module.__file__)) for _, module in _IMPORTED.values()]


MOST_BYTES = 2**24
"""Of a Python file that is imported."""


class OwnFile(NamedTuple):
    """A Python file and its content when it was read."""

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> OwnFile:
        """Read a file.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        The file and its content.

        Raises
        ------
        InputError
            If it cannot be read, or its name does not end in ``.py``.
        """
        path = Path(os.path.expandvars(os.path.expanduser(path)))
        if path.suffix != ".py":
            raise InputError(f"{path} is not a Python file: its name must end in .py.")
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise InputError(f"{path} is not a file: name a Python file to import.")
            if path.exists() and path.stat().st_size > MOST_BYTES:
                raise InputError(f"{path} has {path.stat().st_size:,} bytes: it is hardly a Python file.")
            return cls(path, path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"There is no file {path} to import.") from None
        except IsADirectoryError:
            raise InputError(f"{path} is a folder: name a Python file to import.") from None
        except InputError:
            raise
        except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
            raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def load(self) -> ModuleType:
        """Import the file; see :func:`import_file`."""
        # The name leaves out the folder: a copy, such as one for a cluster's jobs, is the same module.
        name = f"own_{re.sub(r'[^0-9A-Za-z]', '_', self.path.stem)}"
        known = _IMPORTED.get(name)
        if known is not None and known[0] == self.digest:
            return known[1]
        place = str(self.path.absolute())
        try:
            code = compile(self.content, place, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise InputError(f"{self.path}{line}: this is not Python: {reason}.") from None
        module, before = ModuleType(name), sys.modules.get(name)
        module.__file__ = place
        sys.modules[name] = module  # dataclasses look up the names in annotations there
        try:
            exec(code, module.__dict__)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            if before is not None:
                sys.modules[name] = before
            raise InputError(_what_failed(self.path, place, error)) from error
        _IMPORTED[name] = self.digest, module
        return module


def import_file(path: str | os.PathLike[str]) -> ModuleType:
    """Import a Python file, so that experiments can use the tasks, cells and other variants that it registers.

    A file is imported again only if its content has changed; its new entries then replace the old ones.

    Parameters
    ----------
    path
        The file. What it imports must be installed: its own folder is not searched.

    Returns
    -------
    The module.

    Raises
    ------
    InputError
        If there is no such file, it is not Python, or it raises an error; the message names the line.
    """
    return OwnFile.read(path).load()


def _what_failed(path: Path, place: str, error: BaseException) -> str:
    """Return a message that names the line of a file that raised an error."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    where = f", line {lines[-1]}" if lines else ""
    if isinstance(error, InputError):
        return f"{path}{where}: {error}"
    first, *_ = str(error).splitlines() or [""]
    advice = (
        "\nPut all that it needs into this one file, or install it as a package."
        if isinstance(error, ModuleNotFoundError)
        else ""
    )
    return f"{path}{where}: {type(error).__name__}: {first}{advice}"
