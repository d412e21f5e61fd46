"""Measures of sequences other than the sequentiality index: SqI, transient index, ridge-to-background ratio.

None of them says whether the sequence is the same in each trial, which `consistency` measures, and none is 0 for
noise: compare it with surrogates (`chance`) before calling activity sequential.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy.special import xlogy

from ..errors import InputError
from .activity import (
    Recording,
    check_min_rate,
    check_steps,
    read_recording,
    refuse_empty_trials,
    refuse_negative,
    refuse_short_trials,
)
from .arguments import is_number
from .blocks import Block, Peaks, Shape, blocks, inside_bins, ridge_and_background, shape_of
from .summaries import NO_PEAK, left_out, mean_of_defined, over_trials, scalar, summarize_reasons
from .variants import symmetric_window

Active = Bool[np.ndarray, "trial unit"]
Trials = Float[np.ndarray, " trial"]


def sqi(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float = 0.1,
    n_bins: int | None = None, average: bool = False,
) -> xr.Dataset:  # fmt: skip
    """Measure sequentiality as the geometric mean of peak entropy and temporal sparsity.

    Parameters
    ----------
    activity
        Rates, at least 0, (trial, time, unit), in any unit; see `read_activity`.
    steps
        First step measured and the step after the last; None: the whole trial.
    mask
        (trial, time), True for the steps that count; None: all that `activity` has.
    min_rate
        Units whose mean over time is not above this are left out (same unit as `activity`).
    n_bins
        Number M of bins of the peak times over the measured steps, at least 2; None: one for each step.
    average
        Whether to measure the average over trials, as is usual for recorded spikes, instead of each trial.

    Returns
    -------
    `sqi`, `peak_entropy`, `temporal_sparsity` (0 to 1): means over the trials that have an SqI; `n_active_units` of
    `n_units`; unless `average`, the first three as `trial_…` (trial), and `trial_reason`: why a trial has none, else
    "". Attributes: settings, `source`, `reason`, and `left_out` (if units are left out: how many and why).

    Raises
    ------
    InputError
        If the activity cannot be read or has numbers below zero, or a setting is out of range.

    Notes
    -----
    Zhou, Masmanidis & Buonomano (2020), Neuron 108:651–658: √(PE · TS), with PE = -Σⱼ pⱼ ln pⱼ / ln M, where pⱼ is the
    share of units that peak in bin j, and TS = 1 - ⟨-Σᵢ rᵢ(t) ln rᵢ(t) / ln N⟩, the mean over steps t, where rᵢ(t) is
    the activity of unit i divided by that of all N units. With fewer units than bins, PE and so SqI stay below 1. This
    follows the formulas; it was not compared with the authors' program. Ours: no pseudocount; only active units count;
    a step in which all are silent is left out of the mean.

    Examples
    --------
    >>> float(sqi(np.eye(20)[None], min_rate=0.0).sqi)  # 20 units are active in turn, each for one step
    1.0
    """
    walk = _Walk.of_rates("sqi", activity, steps, mask, min_rate, average)
    _check_bins(2 if n_bins is None else n_bins)
    walk.check_two_steps()
    entropy, sparsity = walk.undefined(), walk.undefined()
    for trials, block, shape, active in walk.blocks():
        entropy[trials] = _peak_entropy(shape.peak, active, block.shape[1], n_bins or block.shape[1])
        sparsity[trials] = _temporal_sparsity(block, active)
    walk.doubt(walk.n_active == 1, "a single unit is active: its activity is neither sparse nor dense")
    measures = {
        "sqi": (np.sqrt(entropy * sparsity), "1", "SqI"),
        "peak_entropy": (entropy, "1", "Entropy of peak times / ln(number of bins)"),
        "temporal_sparsity": (sparsity, "1", "Temporal sparsity"),
    }
    source = "Zhou, Masmanidis & Buonomano (2020), Neuron 108:651–658"
    return walk.result(measures, {"n_bins": n_bins or "one for each step"}, source)


def transient_index(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float = 0.1,
    delay: tuple[int, int] | None = None, n_bins: int = 20, window: int = 5, average: bool = False,
) -> xr.Dataset:  # fmt: skip
    """Measure how transient activity is: spread of the peaks, share of activity around them, share in the delay.

    Parameters
    ----------
    activity, steps, mask, min_rate, average
        As in `sqi`.
    delay
        First step of the delay and the step after the last, from the start of the trial; None: all measured steps,
        for which the share of units that peak in the delay is 1.
    n_bins
        Number of bins of the peak times over the measured steps, at least 2.
    window
        Width of the window around each peak (steps, odd), cut off at the ends of the measured steps.

    Returns
    -------
    `transient_index`, `peak_entropy`, `peak_share`, `delay_share` (0 to 1): means over the trials; unless `average`,
    all four as `trial_…` (trial), and `trial_reason`. Attributes as of `sqi`.

    Raises
    ------
    InputError
        If the activity cannot be read or has numbers below zero, or a setting is out of range.

    Notes
    -----
    The parts are those by which Liu et al. (2025), Communications Biology 8:137, describe transient activity: the
    entropy of the peak times (here divided by ln(number of bins)), the mean over units of the share of a unit's
    activity that lies around its peak, and the share of units that peak in the delay. *How they are put together is
    our choice*, since the authors' formula was not at hand: the index is their geometric mean, 0 if any part is 0, and
    1 only if all are. Do not compare it with published values. Persistent activity has a `peak_share` of window /
    steps, not of 0.

    Examples
    --------
    >>> float(transient_index(np.eye(20)[None], min_rate=0.0).transient_index.round(3))  # 20 units active in turn
    1.0
    >>> float(transient_index(np.eye(20)[None], min_rate=0.0, delay=(5, 20)).delay_share)
    0.75
    """
    walk = _Walk.of_rates("transient_index", activity, steps, mask, min_rate, average)
    _check_bins(n_bins)
    walk.check_window(window)
    within = check_steps(delay, walk.recording.n_steps)
    entropy, share, in_delay = _transient_parts(walk, n_bins, window, within)
    walk.doubt(walk.n_active == 1, "a single unit is active: the entropy of its peak time is 0, and so is the index")
    measures = {
        "transient_index": (np.cbrt(entropy * share * in_delay), "1", "Transient index"),
        "peak_entropy": (entropy, "1", "Entropy of peak times / ln(number of bins)"),
        "peak_share": (share, "1", "Share of a unit's activity around its peak, mean over units"),
        "delay_share": (in_delay, "1", "Share of units that peak in the delay"),
    }
    about = {"delay": list(delay or walk.measured), "n_bins": n_bins, "window": window}
    return walk.result(measures, about, "parts: Liu et al. (2025), Communications Biology 8:137; their mean: ours")


def ridge_to_background(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float = 0.1,
    window: int = 5, background_floor: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Measure the mean activity around each unit's peak over that elsewhere, in the average over trials.

    Parameters
    ----------
    activity, steps, mask, min_rate
        As in `sqi`; the mean that is compared with `min_rate` is over trials and time.
    window
        Width of the window around each peak (steps, odd), cut off at the ends of the measured steps.
    background_floor
        Lower bound on the mean background (same unit as `activity`); 0 for none.

    Returns
    -------
    `ridge_to_background` (a ratio, not a logarithm): mean over units; `n_active_units` of `n_units`;
    `unit_ridge_to_background` (unit; NaN: left out); `unit_peak_time` (unit; steps from the start of the trial; -1:
    left out). Attributes: settings, `source`, `reason`, and `left_out` (if units are left out: how many and why).

    Raises
    ------
    InputError
        If the activity cannot be read or has numbers below zero, or a setting is out of range.

    Notes
    -----
    Harvey, Coen & Tank (2012), Nature 484:62–68, who compare the ratio with that of activity shifted in time by a
    random amount in each trial (`against_chance` with the null ``"circular_shift"``). The peak is found in the same
    average as the ratio, so that even noise has a ratio above 1. The window is that of the sequentiality index here;
    choose it about as wide as the peaks. The `ridge_to_background` of `sequentiality_index` is another number: the mean
    logarithm of the ratio in single trials.

    Examples
    --------
    >>> activity = np.full((4, 10, 2), 0.5)
    >>> activity[:, 4, 0] = activity[:, 7, 1] = 3.0
    >>> float(ridge_to_background(activity, window=1).ridge_to_background)
    6.0
    """
    walk = _Walk.of_rates("ridge_to_background", activity, steps, mask, min_rate, average=True)
    walk.check_window(window)
    if not (is_number(background_floor) and 0 <= background_floor < np.inf):
        raise InputError(
            f"`background_floor` must be a finite number, 0 or more, got {background_floor} (0: no floor)."
        )
    return _ridges_of_average(walk, window, background_floor)


def _ridges_of_average(walk: _Walk, window: int, background_floor: float) -> xr.Dataset:
    ((trials, block, shape, active),) = walk.blocks()
    edges = symmetric_window(shape.peak[0], window, block.shape[1])
    ridge, background = ridge_and_background(block, shape, *(edge[None] for edge in edges))
    background = np.maximum(background, background_floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(active, ridge / background, np.nan)
    silent = active & (background == 0)
    if silent.any():
        walk.doubt(
            silent.any(axis=1),
            f"{silent.sum()} of {active.sum()} active units have a zero background (a `background_floor` above 0 makes "
            "their ratio finite)",
        )
    peak = np.where(active, walk.time_of(trials, shape.peak), -1)
    measures = {
        "ridge_to_background": (mean_of_defined(ratio), "1", "Ridge-to-background ratio, mean over units"),
    }
    about = {"window": window, "background_floor": background_floor}
    of_units = {
        "unit_ridge_to_background": (ratio[0], "1", "Ridge-to-background ratio; NaN: left out"),
        "unit_peak_time": (peak[0], "steps from the start of the trial", "Peak time; -1: left out"),
    }
    found = walk.result(measures, about, "Harvey, Coen & Tank (2012), Nature 484:62–68")
    for name, (values, units, long_name) in of_units.items():
        found[name] = ("unit", values, {"units": units, "long_name": long_name})
    return found.assign_coords(walk.recording.coords("unit"))


def _transient_parts(walk: _Walk, n_bins: int, window: int, delay: tuple[int, int]) -> tuple[Trials, Trials, Trials]:
    """Return peak entropy, share of activity around the peaks, and share of units that peak in the delay."""
    entropy, share, in_delay = walk.undefined(), walk.undefined(), walk.undefined()
    for trials, block, shape, active in walk.blocks():
        n_steps = block.shape[1]
        entropy[trials] = _peak_entropy(shape.peak, active, n_steps, n_bins)
        start, stop = (edge.reshape(active.shape) for edge in symmetric_window(shape.peak.ravel(), window, n_steps))
        ridge, _ = ridge_and_background(block, shape, start, stop)
        with np.errstate(invalid="ignore", divide="ignore"):  # of units without activity
            shares = ridge * (stop - start) / (shape.mean * n_steps)
        share[trials] = mean_of_defined(np.where(active, shares, np.nan))
        peak = walk.time_of(trials, shape.peak)
        in_delay[trials] = mean_of_defined(np.where(active, (delay[0] <= peak) & (peak < delay[1]), np.nan))
    return entropy, share, in_delay


def _peak_entropy(peak: Peaks, active: Active, n_steps: int, n_bins: int) -> Trials:
    """Return the entropy of the peak times over its highest value; NaN without an active unit."""
    low, high = (np.full(peak.shape[0], edge) for edge in (0, n_steps))
    counts = inside_bins(peak, active, low, high, n_bins)
    with np.errstate(invalid="ignore"):
        p = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(_entropy(p) / np.log(n_bins))


def _temporal_sparsity(block: Block, active: Active) -> Trials:
    """Return 1 - the entropy of activity over units, over its highest value; NaN if fewer than two are active."""
    rates = np.where(active[:, None, :], block, 0)
    total = rates.sum(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = _entropy(rates / total) / np.log(active.sum(axis=1))[:, None]
    relative[active.sum(axis=1) < 2] = np.nan
    return np.asarray(1 - np.minimum(mean_of_defined(relative), 1))  # may be above 1 by rounding


def _entropy(p: Float[np.ndarray, "*rows n"]) -> Float[np.ndarray, "*rows"]:
    return np.asarray(-xlogy(p, p).sum(axis=-1)) + 0.0  # not -0.0


def _check_bins(n_bins: int) -> None:
    if not isinstance(n_bins, int | np.integer) or n_bins < 2:
        raise InputError(f"`n_bins` must be a whole number, 2 or more, got {n_bins!r}.")


@dataclass
class _Walk:
    """The way through the trials of a recording, or through their average, and what it finds on the way."""

    measure: str
    recording: Recording
    min_rate: float
    average: bool
    active: Active = field(init=False)
    varies: Bool[np.ndarray, " trial"] = field(init=False)
    """Whether an active unit varies in time."""
    reason: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.active = np.zeros_like(self.recording.units)
        self.varies = np.zeros(self.active.shape[0], bool)
        self.reason = np.full(self.active.shape[0], "", dtype=object)

    @classmethod
    def of_rates(
        cls, measure: str, activity: Any, steps: tuple[int, int] | None, mask: Any, min_rate: float, average: bool
    ) -> _Walk:
        """Read rates; raise `InputError` if they are below zero."""
        check_min_rate(min_rate)
        recording = read_recording(activity, mask=mask, steps=steps)
        refuse_negative(recording, measure)
        refuse_empty_trials(recording)
        return cls(measure, recording.averaged() if average else recording, min_rate, average)

    @property
    def measured(self) -> tuple[int, int]:
        """First step and the step after the last."""
        return self.recording.first, self.recording.first + self.recording.steps.shape[1]

    @property
    def n_active(self) -> Int[np.ndarray, " trial"]:
        return np.asarray(self.active.sum(axis=1))

    def check_two_steps(self) -> None:
        """Raise `InputError` if a trial has a single step."""
        n_steps = self.recording.steps.sum(axis=1)
        if n_steps.min() < 2:
            where = self._called_average or f"trial {n_steps.argmin()}"
            raise InputError(
                f"`{self.measure}` needs at least 2 measured steps in each trial, but {where} has {n_steps.min()}: "
                "there is no time to divide."
            )

    def check_window(self, window: int) -> None:
        """Raise `InputError` if a window is no odd whole number, or a trial has no steps outside it."""
        if not isinstance(window, int | np.integer) or window < 1 or window % 2 == 0:
            raise InputError(
                f"`window` must be an odd whole number, got {window!r}: it lies symmetrically around the peak."
            )
        refuse_short_trials(self.recording, self.measure, window, default=5, trial=self._called_average)

    @property
    def _called_average(self) -> str:
        return "the average over trials" if self.average else ""

    def undefined(self) -> Trials:
        """Return NaN for each trial."""
        return np.full(self.active.shape[0], np.nan)

    def blocks(self) -> Iterator[tuple[Int[np.ndarray, " trial"], Block, Shape, Active]]:
        """Yield trials with their rates, and note which units are active in them."""
        for trials, block in blocks(self.recording):
            shape = shape_of(block)
            if (shape.lowest < 0).any():  # by rounding
                block = np.maximum(block, 0)
                shape = shape_of(block)
            self.active[trials] = (shape.mean > self.min_rate) & self.recording.units[trials]
            self.varies[trials] = (self.active[trials] & (shape.highest != shape.lowest)).any(axis=1)
            yield trials, block, shape, self.active[trials]
        self.doubt(~self.varies, NO_PEAK)
        self.doubt(self.n_active == 0, f"no unit is active enough (mean above {self.min_rate:g})")

    def doubt(self, trials: Bool[np.ndarray, " trial"], reason: str) -> None:
        """Note what is wrong with some trials."""
        self.reason[trials] = reason

    def time_of(self, trials: Int[np.ndarray, " trial"], peak: Peaks) -> Peaks:
        """Return peak times from the start of the trial."""
        step = np.nonzero(self.recording.steps[trials])[1].reshape(trials.size, -1)
        return self.recording.first + np.take_along_axis(step, peak, axis=1)

    def result(
        self, measures: Mapping[str, tuple[Trials, str, str]], settings: dict[str, Any], source: str
    ) -> xr.Dataset:
        """Return a measure and its parts, with how many units they are of, and what is wrong with them."""
        n_units, n_units_all = self.recording.units.sum(axis=1), self.recording.units.shape[1]
        over = "of the average over trials" if self.average else "mean over trials"
        found = over_trials(measures, over)
        found["n_active_units"] = scalar(self.n_active.mean(), "units", f"Number of active units, {over}")
        found["n_units"] = scalar(n_units.mean(), "units", f"Number of units, active or left out, {over}")
        found["trial_reason"] = ("trial", self.reason, {"long_name": "What is wrong with the measure (empty: nothing)"})
        if self.average:
            found = {name: of for name, of in found.items() if not name.startswith("trial_")}
        why = self.reason[0] if self.average else summarize_reasons(self.reason.tolist())
        common = {"steps": list(self.measured), "min_rate": self.min_rate, "average": int(self.average)}
        attrs = {**common, **settings, "source": source, "reason": why}
        attrs |= left_out(self.n_active, n_units, n_units_all, self.min_rate, "" if self.average else over)
        return xr.Dataset(found, attrs=attrs).assign_coords({} if self.average else self.recording.coords("trial"))
