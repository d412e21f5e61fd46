"""``python -m benchmarks.calibration``: what each measure of sequences says of made-up activity, and against chance.

For each kind of activity, each measure is compared with surrogates in many draws. If the null is true of an activity,
the share of draws with p ≤ 0.05 is the rate of false positives, and should be 0.05; otherwise it is the power. The
table goes into docs/calibration.md between two marks, and the numbers into docs/data/calibration.csv.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import numpy as np
import pandas as pd

from recurrent_memory import analysis
from recurrent_memory.errors import InputError

TRIALS, STEPS, UNITS = 20, 60, 40
SURROGATES = 19
"""So few are enough for a test at 0.05: p is at most 0.05 if no surrogate is as large."""
ALPHA = 0.05
PAGE, DATA = Path("docs/calibration.md"), Path("docs/data/calibration.csv")
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"

Made = np.ndarray
TIME = np.arange(STEPS)[:, None]


def bumps(peaks: Made, width: float) -> Made:
    """Return units that are active around their peaks, (time, unit)."""
    return np.asarray(np.exp(-0.5 * ((TIME - peaks) / width) ** 2))


def repeated(one: Made) -> Made:
    """Return the same activity in each trial."""
    return np.broadcast_to(one, (TRIALS, *one.shape)).copy()


def tiling(width: float, units: int = UNITS) -> Callable[[np.random.Generator], Made]:
    """Return a sequence whose bumps have a standard deviation of `width` steps."""
    return lambda rng: repeated(bumps(rng.permutation(np.linspace(2, STEPS - 3, units)), width))


def drifting(rng: np.random.Generator) -> Made:
    """Return a bump that moves through the units at one speed, from a random start in each trial."""
    units = np.arange(UNITS)
    starts = rng.uniform(0, UNITS, size=(TRIALS, 1, 1))
    place = (starts + TIME * UNITS / STEPS) % UNITS
    away = np.abs(units - place)
    return np.asarray(np.exp(-0.5 * (np.minimum(away, UNITS - away) / 2) ** 2))


def ramping(rng: np.random.Generator) -> Made:
    """Return units that rise or fall by random amounts."""
    slopes = rng.normal(size=UNITS)
    return repeated(0.5 + 0.4 * np.tanh(slopes) * (2 * TIME / STEPS - 1))


def persistent(rng: np.random.Generator) -> Made:
    """Return units that keep a level of their own."""
    return repeated(rng.uniform(0.2, 1, (1, UNITS)) + 0 * TIME)


def scattered(rng: np.random.Generator) -> Made:
    """Return units with one bump in each trial, at a random time; a bump that reaches the end goes on at the start."""
    peaks = rng.uniform(0, STEPS, (TRIALS, 1, UNITS))
    away = np.abs(TIME - peaks)
    return np.asarray(np.exp(-0.5 * (np.minimum(away, STEPS - away) / 3) ** 2))


ACTIVITIES: dict[str, tuple[Callable[[np.random.Generator], Made], bool]] = {
    "persistent: each unit keeps a level of its own": (persistent, True),
    "a sequence, bumps of 3 steps": (tiling(3), False),
    "a sequence, bumps of 10 steps": (tiling(10), False),
    "a sequence, bumps of 40 steps": (tiling(40), False),
    "a sequence of 5 units": (tiling(6, 5), False),
    "ramps": (ramping, False),
    "a bump drifts, from another start in each trial": (drifting, False),
    "each unit has its bump at another time in each trial": (scattered, True),
    "noise": (lambda rng: np.zeros((TRIALS, STEPS, UNITS)), True),
    "a sequence, z-scored": (tiling(3), False),
}  # fmt: skip
"""Activity by its name, and whether circular shifts of each unit in each trial are what it is made of, too."""


def draw(activity: str, number: int) -> Made:
    """Return a draw of an activity, with noise."""
    rng = np.random.default_rng([list(ACTIVITIES).index(activity), number])
    made = ACTIVITIES[activity][0](rng)
    noisy = np.maximum(made + 0.1 * np.abs(rng.normal(size=made.shape)), 0)
    if activity.endswith("z-scored"):
        return np.asarray((noisy - noisy.mean((0, 1))) / noisy.std((0, 1)))
    return np.asarray(noisy)


def measure(of: tuple[str, str, int]) -> tuple[str, str, int, float, float]:
    """Return value and p of a measure for a draw; NaN if the measure refuses it."""
    activity, name, number = of
    settings = {"null": "circular_shift", "n": SURROGATES, "n_bootstrap": 0, "seed": number, "threads": 1}
    least = {"time_decoding": None, "peak_consistency": -1e9}.get(name, 0.0)  # all units count
    try:
        found = analysis.against_chance(name, draw(activity, number), min_rate=least, **settings)  # type: ignore[arg-type]
    except InputError:
        return activity, name, number, np.nan, np.nan
    return activity, name, number, float(found["value"]), float(found["p"])


def table(rows: pd.DataFrame) -> str:
    """Return a Markdown table: the median of the value, and the share of draws with p ≤ 0.05."""
    names = list(dict.fromkeys(rows["measure"]))
    lines = ["| activity | " + " | ".join(f"`{name}`" for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for activity in ACTIVITIES:
        cells = []
        for name in names:
            of = rows[(rows["activity"] == activity) & (rows["measure"] == name)]
            defined = of.dropna()
            share = (defined["p"] <= ALPHA).mean()
            cells.append(f"{defined['value'].median():.2f}; {share:.2f}" if len(defined) else "refused")
        is_null = ACTIVITIES[activity][1]
        lines.append(f"| {activity}{' (null true)' if is_null else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command()
@click.option("--draws", default=200, show_default=True, help="Draws of each activity")
def main(draws: int) -> None:
    """Measure made-up activity, and write the table of docs/calibration.md."""
    cases = list(itertools.product(ACTIVITIES, analysis.ACTIVITY_MEASURES.names(), range(draws)))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = []
        for row in pool.map(measure, cases, chunksize=25):
            found.append(row)
            if len(found) % 500 == 0:
                click.echo(f"{len(found)} of {len(cases)}", err=True)
    rows = pd.DataFrame(found, columns=["activity", "measure", "draw", "value", "p"])
    DATA.parent.mkdir(parents=True, exist_ok=True)
    rows.round(4).to_csv(DATA, index=False)
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")
    click.echo(table(rows))


if __name__ == "__main__":
    main()
