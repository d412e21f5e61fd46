"""``python -m benchmarks.gpu``: how fast many networks train in one program on this machine's accelerators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click
import jax

from recurrent_memory.networks import Precision
from recurrent_memory.runs.start import fresh_state, trainer
from recurrent_memory.training import Ensemble, Member

from .sides import STEPS, experiment

ITERATIONS = 25_001
"""Training iterations of a network in the paper."""


@click.command()
@click.option("--networks", default="1,10,100", show_default=True, help="Numbers of networks in one program")
@click.option("--units", default=500, show_default=True, help="Units of each network")
@click.option(
    "--precisions", default=",".join(get_args(Precision)), show_default=True, help="Precisions of matrix products"
)
@click.option("--iterations", default=50, show_default=True, help="Iterations that are timed")
@click.option("--bandwidth", default=3.35, show_default=True, help="Memory bandwidth in TB/s (H100 SXM: 3.35)")
@click.option("--anyway", is_flag=True, help="Measure on the CPU if there is no accelerator")
@click.option("--out", default="benchmark-results", show_default=True, type=click.Path(path_type=Path))
def main(
    networks: str, units: int, precisions: str, iterations: int, bandwidth: float, anyway: bool, out: Path
) -> None:
    """Time training of several networks in one batched program, and compare it with the memory bandwidth's limit."""
    if jax.default_backend() == "cpu" and not anyway:
        raise click.UsageError(
            "JAX sees no accelerator here (pip install 'jax[cuda12]'); --anyway measures on the CPU."
        )
    devices = jax.local_devices()
    click.echo(f"{len(devices)} × {devices[0].device_kind}; JAX {jax.__version__}; N = {units}")
    click.echo("\n| networks | precision | ms per iteration of all networks | s per network of 25,001 iterations |")
    click.echo("|---|---|---|---|")
    rows = []
    for precision in precisions.split(","):
        for number in map(int, networks.split(",")):
            seconds = _seconds_an_iteration(number, units, precision, iterations)
            each = seconds / number * ITERATIONS
            rows.append({"networks": number, "precision": precision, "ms": seconds * 1e3, "s_each": each})
            click.echo(f"| {number} | {precision} | {seconds * 1e3:.2f} | {each:.1f} |")
    bound = estimate(units, bandwidth * 1e12) / len(devices)
    click.echo(f"\nestimate, with weights read from memory at every step, forward and backward: {bound:.1f} s each")
    out.mkdir(parents=True, exist_ok=True)
    content = {"device": devices[0].device_kind, "devices": len(devices), "estimate_s_each": bound, "measured": rows}
    (out / "gpu.json").write_text(json.dumps(content, indent=2) + "\n")


def estimate(units: int, bandwidth: float) -> float:
    """Return the seconds that a network of the paper would take if only reading the recurrent weights took time.

    ``bandwidth`` is in bytes per second.
    """
    return 2 * STEPS * 4 * units**2 * ITERATIONS / bandwidth


def _seconds_an_iteration(number: int, units: int, precision: str, iterations: int) -> float:
    made = [experiment(units, seed=seed, precision=precision) for seed in range(number)]
    ensemble = Ensemble([Member(trainer(one, one.make_task()), fresh_state(one)) for one in made])
    ensemble.advance(1)
    _, took = ensemble.advance(iterations)
    return took / iterations


if __name__ == "__main__":
    main()
