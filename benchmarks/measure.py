"""Time several contenders ("sides") fairly: in turns, in one process, with ratios taken within each turn."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from .sides import OURS, PER_CALL, SIDES, Iteration, MissingError, Side


class Times(NamedTuple):
    """A side's milliseconds per iteration, one value for each repetition."""

    name: str
    milliseconds: list[float]

    @property
    def median(self) -> float:
        """Median over repetitions."""
        return statistics.median(self.milliseconds)

    def over(self, other: Times) -> tuple[float, float, float]:
        """Return median, minimum and maximum over repetitions of this side's time over another's."""
        ratios = [a / b for a, b in zip(self.milliseconds, other.milliseconds, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def milliseconds(made: Mapping[str, Iteration], seconds: float = 1.0) -> dict[str, float]:
    """Return the median time of one iteration of each side, over calls that take at least so many seconds in all.

    The sides' calls take turns, because the speed of a machine can change from one second to the next. A call of a side
    whose name begins with "ours" does ``PER_CALL`` iterations, any other side's one.
    """
    calls: dict[str, list[float]] = {name: [] for name in made}
    while left := [name for name, of_side in calls.items() if sum(of_side) < seconds]:
        for name in left:
            started = time.perf_counter()
            made[name]()
            calls[name].append(time.perf_counter() - started)
    return {name: statistics.median(of_side) * 1e3 / _per_call(name) for name, of_side in calls.items()}


def _per_call(name: str) -> int:
    return PER_CALL if name.startswith("ours") else 1


def compare(n_hidden: int, repetitions: int, say: Any, sides: Mapping[str, Side] = SIDES) -> list[Times]:
    """Time all sides that are installed, in several repetitions, after a warm-up."""
    made: dict[str, Iteration] = {}
    for name, side in sides.items():
        try:
            made[name] = side(n_hidden)
            made[name]()
        except MissingError as reason:
            say(f"left out: {name}: {reason}")
    times = {name: Times(name, []) for name in made}
    for repetition in range(repetitions):
        gc.collect()
        for name, found in milliseconds(made).items():
            times[name].milliseconds.append(found)
        say(f"N = {n_hidden}: repetition {repetition + 1} of {repetitions}")
    return list(times.values())


def table(times: list[Times]) -> list[str]:
    """Return the lines of a Markdown table of times, and of ratios to ours at the start of training."""
    reference = next((t for t in times if t.name == OURS), times[0])
    lines = ["| side | ms per iteration (median) | ratio to ours (median, min–max) |", "|---|---|---|"]
    for side in times:
        ratio, low, high = side.over(reference)
        lines.append(f"| {side.name} | {side.median:.1f} | {ratio:.2f} ({low:.2f}–{high:.2f}) |")
    return lines
