"""The two terms of the sequentiality index, of all trials at once, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from .activity import ROUNDING, Recording
from .blocks import Shape, blocks, inside_bins, ridge_and_background, shape_of
from .summaries import NO_PEAK, mean_of_defined
from .variants import Variant

OfTrials = Bool[np.ndarray, " trial"]
OfUnits = Bool[np.ndarray, "trial unit"]

PSEUDOCOUNT = 0.1
"""Added to each bin of the histogram of peak times, so that the logarithm of an empty bin exists."""

_SINGLE = "a single unit is active: the entropy of its peak time is that of the pseudocount"
_NO_STEP = "the published window of 1 holds no step"
_FLOOR = "a `background_floor` above 0 makes the index finite"
_NEGATIVE = (
    "have activity below zero, but the index needs rates of at least 0: for a recording, give the rates, not z-scores "
    "or differences from a baseline"
)


@dataclass(frozen=True)
class Terms:
    """The measures of all trials; for a unit that is not active, the peak is -1 and the ratio NaN."""

    entropy: Float[np.ndarray, " trial"]
    ridge: Float[np.ndarray, " trial"]
    reason: np.ndarray
    unit_peak: Int[np.ndarray, "trial unit"]
    unit_ridge: Float[np.ndarray, "trial unit"]


def terms_of(
    recording: Recording, *, variant: Variant, min_rate: float, n_bins: int, window: int, background_floor: float
) -> Terms:
    """Measure all trials of a recording."""
    units = _measure(recording, variant, window)
    active = (units.shape.mean > min_rate) & recording.units
    background = np.maximum(units.background, background_floor) if background_floor > 0 else units.background
    with np.errstate(divide="ignore", invalid="ignore"):  # a zero becomes an infinity, as published
        ratio = np.where(active, np.log(units.ridge) - np.log(background), np.nan)
    entropy, ridge = _peak_entropy(units, active, n_bins, variant), mean_of_defined(ratio)
    doubts = _Doubts.find(active, units.shape, units.ridge, background)
    if variant.undefined_is_nan:
        entropy[doubts.entropy_undefined] = np.nan
        ridge[doubts.ridge_undefined] = np.nan
    reason = np.array(_reasons(doubts, active, units.ridge, background, min_rate), dtype=object)
    return Terms(entropy, ridge, reason, np.where(active, units.peak_step, -1), ratio)


class _Units(NamedTuple):
    """What is measured of each unit in each trial, active or not."""

    shape: Shape
    """With peak times in the steps that the trial has."""
    peak_step: Int[np.ndarray, "trial unit"]
    """Peak times in all measured steps."""
    ridge: Float[np.ndarray, "trial unit"]
    background: Float[np.ndarray, "trial unit"]
    n_steps: Int[np.ndarray, " trial"]


def _measure(recording: Recording, variant: Variant, window: int) -> _Units:
    size = recording.units.shape
    mean, highest, lowest, ridge, background = np.empty((5, *size))
    peak, peak_step = np.empty((2, *size), np.intp)
    for trials, block in blocks(recording):
        shape = shape_of(block)
        start, stop = variant.window(shape.peak.ravel(), window, block.shape[1])
        of_units = ridge_and_background(block, shape, start.reshape(shape.peak.shape), stop.reshape(shape.peak.shape))
        ridge[trials], background[trials] = of_units
        mean[trials], highest[trials], lowest[trials], peak[trials] = shape
        step = np.nonzero(recording.steps[trials])[1].reshape(trials.size, -1)
        peak_step[trials] = np.take_along_axis(step, shape.peak, axis=1)
    n_steps = np.asarray(recording.steps.sum(axis=1))
    return _Units(Shape(mean, highest, lowest, peak), peak_step, ridge, background, n_steps)


def _peak_entropy(units: _Units, active: OfUnits, n_bins: int, variant: Variant) -> Float[np.ndarray, " trial"]:
    """Return the entropy of the peak times of each trial in nats."""
    peak, n_steps = units.shape.peak, units.n_steps
    fixed = [variant.bin_range(int(n)) for n in n_steps]
    # Without an active unit, any bins will do.
    earliest = np.where(active, peak, n_steps[:, None]).min(axis=1)
    latest = np.where(active, peak, -1).max(axis=1)
    low = np.array([at[0] if at else first for at, first in zip(fixed, np.minimum(earliest, latest), strict=True)])
    high = np.array([at[1] if at else last for at, last in zip(fixed, latest, strict=True)])
    p = inside_bins(peak, active, low, high, n_bins) + PSEUDOCOUNT
    p = p / p.sum(axis=1, keepdims=True)
    return np.asarray(-(p * np.log(p)).sum(axis=1))


@dataclass(frozen=True)
class _Doubts:
    """What may be wrong with the index of each trial, from the most to the least serious."""

    silent: OfTrials
    constant: OfTrials
    no_step: OfTrials
    negative: OfUnits
    no_background: OfUnits
    no_ridge: OfUnits
    single: OfTrials

    @classmethod
    def find(
        cls, active: OfUnits, shape: Shape, ridge: Float[np.ndarray, "trial unit"],
        background: Float[np.ndarray, "trial unit"],
    ) -> _Doubts:  # fmt: skip
        highest = np.where(active, shape.highest, -np.inf).max(axis=1)
        lowest = np.where(active, shape.lowest, np.inf).min(axis=1)
        rounding = -ROUNDING * np.maximum(highest, -lowest)
        return cls(
            silent=active.sum(axis=1) == 0,
            constant=~(active & (shape.highest != shape.lowest)).any(axis=1),
            no_step=~(active & ~np.isnan(ridge)).any(axis=1),
            negative=active & (shape.lowest < rounding[:, None]),
            no_background=active & (background <= 0),
            no_ridge=active & (ridge <= 0),
            single=active.sum(axis=1) == 1,
        )

    @property
    def entropy_undefined(self) -> OfTrials:
        """Trials whose peak entropy means nothing."""
        return np.asarray(self.silent | self.constant)

    @property
    def ridge_undefined(self) -> OfTrials:
        """Trials whose ridge-to-background ratio means nothing."""
        of_units = (self.negative | self.no_background | self.no_ridge).any(axis=1)
        return np.asarray(self.entropy_undefined | self.no_step | of_units)


def _reasons(
    doubts: _Doubts, active: OfUnits, ridge: Float[np.ndarray, "trial unit"],
    background: Float[np.ndarray, "trial unit"], min_rate: float,
) -> list[str]:  # fmt: skip
    """Return what is wrong with each trial, "" if nothing is."""
    reasons = [""] * active.shape[0]
    for trial in np.flatnonzero(doubts.ridge_undefined | doubts.single).tolist():
        of_active = active[trial]
        n_negative, means = int(doubts.negative[trial].sum()), background[trial][of_active]
        if doubts.silent[trial]:
            reasons[trial] = f"no unit is active enough (mean above {min_rate:g})"
        elif doubts.constant[trial]:
            reasons[trial] = NO_PEAK
        elif doubts.no_step[trial]:
            reasons[trial] = _NO_STEP
        elif n_negative:
            also = f" ({_counted(means, 'background')})" if doubts.no_background[trial].any() else ""
            reasons[trial] = f"{n_negative} of {of_active.sum()} active units {_NEGATIVE}{also}"
        elif doubts.no_background[trial].any():
            reasons[trial] = f"{_counted(means, 'background')} ({_FLOOR})"
        elif doubts.no_ridge[trial].any():
            reasons[trial] = _counted(ridge[trial][of_active], "ridge")
        else:
            reasons[trial] = _SINGLE
    return reasons


def _counted(mean: Float[np.ndarray, " active"], part: str) -> str:
    bad = mean[mean <= 0]
    kind = "zero" if (bad == 0).all() else "zero or negative"
    return f"{bad.size} of {mean.size} active units have a {kind} {part}"
