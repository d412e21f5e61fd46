"""Several networks in one call of ``recurrent-memory train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import xarray as xr
from rich.table import Table

from ..experiment import Experiment
from ..runs.many import run_many
from .display import Display
from .tables import table_console
from .train import cache_compiled_programs, interruptible

MEASURES = {
    "fractional loss": "fractional_loss",
    "sequentiality index": "sequentiality_index",
}


def train_many(
    experiments: list[Experiment], points: list[dict[str, Any]], folder: Path, checkpoint_every: int | None
) -> int:
    """Train networks, each in a run folder of its own, print a table of them, and return the exit code.

    Parameters
    ----------
    experiments
        What to do.
    points
        Values of the fields in which they differ, for each.
    folder
        Where the run folders are.
    checkpoint_every
        Iterations between checkpoints.
    """
    cache_compiled_programs()
    advice = f"The same command with --out {folder} goes on from there."
    with interruptible(advice) as should_stop, Display() as display:
        found = run_many(
            experiments,
            [folder / ",".join(f"{name}={_exactly(value)}" for name, value in point.items()) for point in points],
            on_progress=display.update_many,
            on_message=display.message,
            should_stop=should_stop,
            checkpoint_every=checkpoint_every,
        )
    _print_table(points, found)
    click.echo(f"files: {folder} (one run folder for each network)")
    return 3 if any(result.attrs["status"] == "diverged" for result in found) else 0


def _exactly(value: int | float) -> str:
    """Return a number in so many digits that no other one has the same."""
    short = f"{value:.12g}"
    return short if float(short) == value else repr(value)


def _print_table(points: list[dict[str, Any]], found: list[xr.Dataset]) -> None:
    table = Table(header_style="bold")
    for column in (*points[0], "status", *MEASURES, "solved"):
        table.add_column(column, justify="right")
    for point, result in zip(points, found, strict=True):
        row = [*map(_exactly, point.values()), result.attrs["status"]]
        row += [f"{float(result[name]):.3f}" if name in result else "" for name in MEASURES.values()]
        solved = result.get("solved")
        table.add_row(*row, "" if solved is None else "yes" if bool(solved) else "no")
    table_console().print(table)
