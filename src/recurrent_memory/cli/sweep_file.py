"""What the commands for sweeps share: the sweep's file, the options that change it, and the choice of networks."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import InputError
from .options import IMPORT, IMPORT_HELP
from .paths import PATH

if TYPE_CHECKING:
    from ..sweeps import Network, Networks, Store, Sweep

SETTINGS = {"help_option_names": ["-h", "--help"]}

WHERE = "Only the networks for which this is true, such as \"task == 'comp' and lambda0 > 0.95\""
where_option = click.option("--where", metavar="EXPRESSION", help=WHERE)


class SweepFile(NamedTuple):
    """The sweep that a command is about: its file, and the values and imports given on the command line."""

    file: Path
    overrides: tuple[str, ...] = ()
    imports: tuple[Path, ...] = ()

    def advised(self, name: str, *more: str) -> str:
        """Return another command for the same sweep, quoted so that it can be pasted into a shell."""
        words = [str(self.file)]
        words += [word for given in dict.fromkeys(self.overrides) for word in ("--set", given)]
        words += [word for given in dict.fromkeys(self.imports) for word in ("--import", str(given))]
        return f"recurrent-memory sweep {name} {shlex.join([*words, *more])}"

    def open(self) -> tuple[Sweep, Store]:
        """Return the sweep and its store, which may not exist yet."""
        from ..sweeps import Store, load

        sweep = load(self.file, self.overrides, self.imports)
        store = Store(sweep.store)
        store.check()
        return sweep, store


def of_sweep(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and options that every command for a sweep takes, and pass them on as a `SweepFile`."""

    @functools.wraps(command)
    def with_sweep(file: Path, overrides: tuple[str, ...], imports: tuple[Path, ...], **others: Any) -> None:
        command(SweepFile(file, overrides, imports), **others)

    for add in (
        click.option("--import", "imports", **IMPORT, help=f"{IMPORT_HELP}; adds to the imports in the file"),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Value for all networks, in place of the value or axis in the file; may be repeated",
        ),
        click.argument("file", type=PATH),
    ):
        with_sweep = add(with_sweep)
    return with_sweep


def networks_of(sweep: Sweep) -> Networks:
    """Return all networks of a sweep."""
    from ..sweeps import networks

    return networks(sweep)


def selected(of: SweepFile, sweep: Sweep, where: str | None) -> Sequence[Network]:
    """Return the networks for which an expression is true, or all if there is none.

    Raises
    ------
    InputError
        If the expression is refused, or holds for no network.
    """
    from ..sweeps import select

    networks = networks_of(sweep)
    if where is None:
        return networks
    chosen = select(sweep, networks, where)
    if not chosen:
        raise InputError(f"--where {where!r} holds for no network of {of.file}: relax it.")
    return chosen


def check_output(path: Path, file: Path | None = None) -> None:
    """Refuse a path that cannot be written to, or that is the sweep's own file, if that is given.

    Raises
    ------
    InputError
        If the path is refused. Commands check this first, so that no work is lost.
    """
    folder = path.absolute().parent
    try:
        has_folder, is_folder = folder.is_dir(), path.is_dir()
    except (OSError, ValueError) as error:  # the name is too long, or contains a null byte
        raise InputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from None
    if not has_folder:
        raise InputError(f"There is no folder {folder}: create it, or choose another file.")
    if is_folder:
        raise InputError(f"{path} is a folder: give the name of a file in it.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written to: choose another file.")
    if file is not None and path.resolve() == file.resolve():
        raise InputError(f"{path} is the sweep's own file: give another name.")
