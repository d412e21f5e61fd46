"""The summary of a run on standard output, and its pictures in its folder."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from rich.console import Console
from rich.table import Table

from .. import figures
from ..runs.folder import RESULT, WEIGHTS, RunFolder
from ..runs.measures import MEASURES, Measure, Row
from ..storage.atomic import write_atomically


def draw(result: xr.Dataset, folder: Path, formats: tuple[str, ...] = ("png",), *, anew: bool = True) -> list[Path]:
    """Draw all pictures that the data set has the variables for, or only those not drawn yet; return their paths."""
    paths = []
    for name, picture in figures.pictures_of(result).items():
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
    """Return the rows of all measures that have one: those of the whole test, of each delay, of each task before."""
    rows = sorted(((row, m) for m in MEASURES.values() for row in m.summary), key=lambda of: of[0].place)
    shown = [(row, measure) for row, measure in rows if _variables(result, measure, row.epoch)]
    each = [measure for row, measure in shown if row.each]
    n_before = result.sizes.get("stage", 1) - 1
    return [
        *(_row(_label(row, measure, result), result, measure, epoch=row.epoch) for row, measure in shown),
        *(
            _row(f"{measure.label}, delay of {delay} steps", result.sel(delay=delay), measure, "delay_")
            for measure in each
            if _variables(result, measure, beginning="delay_")
            for delay in result["delay"].values
        ),
        *(
            _row(f"{measure.label} of the task before, {before['stage_task'].item()}", before, measure, "stage_")
            for before in (result.isel(stage=stage) for stage in range(n_before))
            for measure in each
            if _variables(result, measure, beginning="stage_")
        ),
    ]


def _label(row: Row, measure: Measure, result: xr.Dataset) -> str:
    units = next((result[name].attrs.get("units", "") for name in _variables(result, measure, row.epoch).values()), "")
    return row.label.replace("{units}", units)


def _row(
    label: str, result: xr.Dataset, measure: Measure, beginning: str = "", epoch: str | None = None
) -> tuple[str, str, str]:
    """Return a row; a measure without a published variant has its value in the second column."""
    names = _variables(result, measure, epoch, beginning)
    published, exact = (
        formatted(result[names[variant]], measure) if variant in names else "" for variant in ("paper", "exact")
    )
    return label, published, exact


def _variables(result: xr.Dataset, measure: Measure, epoch: str | None = None, beginning: str = "") -> dict[str, str]:
    """Return the variables of a measure that a result has, by the columns that they are in."""
    names = {v: beginning + measure.variable(v, epoch) for v in ("paper", "exact") if v in measure.variants}
    return {variant: name for variant, name in names.items() if name in result}


def formatted(value: xr.DataArray, measure: Measure) -> str:
    """Return one value of a measure in words."""
    if value.dtype.kind == "b":
        return "yes" if bool(value) else "no"
    return f"{float(value):.{measure.decimals}f}"
