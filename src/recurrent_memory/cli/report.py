"""The summary of a run on standard output, and its pictures in its folder."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from rich.console import Console
from rich.table import Table

from .. import figures
from ..runs.folder import RESULT, WEIGHTS, RunFolder
from ..storage.atomic import write_atomically


def draw(result: xr.Dataset, folder: Path, formats: tuple[str, ...] = ("png",), *, anew: bool = True) -> list[Path]:
    """Draw all pictures that the data set has the variables for, or only those not drawn yet; return their paths."""
    paths = []
    for name, picture in figures.PICTURES.items():
        if name != "learning_curve" and "activity" not in result:
            continue
        paths_of_it = [folder / f"{name}.{extension}" for extension in formats]
        wanted = [path for path in paths_of_it if anew or not path.exists()]
        if wanted:
            figure = picture(result)
        for path in wanted:
            write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=150))  # noqa: B023 (at once)
        paths += paths_of_it
    return paths


def print_summary(result: xr.Dataset, place: RunFolder, pictures: list[Path]) -> None:
    """Print what came out of a finished run."""
    table = Table(title=_title(result), title_justify="left", show_header=True, header_style="bold")
    for column in ("", "as published", "exact"):
        table.add_column(column, justify="left" if not column else "right")
    for row in _rows(result):
        table.add_row(*row)
    console = Console(highlight=False, soft_wrap=True, markup=False)  # names of folders may have brackets
    console.print(table)
    for reason in sorted({str(v.attrs["reason"]) for v in result.values() if v.attrs.get("reason")}):
        console.print(f"note: {reason}")
    timing = place.timing()
    if timing:
        console.print(
            f"run time: {timing['training_seconds']:.1f} s training, {timing['testing_seconds']:.1f} s test "
            f"({timing['device']})"
        )
    console.print(f"files: {place.path} ({', '.join([RESULT, WEIGHTS, *(p.name for p in pictures)])})")


def _title(result: xr.Dataset) -> str:
    a = result.attrs
    return (
        f"{a['task_title']}, {a['condition']}, {a['model']}: N = {a['n_hidden']}, λ0 = {a['lambda0']:g}, "
        f"σ0 = {a['sigma0']:g}, ρ = {a['rho']:g}, seed {a['seed']}, {result.sizes['iteration']} iterations"
    )


def _rows(result: xr.Dataset) -> list[tuple[str, str, str]]:
    unit = result["test_loss"].attrs["units"]

    def row(label: str, name: str, digits: int = 3) -> tuple[str, str, str]:
        published, exact = (f"{float(result[n]):.{digits}f}" for n in (name, f"{name}_exact"))
        return label, published, exact

    solved = "yes" if bool(result["solved"]) else "no"
    return [
        row(f"test loss ({unit})", "test_loss", 4),
        row(f"ideal observer's loss ({unit})", "observer_loss", 4),
        row("fractional loss", "fractional_loss"),
        ("solved (fractional loss < 0.5)", solved, ""),
        row("sequentiality index (nats)", "sequentiality_index"),
        row("  peak entropy", "peak_entropy"),
        row("  ridge to background", "ridge_to_background"),
        row("sequentiality index, delay period alone", "sequentiality_index_delay"),
        row("active units", "n_active_units", 1),
        *_rows_by_delay(result),
        *_rows_by_stage(result),
    ]


def _rows_by_stage(result: xr.Dataset) -> list[tuple[str, str, str]]:
    """Return what the tasks before the last came to, where there were any."""
    if "stage" not in result.dims:
        return []
    rows = []
    names = {"fractional loss": "stage_fractional_loss", "sequentiality index": "stage_sequentiality_index"}
    for stage in range(result.sizes["stage"] - 1):
        task = str(result["stage_task"].values[stage])
        for label, name in names.items():
            published, exact = (f"{float(result[n][stage]):.3f}" for n in (name, f"{name}_exact"))
            rows.append((f"{label} of the task before, {task}", published, exact))
    return rows


def _rows_by_delay(result: xr.Dataset) -> list[tuple[str, str, str]]:
    """Return what differs between delays, where they vary."""
    if "delay" not in result.dims:
        return []
    names = {"fractional loss": "delay_fractional_loss", "sequentiality index": "delay_sequentiality_index"}
    rows = []
    for label, name in names.items():
        for delay in result["delay"].values:
            published, exact = (f"{float(result[n].sel(delay=delay)):.3f}" for n in (name, f"{name}_exact"))
            rows.append((f"{label}, delay of {delay} steps", published, exact))
    return rows
