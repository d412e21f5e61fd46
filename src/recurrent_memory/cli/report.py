"""The summary of a run on standard output, and its pictures in its folder."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
import xarray as xr
from rich.console import Console
from rich.table import Table

from .. import figures
from ..errors import InputError, plain
from ..runs.folder import RESULT, WEIGHTS, RunFolder
from ..storage.atomic import write_atomically
from .summary import LONGEST_NOTE, by_chance, explanations, rows, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def draw(result: xr.Dataset, folder: Path, formats: tuple[str, ...] = ("png",), *, anew: bool = True) -> list[Path]:
    """Draw every picture for which the result has the variables, and return the paths of all of them.

    Unless ``anew``, pictures that exist already are kept. A folder that is read-only gets none, which a message says.
    """
    paths: list[Path] = []
    for name, picture in figures.pictures_of(result).items():
        paths_of_it = [folder / f"{name}.{extension}" for extension in formats]
        wanted = [path for path in paths_of_it if anew or not path.exists()]
        if wanted:
            figure = picture(result)
        try:
            for path in wanted:
                write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=150))  # noqa: B023 (at once)
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            click.echo(f"No pictures: {folder} cannot be written to ({error.strerror}).", err=True)
            return [path for path in paths if path.exists()]
        paths += paths_of_it
    return paths


def save_figures(drawn: Mapping[str, Figure], folder: Path, formats: tuple[str, ...]) -> list[Path]:
    """Save pictures by file name, each in all formats, and return the paths.

    Raises
    ------
    InputError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be created ({error.strerror}): give another --out.") from None
    paths = []
    for name, figure in drawn.items():
        for extension in formats:
            paths.append(folder / f"{name}.{extension}")
            write_atomically(paths[-1], figure.savefig)
    return paths


def print_summary(result: xr.Dataset, place: RunFolder, pictures: list[Path]) -> None:
    """Print the measures of a finished run, its computing time and its files."""
    table = Table(title=title(result), title_justify="left", show_header=True, header_style="bold")
    for column in ("", "as published", "exact"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows(result):
        table.add_row(*map(plain, row))
    console = Console(highlight=False, soft_wrap=True, markup=False)  # brackets in folder names are not markup
    console.print(table)
    for line in filter(None, (*explanations(result), by_chance(result))):
        console.print(line)
    for reason in sorted({str(v.attrs["reason"]) for v in result.values() if v.attrs.get("reason")}):
        console.print(f"note: {plain(reason, LONGEST_NOTE, 1)}")
    timing = place.timing()
    if timing:
        console.print(
            f"run time: {timing['training_seconds']:.1f} s training, {timing['testing_seconds']:.1f} s test "
            f"({plain(timing['device'], LONGEST_NOTE, 1)})"
        )
    console.print(f"files: {place.path} ({', '.join([RESULT, WEIGHTS, *(p.name for p in pictures)])})")
