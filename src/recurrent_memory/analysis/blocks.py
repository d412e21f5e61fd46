"""Trials in blocks that fit the processor's cache, and what is measured of each unit in a block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from .activity import Recording

Block = Float[np.ndarray, "trial time unit"]
Units = Float[np.ndarray, "trial unit"]
Peaks = Int[np.ndarray, "trial unit"]

NUMBERS = 2**18
"""Numbers in a block, unless one trial has more: 2 MiB, which is near a core's cache. With half of that, threads that
measure surrogates lose more time in waiting for Python's lock than the cache saves."""
LITTLE = 0.01
"""Share of a unit's highest activity; means above it are the same, to 12 digits, from a sum and from a difference."""


def blocks(recording: Recording) -> Iterator[tuple[Int[np.ndarray, " trial"], Block]]:
    """Yield the positions of some trials that have equally many steps, and their activity in these steps.

    The activity is in float64, and zero for units that were not recorded. It may be a view of the recording.
    """
    n_steps = recording.steps.sum(axis=1)
    for length in np.unique(n_steps):
        alike = np.flatnonzero(n_steps == length)
        size = max(1, NUMBERS // max(1, int(length) * recording.units.shape[1]))
        for start in range(0, alike.size, size):
            trials = alike[start : start + size]
            yield trials, _activity(recording, trials)


def _activity(recording: Recording, trials: Int[np.ndarray, " trial"]) -> Block:
    first, last = int(trials[0]), int(trials[-1])
    neighbours = last - first + 1 == trials.size
    chosen = slice(first, last + 1) if neighbours else trials  # neighbours need no copy
    values, steps, units = recording.values.values[chosen], recording.steps[trials], recording.units[trials]
    if not steps.all():
        values = values[steps].reshape(trials.size, -1, values.shape[2])
    if not units.all():
        values = np.where(units[:, None, :], values, 0)  # what stands there may be anything
    return np.asarray(values, dtype=np.float64)


class Shape(NamedTuple):
    """What the measures need to know of each unit in each trial."""

    mean: Units
    """Over time."""
    highest: Units
    lowest: Units
    peak: Peaks
    """First step of the highest activity."""


def shape_of(block: Block) -> Shape:
    """Return mean, extremes and peak time of each unit in each trial."""
    highest = block.max(axis=1)
    return Shape(block.mean(axis=1), highest, block.min(axis=1), first_step_of(block, highest))


def first_step_of(block: Block, value: Units) -> Peaks:
    """Return the first step in which each unit has a value that it is known to have."""
    n_steps = block.shape[1]
    # The first such step has the largest number of steps left. This is several times as fast as `argmax` over an axis
    # that is not the last: the smallest integers that can count the steps fill the processor's vectors best.
    left = np.arange(n_steps, 0, -1, dtype=np.min_scalar_type(n_steps))[:, None]
    most_left = (np.equal(block, value[:, None, :]).view(np.uint8) * left).max(axis=1)
    return np.asarray(n_steps - most_left.astype(np.intp))


def ridge_and_background(block: Block, shape: Shape, first: Peaks, stop: Peaks) -> tuple[Units, Units]:
    """Return each unit's mean activity in a window [first, stop) of each trial, and outside it; NaN of no step."""
    n_trials, n_steps, n_units = block.shape
    first, stop = np.maximum(first, 0), np.minimum(stop, n_steps)
    width = np.maximum(stop - first, 0)
    step = first + np.arange(width.max(initial=0))[:, None, None]
    inside = step < stop
    place = (np.arange(n_trials)[:, None] * n_steps + step) * n_units + np.arange(n_units)
    total = np.where(inside, block.ravel()[np.where(inside, place, 0)], 0).sum(axis=0)
    with np.errstate(invalid="ignore"):  # inf - inf
        rest = n_steps * shape.mean - total
    # A difference of sums loses digits where little is left, and a background of exactly zero must stay exactly zero.
    little = np.abs(rest) < LITTLE * n_steps * np.maximum(shape.highest, -shape.lowest)
    if little.any():
        rows = block.transpose(0, 2, 1)[little]
        time = np.arange(n_steps)
        rows[(first[little][:, None] <= time) & (time < stop[little][:, None])] = 0
        rest[little] = rows.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / width, rest / (n_steps - width)


def inside_bins(
    peak: Peaks, active: Bool[np.ndarray, "trial unit"], low: Real[np.ndarray, " trial"],
    high: Real[np.ndarray, " trial"], n_bins: int,
) -> Int[np.ndarray, "trial bin"]:  # fmt: skip
    """Return the histograms of the active units' peak times, each from `low` to `high`, by NumPy's rules.

    Bins include their lower edge, and the last bin also its upper one; what is outside counts in none. If `low` is
    `high`, they are 0.5 lower and higher.
    """
    n_trials = peak.shape[0]
    alone = low == high
    start, end = np.where(alone, low - 0.5, low), np.where(alone, high + 0.5, high)
    edges = np.linspace(start, end, n_bins + 1, axis=-1)
    trial, unit = np.nonzero(active & (start[:, None] <= peak) & (peak <= end[:, None]))
    time = peak[trial, unit]
    place = ((time - start[trial]) / (end - start)[trial] * n_bins).astype(np.intp)
    place = np.minimum(place, n_bins - 1)
    place -= time < edges[trial, place]  # rounding may put a peak at an edge into the bin beside it
    place += (time >= edges[trial, place + 1]) & (place != n_bins - 1)
    return np.bincount(trial * n_bins + place, minlength=n_trials * n_bins).reshape(n_trials, n_bins)
