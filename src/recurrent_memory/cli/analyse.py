"""``recurrent-memory analyse``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import click.shell_completion
from click.core import ParameterSource

from ..errors import InputError, counted, first_line, plain
from .options import formats_option, import_values_option
from .paths import PATH, RUN
from .sweep_file import SETTINGS, SweepFile, check_output, selected, where_option

if TYPE_CHECKING:
    import xarray as xr

    from ..runs.analysed import Analysis, Recorded

LONGEST_REASON = 150
"""Characters of a reason that the table shows; the file has all of it."""


class _Known(click.types.StringParamType):
    """Names from a table of `analysis`, separated by commas if several are allowed; tab completion offers them."""

    def __init__(self, table: str, *, several: bool = False) -> None:
        self.table, self.several = table, several
        self.name = "names" if several else "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from .. import analysis  # only now, because it takes long

        before, comma, begun = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        names = getattr(analysis, self.table).names()
        return [
            click.shell_completion.CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(begun)
        ]


def _steps(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", value)
    if found is None or int(found[1]) >= int(found[2]):
        raise InputError(f"`--steps` = {value!r} is not allowed: give A:B with A < B; 25:125 is the steps 25 … 124.")
    return int(found[1]), int(found[2])


def _names(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    names = [name.strip() for value in values for name in value.split(",")]
    return tuple(filter(None, names)) or None


@click.command(context_settings=SETTINGS)
@click.argument("source", type=RUN, metavar="RUN|SWEEP.toml|FILE")
@click.option("-o", "--out", type=PATH, required=True, metavar="FILE.nc", help="NetCDF file to write")
@click.option(
    "--measures",
    type=_Known("ACTIVITY_MEASURES", several=True),
    multiple=True,
    metavar="NAME,NAME",
    callback=_names,
    help="Measures to take; may be repeated  [default: all]",
)
@click.option(
    "--null",
    type=_Known("NULLS"),
    metavar="NAME",
    help="Surrogates to compare with, such as circular_shift  [default: no comparison]",
)
@click.option(
    "--surrogates",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    metavar="N",
    help="Number of surrogates; no p is below 1 / (N + 1)",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the surrogates")
@click.option(
    "--steps",
    metavar="A:B",
    callback=_steps,
    help="Measure the steps A … B−1 alone  [default: the whole trial and, of a run, the delay]",
)
@click.option(
    "--min-rate",
    type=float,
    metavar="NUMBER",
    help="Leave out units whose mean activity is not above this  [default: 0.1; time_decoding leaves none out]",
)
@click.option("--variable", metavar="NAME", help="The array of FILE that holds the activity (trial, time, unit)")
@click.option(
    "--at-once", type=click.IntRange(min=1), help="Networks of a sweep measured at once  [default: one per core]"
)
@where_option
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="As for `sweep`; may be repeated")
@import_values_option
@formats_option
def analyse(
    source: Path, out: Path, measures: tuple[str, ...] | None, null: str | None, surrogates: int, seed: int,
    steps: tuple[int, int] | None, min_rate: float | None, variable: str | None, at_once: int | None,
    where: str | None, overrides: tuple[str, ...], imports: tuple[Path, ...], formats: tuple[str, ...],
) -> None:  # fmt: skip
    """Measure whether activity is a sequence, and whether more so than by chance.

    The activity is that of a run folder or result.nc, of a network of the bank (bank:comp-sequential) or a file of
    `rm.save` in a new test, of all finished networks of a sweep, or a recording (trial, time, unit) in a file .npz,
    .npy, .nc or .mat, those of the published scripts included. Prints a table and writes
    FILE.nc, a data set over `measure` (and `network`), and pictures: FILE.png of the measures and, unless it is of a
    sweep, FILE-activity.png. Names that end in _delay are of the delay alone.

    If a sweep's analysis is stopped, or the sweep grows, the same command measures only the networks that FILE.nc
    lacks. If FILE.nc holds another analysis, that one is kept as FILE.1.nc.

    \b
    Examples:
      recurrent-memory analyse runs/comp -o analysis.nc
      recurrent-memory analyse runs/comp --null circular_shift -o analysis.nc
      recurrent-memory analyse sweep.toml --measures sqi,time_decoding -o sequences.nc
      recurrent-memory analyse session.npz --variable rates --min-rate 1 \\
          --steps 50:200 --null shuffled_units --surrogates 999 -o session.nc
    """
    from ..runs.analysed import Analysis

    if out.suffix != ".nc":
        raise InputError(f"`--out` = {str(out)!r} is not allowed: its name must end in .nc.")
    check_output(out)
    if null is None and _is_given("surrogates"):
        raise InputError("`--surrogates` is the number for a comparison: also give `--null`, such as circular_shift.")
    analysis = Analysis(measures=measures, null=null, n=surrogates, seed=seed, steps=steps, min_rate=min_rate)
    if source.suffix == ".toml":
        if variable is not None:
            raise InputError("`--variable` is for files with several arrays, not for a sweep.")
        found, recorded = _sweep(SweepFile(source, overrides, imports), out, analysis, at_once, where), None
    else:
        if overrides or at_once is not None or where is not None:
            raise InputError(
                "`--set`, `--where` and `--at-once` are for sweeps: leave them out, or give a sweep's .toml file."
            )
        found, recorded = _one(source, out, analysis, variable)
    pictures = _draw(found, recorded, out, formats)
    click.echo(f"files: {', '.join(map(str, [out, *pictures]))}")


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) != ParameterSource.DEFAULT


def _draw(found: xr.Dataset, recorded: Recorded | None, out: Path, formats: tuple[str, ...]) -> list[Path]:
    """Draw the measures, and the activity of one network or recording, beside the file."""
    import numpy as np

    from ..analysis import read_activity
    from ..figures import average_heatmap, measures_by_chance
    from .report import save_figures

    figures = {out.stem: measures_by_chance(found)}
    if recorded is not None:
        try:
            activity = read_activity(recorded.activity, mask=recorded.mask)
            gappy = bool(activity.isnull().any())  # NaN is what was left out; all else is finite
            figures[f"{out.stem}-activity"] = average_heatmap(np.ma.masked_invalid(activity) if gappy else activity)
        except InputError as error:  # what can be measured may be too incomplete to be drawn
            click.echo(f"No picture of the activity: {first_line(error)}", err=True)
    return save_figures(figures, out.parent, tuple(dict.fromkeys(formats)))


def _one(source: Path, out: Path, analysis: Analysis, variable: str | None) -> tuple[xr.Dataset, Recorded]:
    """Analyse one network or recording."""
    from .. import compat, storage
    from ..errors import InterruptedRunError
    from ..loading import is_single_network, load
    from ..runs import analysed, written
    from .display import Display
    from .process import interruptible

    before = written.load_analysis(out)  # raises if it is something else
    if is_single_network(source):
        recorded = analysed.of_dataset(load(source).test(), source, variable)
    else:
        recorded = analysed.open_recorded(source, variable, {".mat": compat.mat_recorded})
    with interruptible() as should_stop, Display() as display:

        def look_up(done: float) -> None:
            if should_stop():
                raise InterruptedRunError("Stopped; nothing was written.")
            display.update_measuring(done)

        found = analysed.analyse(recorded, analysis, on_progress=look_up).assign_attrs(source=str(source))
        if not found["value"].notnull().any():
            reasons = dict.fromkeys(found["reason"].values.tolist())
            raise InputError(f"No measure of {source} has a value, so nothing was written: {'; '.join(reasons)}.")
        if before is not None:
            written.make_way(out, before, found.attrs, of_sweep=False, on_message=display.message)
        storage.save_dataset(out, found)
    _print(f"{source}: {counted(int(found['n_trials'][0]), 'trial')}", found, _rows(found))
    return found, recorded


def _sweep(of: SweepFile, out: Path, analysis: Analysis, at_once: int | None, where: str | None) -> xr.Dataset:
    """Analyse the finished networks of a sweep."""
    from .. import sweeps
    from .display import Display
    from .process import interruptible

    sweep, store = of.open()
    with interruptible("The same command resumes from there.") as should_stop, Display() as display:
        shown: Any = {"on_progress": display.update_analysis, "on_message": display.message}
        found = sweeps.analyse(
            selected(of, sweep, where),
            store,
            out,
            analysis,
            source=str(of.file),
            where=where or "",
            should_stop=should_stop,
            at_once=at_once,
            **shown,
        )
    _print(f"{of.file}: {counted(found.sizes['network'], 'network')}", found, _rows_of_networks(found))
    return found


def _print(title: str, found: xr.Dataset, rows: Iterator[dict[str, str]]) -> None:
    from rich.table import Table

    from .tables import table_console

    null = found.attrs["null"]
    if null != "none":
        title = f"{title}, compared with {found.attrs['n']} surrogates ({null})"
    listed = list(rows)
    table = Table(header_style="bold")
    for column in listed[0]:
        table.add_column(column, justify="left" if column in ("measure", "unit", "stands on") else "right")
    for row in listed:
        table.add_row(*row.values())
    console = table_console()
    console.print(plain(title, lines=1), markup=False, soft_wrap=True)
    console.print(table)


def _rows(found: xr.Dataset) -> Iterator[dict[str, str]]:
    """Yield the rows of one network or recording, by column."""
    for name in found["measure"].values:
        of = found.sel(measure=name)
        row = {"measure": _text(name), "unit": _text(of["units"].item()), "value": _number(of["value"])}
        if "null_mean" in of:
            row["by chance"] = f"{_number(of['null_mean'])} ± {_number(of['null_sd'])}" if _has(of["null_mean"]) else ""
            row |= {"z": _number(of["z"], 1), "p": _number(of["p"]), "lowest p": _number(of["p_resolution"])}
        units = f"{_number(of['n_active_units'])} of {_number(of['n_units'])} units" if _has(of["n_units"]) else ""
        yield row | {"stands on": "; ".join(filter(None, (units, _text(of["reason"].item()))))}


def _rows_of_networks(found: xr.Dataset) -> Iterator[dict[str, str]]:
    """Yield the rows of a sweep, by column: each measure over networks."""
    for name in found["measure"].values:
        of = found.sel(measure=name)
        value = of["value"].where(abs(of["value"]) < math.inf)
        n = int(value.count())
        row = {"measure": _text(name), "unit": _text(of["units"].item()), "networks": str(n)}
        row["mean ± sd"] = f"{_number(value.mean())} ± {_number(value.std(ddof=1) if n > 1 else math.nan)}" if n else ""
        if "null_mean" in of:
            n_compared = int(of["p"].count())
            low = int((of["p"] < 0.05).sum())
            row |= {"median z": _number(of["z"].median(), 1) if n else "", "p < 0.05": f"{low} of {n_compared}"}
            lowest = float(of["p_resolution"].min())
            if lowest >= 0.05:  # no network can be below
                row["p < 0.05"] = f"lowest p is {lowest:.3g}"
        yield row


def _has(value: Any) -> bool:
    return not math.isnan(float(value))


def _number(value: Any, decimals: int | None = None) -> str:
    number = float(value)
    if math.isnan(number):
        return "–"
    return f"{number:.{decimals}f}" if decimals is not None else f"{number:.4g}"


def _text(value: Any) -> str:
    return plain(value, LONGEST_REASON, 1)
