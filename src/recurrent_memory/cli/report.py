"""The summary of a run on standard output, and its pictures in its folder."""

from __future__ import annotations

import errno
import gc
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import xarray as xr
from rich.console import Console
from rich.table import Table

from .. import figures
from ..errors import InputError, plain
from ..figures.drawing_library import Figure, rc_context
from ..runs.folder import RESULT, WEIGHTS, RunFolder
from ..storage.atomic import write_atomically
from .summary import LONGEST_NOTE, by_chance, explanations, rows, title

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
                content = _rendered(figure, path.suffix[1:], dpi=150)
                write_atomically(path, content)
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            click.echo(f"No pictures: {folder} cannot be written to ({error.strerror}).", err=True)
            return [path for path in paths if path.exists()]
        paths += paths_of_it
    return paths


def save_figures(
    drawn: Mapping[str, Figure | Callable[[], Figure]], folder: Path, formats: tuple[str, ...]
) -> list[Path]:
    """Save pictures by file name, each in all formats, and return the paths.

    Pictures that are functions are drawn one after another, and none is written before all are drawn: an error leaves
    no partial set, and only one large figure is in memory.

    Raises
    ------
    InputError
        If the folder cannot be made.
    """
    contents = {}
    for name, picture in drawn.items():
        figure = picture() if callable(picture) else picture
        for extension in formats:
            contents[folder / f"{name}.{extension}"] = _rendered(figure, extension)
        if callable(picture):
            del figure
            gc.collect()  # the parts of a figure refer to each other, and those of a large sweep take 100 MB
    make_folder(folder)
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def _rendered(figure: Figure, extension: str, **settings: Any) -> bytes:
    """Return the file of a picture, be it one of the user's own, so that its text can be edited."""
    file = io.BytesIO()
    with rc_context(figures.EDITABLE):
        figure.savefig(file, format=extension, **settings)
    return file.getvalue()


def make_folder(folder: Path) -> None:
    """Make the folder for pictures.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be created ({error.strerror}): give another --out.") from None


def print_summary(result: xr.Dataset, place: RunFolder, pictures: list[Path]) -> None:
    """Print the measures of a finished run, its computing time and its files."""
    console = print_measures(result)
    timing = place.timing()
    if timing:
        console.print(
            f"run time: {timing['training_seconds']:.1f} s training, {timing['testing_seconds']:.1f} s test "
            f"({plain(timing['device'], LONGEST_NOTE, 1)})"
        )
    console.print(f"files: {place.path} ({', '.join([RESULT, WEIGHTS, *(p.name for p in pictures)])})")


def print_measures(result: xr.Dataset) -> Console:
    """Print the measures of a network, and return the console."""
    table = Table(title=title(result), title_justify="left", show_header=True, header_style="bold")
    for column in ("", "as published", "exact"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows(result):
        table.add_row(*map(plain, row))
    console = Console(highlight=False, soft_wrap=True, markup=False)  # brackets in folder names are not markup
    console.print(table)
    for line in filter(None, (*explanations(result), by_chance(result))):
        console.print(line)
    reasons = {v.attrs.get("reason") for v in result.values() if isinstance(v.attrs.get("reason"), str)}
    for reason in sorted(filter(None, reasons)):
        console.print(f"note: {plain(reason, LONGEST_NOTE, 1)}")
    return console
