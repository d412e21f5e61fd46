"""``python -m benchmarks.precision``: how the precision of matrix products affects learning and sequentiality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scipy import stats

from recurrent_memory.experiment import Experiment
from recurrent_memory.networks import Precision
from recurrent_memory.runs.many import run_many

PRECISIONS = get_args(Precision)


@click.command()
@click.option("--seeds", default=8, show_default=True, help="Networks per precision")
@click.option("--n-hidden", default=100, show_default=True, help="Units of each network")
@click.option("--iterations", default=3000, show_default=True)
@click.option("--out", default="benchmark-results/precision", show_default=True, type=click.Path(path_type=Path))
def main(seeds: int, n_hidden: int, iterations: int, out: Path) -> None:
    """Train networks with the same seeds in each precision, and compare their learning and their sequentiality.

    Runs that were stopped are resumed.
    """
    found = {}
    for precision in PRECISIONS:
        made = [
            Experiment(
                task="de1",
                n_hidden=n_hidden,
                learning_rate=2.5e-4,
                iterations=iterations,
                test_batches=501,
                seed=seed,
                precision=precision,
            )
            for seed in range(seeds)
        ]
        found[precision] = run_many(made, [out / f"{precision}-{seed}" for seed in range(seeds)], on_message=click.echo)
    rows = {
        name: [_median_and_range(found[p], name) for p in PRECISIONS]
        for name in ("fractional_loss", "sequentiality_index")
    }
    click.echo("\n".join(_table(rows, found)))
    (out / "precision.json").write_text(json.dumps(rows, indent=2) + "\n")
    _draw(found, out / "precision.png")
    click.echo(f"\nsaved in {out}")


def _values(results: list[xr.Dataset], name: str) -> np.ndarray:
    return np.array([float(result[name].mean()) for result in results])


def _median_and_range(results: list[xr.Dataset], name: str) -> tuple[float, float, float]:
    values = _values(results, name)
    return float(np.median(values)), float(values.min()), float(values.max())


def _table(rows: dict[str, list[tuple[float, float, float]]], found: dict[str, list[xr.Dataset]]) -> list[str]:
    lines = ["", f"| median (range) of {len(found['float32'])} seeds | {' | '.join(PRECISIONS)} |", "|---|---|---|---|"]
    for name, cells in rows.items():
        title = {"fractional_loss": "fractional loss in the test", "sequentiality_index": "sequentiality index"}[name]
        lines.append(f"| {title} | " + " | ".join(f"{m:.2f} ({low:.2f}–{high:.2f})" for m, low, high in cells) + " |")
        exact = _values(found["float32"], name)
        p = [stats.wilcoxon(exact, _values(found[other], name)).pvalue for other in PRECISIONS[1:]]
        lines.append(f"| its difference from float32, Wilcoxon's p | | {' | '.join(f'{x:.2g}' for x in p)} |")
    return lines


def _draw(found: dict[str, list[xr.Dataset]], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", width_ratios=(2, 1))
    for number, (precision, results) in enumerate(found.items()):
        curves = np.array([result["training_fractional_loss"] for result in results])
        iterations = np.arange(1, curves.shape[1] + 1)
        left.plot(iterations, np.median(curves, axis=0), color=f"C{number}", label=precision)
        left.fill_between(iterations, *np.quantile(curves, (0.25, 0.75), axis=0), color=f"C{number}", alpha=0.2, lw=0)
        index = _values(results, "sequentiality_index")
        right.plot(number + np.linspace(-0.2, 0.2, len(index)), index, "o", color=f"C{number}")
    left.set(xlabel="training iteration", ylabel="fractional loss\n(median, quartiles)", yscale="log")
    left.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    left.minorticks_off()
    left.legend(frameon=False)
    right.set_xticks(range(len(found)), found)
    right.set_ylabel("sequentiality index")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
