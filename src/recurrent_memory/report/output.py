"""Checks before a report is made, which need none of what makes it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ..errors import InputError
from ..storage.reading import read_bytes

NEEDED = ("jinja2", "plotly")
MARK = '<meta name="generator" content="recurrent-memory report'
"""Stands near the beginning of every report."""
MOST_HEAD = 4096


def check_libraries() -> None:
    """Raise an error if a library that reports need is missing.

    Raises
    ------
    InputError
        If so; the message says how to install it.

    Examples
    --------
    >>> check_libraries()
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"A report needs {' and '.join(missing)}: pip install {' '.join(missing)}.")


def check_replaceable(path: Path) -> None:
    """Raise an error for a file that is something else than a report, which would be lost.

    Parameters
    ----------
    path
        File to write.

    Raises
    ------
    InputError
        If there is such a file.

    Examples
    --------
    >>> check_replaceable(Path("new.html"))
    """
    if path.exists() and MARK.encode() not in read_bytes(path, head=MOST_HEAD):
        raise InputError(f"{path} exists and is not a report: give another name.")
