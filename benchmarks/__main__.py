"""``python -m benchmarks``: print the tables of docs/performance.md for this machine, and save them."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import click
import jax
import matplotlib.pyplot as plt

from recurrent_memory import kernel as compiled
from recurrent_memory.runs.resources import cores

from . import parts, sizes
from .measure import Times, compare, table
from .sides import AFTER, LIMIT


@click.command()
@click.option("--repetitions", default=5, show_default=True, help="Measurements of each contender, in turns")
@click.option("--units", default="500,100", show_default=True, help="Numbers of units")
@click.option("--out", default="benchmark-results", show_default=True, type=click.Path(path_type=Path))
@click.option("--only-iteration", is_flag=True, help="Measure only the training iteration")
def main(repetitions: int, units: str, out: Path, only_iteration: bool) -> None:
    """Time training on this machine, and compare it with the machine's limit and with other libraries."""
    machine = f"{platform.machine()}, {_processor()}, {cores()} cores; JAX {jax.__version__}; {compiled.description()}"
    click.echo(machine)
    found = {n: compare(n, repetitions, lambda line: click.echo(line, err=True)) for n in map(int, units.split(","))}
    for n, times in found.items():
        click.echo("\n".join(["", f"N = {n}", "", *table(times), "", _distance_from_limit(n, times)]))
    rows: parts.Rows = []
    costs: list[sizes.Costs] = []
    if not only_iteration:
        rows = [
            *parts.profile(500),
            *parts.profile(100),
            *parts.drawing(),
            *parts.testing(500),
            *parts.many(100, 16, 200),
            *parts.many(500, 4, 30),
            *parts.starting(),
        ]
        click.echo("\n".join(["", "| what | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]))
        costs = sizes.measure(lambda line: click.echo(line, err=True))
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine,
        "iteration_milliseconds": {n: {t.name: t.milliseconds for t in times} for n, times in found.items()},
        "others": dict(rows),
        "cost_against_size": [one._asdict() for one in costs],
    }
    (out / "benchmark.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    _draw(found, out / "benchmark.png")
    if costs:
        sizes.draw(costs, out / "cost.png")
    click.echo(f"\nsaved in {out}")


def _distance_from_limit(n_hidden: int, times: list[Times]) -> str:
    """Say how far a trained network is from the time of the products with what is not zero."""
    median = {one.name: one.median for one in times}
    share = parts.needed(n_hidden)
    least, trained = share * median[LIMIT], median.get(AFTER, float("nan"))
    return (
        f"After 1000 iterations, {share:.0%} of the limit's multiplications have no factor of zero, which take "
        f"{least:.1f} ms at the limit's rate. Ours takes {trained / least:.1f} times as long."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _draw(found: dict[int, list[Times]], path: Path) -> None:
    figure, axes = plt.subplots(1, len(found), figsize=(6 * len(found), 3.2), squeeze=False, layout="constrained")
    for ax, (n, times) in zip(axes[0], found.items(), strict=True):
        names = [t.name for t in times]
        medians = [t.median for t in times]
        spread = [[m - min(t.milliseconds) for m, t in zip(medians, times, strict=True)],
                  [max(t.milliseconds) - m for m, t in zip(medians, times, strict=True)]]  # fmt: skip
        colors = ["0.6" if "limit" in name else "C0" if "ours" in name else "C1" for name in names]
        ax.barh(names[::-1], medians[::-1], xerr=[s[::-1] for s in spread], color=colors[::-1], capsize=3)
        ax.set_title(f"N = {n}")
        ax.set_xlabel("ms per iteration (median, minimum to maximum)")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
