"""All measures of activity at once, each with what it is by chance, as one table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import numpy as np
import xarray as xr

from ..errors import InputError, first_line
from .activity import check_min_rate, read_recording
from .arguments import check_count, check_seed
from .asymmetry import forward_asymmetry
from .chance import ACTIVITY_MEASURES, against_chance, number_of, unit_of
from .connectivity import peak_order
from .nulls import NULLS

OF_WEIGHTS = ("forward_asymmetry",)
"""Names of the measures that also need the recurrent weights; surrogates of activity say nothing about these."""
NUMBERS = {
    "value": "Value, in the unit that `units` gives",
    "null_mean": "Mean over surrogates",
    "null_sd": "Standard deviation over surrogates",
    "z": "(value - mean over surrogates) / standard deviation over surrogates",
    "p": "p-value (greater): part of the surrogates with this value or a higher one",
    "p_resolution": "Lowest p-value that so many surrogates can give",
    "n_undefined": "Number of surrogates without a value",
    "n_infinite": "Number of infinite surrogates, which count for p, but not for mean and deviation",
    "n_active_units": "Number of units that the measure stands on, mean over trials",
    "n_units": "Number of units, active or left out, mean over trials",
    "n_trials": "Number of trials",
}
"""Variables that hold a number of each measure."""
OF_SURROGATES = ("null_mean", "null_sd", "z", "p", "p_resolution", "n_undefined", "n_infinite")
TEXTS = {"reason": "Why there is no value, or what is wrong with it", "left_out": "Which units are left out, and why"}
"""Variables that hold a text of each measure."""


def measure_all(
    activity: Any, measures: Sequence[str] | None = None, *, null: str | None = None, n: int = 1000, seed: int = 0,
    steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float | None = None, weights: Any = None,
    threads: int | None = None, on_progress: Callable[[float], None] = lambda done: None,
) -> xr.Dataset:  # fmt: skip
    """Take several measures of the same activity, and compare each with surrogates.

    Parameters
    ----------
    activity, steps, mask
        As in `sqi`.
    measures
        Names of measures (`ACTIVITY_MEASURES`, and `forward_asymmetry`); None: all.
    null
        Name of the surrogates (`NULLS`); None: the values alone, without surrogates.
    n, seed, threads
        As in `against_chance`.
    min_rate
        Units whose mean over time is not above this are left out, by the measures that have such a threshold (same unit
        as `activity`); None: each measure's own default.
    weights
        Recurrent weights, as in `forward_asymmetry`, which is measured if they are given; it is not compared with
        surrogates.
    on_progress
        Called now and then, from several threads but never twice at a time, with the part of the work that is done,
        from 0 to 1. An exception that it raises ends the work.

    Returns
    -------
    Along `measure`: `value`, in the unit of the coordinate `units`; with a null `null_mean`, `null_sd`, `z`, `p`,
    `p_resolution` and `n_undefined`, as in `against_chance`; `n_active_units` of `n_units` (NaN if the measure does not
    say), `n_trials`; `reason`, `left_out`. A measure that this activity does not allow is NaN, and `reason` says why.
    Attributes: settings.

    Raises
    ------
    InputError
        If there is no such measure or null, the activity cannot be read, or a setting is out of range.

    Examples
    --------
    >>> sequence = np.eye(20)[None].repeat(8, axis=0) + np.random.default_rng(0).random((8, 20, 20))
    >>> found = measure_all(sequence, ["sqi", "peak_consistency"], null="circular_shift", n=99)
    >>> found.p.sel(measure="peak_consistency").item(), found["units"].values.tolist()
    (0.01, ['1', '1'])
    """
    names = ACTIVITY_MEASURES.names() if measures is None and weights is None else measure_names(measures)
    check_count("n", n, 1)
    if min_rate is not None:
        check_min_rate(min_rate)
    null = None if null is None else NULLS.spelled(null)
    read_recording(activity, mask=mask, steps=steps)  # what no measure could use is refused at once
    recording = read_recording(activity, mask=mask)
    entries, values = recording.entries(), recording.values.values
    given = values if entries.all() else np.ma.masked_array(values, ~entries)
    progress = _Progress(on_progress, per_measure=1 if null is None else n + 2, measures=len(names))
    chance = None if null is None else {"null": null, "n": n, "seed": seed, "threads": threads}
    rows = [_row(name, given, steps, min_rate, chance, weights, progress) for name in names]
    settings = {"null": null or "none", "n": 0 if null is None else n, "seed": check_seed(seed)}
    return _table(names, rows, settings, with_null=null is not None)


def measure_names(measures: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the names of measures as they are registered, each once.

    Parameters
    ----------
    measures
        Names in any spelling; None: those of all measures.

    Returns
    -------
    The names.

    Raises
    ------
    InputError
        If there is no such measure, or none is given.
    """
    if measures is None:
        return (*ACTIVITY_MEASURES.names(), *OF_WEIGHTS)
    if isinstance(measures, str) or not measures:
        raise InputError(f"`measures` = {measures!r} is not allowed: give a list of names, or None for all.")
    return tuple(dict.fromkeys(map(_spelled, measures)))


def _spelled(measure: str) -> str:
    plain = str(measure).strip().lower().replace("-", "_")
    return plain if plain in OF_WEIGHTS else ACTIVITY_MEASURES.spelled(measure)


@dataclass
class _Progress:
    """Counts how often measures are computed, and reports it one call at a time."""

    report: Callable[[float], None]
    per_measure: int
    measures: int
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> None:
        """Count one computation of a measure."""
        with self.lock:
            self.done += 1
            self._report()

    def measure_done(self) -> None:
        """Skip what is left of a measure, as of one that the activity does not allow."""
        with self.lock:
            left = -self.done % self.per_measure
            if left:
                self.done += left
                self._report()

    def _report(self) -> None:
        self.report(self.done / (self.per_measure * self.measures))


def _row(
    name: str, given: np.ndarray, steps: tuple[int, int] | None, min_rate: float | None,
    chance: dict[str, Any] | None, weights: Any, progress: _Progress,
) -> dict[str, Any]:  # fmt: skip
    if name in OF_WEIGHTS:
        return _row_of_weights(weights, given, steps, min_rate, progress)
    entry = ACTIVITY_MEASURES[name]
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    if min_rate is not None and _takes(entry.function, "min_rate"):
        options["min_rate"] = min_rate

    def counted(activity: Any, **more: Any) -> Any:
        progress.step()
        return entry.function(activity, **more)

    row: dict[str, Any] = {"n_trials": given.shape[0]}
    try:
        found = counted(given, **options)
        row |= _of_measure(found)
        if chance is not None:
            row |= _of_chance(against_chance(counted, given, n_bootstrap=0, **chance, **options))
    except InputError as error:
        row |= {"value": np.nan, "reason": first_line(error)}
    progress.measure_done()
    return row


def _row_of_weights(
    weights: Any, given: np.ndarray, steps: tuple[int, int] | None, min_rate: float | None, progress: _Progress
) -> dict[str, Any]:
    row: dict[str, Any] = {"n_trials": given.shape[0], "n_units": given.shape[2], "units": "units of the weights"}
    try:
        if weights is None:
            raise InputError("the recurrent weights are not known")
        order = peak_order(given, steps=steps, **({} if min_rate is None else {"min_rate": min_rate}))
        found = forward_asymmetry(weights, order, n_permutations=0)
        row |= {"value": number_of(found), "n_active_units": order.size, "reason": str(found.attrs["reason"])}
    except InputError as error:
        row["reason"] = first_line(error)
    progress.step()
    progress.measure_done()
    return row


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = signature(function).parameters
    return name in parameters or any(of.kind is Parameter.VAR_KEYWORD for of in parameters.values())


def _of_measure(found: Any) -> dict[str, Any]:
    """Return the value that a measure has returned, and what it says about it."""
    row: dict[str, Any] = {"value": number_of(found), "units": unit_of(found)}
    if not isinstance(found, xr.Dataset):
        return row
    row |= {name: float(found[name]) for name in ("n_active_units", "n_units") if name in found}
    return row | {name: str(found.attrs.get(name, "")) for name in TEXTS}


def _of_chance(compared: xr.Dataset) -> dict[str, Any]:
    row: dict[str, Any] = {name: float(compared[name]) for name in OF_SURROGATES if name in compared}
    return row | {"p_resolution": compared["p"].attrs["resolution"], "reason": str(compared.attrs["reason"])}


def _table(
    names: Sequence[str], rows: list[dict[str, Any]], settings: dict[str, Any], *, with_null: bool
) -> xr.Dataset:
    numbers = [name for name in NUMBERS if with_null or name not in OF_SURROGATES]
    about = {name: {"long_name": NUMBERS[name]} for name in numbers}
    for name, unit in (
        ("z", "1"),
        ("p", "1"),
        ("n_active_units", "units"),
        ("n_units", "units"),
        ("n_trials", "trials"),
    ):
        about.get(name, {})["units"] = unit
    columns: dict[str, Any] = {
        name: ("measure", np.array([row.get(name, np.nan) for row in rows], np.float64), about[name])
        for name in numbers
    }
    for name, long_name in TEXTS.items():
        columns[name] = ("measure", np.array([row.get(name, "") for row in rows], object), {"long_name": long_name})
    units = np.array([row.get("units", "") for row in rows], object)
    coords = {"measure": list(names), "units": ("measure", units, {"long_name": "Unit of the measure"})}
    return xr.Dataset(columns, coords=coords, attrs=settings)
