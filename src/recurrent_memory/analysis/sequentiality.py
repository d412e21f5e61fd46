"""The sequentiality index of Orhan & Ma (2019): how much activity passes from unit to unit over a trial.

It is the sum of two numbers, both in nats and both taken trial by trial:

* the entropy of the peak times of all active units, high where peaks are spread over the trial;
* the mean over units of log(activity around the peak / activity elsewhere), high where peaks are narrow.

Noise alone spreads peaks over the whole trial and so reaches an entropy near its ceiling, ln(number of bins),
about 3.0 for 20 bins. An index near 3 is therefore no sign of a sequence.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from ..errors import InputError
from .activity import active_units, check_min_rate, check_steps, peak_times, read_activity

PSEUDOCOUNT = 0.1
"""Added to every bin of the histogram of peak times, so that an empty bin has a logarithm."""

VARIANTS = ("paper", "exact")


def sequentiality_index(
    activity: Any,
    *,
    variant: str = "paper",
    steps: tuple[int, int] | None = None,
    mask: Any = None,
    min_rate: float = 0.1,
    n_bins: int = 20,
    window: int = 5,
    background_floor: float = 0.0,
    per_unit: bool = False,
) -> xr.Dataset:
    """Measure how sequential activity is: entropy of peak times plus mean log ridge-to-background ratio.

    Parameters
    ----------
    activity
        Non-negative activity, (trial, time, unit), any unit of activity; NumPy, JAX or `xarray.DataArray`
        (dimensions named trial, time and unit may come in any order). Computed in float64.
    variant
        ``"paper"``: the published computation, number by number. ``"exact"``: what it stands for (see Notes).
    steps
        First step and the step after the last to measure on, as (25, 125) for the paper's delay; None, as
        published, for the whole trial. Peaks, window and threshold then know of nothing outside these steps.
    mask
        Steps that a trial has, of those in `activity`; None: all. Others are left out trial by trial, as if they
        had never been: a delay in which a network's state is held would count as persistent activity.
    min_rate
        Units whose mean over time isn't above this are left out (same unit as `activity`).
    n_bins
        Bins of the histogram of peak times.
    window
        Width of the ridge around the peak, in steps; shorter than the trial, in ``"exact"`` odd.
    background_floor
        A mean background below this counts as this (same unit as `activity`); 0, as published, for no floor.
    per_unit
        Also return each unit's peak time and log ridge-to-background ratio.

    Returns
    -------
    `sequentiality_index`, `peak_entropy`, `ridge_to_background` (nats) and `n_active_units`: means over the
    trials in which the index is defined (`n_active_units`: over all trials).
    `trial_sequentiality_index`, `trial_peak_entropy`, `trial_ridge_to_background`, `trial_n_active_units`:
    (trial). `trial_reason`: (trial), why a trial's index is undefined, infinite or says nothing; else empty.
    `unit_peak_time` (steps from the start of the trial, -1 for a unit left out) and
    `unit_ridge_to_background` (NaN for a unit left out): (trial, unit), only if `per_unit`. The attributes
    hold the variant, all parameters and `reason`, the summary of `trial_reason`.

    Raises
    ------
    InputError
        For activity that isn't (trial, time, unit), numeric, non-empty and finite, and for parameters that
        are out of range.

    Notes
    -----
    Orhan & Ma (2019), Methods, and the published code.

    ``"paper"`` keeps what the code does where that differs from the formula: the window of 5 has 4 steps,
    [peak - 2, peak + 2), and never holds the trial's last step; the bins span the earliest to the latest peak
    of each trial, not the trial. A trial without an active unit is NaN and left out of the mean, a background
    of exactly zero makes its trial (and so the mean) +infinite, a ridge of zero -infinite, one active unit or
    constant activity still gets a number. `trial_reason` names these cases; they raise no NumPy warnings.

    ``"exact"``: the window is symmetric, [peak - 2, peak + 2], cut off at the ends of the trial; the bins
    span all steps measured. A trial is NaN, with the reason, if no unit is active, if all active units are
    exactly constant in time (none has a peak), or if any active unit has a ridge or a background that isn't
    positive: one such unit among many would decide the trial's index, and leaving it out would leave out the
    most sequential unit. `background_floor` is the remedy. The pseudocount of 0.1 a bin is kept.
    """
    settings = _Settings(variant, min_rate, n_bins, window, background_floor)
    values = read_activity(activity)
    first, stop = check_steps(steps, values.sizes["time"])
    activity_shape = (values.sizes["trial"], values.sizes["time"])
    values = values.isel(time=slice(first, stop))
    kept = _kept_steps(mask, activity_shape)[:, first:stop]
    _check(settings, int(kept.sum(axis=1).min()))
    trials = [
        _measure(np.asarray(trial, dtype=np.float64), settings, np.flatnonzero(steps))
        for trial, steps in zip(values.values, kept, strict=True)
    ]
    result = _summary(trials).assign_attrs(
        variant=variant,
        steps=[first, stop],
        min_rate=min_rate,
        n_bins=n_bins,
        window=window,
        background_floor=background_floor,
        pseudocount=PSEUDOCOUNT,
        reason=summarize_reasons([trial.reason for trial in trials]),
    )
    if per_unit:
        result = result.assign(_of_units(trials, first))
    return result.assign_coords({n: values.coords[n] for n in result.dims if n in values.coords})


def summarize_reasons(reasons: list[str]) -> str:
    """Return, for example, "3 of 4 trials: no unit is active enough", joined by "; ", commonest first."""
    # How many units it is differs from trial to trial, and matters little over many.
    counts = Counter(re.sub(r"^\d+ of \d+ active units", "some active units", reason) for reason in reasons if reason)
    return "; ".join(f"{count} of {len(reasons)} trials: {reason}" for reason, count in counts.most_common())


@dataclass(frozen=True)
class _Settings:
    variant: str
    min_rate: float
    n_bins: int
    window: int
    background_floor: float


@dataclass(frozen=True)
class _Trial:
    """The measures of one trial; per unit NaN and -1 where a unit isn't active."""

    entropy: float
    ridge: float
    reason: str
    unit_peak: Int[np.ndarray, " unit"]
    unit_ridge: Float[np.ndarray, " unit"]

    @property
    def index(self) -> float:
        return self.entropy + self.ridge

    @property
    def n_active(self) -> int:
        return int((self.unit_peak >= 0).sum())


def _check(settings: _Settings, n_steps: int) -> None:
    if settings.variant not in VARIANTS:
        raise InputError(f"`variant` must be one of {', '.join(VARIANTS)}, got {settings.variant!r}.")
    check_min_rate(settings.min_rate)
    if settings.n_bins < 1:
        raise InputError(f"`n_bins` must be at least 1, got {settings.n_bins} (the paper uses 20).")
    if not 1 <= settings.window < n_steps:
        raise InputError(
            f"`window` must be at least 1 and shorter than the {n_steps} steps measured, got "
            f"{settings.window}: the steps outside it are the background (the paper uses 5)."
        )
    if settings.variant == "exact" and settings.window % 2 == 0:
        raise InputError(
            f"`window` must be odd with variant 'exact', got {settings.window}: it lies symmetrically about "
            "the peak (5 is the usual width)."
        )
    if not 0 <= settings.background_floor < np.inf:
        raise InputError(
            f"`background_floor` must be a finite number, 0 or more, got {settings.background_floor} "
            "(0: no floor, as published)."
        )


def _kept_steps(mask: Any, shape: tuple[int, int]) -> Bool[np.ndarray, "trial time"]:
    if mask is None:
        return np.ones(shape, bool)
    kept = np.asarray(mask)
    if kept.shape != shape or kept.dtype != bool:
        raise InputError(
            f"`mask` must be Boolean and of the shape (trial, time) = {shape} of the activity, got {kept.dtype} "
            f"{kept.shape}: True for every step that a trial has."
        )
    return kept


def _measure(trial: Float[np.ndarray, "time unit"], settings: _Settings, steps: Int[np.ndarray, " kept"]) -> _Trial:
    """Measure one trial on some of its steps."""
    trial = trial[steps]
    active = active_units(trial, settings.min_rate)
    unit_peak = np.where(active, peak_times(trial), -1)
    peaks, kept = unit_peak[active], trial[:, active]
    entropy = _peak_entropy(peaks, trial.shape[0], settings)
    ridge, background = _ridge_and_background(kept, peaks, settings)
    with np.errstate(divide="ignore", invalid="ignore"):  # a zero makes an infinity, as published
        ratio = np.log(ridge) - np.log(background)
    mean_ratio = _mean_of_defined(ratio)
    reason, undefined = _doubt(kept, ridge, background, settings)
    if settings.variant == "exact":
        entropy = np.nan if "entropy" in undefined else entropy
        mean_ratio = np.nan if "ridge" in undefined else mean_ratio
    unit_ridge = np.full(active.shape, np.nan)
    unit_ridge[active] = ratio
    return _Trial(entropy, mean_ratio, reason, np.where(active, steps[unit_peak], -1), unit_ridge)


def _peak_entropy(peaks: Int[np.ndarray, " active"], n_steps: int, settings: _Settings) -> float:
    """Return the entropy of the peak times in nats."""
    span = None if settings.variant == "paper" else (0, n_steps)  # None: from the first peak to the last
    counts, _ = np.histogram(peaks, bins=settings.n_bins, range=span)
    p = counts + PSEUDOCOUNT
    p = p / p.sum()
    return float(-(p * np.log(p)).sum())


def _ridge_and_background(
    kept: Float[np.ndarray, "time active"], peaks: Int[np.ndarray, " active"], settings: _Settings
) -> tuple[Float[np.ndarray, " active"], Float[np.ndarray, " active"]]:
    """Return each unit's mean inside the window around its peak and its mean outside."""
    n_steps = kept.shape[0]
    half = settings.window // 2
    first = np.maximum(peaks - half, 0)
    if settings.variant == "paper":
        stop = np.minimum(peaks + half, n_steps - 1)
    else:
        stop = np.minimum(peaks + half + 1, n_steps)
    step = np.arange(n_steps)[:, None]
    inside = (first <= step) & (step < stop)
    with np.errstate(invalid="ignore"):  # a published window of 1 holds no step: 0/0
        ridge = _mean_where(inside, kept)
        background = _mean_where(~inside, kept)
    if settings.background_floor > 0:
        background = np.maximum(background, settings.background_floor)
    return ridge, background


def _mean_where(
    chosen: Bool[np.ndarray, "time active"], kept: Float[np.ndarray, "time active"]
) -> Float[np.ndarray, " active"]:
    # A sum of products, not a difference of sums: a background that is exactly zero has to stay exactly zero.
    return np.asarray(np.einsum("tu,tu->u", chosen, kept) / chosen.sum(axis=0))


_CONSTANT = "all active units are constant in time: none has a peak"
_SINGLE = "a single unit is active: the entropy of its peak time is that of the pseudocount"
_FLOOR = "a `background_floor` above 0 makes the index finite"


def _doubt(
    kept: Float[np.ndarray, "time active"],
    ridge: Float[np.ndarray, " active"],
    background: Float[np.ndarray, " active"],
    settings: _Settings,
) -> tuple[str, tuple[str, ...]]:
    """Return what is wrong with a trial's index ("" if nothing), and the terms it leaves without meaning."""
    n_active = kept.shape[1]
    if n_active == 0:
        return f"no unit is active enough (mean above {settings.min_rate:g})", ("entropy", "ridge")
    if (kept.max(axis=0) == kept.min(axis=0)).all():
        return _CONSTANT, ("entropy", "ridge")
    if np.isnan(ridge).all():
        return "the published window of 1 holds no step", ("ridge",)
    if (background <= 0).any():
        return f"{_counted(background, 'background')} ({_FLOOR})", ("ridge",)
    if (ridge <= 0).any():
        return _counted(ridge, "ridge"), ("ridge",)
    return (_SINGLE if n_active == 1 else ""), ()


def _counted(mean: Float[np.ndarray, " active"], part: str) -> str:
    bad = mean[mean <= 0]
    kind = "zero" if (bad == 0).all() else "zero or negative"
    return f"{bad.size} of {mean.size} active units have a {kind} {part}"


def _summary(trials: list[_Trial]) -> xr.Dataset:
    index = np.array([trial.index for trial in trials])
    entropy = np.array([trial.entropy for trial in trials])
    ridge = np.array([trial.ridge for trial in trials])
    n_active = np.array([trial.n_active for trial in trials])
    defined = ~np.isnan(index)  # the two terms are averaged over the same trials as their sum
    nats = {"units": "nats"}
    per_trial = {
        "sequentiality_index": (index, _mean_of_defined(index), nats, "Sequentiality index"),
        "peak_entropy": (entropy, _mean_of_defined(entropy[defined]), nats, "Entropy of peak times"),
        "ridge_to_background": (
            ridge,
            _mean_of_defined(ridge[defined]),
            nats,
            "Mean log ridge-to-background ratio",
        ),
        "n_active_units": (n_active, float(n_active.mean()), {"units": "units"}, "Number of active units"),
    }
    variables: dict[str, Any] = {}
    for name, (values, mean, units, long_name) in per_trial.items():
        variables[name] = ((), mean, {**units, "long_name": f"{long_name}, mean over trials"})
        variables[f"trial_{name}"] = ("trial", values, {**units, "long_name": long_name})
    reason = np.array([trial.reason for trial in trials], dtype=object)
    variables["trial_reason"] = (
        "trial",
        reason,
        {"long_name": "What is wrong with the index (empty: nothing)"},
    )
    return xr.Dataset(variables)


def _of_units(trials: list[_Trial], first: int) -> dict[str, Any]:
    peak = np.stack([trial.unit_peak for trial in trials])
    peak_attrs = {"units": "steps from the start of the trial", "long_name": "Peak time; -1: left out"}
    ridge_attrs = {"units": "nats", "long_name": "Log ridge-to-background ratio; NaN: left out"}
    return {
        "unit_peak_time": (("trial", "unit"), np.where(peak >= 0, peak + first, -1), peak_attrs),
        "unit_ridge_to_background": (
            ("trial", "unit"),
            np.stack([trial.unit_ridge for trial in trials]),
            ridge_attrs,
        ),
    }


def _mean_of_defined(values: Float[np.ndarray, " n"]) -> float:
    """Return the mean of all that isn't NaN; NaN if all is, or if both infinities occur."""
    defined = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):  # inf - inf
        return float(defined.mean()) if defined.size else float("nan")
