"""``python -m benchmarks.sweeps``: how fast the commands for sweeps are, on a large sweep with made-up results."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from recurrent_memory import Experiment, run, run_many
from recurrent_memory.sweeps import Network, Store, Sweep, execute, load, networks

from .parts import REPETITIONS, seconds, spread

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
    help="Number of values of ρ, each with 10,000 networks",
)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/synthetic-sweep"), show_default=True)
def main(rhos: int, folder: Path) -> None:
    """Time the commands that read the made-up results of many networks, and the overhead of running a sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "big.toml"
    file.write_text(FILE.format(rhos=rhos))
    sweep = load(file)
    store = Store(sweep.store)
    _fill(store, networks(sweep))
    click.echo("| command | s | GB |\n|---|---|---|")
    for words in (["plan"], ["status"], ["status"], ["collect", "-o", str(folder / "big.nc")], ["show"]):
        command = [sys.executable, "-m", "recurrent_memory", "sweep", words[0], str(file), *words[1:]]
        started = time.perf_counter()
        # In a separate process, because the operating system reports the largest memory of all children so far.
        done = subprocess.run([sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True)
        took = time.perf_counter() - started
        click.echo(f"| `sweep {words[0]}` | {took:.1f} | {int(done.stdout.split()[-1]) / 1e6:.2f} |")
    click.echo(f"\nfrom `sweep run` to the first network that trains: {_seconds_to_first(file):.1f} s")
    _overhead()  # compiles
    found = spread([_overhead() for _ in range(REPETITIONS)])
    click.echo(f"time of 8 networks in a sweep over `run_many` without folders: {found}, {REPETITIONS} repetitions")


MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _fill(store: Store, every: Sequence[Network]) -> None:
    """Give each network without a result a made-up one: a real network's result with other numbers."""
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


def _seconds_to_first(file: Path) -> float:
    """Return the seconds from the start of `sweep run`, on a sweep without results, until a network starts to train."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "fresh.toml"
        fresh.write_text(file.read_text())
        started = time.perf_counter()
        worker = subprocess.Popen(
            [sys.executable, "-m", "recurrent_memory", "sweep", "run", str(fresh)], stderr=subprocess.DEVNULL
        )
        try:
            while not any(path.stat().st_size for path in (Path(folder) / "fresh" / "log").glob("*.jsonl")):
                if worker.poll() is not None:
                    raise RuntimeError("`sweep run` has ended before any network began.")
                time.sleep(0.02)
            return time.perf_counter() - started
        finally:
            worker.terminate()
            worker.wait()


def _overhead() -> float:
    """Return the time that networks take in a sweep, divided by the time in one call that saves nothing."""
    shared = {"task": "de1", "n_hidden": 100, "iterations": 500, "test_batches": 50}
    every = networks(Sweep(experiment=shared, axes=({"seed": tuple(range(8))},)))
    with tempfile.TemporaryDirectory() as folder:
        alone = seconds(run_many, [network.experiment for network in every])
        return seconds(execute, every, Store(folder), ("curves", "weights")) / alone


if __name__ == "__main__":
    main()
