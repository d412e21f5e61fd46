"""Does activity say how much time has passed? Elapsed time decoded from trials that the decoder has not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from ..errors import InputError
from .activity import Recording, active_units, check_min_rate, read_recording, refuse_empty_trials
from .arguments import check_count, generator
from .splits import folds, numbered_groups
from .summaries import CONSTANT, left_out, mean_of_defined, scalar

FLOOR = 1e-3
"""Least variance of a unit between trials, as a part of the mean total variance: networks may have none."""

Values = Float[np.ndarray, "trial time unit"]
Decoded = Float[np.ndarray, "trial time"]


def time_decoding(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float | None = None,
    n_folds: int = 5, groups: Any = None, seed: int = 0,
) -> xr.Dataset:  # fmt: skip
    """Decode elapsed time from held-out trials, with and without what ramps linearly in time.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit), in any unit; may be below zero; at least two trials. See `read_activity`.
    steps, mask
        As in `sqi`.
    min_rate
        Units whose mean over trials and time is not above this are left out; None: none is.
    n_folds
        Number of parts of the trials, at most one for each; each is decoded by what was fitted to the others.
    groups
        A label for each trial, such as its session; trials with the same label stay in the same part.
    seed
        Of the division into parts.

    Returns
    -------
    `time_decoding`: 1 - `error` / `chance_error`, 1 if the time is decoded exactly, 0 by chance; `error`, mean
    absolute error; `chance_error`, the same if each decoded time belonged to any other sample (both in steps);
    `r_squared`, negative if the decoded time is worse than always the mean time; the same four with `_without_ramp`;
    `n_active_units` of `n_units`; `trial_error` (trial) and `step_error` (time), in steps, and the same without ramp.
    Attributes: settings, `source`, `reason`, `left_out`.

    Raises
    ------
    InputError
        If the activity cannot be read or has fewer than two trials, groups or steps, or a setting is out of range.

    Notes
    -----
    The decoded time is the step whose mean activity in the other trials is closest, with each unit in units of its
    standard deviation between trials. Without ramp, the direction in which the mean of all units rises linearly with
    time is projected out; no linear read-out of time is left then, but what is curved, as a sequence, still tells it.
    Cueva et al. (2020), PNAS 117:23021–23032, subtract a line from each unit, which takes the elapsed time of the very
    trials to be decoded. Ramps that saturate, or differ between trials, are not removed completely.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(10, 30, 20))
    >>> ramp = 0.5 * np.arange(30)[None, :, None]  # the same in all units
    >>> found = time_decoding(noise + ramp)
    >>> bool(found.time_decoding > 0.9), bool(abs(found.time_decoding_without_ramp) < 0.1)
    (True, True)
    """
    if min_rate is not None:
        check_min_rate(min_rate)
    check_count("n_folds", n_folds, 2)
    recording = read_recording(activity, mask=mask, steps=steps)
    _check_length(recording)
    numbers = numbered_groups(groups, recording.values.shape[0])
    fold = folds(generator(seed), numbers, n_folds)
    active = _units(recording, min_rate)
    decoded = _decode(_centred(recording, active), recording.steps, fold)
    return _result(recording, active, decoded, min_rate, {"seed": seed, "n_folds": int(fold.max()) + 1})


def _check_length(recording: Recording) -> None:
    if recording.steps.shape[1] < 2:
        raise InputError("`time_decoding` needs at least 2 steps, got 1: there is no time to decode.")
    refuse_empty_trials(recording)


def _units(recording: Recording, min_rate: float | None) -> Bool[np.ndarray, " unit"]:
    """Return which units to decode from."""
    average = recording.average()
    recorded = np.asarray(~np.isnan(average).all(axis=0))
    return recorded if min_rate is None else recorded & active_units(average, min_rate)


def _centred(recording: Recording, active: Bool[np.ndarray, " unit"]) -> Float[np.ndarray, "trial time active"]:
    """Return the activity of some units minus the mean of each; 0 where it is missing."""
    entries = recording.entries()[:, :, active]
    values = np.where(entries, recording.values.values[:, :, active], 0).astype(np.float64)
    return np.asarray(values - np.where(entries, values.sum(axis=(0, 1)) / entries.sum(axis=(0, 1)), 0))


def _result(
    recording: Recording, active: Bool[np.ndarray, " unit"], decoded: tuple[Decoded, Decoded], min_rate: float | None,
    settings: dict[str, Any],
) -> xr.Dataset:  # fmt: skip
    steps = recording.steps if active.any() else np.zeros_like(recording.steps)
    variables: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for times, ending, words in zip(decoded, ("", "_without_ramp"), ("", ", without ramp"), strict=True):
        errors = _errors_of(times, steps)
        variables |= errors.scalars(ending, words)
        later |= errors.parts(ending, words)
    n_active, n_units = active.sum(keepdims=True), recording.units.any(axis=0).sum(keepdims=True)
    variables["n_active_units"] = scalar(n_active[0], "units", "Number of units decoded from")
    variables["n_units"] = scalar(n_units[0], "units", "Number of units, decoded from or left out")
    first, stop = recording.first, recording.first + steps.shape[1]
    threshold = np.nan if min_rate is None else min_rate
    attrs = {
        "steps": [first, stop], "min_rate": "none" if min_rate is None else min_rate, **settings,
        "source": "Cueva et al. (2020), PNAS 117:23021–23032; another decoder",
        "reason": _reason(recording, active, decoded[0], threshold),
        **left_out(n_active, n_units, active.size, threshold),
    }  # fmt: skip
    coords = {"time": np.arange(first, stop), **recording.coords("trial")}
    return xr.Dataset(variables | later, coords=coords, attrs=attrs)


def _reason(recording: Recording, active: Bool[np.ndarray, " unit"], decoded: Decoded, threshold: float) -> str:
    if not active.any():
        return f"no unit is active enough (mean above {threshold:g})"
    if (decoded != decoded[0, 0]).any():  # surrogates are many, and this is sooner known than the rest
        return ""
    entries, values = recording.entries()[:, :, active], recording.values.values[:, :, active].astype(np.float64)
    highest = values.max(axis=(0, 1), where=entries, initial=-np.inf)
    lowest = values.min(axis=(0, 1), where=entries, initial=np.inf)
    return CONSTANT if (highest <= lowest).all() else ""


def _decode(
    values: Values, steps: Bool[np.ndarray, "trial time"], fold: Int[np.ndarray, " trial"]
) -> tuple[Decoded, Decoded]:  # fmt: skip
    """Return the step decoded from each step of each trial, with and without ramp; `values` have mean 0."""
    n_folds, n_steps = int(fold.max()) + 1, values.shape[1]
    parts = [fold == number for number in range(n_folds)]
    count = np.stack([steps[part].sum(axis=0) for part in parts])
    total = np.stack([values[part].sum(axis=0) for part in parts])
    squares = np.stack([np.einsum("ktu,ktu->u", values[part], values[part]) for part in parts])
    decoded = np.zeros((2, *steps.shape))
    for number, part in enumerate(parts):
        others = np.arange(n_folds) != number
        template, known = _templates(count[others].sum(axis=0), total[others].sum(axis=0), squares[others].sum(axis=0))
        held_out = values[part].reshape(part.sum() * n_steps, values.shape[2])
        for ramp, mean in enumerate(template):
            # The closest template, without the terms of the distance that are the same for all.
            closeness = held_out @ mean.weights.T - mean.half_square
            closeness[:, ~known] = -np.inf
            decoded[ramp, part] = closeness.argmax(axis=1).reshape(-1, n_steps)
    return decoded[0], decoded[1]


class _Template(NamedTuple):
    """Mean activity in each step, z, as what measures how close activity is to it."""

    weights: Float[np.ndarray, "time unit"]
    half_square: Float[np.ndarray, " time"]


def _templates(
    count: Int[np.ndarray, " time"], total: Float[np.ndarray, "time unit"], squares: Float[np.ndarray, " unit"]
) -> tuple[tuple[_Template, _Template], Bool[np.ndarray, " time"]]:
    """Return the templates with and without ramp, and which steps have one."""
    known = count > 0
    mean = total / np.maximum(count, 1)[:, None]
    n = int(count.sum())
    between = np.maximum(squares - (count[:, None] * mean**2).sum(axis=0), 0) / max(n - int(known.sum()), 1)
    least = FLOOR * (squares / n).mean() if squares.size else 0.0
    scale = np.sqrt(between + least) if least > 0 else np.ones_like(squares)
    z = mean / scale
    time = np.arange(count.size) - np.average(np.arange(count.size), weights=count)
    ramp = (count * time) @ z
    length = np.linalg.norm(ramp)
    flat = z - np.outer(z @ ramp, ramp) / length**2 if length > 0 else z
    # What is decoded need not be projected, since the templates are orthogonal to the ramp.
    plain, without = (_Template(of / scale, 0.5 * (of**2).sum(axis=1)) for of in (z, flat))
    return (plain, without), known


class _Errors(NamedTuple):
    """How wrong decoded times are (steps)."""

    absolute: Decoded
    """NaN where a trial has no step."""
    chance: float
    r_squared: float

    def scalars(self, ending: str, words: str) -> dict[str, Any]:
        mean = float(mean_of_defined(self.absolute.ravel()))
        return {
            f"time_decoding{ending}": scalar(1 - mean / self.chance if self.chance != 0 else 0.0, "1",
                                             f"1 - error / error by chance{words}"),
            f"error{ending}": scalar(mean, "steps", f"Mean absolute error of the decoded time{words}"),
            f"chance_error{ending}": scalar(self.chance, "steps", f"Mean absolute error by chance{words}"),
            f"r_squared{ending}": scalar(self.r_squared, "1", f"R² of the decoded time{words}"),
        }  # fmt: skip

    def parts(self, ending: str, words: str) -> dict[str, Any]:
        about = {"units": "steps", "long_name": f"Mean absolute error of the decoded time{words}"}
        return {
            f"trial_error{ending}": ("trial", mean_of_defined(self.absolute), about),
            f"step_error{ending}": ("time", mean_of_defined(self.absolute.T), about),
        }


def _errors_of(decoded: Decoded, steps: Bool[np.ndarray, "trial time"]) -> _Errors:
    n_steps = steps.shape[1]
    time = np.arange(n_steps)
    error = np.where(steps, decoded - time, np.nan)
    n_true = steps.sum(axis=0)
    n = int(n_true.sum())
    if n == 0:
        return _Errors(error, float("nan"), float("nan"))
    n_decoded = np.bincount(decoded[steps].astype(np.intp), minlength=n_steps)
    chance = float(n_decoded @ np.abs(time[:, None] - time) @ n_true) / n**2
    variance = np.average((time - np.average(time, weights=n_true)) ** 2, weights=n_true)
    r_squared = 1 - float(np.nanmean(error**2) / variance) if variance > 0 else float("nan")
    return _Errors(np.abs(error), chance, r_squared)
