"""Several networks in one call of ``recurrent-memory train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import xarray as xr
from rich.table import Table

from ..experiment import Experiment
from ..runs.many import run_many
from ..runs.measures import MEASURES
from .display import Display
from .process import interruptible
from .report import draw
from .summary import formatted
from .tables import table_console


def train_many(
    experiments: list[Experiment],
    points: list[dict[str, Any]],
    folder: Path,
    checkpoint_every: int | None,
    formats: tuple[str, ...] = (),
) -> int:
    """Train networks, each in its own run folder, and print a table of their results.

    Parameters
    ----------
    experiments
        One for each network.
    points
        For each network, the values of the fields in which the networks differ.
    folder
        The folder that contains the run folders.
    checkpoint_every
        Iterations between checkpoints; None: about one second's worth.
    formats
        File formats of each network's pictures; if empty, no pictures are drawn.

    Returns
    -------
    The exit code: 3 if any network diverged, otherwise 0.
    """
    folders = [folder / ",".join(f"{name}={_exactly(value)}" for name, value in point.items()) for point in points]
    advice = f"The same command with --out {folder} resumes from there."
    with interruptible(advice) as should_stop, Display() as display:
        found = run_many(
            experiments,
            folders,
            on_progress=display.update_many,
            on_message=display.message,
            should_stop=should_stop,
            checkpoint_every=checkpoint_every,
        )
    for result, place in zip(found, folders, strict=True):
        draw(result, place, formats, anew=False)
    _print_table(points, found)
    click.echo(f"files: {folder} (one run folder for each network)")
    return 3 if any(result.attrs["status"] == "diverged" for result in found) else 0


def _exactly(value: int | float) -> str:
    """Return a number with enough digits to tell it from every other, so that no two run folders share a name."""
    short = f"{value:.12g}"
    return short if float(short) == value else repr(value)


def _print_table(points: list[dict[str, Any]], found: list[xr.Dataset]) -> None:
    measures = sorted((m for m in MEASURES.values() if m.table is not None), key=lambda m: m.table or 0)
    table = Table(header_style="bold")
    for column in (*points[0], "status", *(measure.label for measure in measures)):
        table.add_column(column, justify="right")
    for point, result in zip(points, found, strict=True):
        values = (formatted(result[m.variable()], m) if m.variable() in result else "" for m in measures)
        table.add_row(*map(_exactly, point.values()), result.attrs["status"], *values)
    table_console().print(table)
