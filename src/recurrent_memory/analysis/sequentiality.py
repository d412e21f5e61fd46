"""The sequentiality index of Orhan & Ma (2019): how much activity passes from unit to unit over a trial.

The index of a trial is the sum of two terms, both in nats:

* the entropy of the peak times of all active units, high if the peaks are spread over the trial;
* the mean over units of log(activity around the peak / activity elsewhere), high if the peaks are narrow.

Noise alone spreads the peaks over the whole trial and so brings the entropy close to its ceiling, ln(number of bins),
about 3.0 for 20 bins. An index near 3 is therefore no sign of a sequence.

`variants` describes where the published computation differs from the formula.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Real

from ..errors import InputError
from .activity import active_units, check_min_rate, check_steps, peak_times, read_activity
from .variants import VARIANTS, Variant

PSEUDOCOUNT = 0.1
"""Added to each bin of the histogram of peak times, so that the logarithm of an empty bin exists."""


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
    """Measure how sequential activity is: entropy of the peak times plus mean log ridge-to-background ratio.

    Parameters
    ----------
    activity
        Non-negative activity, (trial, time, unit), in any unit; see `read_activity`. Computed in float64.
    variant
        ``"paper"``, the published computation, or ``"exact"``, its formula; see `analysis.variants`.
    steps
        First step measured and the step after the last, such as (25, 125), the paper's delay; None: the whole trial.
    mask
        (trial, time), True for the steps that count, such as those of a variable delay; None: all.
    min_rate
        Units whose mean over time is not above this are left out (same unit as `activity`).
    n_bins, window
        Bins of the histogram of peak times; width of the ridge around each peak (steps; ``"exact"`` needs it odd).
    background_floor
        Lower bound on the mean background (same unit as `activity`); 0, as published, for none.
    per_unit
        Whether to return the peak time and the log ridge-to-background ratio of each unit as well.

    Returns
    -------
    `sequentiality_index`, `peak_entropy`, `ridge_to_background` (nats): means over the trials with an index;
    `n_active_units`: mean over all trials; all four as `trial_…` (trial); `trial_reason`: why a trial's index is
    undefined, infinite or meaningless, else "". If `per_unit`, (trial, unit): `unit_peak_time` (steps from the start
    of the trial; -1: left out), `unit_ridge_to_background` (nats; NaN: left out). Attributes: all settings, `reason`.

    Raises
    ------
    InputError
        If the activity cannot be read, or a setting is out of range.

    Examples
    --------
    >>> time, peak = np.arange(150)[:, None], np.linspace(10, 140, 60)
    >>> sequence = np.exp(-0.5 * ((time - peak) / 5) ** 2)[None]  # one trial, in which 60 units peak one by one
    >>> round(float(sequentiality_index(sequence, min_rate=0.05).sequentiality_index), 1)
    5.8
    """
    settings = _Settings(_find(variant), min_rate, n_bins, window, background_floor)
    values, first, kept = _read(activity, steps, mask)
    settings.check(int(kept.sum(axis=1).min()))
    trials = [_measure(trial, settings, steps) for trial, steps in zip(values.values, kept, strict=True)]
    result = _summary(trials, settings.attributes(first, first + values.sizes["time"]))
    if per_unit:
        result = result.assign(_of_units(trials, first))
    return result.assign_coords({n: values.coords[n] for n in result.dims if n in values.coords})


def summarize_reasons(reasons: list[str]) -> str:
    """Return, for example, "3 of 4 trials: no unit is active enough", joined by "; ", commonest first."""
    # The number of units differs from trial to trial; it would split equal reasons.
    counts = Counter(re.sub(r"^\d+ of \d+ active units", "some active units", reason) for reason in reasons if reason)
    return "; ".join(f"{count} of {len(reasons)} trials: {reason}" for reason, count in counts.most_common())


@dataclass(frozen=True)
class _Settings:
    variant: Variant
    min_rate: float
    n_bins: int
    window: int
    background_floor: float

    def check(self, n_steps: int) -> None:
        """Raise `InputError` if a setting is out of range for trials of at least so many steps."""
        check_min_rate(self.min_rate)
        if self.n_bins < 1:
            raise InputError(f"`n_bins` must be at least 1, got {self.n_bins} (the paper uses 20).")
        if not 1 <= self.window < n_steps:
            raise InputError(
                f"`window` must be at least 1 and shorter than the {n_steps} steps measured, got "
                f"{self.window}: the steps outside it are the background (the paper uses 5)."
            )
        if self.variant.needs_odd_window and self.window % 2 == 0:
            raise InputError(
                f"`window` must be odd with variant {self.variant.name!r}, got {self.window}: it lies symmetrically "
                "around the peak (5 is the usual width)."
            )
        if not 0 <= self.background_floor < np.inf:
            raise InputError(
                f"`background_floor` must be a finite number, 0 or more, got {self.background_floor} "
                "(0: no floor, as published)."
            )

    def attributes(self, first: int, stop: int) -> dict[str, Any]:
        """Return all settings, as attributes of the result."""
        return {
            "variant": self.variant.name,
            "steps": [first, stop],
            "min_rate": self.min_rate,
            "n_bins": self.n_bins,
            "window": self.window,
            "background_floor": self.background_floor,
            "pseudocount": PSEUDOCOUNT,
        }


@dataclass(frozen=True)
class _Trial:
    """The measures of one trial; for a unit that is not active the peak is -1 and the ratio NaN."""

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


def _find(variant: str) -> Variant:
    if variant not in VARIANTS.names():
        raise InputError(f"`variant` must be one of {', '.join(VARIANTS.names())}, got {variant!r}.")
    return VARIANTS[variant]


def _read(
    activity: Any, steps: tuple[int, int] | None, mask: Any
) -> tuple[xr.DataArray, int, Bool[np.ndarray, "trial time"]]:
    """Return the activity of the steps measured, the first of them, and which of them each trial has."""
    values = read_activity(activity)
    first, stop = check_steps(steps, values.sizes["time"])
    kept = _kept_steps(mask, (values.sizes["trial"], values.sizes["time"]))
    return values.isel(time=slice(first, stop)), first, kept[:, first:stop]


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


def _measure(activity: Real[np.ndarray, "time unit"], settings: _Settings, chosen: Bool[np.ndarray, " time"]) -> _Trial:
    """Measure one trial in the chosen steps."""
    trial, steps = np.asarray(activity, dtype=np.float64)[chosen], np.flatnonzero(chosen)
    active = active_units(trial, settings.min_rate)
    unit_peak = np.where(active, peak_times(trial), -1)
    peaks, kept = unit_peak[active], trial[:, active]
    entropy = _peak_entropy(peaks, trial.shape[0], settings)
    ridge, background = _ridge_and_background(kept, peaks, settings)
    with np.errstate(divide="ignore", invalid="ignore"):  # a zero becomes an infinity, as published
        ratio = np.log(ridge) - np.log(background)
    mean_ratio = _mean_of_defined(ratio)
    reason, undefined = _doubt(kept, ridge, background, settings)
    if settings.variant.undefined_is_nan:
        entropy = np.nan if "entropy" in undefined else entropy
        mean_ratio = np.nan if "ridge" in undefined else mean_ratio
    unit_ridge = np.full(active.shape, np.nan)
    unit_ridge[active] = ratio
    return _Trial(entropy, mean_ratio, reason, np.where(active, steps[unit_peak], -1), unit_ridge)


def _peak_entropy(peaks: Int[np.ndarray, " active"], n_steps: int, settings: _Settings) -> float:
    """Return the entropy of the peak times in nats."""
    counts, _ = np.histogram(peaks, bins=settings.n_bins, range=settings.variant.bin_range(n_steps))
    p = counts + PSEUDOCOUNT
    p = p / p.sum()
    return float(-(p * np.log(p)).sum())


def _ridge_and_background(
    kept: Float[np.ndarray, "time active"], peaks: Int[np.ndarray, " active"], settings: _Settings
) -> tuple[Float[np.ndarray, " active"], Float[np.ndarray, " active"]]:
    """Return each unit's mean inside the window around its peak and its mean outside."""
    n_steps = kept.shape[0]
    first, stop = settings.variant.window(peaks, settings.window, n_steps)
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
    # A sum of products, not a difference of sums: a background of exactly zero must stay exactly zero.
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
    """Return what is wrong with the index of a trial ("" if nothing), and the terms that mean nothing then."""
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


def _summary(trials: list[_Trial], attributes: dict[str, Any]) -> xr.Dataset:
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
    attributes = {**attributes, "reason": summarize_reasons([trial.reason for trial in trials])}
    return xr.Dataset(variables, attrs=attributes)


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
    """Return the mean of the values that are not NaN; NaN if there are none, or if both infinities occur."""
    defined = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):  # inf - inf
        return float(defined.mean()) if defined.size else float("nan")
