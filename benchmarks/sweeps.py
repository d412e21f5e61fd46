"""How fast a sweep of many networks is looked at: ``python -m benchmarks.sweeps``, on results that are made up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from recurrent_memory import Experiment, run
from recurrent_memory.sweeps import Network, Store, load, networks

FILE = """\
[experiment]
n_hidden = 100
iterations = 1000
[axes]
task = ["de1", "de2", "cd1", "gde", "2afc"]
lambda0 = {{ linspace = [0.8, 0.98, 10] }}
sigma0 = {{ linspace = [0.0, 0.4, 10] }}
rho = {{ logspace = [1e-7, 1e-3, {rhos}] }}
seed = {{ range = [0, 20] }}
"""


@click.command()
@click.option(
    "--rhos",
    type=click.IntRange(2),
    default=10,
    show_default=True,
    help="Values of ρ; there are 10,000 networks for each",
)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/synthetic-sweep"), show_default=True)
def main(rhos: int, folder: Path) -> None:
    """Make a store of results that are made up, and time the commands that look at it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "big.toml"
    file.write_text(FILE.format(rhos=rhos))
    sweep = load(file)
    store = Store(sweep.store)
    _fill(store, networks(sweep))
    click.echo("| command | s | GB |\n|---|---|---|")
    for words in (["plan"], ["status"], ["status"], ["collect", "-o", str(folder / "big.nc")]):
        command = [sys.executable, "-m", "recurrent_memory", "sweep", words[0], str(file), *words[1:]]
        started = time.perf_counter()
        # In a process of its own, since the operating system tells the largest of all children so far.
        done = subprocess.run([sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True)
        took = time.perf_counter() - started
        click.echo(f"| `sweep {words[0]}` | {took:.1f} | {int(done.stdout.split()[-1]) / 1e6:.2f} |")


MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _fill(store: Store, every: Sequence[Network]) -> None:
    """Publish a made-up result of each network that has none: one real network's, with other numbers."""
    store.prepare()
    missing = [one for one in every if not store.is_finished(one.identity)]
    if not missing:
        return
    example = run(Experiment(task="de1", n_hidden=10, iterations=100, test_batches=10, batch_size=10))
    measures = [name for name, variable in example.data_vars.items() if variable.dims == ()]
    random = np.random.default_rng(0)
    with click.progressbar(missing, label=f"{len(missing)} made-up results", file=sys.stderr) as shown:
        for network in shown:
            changed = example.assign({name: ((), random.random(), example[name].attrs) for name in measures})
            described = network.experiment.model_dump(mode="json")
            store.publish(network.identity, described, changed, {}, (), {"host": "made up", "training_seconds": 1.0})


if __name__ == "__main__":
    main()
