"""``recurrent-memory report``: the results of a sweep, a run or a study as one HTML page."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bank import is_name
from ..errors import InputError, InterruptedRunError, counted
from .options import import_values_option
from .paths import PATH
from .sweep_file import SETTINGS, SweepFile, check_output, selected, where_option

if TYPE_CHECKING:
    from ..report.chosen import Wanted
    from ..report.contents import Contents

SOURCES = "a sweep's file (.toml), a run folder, data sets (*.nc) or a saved network (bank:NAME, .safetensors)"
SECONDS_BETWEEN_PAGES = 30
WAITING = 0.2
"""Seconds after which a command that waits looks whether it should stop."""
BUSY = 4
"""A page that takes long to make is made less often: it takes at most one part in five of the time."""


@click.command("report", context_settings=SETTINGS)
@click.argument("source", type=PATH, metavar="SWEEP.toml|RUN|DATA.nc|FOLDER|bank:NAME")
@where_option
@click.option("-o", "--out", type=PATH, required=True, metavar="FILE.html", help="HTML file to write")
@click.option(
    "--activity",
    type=click.IntRange(min=0),
    metavar="N",
    help="Networks whose activity is shown, spread over all settings; where it was not kept, it is made again from the "
    "weights  [default: 100]",
)
@click.option(
    "--analysis", type=PATH, metavar="FILE.nc", help="Also show what `analyse` has measured of these networks"
)
@click.option("--watch", is_flag=True, help="Write the page again and again until all networks are done")
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="As for `sweep`; may be repeated")
@import_values_option
def html_report(
    source: Path, where: str | None, out: Path, activity: int | None, analysis: Path | None, watch: bool,
    overrides: tuple[str, ...], imports: tuple[Path, ...],
) -> None:  # fmt: skip
    """Write a page to look through the networks of a sweep, a run or data sets (*.nc), or a saved network.

    The page is one file that any browser opens without a network: a table of all networks, maps of any measure,
    learning curves, and for each network its activity, weights and the command that makes it again. The data of a
    study (`reproduce`) also have their scorecard. Sweeps and runs need not be finished.

    With --watch, the page is written again every half minute until all networks are done, and loads itself again.

    \b
    Examples:
      recurrent-memory report sweep.toml -o report.html
      recurrent-memory report sweep.toml -o report.html --watch
      recurrent-memory report sweep.toml -o comp.html --where "task == 'comp'"
      recurrent-memory report runs/comp -o comp.html --analysis analysis.nc
      recurrent-memory report study/data -o study.html
      recurrent-memory report bank:comp-sequential -o comp.html
    """
    # What the command line alone shows to be wrong is refused before the libraries that read results are imported.
    from ..report.output import check_libraries, check_replaceable

    check_libraries()
    if out.suffix != ".html":
        raise InputError(f"`--out` = {str(out)!r} is not allowed: its name must end in .html.")
    check_output(out)
    check_replaceable(out)
    _check_source(source, where, overrides, watch=watch)
    click.echo(f"Reading {source}", err=True)  # the imports below take seconds

    from ..report.chosen import MOST_DETAILS, Wanted
    from ..report.tables import read_analysis
    from .display import Display
    from .process import interruptible

    if analysis is not None:
        read_analysis(analysis)  # raises, before any work, if it is none
    read = _reader(source, where, overrides, imports)
    with interruptible() as should_stop, Display() as display:
        wanted = Wanted(
            activity=MOST_DETAILS if activity is None else activity,
            analysis=analysis,
            on_reading=display.update_reading,
            on_curves=display.update_curves,
            on_claims=display.update_judging,
            on_activity=display.update_activity,
            on_message=display.message,
            should_stop=should_stop,
        )
        size, contents = _write(out, read, wanted, watch=watch)
    click.echo(f"{out}: {counted(len(contents.table), 'network')}, {size / 1e6:.1f} MB; open it in a browser")


def _write(out: Path, read: Callable[[Wanted], Contents], wanted: Wanted, *, watch: bool) -> tuple[int, Contents]:
    """Write the page once, or until all networks are done; return its size and what it shows."""
    from ..report.document import write

    command = shlex.join(["recurrent-memory", *sys.argv[1:]])
    while True:
        begun = time.monotonic()
        contents = read(wanted)
        goes_on = watch and contents.left > 0
        pause = max(SECONDS_BETWEEN_PAGES, BUSY * (time.monotonic() - begun))
        reload = max(5, round(pause)) if goes_on else None
        written = time.strftime("%Y-%m-%d %H:%M")
        size = write(out, contents, written=written, command=command, reload=reload)
        if not goes_on:
            return size, contents
        wanted.on_message(f"{out}: {contents.left} of {counted(len(contents.table), 'network')} left")
        wanted = wanted.quiet()
        until = time.monotonic() + pause
        while time.monotonic() < until:
            time.sleep(WAITING)
            if wanted.should_stop():
                # So that an open page does not go on loading itself.
                write(out, contents, written=written, command=command)
                raise InterruptedRunError(f"Stopped; {out} is as of {written}.")


def _check_source(source: Path, where: str | None, overrides: tuple[str, ...], *, watch: bool) -> None:
    """Refuse a source of which there is no report, and options that are not for it."""
    if _is_sweep(source):
        if where is not None:
            from ..sweeps.file.where import parsed

            parsed(where)
        return
    for option, given in (("--set", overrides), ("--where", where)):
        if given not in (None, ()):
            raise InputError(f"`{option}` is for sweeps: leave it out, or give a sweep's .toml file.")
    if not _is_saved(source):
        if not source.exists():
            raise InputError(f"There is no {source}: give {SOURCES}.")
        if not source.is_dir() and source.suffix != ".nc":
            raise InputError(f"{source} is not understood: give {SOURCES}.")
    if watch and not _is_run(source):
        raise InputError("`--watch` is for a sweep or a run: data sets and saved networks do not change.")


def _is_run(source: Path) -> bool:
    if not source.is_dir():
        return False
    from ..runs.folder import DESCRIPTION

    return (source / DESCRIPTION).is_file()


def _is_sweep(source: Path) -> bool:
    return source.suffix == ".toml" and not source.is_dir()


def _is_saved(source: Path) -> bool:
    """Return whether a source is a trained network alone: of the bank, or a file of `recurrent_memory.save`."""
    return is_name(source) or (source.suffix == ".safetensors" and source.is_file())


def _reader(
    source: Path, where: str | None, overrides: tuple[str, ...], imports: tuple[Path, ...]
) -> Callable[[Wanted], Contents]:
    """Return what reads a source, by what it is."""
    if _is_sweep(source):
        return lambda wanted: _sweep(SweepFile(source, overrides, imports), where, wanted)
    if _is_saved(source):
        from ..report.sources import of_network

        return lambda wanted: of_network(str(source), wanted)
    if source.is_dir():
        from ..report.study import of_folder

        return lambda wanted: of_folder(source, wanted)
    from ..report.sources import of_file

    return lambda wanted: of_file(source, wanted)


def _sweep(of: SweepFile, where: str | None, wanted: Wanted) -> Contents:
    from ..report.sources import of_sweep

    sweep, store = of.open()
    replay: Callable[[str], str] = lambda condition: of.advised("replay", "--where", condition)  # noqa: E731
    name = str(of.file) if where is None else f"{of.file} where {where}"
    return of_sweep(name, selected(of, sweep, where), store, replay, wanted)
