"""``recurrent-memory sweep``: the many networks that one file describes."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, counted, first_line
from . import streams
from .cluster import cancel_jobs, check_unused, cluster_options, request_options, run_on_cluster, write_script
from .options import formats_option
from .paths import PATH
from .sweep_file import (
    SETTINGS,
    WHERE,
    SweepFile,
    check_output,
    networks_of,
    of_sweep,
    selected,
    where_option,
)
from .sweep_show import show

if TYPE_CHECKING:
    from ..sweeps import Network, Networks, Status

SECONDS_BETWEEN_LOOKS = 5.0
MOST_REASONS = 5
GOES_ON = "The same command resumes from there."
LONGEST_NAME = 255
"""Largest number of bytes in a file name, on the usual file systems."""


@click.group(context_settings=SETTINGS)
def sweep() -> None:
    """Train the many networks that one file describes, and collect their measures into one data set.

    A crash loses no finished network, and no network is trained twice.

    \b
    Example:
      recurrent-memory sweep init sweep.toml     # a commented file to edit
      recurrent-memory sweep plan sweep.toml     # how many networks, how long
      recurrent-memory sweep run sweep.toml      # after a crash: resumes
      recurrent-memory sweep status sweep.toml   # from anywhere, at any time
      recurrent-memory sweep show sweep.toml     # maps and lines of measures
      recurrent-memory sweep collect sweep.toml -o sweep.nc
      recurrent-memory sweep replay sweep.toml --where "seed == 3"
    """


@sweep.command(context_settings=SETTINGS)
@click.argument("file", type=PATH)
@click.option(
    "--preset",
    type=click.Choice(["paper", "small"]),
    default="small",
    show_default=True,
    help="small: 12 networks of 100 units; paper: the grid of Orhan & Ma, 700 networks of 500 units",
)
def init(file: Path, preset: Any) -> None:
    """Write FILE, a commented example to edit.

    An existing file is never overwritten.
    """
    from ..storage.atomic import write_atomically
    from ..sweeps import template

    check_output(file)
    if not write_atomically(file, template(preset), replace=False):
        raise InputError(f"{file} already exists: give another name, or remove it.")
    click.echo(f"{file}: edit it, then `{SweepFile(file).advised('plan')}`")


@sweep.command(context_settings=SETTINGS)
@of_sweep
def plan(of: SweepFile) -> None:
    """Count FILE's networks and estimate their time and size.

    Also says how many are done, and how many shapes there are: networks of one shape share a compiled program.
    """
    from ..sweeps import estimate, expand

    sweep, store = of.open()
    found = expand(sweep)
    duplicates = counted(found.duplicates, "duplicate")
    click.echo(f"{counted(len(found.networks), 'network')} ({found.excluded} excluded, {duplicates})")
    left = found.networks.without(set.union(*store.ended()))
    click.echo(f"{len(found.networks) - len(left)} done, {len(left)} left; results in {store.path}")
    if left:
        click.echo(str(estimate(left, sweep.save)))


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--at-once", type=click.IntRange(min=1), help="Networks trained at once  [default: one per core]")
@click.option("--part", metavar="I/N", help="Train only part I of N, counted from 0, so that N jobs share the work")
@click.option("--dry-run", is_flag=True, help="Print what the scheduler would receive; submit nothing")
@cluster_options
def run(of: SweepFile, at_once: int | None, part: str | None, cluster: str | None, **options: Any) -> None:
    """Train the networks of FILE that are not yet finished.

    They are trained on this machine or, with --slurm, on the nodes of a cluster. However the command is stopped, the
    same command resumes the sweep. Several may run at once on the same file, even on several machines that share its
    folder: no network is trained twice.

    \b
    Examples:
      recurrent-memory sweep run sweep.toml
      recurrent-memory sweep run sweep.toml --slurm --time 2:00:00 --resubmit
    """
    from ..sweeps import execute
    from .display import Display
    from .process import interruptible

    sweep, store = of.open()
    networks = networks_of(sweep)
    if cluster is not None:
        if at_once is not None or part is not None:
            raise InputError("`--at-once` and `--part` are for this machine: with --slurm, use --cpus and --per-job.")
        sys.exit(run_on_cluster(cluster, of, networks, sweep, store, options))
    check_unused(options)
    networks = _part(networks, part)
    store.prepare()
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
    click.echo(
        f"{ended.finished} of {counted(ended.networks, 'network')} finished, {ended.failed} failed; {store.path}"
    )
    sys.exit(3 if ended.failed else 0)


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--watch", is_flag=True, help=f"Repeat every {SECONDS_BETWEEN_LOOKS:.0f} s until all networks are done")
def status(of: SweepFile, watch: bool) -> None:
    """Report finished, failed, running and waiting networks.

    Also says why networks failed, and about how long the rest will take.
    """
    from ..sweeps import identities, look

    store, names = identities(*of)
    while True:
        now = look(store, names)
        if watch and sys.stdout.isatty():
            click.clear()
        click.echo("\n".join(_told(now, of)))
        if not watch or not now.left or streams.is_lost():
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _told(now: Status, of: SweepFile) -> Iterator[str]:
    """Yield the lines that `sweep status` prints."""
    from ..sweeps import duration

    width = 40
    ended, networks = now.finished + now.failed, counted(now.networks, "network")
    done = width * ended // max(1, now.networks)
    yield f"{of.file}  {'█' * done}{'░' * (width - done)}  {ended} of {networks} done"
    waiting = now.left - now.running
    begun = f" ({now.abandoned} of them started by a worker that died)" if now.abandoned else ""
    yield f"finished {now.finished}, failed {now.failed}, running {now.running}, waiting {waiting}{begun}"
    if now.left and not now.running:
        yield f"no worker is training it: `{of.advised('run')}` resumes it"
    elif now.left and now.seconds_left is not None:
        yield f"{now.per_hour:.1f} networks per hour recently, about {duration(now.seconds_left)} left"
    for reason, count in now.failures[:MOST_REASONS]:
        yield f"  {count} × {reason}"
    if len(now.failures) > MOST_REASONS:
        yield f"  and {counted(len(now.failures) - MOST_REASONS, 'other reason')}"
    if now.failed:
        yield f"`{of.advised('retry', '--failed')}` marks them to be trained again"


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("-o", "--out", required=True, type=PATH, help="NetCDF file to write (.nc)")
@click.option(
    "--with",
    "parts",
    type=click.Choice(["curves", "activity"]),
    multiple=True,
    help="Include the learning curves or the activity of all networks whose results keep them; may be repeated",
)
@click.option("--csv", type=PATH, help="Also write the scalars as a table, one row per network")
@click.option("--parquet", type=PATH, help="The same table as Parquet (needs pyarrow)")
def collect(of: SweepFile, out: Path, parts: Any, csv: Path | None, parquet: Path | None) -> None:
    """Collect the measures of all networks in one data set.

    The sweep need not be finished. The dimensions are the axes of FILE if every combination of their values exists,
    otherwise there is only `network`. Missing values are NaN, and the variable `status` says why.
    """
    from ..sweeps import collect_to, write_csv, write_parquet
    from .display import Display

    for option, path, ending in (("--out", out, ".nc"), ("--csv", csv, ".csv"), ("--parquet", parquet, ".parquet")):
        if path is not None:
            # The endings ensure that a typing error replaces no other file, and that the three outputs differ.
            if path.suffix != ending:
                raise InputError(f"`{option}` = {str(path)!r} is not allowed: its name must end in {ending}.")
            check_output(path, of.file)
    if parquet is not None and importlib.util.find_spec("pyarrow") is None:
        raise InputError("--parquet needs pyarrow: pip install pyarrow, or use --csv.")
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
@click.option("--failed", is_flag=True, help="Discard all networks that failed")
@where_option
def retry(of: SweepFile, failed: bool, where: str | None) -> None:
    """Discard results, so that `sweep run` trains them again.

    The networks are chosen by either --failed or --where; --where discards finished networks too.
    """
    from ..sweeps import select

    if failed == (where is not None):
        raise InputError("Give either --failed or --where, to say which networks are to be trained again.")
    sweep, store = of.open()
    networks = networks_of(sweep)
    finished, among = store.ended()
    if not failed:
        among |= finished
    chosen = [one for one in (networks if where is None else select(sweep, networks, where)) if one.identity in among]
    for network in chosen:
        store.discard(network.identity)
    click.echo(f"{counted(len(chosen), 'network')} will be trained again by `{of.advised('run')}`")


@sweep.command(context_settings=SETTINGS)
@of_sweep
@click.option("--where", metavar="EXPRESSION", required=True, help=WHERE)
@click.option("-o", "--out", type=PATH, help="Folder for the run folders  [default: replays]")
@formats_option
def replay(of: SweepFile, where: str, out: Path | None, formats: tuple[str, ...]) -> None:
    """Recreate the run folders of some networks.

    They hold activity and pictures, like those of `train`. The test trials are run again with the saved weights; a
    network without saved weights is trained again, with the same result. If a network diverges or its result is
    damaged, the others are still recreated.
    """
    from ..errors import DamagedResultError, DivergedError, InterruptedRunError
    from ..runs.folder import RunFolder
    from ..runs.result import load
    from ..runs.session import Watch
    from ..sweeps import replay as make
    from .display import Display
    from .process import interruptible
    from .report import draw, print_summary

    sweep, store = of.open()
    chosen = selected(of, sweep, where)
    diverged = damaged = False
    with interruptible(GOES_ON) as should_stop:
        for number, network in enumerate(chosen):
            if should_stop():
                raise InterruptedRunError(f"Stopped after {number} of {counted(len(chosen), 'network')}.")
            place = RunFolder((out or Path("replays")) / _folder_name(network))
            try:
                with Display() as display:
                    make(network, store, place, Watch(display.update, display.message, should_stop))
            except (DivergedError, DamagedResultError) as error:
                click.echo(f"{place.path.name}: {first_line(error)}", err=True)
                diverged |= isinstance(error, DivergedError)
                damaged |= isinstance(error, DamagedResultError)
                continue
            result = load(place)
            print_summary(result, place, draw(result, place.path, formats, anew=False))
    if damaged:
        click.echo(f"`{of.advised('run')}` trains the damaged ones again", err=True)
    sys.exit(3 if diverged else 2 if damaged else 0)


def _folder_name(network: Network) -> str:
    """Return the values of the axes as a name; if there are none or the name is too long, the network's identity."""
    name = ",".join(f"{field}={value}" for field, value in network.point.items()).replace("/", "-")
    return name if 0 < len(os.fsencode(name)) <= LONGEST_NAME else network.identity


@sweep.command(context_settings=SETTINGS)
@of_sweep
def cancel(of: SweepFile) -> None:
    """Cancel FILE's queued and running jobs on a cluster.

    What they have computed is kept.
    """
    _, store = of.open()
    cancel_jobs(of, store)


@sweep.command("export-sbatch", context_settings=SETTINGS)
@of_sweep
@click.option("-o", "--out", type=PATH, help="File to write  [default: print the script]")
@request_options
def export_sbatch(of: SweepFile, out: Path | None, **options: Any) -> None:
    """Write a plain sbatch script that trains FILE.

    It can be read and changed, and does not need submitit.
    """
    sweep, _ = of.open()
    write_script(of, networks_of(sweep), sweep, out, options)


def _part(networks: Networks, part: str | None) -> Networks:
    """Return part I of N: every N-th network, so that the parts of a sweep of several shapes take equally long."""
    if part is None:
        return networks
    number, sign, of = part.partition("/")
    if not (sign and number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise InputError(f"`--part` = {part!r} is not allowed: give I/N with I from 0 to N − 1, such as 0/10.")
    return networks[int(number) :: int(of)]


sweep.add_command(show)
