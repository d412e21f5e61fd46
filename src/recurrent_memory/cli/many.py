"""Several networks in one call of ``recurrent-memory train``."""

from __future__ import annotations

from pathlib import Path

import click
import xarray as xr
from rich.console import Console
from rich.table import Table

from ..course import InterruptedRunError
from ..ensembles import run_many
from ..experiment import Experiment
from .display import Display
from .train import cache_compiled_programs, catch_signals

MEASURES = {
    "fractional loss": "fractional_loss",
    "sequentiality index": "sequentiality_index",
}

WIDTH_OF_A_FILE = 200
"""Columns of a table that does not go to a terminal: wide enough to cut nothing off."""


def train_many(
    experiments: dict[str, Experiment], axes: tuple[str, ...], folder: Path, checkpoint_every: int | None
) -> int:
    """Train networks by the names of their folders, print a table of them, and return the exit code.

    Parameters
    ----------
    experiments
        By the name of the run folder that each gets in ``folder``.
    axes
        The fields in which they differ.
    folder
        Where the run folders are.
    checkpoint_every
        Iterations between checkpoints.
    """
    cache_compiled_programs()
    caught = catch_signals()
    try:
        with Display() as display:
            found = run_many(
                list(experiments.values()),
                [folder / name for name in experiments],
                on_progress=display.update_many,
                on_message=display.message,
                should_stop=lambda: bool(caught),
                checkpoint_every=checkpoint_every,
            )
    except InterruptedRunError as error:
        click.echo(f"{error} The same command with --out {folder} goes on from there.", err=True)
        return 128 + caught[0]
    _print_table(experiments, axes, found)
    click.echo(f"files: {folder} (one run folder for each network)")
    return 3 if any(result.attrs["status"] == "diverged" for result in found) else 0


def _print_table(experiments: dict[str, Experiment], axes: tuple[str, ...], found: list[xr.Dataset]) -> None:
    table = Table(header_style="bold")
    for column in (*axes, "status", *MEASURES, "solved"):
        table.add_column(column, justify="right")
    for experiment, result in zip(experiments.values(), found, strict=True):
        row = [f"{getattr(experiment, name):g}" for name in axes]
        row.append(result.attrs["status"])
        row += [f"{float(result[name]):.3f}" if name in result else "" for name in MEASURES.values()]
        solved = result.get("solved")
        table.add_row(*row, "" if solved is None else "yes" if bool(solved) else "no")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    console.print(table)
