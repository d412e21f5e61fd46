"""What the commands for sweeps share: their file, how it is changed, and which of its networks are meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..sweeps import Network, Store, Sweep

SETTINGS = {"help_option_names": ["-h", "--help"]}

file_argument = click.argument("file", type=click.Path(path_type=Path))
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a base value of the file; may be repeated"
)
WHERE = "Networks for which this holds, such as \"task == 'comp' and lambda0 > 0.95\""
where_option = click.option("--where", metavar="EXPRESSION", help=WHERE)


def open_sweep(file: Path, overrides: tuple[str, ...]) -> tuple[Sweep, Store]:
    """Return a sweep and its store, which may not exist yet."""
    from ..sweeps import Store, load

    sweep = load(file, overrides)
    store = Store(sweep.store)
    store.check()
    return sweep, store


def networks_of(sweep: Sweep) -> list[Network]:
    """Return all networks of a sweep."""
    from ..sweeps import networks

    return networks(sweep)
