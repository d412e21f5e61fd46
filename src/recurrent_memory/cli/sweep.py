"""``recurrent-memory sweep``: many networks that one file names."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .options import formats_option
from .slurm import cancel_jobs, check_unused, request_options, run_on_slurm, slurm_options, write_script
from .sweep_file import (
    SETTINGS,
    WHERE,
    SweepFile,
    check_output,
    networks_of,
    of_sweep,
    where_option,
)
from .sweep_show import show

if TYPE_CHECKING:
    from ..sweeps import Network, Networks, Status

SECONDS_BETWEEN_LOOKS = 5.0
MOST_REASONS = 5
GOES_ON = "The same command goes on from there."
LONGEST_NAME = 255
"""Bytes that file systems allow a name."""


@click.group(context_settings=SETTINGS)
def sweep() -> None:
    """Train the many networks that one file names, lose nothing, and end with one data set.

    \b
    Example:
      recurrent-memory sweep init sweep.toml --preset small     # a commented file; edit it
      recurrent-memory sweep plan sweep.toml                    # how many, how long, how large
      recurrent-memory sweep run sweep.toml                     # Ctrl-C or a crash, and again: it goes on
      recurrent-memory sweep status sweep.toml                  # from anywhere, at any time
      recurrent-memory sweep collect sweep.toml -o sweep.nc     # also before it is finished
      recurrent-memory sweep replay sweep.toml --where "task == 'comp' and seed == 3"
    """


@sweep.command(context_settings=SETTINGS)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--preset", type=click.Choice(["paper", "small"]), default="small", show_default=True)
def init(file: Path, preset: Any) -> None:
    """Write FILE, a commented file to edit; an existing one is left alone."""
    from ..storage.atomic import write_atomically
    from ..sweeps import template

    check_output(file)
    if not write_atomically(file, lambda path: path.write_text(template(preset), encoding="utf-8"), replace=False):
        raise InputError(f"{file} is there already: give another name, or remove it.")
    click.echo(f"{file}: edit it, then `{SweepFile(file).advised('plan')}`")


@sweep.command(context_settings=SETTINGS)
@of_sweep
def plan(of: SweepFile) -> None:
    """Say how many networks FILE names, in how many shapes, and about how long and how large they are."""
    from ..sweeps import estimate, expand

    sweep, store = of.open()
    found = expand(sweep)
    click.echo(f"{len(found.networks)} networks ({found.excluded} excluded, {found.duplicates} named twice)")
    left = found.networks.without(set.union(*store.ended()))
    click.echo(f"{len(found.networks) - len(left)} done, {len(left)} left; results in {store.path}")
    if left:
        click.echo(str(estimate(left, sweep.save)))


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--at-once", type=click.IntRange(min=1), help="Networks at the same time  [default: one a core]")
@click.option("--part", metavar="I/N", help="Only part I of N, counted from 0: for jobs that share the work")
@slurm_options
def run(of: SweepFile, at_once: int | None, part: str | None, slurm: bool, **options: Any) -> None:
    """Train what is left of FILE here, until all is done; or, with --slurm, on the nodes of a cluster.

    Stopped in whatever way, the same command goes on. Several may run at once on the same file, also on several
    machines that share its folder: no network is trained twice.

    \b
    Examples:
      recurrent-memory sweep run sweep.toml
      recurrent-memory sweep run sweep.toml --slurm --partition gpu --time 2:00:00 --array-limit 50 --resubmit
    """
    from ..sweeps import execute
    from .display import Display
    from .process import cache_compiled_programs, interruptible

    sweep, store = of.open()
    networks = networks_of(sweep)
    if slurm:
        if at_once is not None or part is not None:
            raise InputError("`--at-once` and `--part` are for this machine: with --slurm give --cpus and --per-job.")
        sys.exit(run_on_slurm(of, networks, sweep, store, options))
    check_unused(options)
    networks = _part(networks, part)
    store.prepare()
    cache_compiled_programs()
    with interruptible(GOES_ON) as should_stop, Display() as display:
        ended = execute(
            networks,
            store,
            sweep.save,
            on_progress=display.update_sweep,
            on_message=display.message,
            should_stop=should_stop,
            at_once=at_once,
        )
    click.echo(f"{ended.finished} of {ended.networks} networks finished, {ended.failed} failed; {store.path}")
    sys.exit(3 if ended.failed else 0)


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--watch", is_flag=True, help=f"Look again every {SECONDS_BETWEEN_LOOKS:.0f} s, until all is done")
def status(of: SweepFile, watch: bool) -> None:
    """Say what is done, running, failed (and why) and left, and how long it will take."""
    from ..sweeps import identities, look

    store, names = identities(*of)
    while True:
        now = look(store, names)
        if watch and sys.stdout.isatty():
            click.clear()
        click.echo("\n".join(_told(now, of)))
        if not watch or not now.left:
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _told(now: Status, of: SweepFile) -> Iterator[str]:
    """Yield the lines that say how a sweep stands."""
    from ..sweeps import duration

    width = 40
    done = width * (now.finished + now.failed) // max(1, now.networks)
    yield f"{of.file}  {'█' * done}{'░' * (width - done)}  {now.finished + now.failed} of {now.networks} networks done"
    waiting = now.left - now.running
    begun = f" ({now.abandoned} of them begun by a worker that died)" if now.abandoned else ""
    yield f"finished {now.finished}, failed {now.failed}, running {now.running}, waiting {waiting}{begun}"
    if now.left and not now.running:
        yield f"nobody trains it: `{of.advised('run')}` goes on"
    elif now.left and now.seconds_left is not None:
        yield f"{now.per_hour:.1f} networks an hour lately, about {duration(now.seconds_left)} left"
    for reason, count in now.failures[:MOST_REASONS]:
        yield f"  {count} × {reason}"
    if len(now.failures) > MOST_REASONS:
        yield f"  and {len(now.failures) - MOST_REASONS} other reasons"
    if now.failed:
        yield f"`{of.advised('retry', '--failed')}` lets them be trained again"


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="NetCDF file (.nc)")
@click.option(
    "--with",
    "parts",
    type=click.Choice(["curves", "activity"]),
    multiple=True,
    help="Also the learning curves, or the activity, of each network that are kept in its result; may be repeated",
)
@click.option("--csv", type=click.Path(path_type=Path), help="Also a table of the scalars, a row for each network")
@click.option("--parquet", type=click.Path(path_type=Path), help="The same table as Parquet (needs pyarrow)")
def collect(of: SweepFile, out: Path, parts: Any, csv: Path | None, parquet: Path | None) -> None:
    """Put the measures of all networks, and curves if wanted, into one labelled data set, also of an unfinished sweep.

    Its dimensions are the axes of FILE where every combination is there, otherwise `network`. What is missing is NaN,
    and `status` says why.
    """
    from ..sweeps import collect_to, write_csv, write_parquet
    from .display import Display

    for option, path, ending in (("--out", out, ".nc"), ("--csv", csv, ".csv"), ("--parquet", parquet, ".parquet")):
        if path is not None:
            # So that nothing else is ever replaced, and no two are the same file.
            if path.suffix != ending:
                raise InputError(f"`{option}` = {str(path)!r} is not allowed: its name must end in {ending}.")
            check_output(path, of.file)
    if parquet is not None and importlib.util.find_spec("pyarrow") is None:
        raise InputError("--parquet needs pyarrow: pip install 'recurrent-memory[parquet]', or use --csv.")
    sweep, store = of.open()
    with Display() as display:
        shown: Any = {"on_progress": display.update_reading, "on_message": display.message}
        found = collect_to(out, networks_of(sweep), store, parts, **shown)
    if csv is not None:
        write_csv(csv, out)
    if parquet is not None:
        write_parquet(parquet, out)
    told = ", ".join(f"{count} {name}" for name, count in found.statuses.most_common())
    sizes = " × ".join(f"{name} {size}" for name, size in found.sizes.items())
    click.echo(f"{out}: {told}; over {sizes}")
    if found.statuses["damaged"]:
        click.echo(f"`{of.advised('run')}` trains the damaged ones again", err=True)


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--failed", is_flag=True, help="All networks that failed")
@where_option
def retry(of: SweepFile, failed: bool, where: str | None) -> None:
    """Forget what became of some networks, so that `sweep run` trains them again."""
    from ..sweeps import select

    if failed == (where is not None):
        raise InputError("Give either --failed or --where: which networks are to be trained again?")
    sweep, store = of.open()
    networks = networks_of(sweep)
    finished, among = store.ended()
    if not failed:
        among |= finished
    chosen = [one for one in (networks if where is None else select(sweep, networks, where)) if one.identity in among]
    for network in chosen:
        store.discard(network.identity)
    click.echo(f"{len(chosen)} networks will be trained again by `{of.advised('run')}`")


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--where", metavar="EXPRESSION", required=True, help=WHERE)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the runs  [default: replays]")
@formats_option
def replay(of: SweepFile, where: str, out: Path | None, formats: tuple[str, ...]) -> None:
    """Make some networks' run folders again, with activity and pictures, as `train` makes them.

    Test trials are run again with the weights that are kept; a network whose weights are not kept is trained again,
    which comes to the same. One that diverges, or whose result is damaged, keeps none of the others back.
    """
    from ..errors import DamagedResultError, DivergedError, InterruptedRunError
    from ..runs.folder import RunFolder
    from ..runs.result import load
    from ..runs.session import Watch
    from ..sweeps import replay as make
    from ..sweeps import select
    from .display import Display
    from .process import cache_compiled_programs, interruptible
    from .report import draw, print_summary

    sweep, store = of.open()
    chosen = select(sweep, networks_of(sweep), where)
    if not chosen:
        raise InputError(f"--where {where!r} holds for no network of {of.file}.")
    cache_compiled_programs()
    diverged = damaged = False
    with interruptible(GOES_ON) as should_stop:
        for number, network in enumerate(chosen):
            if should_stop():
                raise InterruptedRunError(f"Stopped with {number} of {len(chosen)} networks made again.")
            place = RunFolder((out or Path("replays")) / _folder_name(network))
            try:
                with Display() as display:
                    make(network, store, place, Watch(display.update, display.message, should_stop))
            except (DivergedError, DamagedResultError) as error:
                click.echo(f"{place.path.name}: {str(error).splitlines()[0]}", err=True)
                diverged |= isinstance(error, DivergedError)
                damaged |= isinstance(error, DamagedResultError)
                continue
            result = load(place)
            print_summary(result, place, draw(result, place.path, formats, anew=False))
    if damaged:
        click.echo(f"`{of.advised('run')}` trains the damaged ones again", err=True)
    sys.exit(3 if diverged else 2 if damaged else 0)


def _folder_name(network: Network) -> str:
    """Return the values of the axes as a name; where that is too long, or there are none, the network's identity."""
    name = ",".join(f"{field}={value}" for field, value in network.point.items()).replace("/", "-")
    return name if 0 < len(os.fsencode(name)) <= LONGEST_NAME else network.identity


@sweep.command(context_settings=SETTINGS)
@of_sweep
def cancel(of: SweepFile) -> None:
    """Cancel the jobs of FILE that are queued or running on Slurm; what they reached is kept."""
    _, store = of.open()
    cancel_jobs(of, store)


@sweep.command("export-sbatch", context_settings=SETTINGS)
@of_sweep
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File for it  [default: print it]")
@request_options
def export_sbatch(of: SweepFile, out: Path | None, **options: Any) -> None:
    """Write a plain script for sbatch that trains FILE, to look at or to change; it needs no submitit."""
    sweep, _ = of.open()
    write_script(of, networks_of(sweep), sweep, out, options)


def _part(networks: Networks, part: str | None) -> Networks:
    """Return the networks that I/N names: every N-th, so that parts of a sweep of several shapes take equally long."""
    if part is None:
        return networks
    number, sign, of = part.partition("/")
    if not (sign and number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise InputError(f"`--part` = {part!r} is not allowed: give I/N with I from 0 to N − 1, such as 0/10.")
    return networks[int(number) :: int(of)]


sweep.add_command(show)
