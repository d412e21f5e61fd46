"""``python -m benchmarks.bank``: train the networks that come with the package, and measure them.

Each is trained with a fixed seed, tested with the test trials of its experiment, and saved with the measures of that
test. Names say which kind of activity a network has; :data:`NETWORKS` says which settings gave it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import xarray as xr

import recurrent_memory as rm
from recurrent_memory.bank import FOLDER

SHARED: dict[str, Any] = {"n_hidden": 100, "lambda0": 0.96, "iterations": 3001, "test_batches": 20, "seed": 0}
NETWORKS: dict[str, dict[str, Any]] = {
    "2afc-persistent": {"task": "2afc", "sigma0": 0.0},
    "2afc-sequential": {"task": "2afc", "sigma0": 0.2},
    "comp-persistent": {"task": "comp", "sigma0": 0.0},
    "comp-sequential": {"task": "comp", "sigma0": 0.2, "iterations": 7001},
    "de1-persistent": {"task": "de1", "sigma0": 0.0},
    "de1-sequential": {"task": "de1", "sigma0": 0.1},
    "sine-persistent": {"task": "sine", "sigma0": 0.0},
    "sine-sequential": {"task": "sine", "sigma0": 0.2},
}
"""What differs from SHARED."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("build/bank"), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def main(names: tuple[str, ...], runs: Path, folder: Path) -> None:
    """Train the networks NAMES, or all, one after another, and print their measures.

    What is trained is kept in run folders, from which an interrupted call goes on.
    """
    if unknown := {*names} - {*NETWORKS}:
        raise click.UsageError(f"There are no networks {', '.join(sorted(unknown))}. Known: {', '.join(NETWORKS)}.")
    click.echo("| network | fractional loss | exact | sequentiality index | peak entropy | active units |")
    click.echo("|---|---|---|---|---|---|")
    for name in names or NETWORKS:
        experiment = rm.Experiment(**SHARED | NETWORKS[name])
        result = rm.run(experiment, runs / name)
        rm.save(rm.load(runs / name), folder / f"{name}.safetensors", result)
        click.echo(row(name, result))


def row(name: str, result: xr.Dataset) -> str:
    """Return what distinguishes the network, as a row of a table."""
    measures = ("fractional_loss", "fractional_loss_exact", "sequentiality_index", "peak_entropy", "n_active_units")
    cells = (f"{float(result[of]):.2f}" if of in result else "" for of in measures)
    return f"| {' | '.join([name, *cells])} |"


if __name__ == "__main__":
    main()
