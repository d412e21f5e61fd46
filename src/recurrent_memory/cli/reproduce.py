"""``recurrent-memory reproduce``: the study of Orhan & Ma (2019), from training to the scorecard."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, InterruptedRunError, counted
from .cluster import check_unused, cluster_options, run_on_cluster
from .paths import PATH
from .sweep_file import SETTINGS, SweepFile, check_output

if TYPE_CHECKING:
    import pandas as pd

    from ..reproduction.claims import Claim
    from ..reproduction.run import Sheet
    from ..reproduction.scales import Scale

GOES_ON = "The same command resumes from there."


def _words(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for value in values for word in value.split(","))))


@click.command(context_settings=SETTINGS)
@click.option("--out", type=PATH, metavar="FOLDER", help="Folder of the study and of the scorecard")
@click.option("--scale", metavar="small|paper", help="Train the networks: 1,820 of 100 units, or 4,555 of 500")
@click.option(
    "--from",
    "given",
    type=PATH,
    multiple=True,
    metavar="DATA",
    help="Folder with data sets (*.nc) of networks, which need no training; may be repeated",
)
@click.option(
    "--claims",
    multiple=True,
    metavar="1,3,…",
    callback=_words,
    help="Claims to judge, and their networks  [default: all]",
)
@click.option(
    "--tasks", multiple=True, metavar="TASK,TASK", callback=_words, help="Tasks to which all is limited  [default: all]"
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train N networks of each kind, as a first look; later without it, or with more  [default: 10, paper: 5]",
)
@click.option("--dry-run", is_flag=True, help="Say how many networks, hours and bytes each part takes; do nothing")
@click.option("--no-training", is_flag=True, help="Train nothing: measure and judge the networks that have finished")
@click.option("--no-pictures", is_flag=True, help="Draw no pictures")
@click.option("--page", type=PATH, metavar="FILE.md", help="Also put the scorecard between the marks of this page")
@click.option("--at-once", type=click.IntRange(min=1), help="Networks trained at once  [default: one per core]")
@cluster_options
def reproduce(
    out: Path | None, scale: str | None, given: tuple[Path, ...], claims: tuple[str, ...], tasks: tuple[str, ...],
    seeds: int | None, dry_run: bool, no_training: bool, no_pictures: bool, page: Path | None, at_once: int | None,
    cluster: str | None, **options: Any,
) -> None:  # fmt: skip
    """Test whether the claims of Orhan & Ma (2019) hold, with networks of yours or with data that are there.

    Prints a scorecard: for each claim the effect with its 95 % interval, a p-value, the power, and a verdict:
    reproduced, opposite or inconclusive. Claims: 1 task, 2 σ0, 3 ρ, 4 variable delays, 5 Hebbian plasticity, 6 dynamic
    input, 7 prior training, 8 connectivity, 9 λ0 and tethering, 10 other models.

    FOLDER gets scorecard.md, scorecard.csv, losses.csv, shares.csv and figures/; with --scale also the networks, and
    data/*.nc, which --from reads. However the command is stopped, the same command resumes.

    \b
    Examples:
      recurrent-memory reproduce --from docs/data --out card
      recurrent-memory reproduce --scale small --dry-run
      recurrent-memory reproduce --scale small --seeds 2 --out study
      recurrent-memory reproduce --scale small --out study
      recurrent-memory reproduce --scale small --claims 1,3 --tasks comp,2afc --out study
      recurrent-memory reproduce --scale paper --out study --slurm --time 1-00 --cpus 16
    """
    from ..reproduction.claims import chosen
    from ..reproduction.scales import check_tasks, scale_named

    if scale is None and not given:
        raise InputError(
            "Give --scale small or --scale paper to train networks, or --from DATA to use some that are there."
        )
    if out is None and not dry_run:
        raise InputError("Give --out FOLDER, for the scorecard.")
    if dry_run and scale is None:
        raise InputError("--dry-run is about training: also give --scale small or --scale paper.")
    if seeds is not None and scale is None:
        raise InputError("--seeds is about training: also give --scale small or --scale paper.")
    if cluster is None:
        check_unused(options)
    elif no_training or scale is None:
        raise InputError("--slurm and --cluster are for training: give --scale, and leave out --no-training.")
    _check_outputs(out, page)
    judged, wanted = chosen(claims), check_tasks(tasks)
    frame = _read(given)
    if scale is not None:
        folder = out or Path("study")
        with _parts(scale_named(scale, seeds), judged, wanted, folder, frame, dry_run=dry_run) as sheets:
            if dry_run:
                _tell_costs(sheets)
                return
            if cluster is not None and not _submit(cluster, sheets, options):
                return
            _train(sheets, folder, at_once, training=not no_training and cluster is None)
        frame = _read((*given, *([folder / "data"] if any((folder / "data").glob("*.nc")) else [])))
    _judge(frame, judged, wanted, out or Path("."), page, pictures=not no_pictures)


def _check_outputs(out: Path | None, page: Path | None) -> None:
    """Refuse places that cannot be written to, before any work."""
    if page is not None:
        from ..reproduction.files import around_marks

        check_output(page)
        around_marks(page)
    if out is not None:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file: give the name of a folder.")
        out.mkdir(parents=True, exist_ok=True)


def _read(folders: Sequence[Path]) -> pd.DataFrame | None:
    from ..reproduction.data import load_networks

    return load_networks(*folders) if folders else None


@contextlib.contextmanager
def _parts(
    scale: Scale,
    claims: dict[str, Claim],
    tasks: tuple[str, ...],
    out: Path,
    frame: pd.DataFrame | None,
    *,
    dry_run: bool,
) -> Iterator[list[Sheet]]:
    """Yield the parts of the study that claims need; a dry run leaves no files."""
    from ..reproduction.claims import parts_of
    from ..reproduction.run import known_identities, sheets

    known = frozenset() if frame is None else known_identities(frame)
    with tempfile.TemporaryDirectory() as temporary:
        files = Path(temporary) if dry_run else None
        yield sheets(scale, parts_of(claims), out, tasks=tasks, known=known, files=files)


def _tell_costs(sheets: Sequence[Sheet]) -> None:
    """Print what each part takes."""
    from ..reproduction.run import costs
    from ..sweeps import duration

    hours = disk = left = 0.0
    for cost in costs(sheets):
        hours, disk, left = hours + cost.hours, disk + cost.disk, left + cost.left
        click.echo(
            f"{cost.name:<18} {counted(cost.networks, 'network'):>14}, {cost.left:>5} left: about "
            f"{duration(3600 * cost.hours)}, {cost.disk / 1e9:.2f} GB"
        )
    click.echo(
        f"{'together':<18} {counted(int(left), 'network'):>14} left: about {duration(3600 * hours)} on this machine, "
        f"{disk / 1e9:.2f} GB (estimates); a network in several parts counts once"
    )


def _submit(cluster: str, sheets: Sequence[Sheet], options: dict[str, Any]) -> bool:
    """Submit the training of all parts; return whether it is done."""
    codes = []
    for sheet in sheets:
        sheet.store.prepare()
        of = SweepFile(sheet.file)
        given = {**options, "dry_run": False}
        codes.append(run_on_cluster(cluster, of, sheet.networks, sheet.sweep, sheet.store, given))
    if not options["resubmit"]:
        click.echo("once the jobs have ended: the same command without the options of the cluster")
    if any(code not in (0, 3) for code in codes):
        sys.exit(max(codes))
    return bool(options["resubmit"])


def _train(sheets: Sequence[Sheet], out: Path, at_once: int | None, *, training: bool) -> None:
    """Train and measure the parts one after the other."""
    from ..reproduction.run import Watch, gather, train
    from .display import Display
    from .process import interruptible

    with interruptible(GOES_ON) as should_stop, Display() as display:
        watch = Watch(display.update_sweep, display.update_analysis, display.message, should_stop, at_once)
        for number, sheet in enumerate(sheets, 1):
            if should_stop():
                raise InterruptedRunError(f"Stopped after {number - 1} of {counted(len(sheets), 'part')}.")
            display.message(f"part {number} of {len(sheets)}, {sheet.name}: {counted(len(sheet.networks), 'network')}")
            display.phase = ""  # the next bar begins anew
            if training:
                sheet.store.prepare()
                train(sheet, watch)
            display.phase = ""
            gather(sheet, out, watch)


def _judge(
    frame: pd.DataFrame | None, claims: dict[str, Claim], tasks: tuple[str, ...], out: Path, page: Path | None, *,
    pictures: bool,
) -> None:  # fmt: skip
    """Print the scorecard and write its files."""
    from ..reproduction.files import write
    from ..reproduction.scorecard import scorecard
    from .display import Display

    if frame is None:
        raise InputError("There are no networks yet: leave out --no-training, or give --from DATA.")
    frame = frame[frame["task"].isin(tasks)].reset_index(drop=True)
    if not frame["finished"].any():
        raise InputError(f"Of {counted(len(frame), 'network')} none has finished.")
    with Display() as display:
        card = scorecard(frame, claims, on_progress=display.update_judging)
        files = write(frame, card, out, page=page, with_pictures=pictures, on_progress=display.update_drawing)
    _print(frame, card)
    click.echo(f"files: {out} ({', '.join(path.name for path in files if path.parent == out)})")


def _print(frame: pd.DataFrame, card: pd.DataFrame) -> None:
    from rich.table import Table

    from ..errors import plain
    from ..reproduction.report import TITLES, progress, summary, table_rows
    from .tables import table_console

    console = table_console()
    for n_hidden in sorted(set(card["n_hidden"].tolist())):
        own = frame[frame["n_hidden"] == n_hidden]
        console.print(f"N = {n_hidden}: {progress(own)}", markup=False)
        for group, title in TITLES.items():
            rows = list(table_rows(card, n_hidden, group))
            if not rows:
                continue
            table = Table(title=title, title_justify="left", header_style="bold")
            for column in rows[0]:
                wide = column in ("what it says", "verdict elsewhere")
                table.add_column(column, overflow="fold", no_wrap=not wide)
            for row in rows:
                table.add_row(*map(plain, row.values()))
            console.print(table)
        console.print(summary(card, n_hidden), markup=False, soft_wrap=True)
