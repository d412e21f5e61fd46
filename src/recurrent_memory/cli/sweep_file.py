"""What the commands for sweeps share: their file, how it is changed, and which of its networks are meant."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError

if TYPE_CHECKING:
    from ..sweeps import Networks, Store, Sweep

SETTINGS = {"help_option_names": ["-h", "--help"]}

file_argument = click.argument("file", type=click.Path(path_type=Path))
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a base value of the file; may be repeated"
)
WHERE = "Networks for which this holds, such as \"task == 'comp' and lambda0 > 0.95\""
where_option = click.option("--where", metavar="EXPRESSION", help=WHERE)


def advised(name: str, file: Path, overrides: Iterable[str] = (), *more: str) -> str:
    """Return the command that a message advises, to be pasted into a shell."""
    words = [str(file), *itertools.chain(*(("--set", words) for words in dict.fromkeys(overrides))), *more]
    return f"recurrent-memory sweep {name} {shlex.join(words)}"


def open_sweep(file: Path, overrides: tuple[str, ...]) -> tuple[Sweep, Store]:
    """Return a sweep and its store, which may not exist yet."""
    from ..sweeps import Store, load

    sweep = load(file, overrides)
    store = Store(sweep.store)
    store.check()
    return sweep, store


def networks_of(sweep: Sweep) -> Networks:
    """Return all networks of a sweep."""
    from ..sweeps import networks

    return networks(sweep)


def check_output(path: Path, file: Path | None = None) -> None:
    """Refuse a place where no file can be written, or where the sweep's own file is, if it is given.

    Raises
    ------
    InputError
        Before anything has been read or computed.
    """
    folder = path.absolute().parent
    try:
        has_folder, is_folder = folder.is_dir(), path.is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, or has a null byte
        raise InputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from None
    if not has_folder:
        raise InputError(f"There is no folder {folder}: make it, or choose another file.")
    if is_folder:
        raise InputError(f"{path} is a folder: give the name of a file in it.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written to: choose another file.")
    if file is not None and path.resolve() == file.resolve():
        raise InputError(f"{path} is the sweep's own file: give another name.")
