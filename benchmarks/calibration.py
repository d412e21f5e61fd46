"""``python -m benchmarks.calibration``: what each measure of sequences says of made-up activity, and against chance.

In many draws of each kind of activity, each measure is compared with surrogates of each null. If the null is true of
the activity, the share of draws with p ≤ 0.05 is the rate of false positives, and should be 0.05; otherwise it is the
power. The tables go into docs/calibration.md between two marks, and the numbers into docs/data/calibration.csv.

It takes about an hour of one core. What is done is kept in a file, with which an interrupted calibration goes on.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from recurrent_memory import analysis
from recurrent_memory.analysis.chance import ActivityMeasure, number_of
from recurrent_memory.errors import InputError

TRIALS, STEPS, UNITS = 20, 60, 40
SURROGATES = 19
"""So few are enough for a test at 0.05: p is at most 0.05 if no surrogate is as large."""
ALPHA = 0.05
CHUNK = 10
"""Draws that are computed, and kept, together."""
PAGE, DATA = Path("docs/calibration.md"), Path("docs/data/calibration.csv")
BEGIN, END = "<!-- tables -->", "<!-- end of the tables -->"
COLUMNS = ["activity", "null", "measure", "draw", "value", "p"]

Made = np.ndarray
Chunk = tuple[str, str, int, int]
TIME = np.arange(STEPS)[:, None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of activity."""

    title: str
    make: Callable[[np.random.Generator], Made]
    true_nulls: tuple[str, ...] = ()
    """The nulls whose surrogates are distributed as the activity itself (`phase_randomised`: nearly)."""
    noise: float = 0.1
    """Scale of what is added to each entry: the magnitude of a normal number."""
    z_scored: bool = False


def bumps(peaks: Made, width: float) -> Made:
    """Return units that are active around their peaks, (…, time, unit)."""
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


def silent(rng: np.random.Generator) -> Made:
    """Return nothing, to which noise is added."""
    return np.zeros((TRIALS, STEPS, UNITS))


def smooth(rng: np.random.Generator) -> Made:
    """Return stationary noise, smooth over 3 steps: Gaussian, then its exponential; its end joins its start."""
    away = np.minimum(TIME[:, 0], STEPS - TIME[:, 0])
    kernel = np.exp(-0.5 * (away / 3) ** 2)
    filtered = np.fft.irfft(
        np.fft.rfft(rng.normal(size=(TRIALS, STEPS, UNITS)), axis=1) * np.fft.rfft(kernel)[:, None], n=STEPS, axis=1
    )
    return np.asarray(np.exp(filtered / np.linalg.norm(kernel)))


def reordered(rng: np.random.Generator) -> Made:
    """Return a sequence with bumps of 3 steps, in which the units have another order in each trial."""
    peaks = rng.permuted(np.tile(np.linspace(2, STEPS - 3, UNITS), (TRIALS, 1)), axis=1)
    return bumps(peaks[:, None, :], 3)


def shared(rng: np.random.Generator) -> Made:
    """Return what all units have in common, new at each step, each unit with a gain of its own."""
    return rng.random((TRIALS, STEPS, 1)) * rng.uniform(0.2, 1, UNITS)


# The place of a kind is part of the seed of its draws, so new kinds come last.
KINDS: dict[str, Kind] = {
    "persistent": Kind(
        title="persistent: each unit keeps a level of its own", make=persistent,
        true_nulls=("circular_shift", "phase_randomised", "permuted_time"),
    ),
    "sequence_3": Kind(title="a sequence, bumps of 3 steps", make=tiling(3)),
    "sequence_10": Kind(title="a sequence, bumps of 10 steps", make=tiling(10)),
    "sequence_40": Kind(title="a sequence, bumps of 40 steps", make=tiling(40)),
    "five_units": Kind(title="a sequence of 5 units", make=tiling(6, 5)),
    "ramps": Kind(title="ramps", make=ramping),
    "drifting": Kind(title="a bump drifts, from another start in each trial", make=drifting),
    "scattered": Kind(
        title="each unit has its bump at another time in each trial", make=scattered,
        true_nulls=("circular_shift", "shuffled_units"),
    ),
    "noise": Kind(title="noise, new at each step", make=silent, true_nulls=analysis.NULLS.names()),
    "z_scored": Kind(title="a sequence, z-scored", make=tiling(3), z_scored=True),
    "smooth_noise": Kind(
        title="smooth noise", make=smooth, noise=0,
        true_nulls=("circular_shift", "shuffled_units", "phase_randomised"),
    ),
    "reordered": Kind(
        title="a sequence, in another order of the units in each trial", make=reordered, true_nulls=("shuffled_units",)
    ),
    "shared_noise": Kind(
        title="noise, new at each step, that all units share", make=shared, true_nulls=("permuted_time",)
    ),
}  # fmt: skip
"""All kinds of activity by the names that they have in the data."""


def draw(kind: str, number: int) -> Made:
    """Return a draw of a kind of activity, with noise."""
    of = KINDS[kind]
    rng = np.random.default_rng([list(KINDS).index(kind), number])
    made = of.make(rng)
    noisy = made + of.noise * np.abs(rng.normal(size=made.shape))
    return np.asarray((noisy - noisy.mean((0, 1))) / noisy.std((0, 1)) if of.z_scored else noisy)


def values(name: str, activities: list[Made]) -> Made:
    """Return a measure of each of some activities; NaN if it refuses the first."""
    entry = analysis.ACTIVITY_MEASURES[name]
    # All units count, even those whose mean is below zero.
    least = {"time_decoding": None, "peak_consistency": -1e9}.get(name, 0.0)
    try:
        if entry.of_trials:
            return _of_trials(entry, activities, least)
        return np.array([number_of(entry.function(of, min_rate=least)) for of in activities])
    except InputError:
        return np.full(len(activities), np.nan)


def _of_trials(entry: ActivityMeasure, activities: list[Made], least: float | None) -> Made:
    """Measure all activities in one call: the measure of each is the mean over its own trials."""
    found = entry.function(np.concatenate(activities), min_rate=least)
    return np.asarray(found[f"trial_{entry.name}"].values.reshape(len(activities), -1).mean(axis=1))


def p_value(found: Made) -> float:
    """Return the p-value of the first of some values, the others being those of surrogates, as `against_chance`."""
    value, drawn = found[0], found[1:]
    if np.isnan(value):
        return float("nan")
    as_large = (drawn > value) | np.isclose(drawn, value, rtol=1e-9, atol=0)
    return (1 + int(as_large.sum())) / (1 + drawn.size)


def measured(chunk: Chunk) -> list[tuple[str, str, str, int, float, float]]:
    """Return value and p of all measures for some draws of a kind against a null."""
    kind, null, start, stop = chunk
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for number in range(start, stop):
            activity = draw(kind, number)
            seeds = [np.random.default_rng([number, 0, surrogate]) for surrogate in range(SURROGATES)]
            all_of_them = [activity, *(analysis.NULLS[null](rng, activity) for rng in seeds)]
            for name in analysis.ACTIVITY_MEASURES.names():
                found = values(name, all_of_them)
                rows.append((kind, null, name, number, float(found[0]), p_value(found)))
    return rows


def missing(kept: pd.DataFrame, draws: int) -> Iterator[Chunk]:
    """Yield what is not among the kept draws."""
    done = set(zip(kept["activity"], kept["null"], kept["measure"], kept["draw"], strict=True))
    # The first draws of all kinds come first, so that all tables soon have some.
    for start, kind, null in itertools.product(range(0, draws, CHUNK), KINDS, analysis.NULLS.names()):
        numbers = range(start, min(start + CHUNK, draws))
        wanted = set(itertools.product([kind], [null], analysis.ACTIVITY_MEASURES.names(), numbers))
        if not wanted <= done:
            yield kind, null, numbers[0], numbers[-1] + 1


def read_kept(path: Path) -> pd.DataFrame:
    """Return the draws that are kept, without a last line that was being written when the process ended."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return pd.read_csv(path, names=COLUMNS).drop_duplicates(COLUMNS[:4])


def one_row_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each draw and measure, with a column of p-values for each null."""
    wide = rows.pivot(index=["activity", "measure", "draw"], columns="null", values="p")[list(analysis.NULLS.names())]
    value = rows.drop_duplicates(["activity", "measure", "draw"]).set_index(["activity", "measure", "draw"])["value"]
    table = pd.concat([value.round(4), wide.round(4)], axis=1)
    orders = (list(KINDS), analysis.ACTIVITY_MEASURES.names(), range(int(rows["draw"].max()) + 1))
    return table.reindex(pd.MultiIndex.from_product(orders, names=table.index.names)).reset_index()


def markdown(first: str, rows: list[list[str]]) -> str:
    """Return a table with a column for each measure."""
    names = [f"`{name}`" for name in analysis.ACTIVITY_MEASURES.names()]
    heading, *lines = ("| " + " | ".join(line) + " |" for line in ([first, *names], *rows))
    return "\n".join([heading, "|---" * (len(names) + 1) + "|", *lines])


def of_kinds(table: pd.DataFrame, column: str, cell: Callable[[pd.Series], str], null: str = "") -> str:
    """Return a table with a row for each kind of activity; the names of those of which a null is true are bold."""
    grouped = table.groupby(["activity", "measure"])[column]
    rows = []
    for kind, of in KINDS.items():
        title = f"**{of.title}** (null true)" if null in of.true_nulls else of.title
        defined = (grouped.get_group((kind, name)).dropna() for name in analysis.ACTIVITY_MEASURES.names())
        rows.append([title, *(cell(some) if len(some) else "refused" for some in defined)])
    return markdown("activity", rows)


def share(p: pd.Series, decimals: int = 2) -> str:
    """Return the share of draws that are above chance; if none can be, since no surrogate is ever smaller, say so."""
    return "p = 1" if (p == 1).all() else f"{(p <= ALPHA).mean():.{decimals}f}"


def false_positives(table: pd.DataFrame) -> str:
    """Return the table of the rates of false positives over all kinds of activity of which a null is true."""
    rows = []
    for null in analysis.NULLS.names():
        of_null = table[table["activity"].isin([kind for kind, of in KINDS.items() if null in of.true_nulls])]
        shares = [of_null[of_null["measure"] == name][null].dropna() for name in analysis.ACTIVITY_MEASURES.names()]
        counted = len(shares[0])
        rows.append([f"`{null}` ({counted} draws)", *(share(p, 3) for p in shares)])
    return markdown("null", rows)


def tables(table: pd.DataFrame) -> str:
    """Return all tables of the page."""
    each = f"All tables are of {table['draw'].nunique()} draws of each kind of activity."
    parts = [each, "## False positives", false_positives(table), "## Values"]
    parts.append(of_kinds(table, "value", lambda of: f"{of.median():.2f}"))
    for null in analysis.NULLS.names():
        parts += [f"## Against `{null}`", of_kinds(table, null, share, null)]
    return "\n\n".join(parts)


@click.command()
@click.option("--draws", default=200, show_default=True, help="Draws of each activity")
@click.option(
    "--kept", default="benchmark-results/calibration.csv", show_default=True, type=click.Path(path_type=Path),
    help="File of the draws done so far, with which the calibration goes on; remove it to start anew",
)  # fmt: skip
def main(draws: int, kept: Path) -> None:
    """Measure made-up activity, and write the tables of docs/calibration.md."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    chunks = list(missing(read_kept(kept), draws))
    with ProcessPoolExecutor(os.cpu_count()) as pool, kept.open("a", encoding="utf-8") as file:
        for number, rows in enumerate(pool.map(measured, chunks)):
            pd.DataFrame(rows).to_csv(file, header=False, index=False)
            file.flush()
            click.echo(f"{number + 1} of {len(chunks)}: {' '.join(chunks[number][:2])}", err=True)
    rows = read_kept(kept)
    table = one_row_each(rows[rows["draw"] < draws])
    DATA.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(DATA, index=False)
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{tables(table)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
