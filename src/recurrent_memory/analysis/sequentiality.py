"""The sequentiality index of Orhan & Ma (2019): how much activity passes from unit to unit over a trial.

The index of a trial is the sum of two terms, both in nats:

* the entropy of the peak times of all active units, high if the peaks are spread over the trial;
* the mean over units of log(activity around the peak / activity elsewhere), high if the peaks are narrow.

Noise alone spreads the peaks over the whole trial, which brings the entropy close to its ceiling, ln(number of bins),
about 3.0 for 20 bins. An index near 3 is therefore no evidence of a sequence.

`variants` lists the differences between the published computation and the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool

from ..errors import InputError
from .activity import Recording, check_min_rate, read_recording, refuse_empty_trials, refuse_short_trials
from .arguments import is_number
from .summaries import left_out, mean_of_defined, summarize_reasons
from .terms import PSEUDOCOUNT, Terms, terms_of
from .variants import VARIANTS, Variant

MOST_BINS = 10_000
"""Most bins of the histogram, unless the trials have more steps: more could only be empty."""


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
        Rates, at least 0, (trial, time, unit), in any unit; see `read_activity`. Computed in float64.
    variant
        ``"paper"``, the published computation, or ``"exact"``, its formula; see `analysis.variants`.
    steps
        First step measured and the step after the last, such as (25, 125), the paper's delay; None: the whole trial.
    mask
        (trial, time), True for the steps that count, such as those of a variable delay; None: all that `activity` has.
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
    `n_active_units` of `n_units` recorded: means over all trials; all five as `trial_…` (trial); `trial_reason`: why a
    trial's index is undefined, infinite or meaningless, else "". If `per_unit`, (trial, unit): `unit_peak_time` (steps
    from the start of the trial; -1: left out), `unit_ridge_to_background` (nats; NaN: left out). Attributes: settings,
    `reason`, `left_out` (if units are left out: how many and why).

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
    found = read_recording(activity, mask=mask, steps=steps)
    settings.check(found)
    terms = terms_of(found, **vars(settings))
    result = _summary(terms, found.units, settings.attributes(found.first, found.first + found.steps.shape[1]))
    result = result.assign(_of_units(terms, found.first)) if per_unit else result
    return result.assign_coords(found.coords(*map(str, result.dims)))


@dataclass(frozen=True)
class _Settings:
    variant: Variant
    min_rate: float
    n_bins: int
    window: int
    background_floor: float

    def check(self, recording: Recording) -> None:
        """Raise `InputError` if a trial has no step, or a setting is out of range for trials of so many steps."""
        refuse_empty_trials(recording)
        check_min_rate(self.min_rate)
        for name, value in (("n_bins", self.n_bins), ("window", self.window)):
            if not isinstance(value, int | np.integer):
                raise InputError(f"`{name}` must be a whole number, got {value!r}.")
        most = max(MOST_BINS, int(recording.steps.sum(axis=1).max()))
        if not 1 <= self.n_bins <= most:
            raise InputError(f"`n_bins` must be from 1 to {most:,}, got {self.n_bins} (the paper uses 20).")
        if self.window < 1:
            raise InputError(f"`window` must be at least 1, got {self.window} (the paper uses 5).")
        refuse_short_trials(recording, "sequentiality_index", self.window, default=5)
        if self.variant.needs_odd_window and self.window % 2 == 0:
            raise InputError(
                f"`window` must be odd with variant {self.variant.name!r}, got {self.window}: it lies symmetrically "
                "around the peak (5 is the usual width)."
            )
        if not (is_number(self.background_floor) and 0 <= self.background_floor < np.inf):
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


def _find(variant: str) -> Variant:
    if variant not in VARIANTS.names():
        raise InputError(f"`variant` must be one of {', '.join(VARIANTS.names())}, got {variant!r}.")
    return VARIANTS[variant]


def _summary(terms: Terms, units: Bool[np.ndarray, "trial unit"], attributes: dict[str, Any]) -> xr.Dataset:
    entropy, ridge = terms.entropy, terms.ridge
    with np.errstate(invalid="ignore"):  # inf - inf
        index = entropy + ridge
    n_active, n_units = (terms.unit_peak >= 0).sum(axis=1), units.sum(axis=1)
    undefined = np.isnan(index)  # the two terms are averaged over the same trials as their sum
    nats = {"units": "nats"}
    units_attrs = {"units": "units", "n_units": float(n_units.mean())}
    per_trial: dict[str, tuple[np.ndarray, Any, dict[str, Any], str]] = {
        "sequentiality_index": (index, mean_of_defined(index), nats, "Sequentiality index"),
        "peak_entropy": (entropy, mean_of_defined(np.where(undefined, np.nan, entropy)), nats, "Entropy of peak times"),
        "ridge_to_background": (
            ridge,
            mean_of_defined(np.where(undefined, np.nan, ridge)),
            nats,
            "Mean log ridge-to-background ratio",
        ),
        "n_active_units": (n_active, n_active.mean(), units_attrs, "Number of active units"),
        "n_units": (n_units, n_units.mean(), {"units": "units"}, "Number of units, active or left out"),
    }
    variables: dict[str, Any] = {}
    for name, (values, mean, about, long_name) in per_trial.items():
        variables[name] = ((), float(mean), {**about, "long_name": f"{long_name}, mean over trials"})
        variables[f"trial_{name}"] = ("trial", values, {**about, "long_name": long_name})
    variables["trial_reason"] = (
        "trial",
        terms.reason,
        {"long_name": "What is wrong with the index (empty: nothing)"},
    )
    attributes = {**attributes, "reason": summarize_reasons(terms.reason.tolist())}
    attributes |= left_out(n_active, n_units, units.shape[1], attributes["min_rate"], "mean over trials")
    return xr.Dataset(variables, attrs=attributes)


def _of_units(terms: Terms, first: int) -> dict[str, Any]:
    peak = terms.unit_peak
    peak_attrs = {"units": "steps from the start of the trial", "long_name": "Peak time; -1: left out"}
    ridge_attrs = {"units": "nats", "long_name": "Log ridge-to-background ratio; NaN: left out"}
    return {
        "unit_peak_time": (("trial", "unit"), np.where(peak >= 0, peak + first, -1), peak_attrs),
        "unit_ridge_to_background": (("trial", "unit"), terms.unit_ridge, ridge_attrs),
    }
