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


def milliseconds(iteration: Iteration, per_call: int, seconds: float = 0.5) -> float:
    """Return the mean time of one iteration, measured over at least so many seconds."""
    calls, started = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - started < seconds:
        iteration()
        calls += 1
    return (time.perf_counter() - started) * 1e3 / (calls * per_call)


def compare(n_hidden: int, repetitions: int, say: Any, sides: Mapping[str, Side] = SIDES) -> list[Times]:
    """Time all sides that are installed, each once per repetition, after a warm-up.

    A call of a side whose name begins with "ours" does ``PER_CALL`` iterations, any other side's one.
    """
    made: dict[str, Iteration] = {}
    for name, side in sides.items():
        try:
            made[name] = side(n_hidden)
            made[name]()
        except MissingError as reason:
            say(f"left out: {name}: {reason}")
    times = {name: Times(name, []) for name in made}
    for repetition in range(repetitions):
        for name, iteration in made.items():
            gc.collect()
            times[name].milliseconds.append(milliseconds(iteration, PER_CALL if name.startswith("ours") else 1))
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
