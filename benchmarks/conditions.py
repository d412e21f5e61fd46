"""``python -m benchmarks.conditions``: time a training iteration in every condition and of every model of the paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import click
import matplotlib.pyplot as plt
import numpy as np

from recurrent_memory import kernel as compiled

from .measure import Times, compare
from .sides import Side, limit, ours

BASIC, PRODUCTS, GATED_PRODUCTS = "ours: relu", "limit: three products", "limit: three products of a gru"
STILL = "ours, learning nothing: relu"


class Goal(NamedTuple):
    """The largest ratio to another side's time that we aim at."""

    ratio: float
    over: str = BASIC


def _ours(**changes: Any) -> Side:
    return lambda n_hidden: ours(n_hidden, **changes)


def _still(**changes: Any) -> Side:
    """Return a side whose network stays as active as it begins, because it learns next to nothing.

    Networks fall silent at different rates while they learn, which is part of the time of the other sides.
    """
    return _ours(learning_rate=1e-12, **changes)


SIDES: dict[str, tuple[Side, Goal | None]] = {
    BASIC: (_ours(), None),
    PRODUCTS: (limit, None),
    GATED_PRODUCTS: (lambda n_hidden: limit(n_hidden, blocks=3), None),
    "ours: fast_weights": (_ours(model="fast_weights"), Goal(1.35)),
    "ours: orthogonal": (_ours(model="orthogonal"), None),
    "ours: gru": (_ours(model="gru"), Goal(1.5, GATED_PRODUCTS)),
    "ours: leaky": (_ours(model="leaky"), Goal(1.2, PRODUCTS)),
    "ours: leaky, tanh": (_ours(model="leaky", model_options={"activation": "tanh"}), Goal(1.3, PRODUCTS)),
    "ours: dynamic": (_ours(condition="dynamic"), Goal(1.15)),
    "ours: variable_delay": (_ours(condition="variable_delay"), Goal(0.8)),
    "ours: tethered": (_ours(condition="tethered"), None),
    "ours: DE-2": (_ours(task="de2"), Goal(1.1)),
    "ours: CD-2": (_ours(task="cd2"), Goal(1.1)),
    "ours: GDE": (_ours(task="gde"), Goal(1.1)),
    STILL: (_still(), None),
    "ours, learning nothing: dynamic": (_still(condition="dynamic"), Goal(1.15, STILL)),
    "ours, learning nothing: variable_delay": (_still(condition="variable_delay"), Goal(0.8, STILL)),
    "ours, learning nothing: DE-2": (_still(task="de2"), Goal(1.1, STILL)),
    "ours, learning nothing: CD-2": (_still(task="cd2"), Goal(1.1, STILL)),
    "ours, learning nothing: GDE": (_still(task="gde"), Goal(1.1, STILL)),
    "ours without the kernel: relu": (_ours(by_kernel=False), None),
    "ours without the kernel: fast_weights": (_ours(by_kernel=False, model="fast_weights"), None),
    "ours without the kernel: gru": (_ours(by_kernel=False, model="gru"), None),
    "ours without the kernel: leaky": (_ours(by_kernel=False, model="leaky"), None),
}
"""All sides by name, each with its goal."""

BEFORE: dict[int, dict[str, float]] = {
    100: {
        "ours: fast_weights": 2.5, "ours: orthogonal": 1.02, "ours: gru": 7.4, "ours: dynamic": 2.8,
        "ours: variable_delay": 0.96, "ours: DE-2": 1.2, "ours: CD-2": 1.2, "ours: GDE": 1.2,
    },
    500: {
        "ours: fast_weights": 3.4, "ours: orthogonal": 1.8, "ours: dynamic": 1.2, "ours: variable_delay": 1.03,
        "ours: DE-2": 0.9, "ours: CD-2": 0.9, "ours: GDE": 0.9,
    },
}  # fmt: skip
"""Times relative to relu when the kernel computed only rectified units (on one core); some were not measured."""


@click.command()
@click.option("--repetitions", default=5, show_default=True, help="Measurements of each side, in turns")
@click.option("--units", default="100,500", show_default=True, help="Numbers of units")
@click.option("--only", default="", help="Measure only sides whose names contain one of these words, and the basic one")
@click.option("--out", default="benchmark-results", show_default=True, type=click.Path(path_type=Path))
def main(repetitions: int, units: str, only: str, out: Path) -> None:
    """Time a training iteration in every condition and of every model, relative to the basic one with relu."""
    click.echo(compiled.description())
    wanted = {name: goal for name, (_, goal) in SIDES.items() if any(word in name for word in only.split(","))}
    needed = {BASIC} | {goal.over for goal in wanted.values() if goal}
    chosen = {name: side for name, (side, _) in SIDES.items() if name in wanted or name in needed}
    found = {}
    for n_hidden in map(int, units.split(",")):
        times = compare(n_hidden, repetitions, lambda line: click.echo(line, err=True), chosen)
        found[n_hidden] = {t.name: t.milliseconds for t in times}
        click.echo("\n".join(["", f"N = {n_hidden}", "", *table(times)]))
    out.mkdir(parents=True, exist_ok=True)
    content = {"machine": compiled.description(), "iteration_milliseconds": found}
    (out / "conditions.json").write_text(json.dumps(content, indent=2) + "\n")
    _draw(found, out / "conditions.png")


def table(times: list[Times]) -> list[str]:
    """Return the lines of a Markdown table of times, of ratios to the basic condition, and of goals."""
    by_name = {t.name: t for t in times}
    lines = ["| side | ms per iteration (median) | ratio to relu (median, min–max) | goal |", "|---|---|---|---|"]
    for side in times:
        goal = SIDES[side.name][1]
        words = ""
        if goal is not None:
            words = f"≤ {goal.ratio}"
            if goal.over != BASIC:
                words += f" × {goal.over.partition(': ')[2]}; {_ratio(side, by_name[goal.over])}"
        lines.append(f"| {side.name} | {side.median:.2f} | {_ratio(side, by_name[BASIC])} | {words} |")
    return lines


def _draw(found: dict[int, dict[str, list[float]]], path: Path) -> None:
    """Draw the times relative to relu in the basic condition, before and now."""
    figure, axes = plt.subplots(1, len(found), figsize=(5 * len(found), 3.6), squeeze=False, layout="constrained")
    for ax, (n_hidden, of) in zip(axes[0], found.items(), strict=True):
        before = BEFORE.get(n_hidden, {})
        names = [name for name in of if name.startswith("ours: ") and name != BASIC][::-1]
        places = np.arange(len(names))
        ratios = np.array([np.array(of[name]) / np.array(of[BASIC]) for name in names])
        now = np.median(ratios, axis=1)
        spread = [now - ratios.min(axis=1), ratios.max(axis=1) - now]
        ax.barh(places + 0.2, [before.get(name, 0) for name in names], 0.4, color="0.75", label="before")
        ax.barh(places - 0.2, now, 0.4, xerr=spread, color="C0", label="now (minimum to maximum)")
        ax.axvline(1, color="0.3", linewidth=0.8)
        ax.set_yticks(places, [name.removeprefix("ours: ") for name in names])
        ax.set_title(f"{n_hidden} units")
        ax.set_xlabel("time of an iteration relative to relu, basic condition")
    axes[0, 0].legend(loc="upper right", fontsize="small")
    figure.savefig(path, dpi=150)


def _ratio(side: Times, other: Times) -> str:
    ratio, low, high = side.over(other)
    return f"{ratio:.2f} ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    main()
