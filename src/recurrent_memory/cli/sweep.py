"""``recurrent-memory sweep``: many networks that one file names."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..settings import InputError

if TYPE_CHECKING:
    from ..sweeps import Network, Store, Sweep

SETTINGS = {"help_option_names": ["-h", "--help"]}
SECONDS_BETWEEN_WATCHES = 5.0

file_argument = click.argument("file", type=click.Path(path_type=Path))
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a base value of the file; may be repeated"
)
where_option = click.option(
    "--where", metavar="EXPRESSION", help="Networks for which this holds, such as \"task == 'comp' and lambda0 > 0.95\""
)


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
    """


@sweep.command(context_settings=SETTINGS)
@file_argument
@click.option("--preset", type=click.Choice(["paper", "small"]), default="small", show_default=True)
def init(file: Path, preset: Any) -> None:
    """Write FILE, a commented file to edit; an existing one is left alone."""
    from ..sweeps import template

    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(template(preset))
    except FileExistsError:
        raise InputError(f"{file} is there already: give another name, or remove it.") from None
    click.echo(f"{file}: edit it, then `recurrent-memory sweep plan {file}`")


@sweep.command(context_settings=SETTINGS)
@file_argument
@set_option
def plan(file: Path, overrides: tuple[str, ...]) -> None:
    """Say how many networks FILE names, in how many shapes, and about how long and how large they are."""
    from ..sweeps import estimate, expand

    sweep, store = _open(file, overrides)
    found = expand(sweep)
    click.echo(f"{len(found.networks)} networks ({found.excluded} excluded, {found.duplicates} named twice)")
    ended = store.finished() | store.failed()
    left = [network for network in found.networks if network.identity not in ended]
    click.echo(f"{len(found.networks) - len(left)} done, {len(left)} left; results in {store.path}")
    if left:
        click.echo(str(estimate(left, sweep.save)))


@sweep.command(context_settings=SETTINGS)
@file_argument
@set_option
@click.option("--at-once", type=click.IntRange(min=1), help="Networks at the same time  [default: one a core]")
def run(file: Path, overrides: tuple[str, ...], at_once: int | None) -> None:
    """Train what is left of FILE here, until all is done.

    Stopped in whatever way, the same command goes on. Several may run at once on the same file, also on several
    machines that share its folder: no network is trained twice.
    """
    from ..course import InterruptedRunError
    from ..sweeps import execute
    from .display import Display
    from .train import cache_compiled_programs, catch_signals

    sweep, store = _open(file, overrides)
    networks = _networks(sweep)
    store.prepare()
    cache_compiled_programs()
    caught = catch_signals()
    try:
        with Display() as display:
            ended = execute(
                networks,
                store,
                sweep.save,
                on_progress=display.update_sweep,
                on_message=display.message,
                should_stop=lambda: bool(caught),
                at_once=at_once,
            )
    except InterruptedRunError as error:
        click.echo(f"{error} The same command goes on from there.", err=True)
        sys.exit(128 + caught[0])
    click.echo(f"{ended.finished} of {ended.networks} networks finished, {ended.failed} failed; {store.path}")
    sys.exit(3 if ended.failed else 0)


@sweep.command(context_settings=SETTINGS)
@file_argument
@set_option
@click.option("--watch", is_flag=True, help=f"Look again every {SECONDS_BETWEEN_WATCHES:.0f} s, until all is done")
def status(file: Path, overrides: tuple[str, ...], watch: bool) -> None:
    """Say what is done, running, failed (and why) and left."""
    sweep, store = _open(file, overrides)
    networks = _networks(sweep)
    while True:
        left = _print_status(networks, store)
        if not watch or not left:
            return
        time.sleep(SECONDS_BETWEEN_WATCHES)


def _print_status(networks: list[Network], store: Store) -> int:
    finished, failed = store.finished(), store.failed()
    mine = {network.identity for network in networks}
    now = store.claimed() & mine - finished - failed
    left = len(mine - finished - failed)
    click.echo(
        f"{len(mine)} networks: {len(mine & finished)} finished, {len(now)} running, {len(mine & failed)} failed, "
        f"{left - len(now)} waiting"
    )
    reasons: Counter[str] = Counter()
    for identity in mine & failed:
        failure = store.failure(identity)
        reasons["damaged record" if failure is None else f"{failure.kind}: {failure.message}"] += 1
    for reason, count in reasons.most_common(5):
        click.echo(f"  {count} × {reason}")
    return left


@sweep.command(context_settings=SETTINGS)
@file_argument
@set_option
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="NetCDF file (.nc)")
@click.option("--csv", type=click.Path(path_type=Path), help="Also a table of the scalars, a row for each network")
def collect(file: Path, overrides: tuple[str, ...], out: Path, csv: Path | None) -> None:
    """Put the measures of all networks into one labelled data set, also of an unfinished sweep."""
    from .. import storage
    from ..sweeps import collect as gather
    from ..sweeps import table

    sweep, store = _open(file, overrides)
    networks = _networks(sweep)
    dataset = gather(networks, store, on_message=lambda line: click.echo(line, err=True))
    storage.save_dataset(out, dataset)
    if csv is not None:
        storage.write_atomically(csv, table(dataset).to_csv)
    counts = Counter(dataset["status"].values.ravel().tolist())
    told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    sizes = " × ".join(f"{name} {size}" for name, size in dataset["status"].sizes.items())
    click.echo(f"{out}: {told}; over {sizes}")


@sweep.command(context_settings=SETTINGS)
@file_argument
@set_option
@click.option("--failed", is_flag=True, help="All networks that failed")
@where_option
def retry(file: Path, overrides: tuple[str, ...], failed: bool, where: str | None) -> None:
    """Forget what became of some networks, so that `sweep run` trains them again."""
    from ..sweeps import select

    if failed == (where is not None):
        raise InputError("Give either --failed or --where: which networks are to be trained again?")
    sweep, store = _open(file, overrides)
    networks = _networks(sweep)
    among = store.failed() if failed else store.finished() | store.failed()
    chosen = [one for one in (networks if where is None else select(sweep, networks, where)) if one.identity in among]
    for network in chosen:
        store.discard(network.identity)
    click.echo(f"{len(chosen)} networks will be trained again by `recurrent-memory sweep run {file}`")


def _open(file: Path, overrides: tuple[str, ...]) -> tuple[Sweep, Store]:
    from ..sweeps import Store, load

    sweep = load(file, overrides)
    store = Store(sweep.store)
    store.check()
    return sweep, store


def _networks(sweep: Sweep) -> list[Network]:
    from ..sweeps import networks

    return networks(sweep)


from . import sweep_show  # noqa: E402, F401 (adds `show`; it needs what is above)
