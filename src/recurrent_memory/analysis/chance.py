"""Is it more than chance? A measure of activity against the same measure of surrogates, with bootstrap intervals.

The p-value is that of a Monte-Carlo test, (1 + b) / (1 + n) if b of n surrogates are at least as extreme (Davison &
Hinkley 1997, Bootstrap Methods and their Application, chapter 4), and so never 0. A low p says that the activity is not
what this null makes of it, no more.

The intervals treat trials, or units, as independent samples, for one network: to speak of networks, compare networks.
If trials are drawn with replacement, copies of a trial stay together in measures that compare trials with each other;
otherwise such measures would compare a trial with itself.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from ..errors import InputError, suggestion
from ..registry import Registry
from .activity import Recording, read_recording
from .arguments import check_count, check_seed
from .blocks import blocks
from .consistency import peak_consistency
from .decoding import time_decoding
from .nulls import NULLS, Null
from .sequences import ridge_to_background, sqi, transient_index
from .sequentiality import sequentiality_index
from .summaries import centred_interval, mean_of_defined, scalar

MEMORY = 2**31
"""Bytes of surrogates at a time."""
SAME = 1e-9
"""Relative difference below which two values of a measure differ by rounding alone."""
Draws = Float[np.ndarray, " draw"]
ALTERNATIVES = ("greater", "less", "two-sided")


@dataclass(frozen=True, kw_only=True)
class ActivityMeasure:
    """A measure of activity that can be compared with chance by its name.

    Examples
    --------
    >>> ACTIVITY_MEASURES["sqi"].function(np.eye(20)[None], min_rate=0.0).sizes["trial"]
    1
    """

    name: str
    """Name in `against_chance`."""
    function: Callable[..., Any]
    """Activity and options -> a data set whose first variable is one number, or a number."""
    of_trials: bool = False
    """Whether the number is the mean over trials of the variable with `trial_` before its name."""
    takes_groups: bool = False
    """Whether `groups` keeps trials together that are the same, as when trials are drawn with replacement."""


ACTIVITY_MEASURES: Registry[ActivityMeasure] = Registry("activity measure")
"""All measures of activity by name.

Examples
--------
>>> ACTIVITY_MEASURES.names()[:3]
('sequentiality_index', 'sqi', 'transient_index')
"""

for _measure in (
    ActivityMeasure(name="sequentiality_index", function=sequentiality_index, of_trials=True),
    ActivityMeasure(name="sqi", function=sqi, of_trials=True),
    ActivityMeasure(name="transient_index", function=transient_index, of_trials=True),
    ActivityMeasure(name="ridge_to_background", function=ridge_to_background),
    ActivityMeasure(name="peak_consistency", function=peak_consistency, takes_groups=True),
    ActivityMeasure(name="time_decoding", function=time_decoding, takes_groups=True),
):
    ACTIVITY_MEASURES.register(_measure)


def against_chance(
    measure: str | Callable[..., Any], activity: Any, *, null: str = "circular_shift", n: int = 1000, seed: int = 0,
    steps: tuple[int, int] | None = None, mask: Any = None, alternative: str = "greater", n_bootstrap: int = 200,
    threads: int | None = None, **options: Any,
) -> xr.Dataset:  # fmt: skip
    """Compare a measure of activity with the same measure of surrogates, and give its bootstrap intervals.

    Parameters
    ----------
    measure
        Name of a measure (`ACTIVITY_MEASURES`), or a function of activity that returns a number, or a data set whose
        first variable is one. Several threads call it with a NumPy array (trial, time, unit), which is a masked one if
        trials lack entries, with `options`, and with `steps` if they are given.
    activity, steps, mask
        As in `sqi`; only the measured steps of surrogates are random.
    null
        Name of the surrogates (`NULLS`).
    n, n_bootstrap
        Number of surrogates, and of bootstrap samples for each interval (0: no intervals).
    seed
        Of surrogates and samples; the first draws are the same for any number of them and of threads.
    alternative
        Which surrogates count against the activity: those with ``"greater"`` (or equal) values, ``"less"``, or
        ``"two-sided"``, twice the fewer of both.
    threads
        Number of threads; None: one for each core.
    options
        Options of the measure.

    Returns
    -------
    `value` of the measure; `null_mean` and `null_sd` over surrogates; `effect`, value - null_mean; `z`, effect /
    null_sd; `p`, whose attribute `resolution` is its lowest possible value; `n_undefined` and `n_infinite`, numbers of
    surrogates that have no value, and are left out, or ±∞, and count for p alone (z is then NaN); `trial_interval` and
    `unit_interval` (bound), 95 % percentile intervals over samples of trials and of units, moved so that the median of
    the samples is the value; `null_value` (draw). Attributes: settings, `reason` (what is wrong, else "").

    Raises
    ------
    InputError
        If there is no such measure or null, the measure refuses the activity, or a setting is out of range.

    Examples
    --------
    >>> sequence = np.eye(20)[None].repeat(8, axis=0) + np.random.default_rng(0).random((8, 20, 20))
    >>> found = against_chance("peak_consistency", sequence, null="circular_shift", n=99, n_bootstrap=0)
    >>> float(found.p), found.p.resolution
    (0.01, 0.01)
    """
    check_count("n", n, 1)
    check_count("n_bootstrap", n_bootstrap, 0)
    check_seed(seed)
    if alternative not in ALTERNATIVES:
        raise InputError(f"`alternative` must be one of {', '.join(ALTERNATIVES)}, got {alternative!r}.")
    entry = _checked(_entry(measure), options)
    given = options if steps is None else {**options, "steps": steps}
    whole, part = read_recording(activity, mask=mask), read_recording(activity, mask=mask, steps=steps)
    draws = _Case(entry, whole, part, given, seed).draw(NULLS.find(null), n, n_bootstrap, threads)
    settings = {"measure": entry.name, "null": NULLS.spelled(null), "n": n, "seed": seed, "alternative": alternative}
    return _result(draws, {**settings, "steps": [part.first, part.first + part.steps.shape[1]]})


class _Draws(NamedTuple):
    """What a measure has returned, and its values for surrogates and for samples of trials and units."""

    found: Any
    surrogates: Draws
    trials: Draws
    units: Draws
    single: frozenset[str]
    """Of which of ``"trial"`` and ``"unit"`` there is only one."""


@dataclass(frozen=True)
class _Case:
    """A measure and a recording, and the ways to draw others like it."""

    entry: ActivityMeasure
    whole: Recording
    part: Recording
    """The steps that are measured, which a null makes random."""
    options: dict[str, Any]
    seed: int

    @cached_property
    def entries(self) -> np.ndarray:
        """Which entries the recording has."""
        return self.whole.entries()

    @cached_property
    def covered(self) -> bool:
        """Whether surrogates are random everywhere."""
        return self.part.steps.shape == self.whole.steps.shape and bool(self.part.steps.all())

    def draw(self, null: Null, n: int, n_bootstrap: int, threads: int | None) -> _Draws:
        """Measure the activity, then surrogates and samples of it."""
        found = self.measure(self.whole.values.values.copy(), self.entries)  # a user's function may write into it
        number_of(found)  # what is not one number is refused before the long part
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(self.workers(threads)) as pool:
            surrogates = _array(pool.map(lambda number: self.surrogate(null, number), range(n)))
            trials = self.trial_means(found, n_bootstrap)
            if trials is None:
                trials = _array(pool.map(self.resampled_trials, range(n_bootstrap)))
            units = _array(pool.map(self.resampled_units, range(n_bootstrap)))
        single = frozenset(name for name in ("trial", "unit") if self.whole.values.sizes[name] == 1)
        return _Draws(found, surrogates, trials, units, single)

    def measure(self, values: np.ndarray, entries: np.ndarray, **more: Any) -> Any:
        """Return what the measure returns for some activity."""
        given = values if entries.all() else np.ma.masked_array(values, ~entries)
        return self.entry.function(given, **{**self.options, **more})

    def workers(self, threads: int | None) -> int:
        """Return how many threads to use: as many as there are cores, or fit into memory."""
        if threads is not None:
            check_count("threads", threads, 1)
            return threads
        fit = MEMORY // (8 * self.whole.values.size)
        return max(
            1, min(fit, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        )

    def surrogate(self, null: Null, number: int) -> float:
        """Return the measure of a surrogate."""
        rng = np.random.default_rng([self.seed, 0, number])
        return self._value(self._surrogate(null, rng), self.entries)

    def _surrogate(self, null: Null, rng: np.random.Generator) -> np.ndarray:
        values = self.whole.values.values
        drawn = np.empty(values.shape, np.result_type(values.dtype, np.float32))
        if not self.covered:
            drawn[:] = values
        measured = drawn[:, self.part.first : self.part.first + self.part.steps.shape[1]]
        for trials, view in blocks(self.part):
            block = view.copy() if np.may_share_memory(view, values) else view  # a user's null may write into it
            units = self.part.units[trials]
            rows, steps = np.nonzero(self.part.steps[trials])
            if units.all():
                new = _made(null, rng, block)
            else:
                new = block.copy()
                for place, recorded in enumerate(units):  # what was not recorded has no part in the surrogate
                    new[place][:, recorded] = _made(null, rng, block[place : place + 1, :, recorded])[0]
            if steps.size == trials.size * measured.shape[1]:
                measured[trials] = new
            else:
                measured[trials[rows], steps] = new.reshape(-1, new.shape[2])
        return drawn

    def trial_means(self, found: Any, n: int) -> Draws | None:
        """Return the means of samples of the trials' own values; None if the measure is not their mean."""
        if not self.entry.of_trials or f"trial_{_first(found)}" not in found:
            return None
        of_trials = found[f"trial_{_first(found)}"].values
        return _array(float(mean_of_defined(of_trials[self._sample(1, k, of_trials.size)])) for k in range(n))

    def resampled_trials(self, number: int) -> float:
        """Return the measure of a sample of the trials."""
        sample = self._sample(1, number, self.whole.values.shape[0])
        own = self.options.get("groups")
        groups = {"groups": sample if own is None else np.asarray(own)[sample]} if self.entry.takes_groups else {}
        return self._value(self.whole.values.values[sample], self.entries[sample], **groups)

    def resampled_units(self, number: int) -> float:
        """Return the measure of a sample of the units."""
        sample = self._sample(2, number, self.whole.values.shape[2])
        return self._value(self.whole.values.values[:, :, sample], self.entries[:, :, sample])

    def _sample(self, stream: int, number: int, size: int) -> Int[np.ndarray, " drawn"]:
        return np.random.default_rng([self.seed, stream, number]).integers(size, size=size)

    def _value(self, values: np.ndarray, entries: np.ndarray, **more: Any) -> float:
        try:
            return number_of(self.measure(values, entries, **more))
        except InputError:  # the draw cannot be measured, such as one trial drawn again and again
            return float("nan")


def _made(null: Null, rng: np.random.Generator, block: np.ndarray) -> np.ndarray:
    """Return the surrogate of some trials; raise `InputError` if a null returns something else."""
    shape, made = block.shape, np.asarray(null(rng, block))
    if made.shape != shape or made.dtype.kind not in "biuf":
        raise InputError(
            f"The null must return numbers of the shape (trial, time, unit) = {shape} that it was given, got "
            f"{made.dtype} {made.shape}."
        )
    return made


def _result(draws: _Draws, settings: dict[str, Any]) -> xr.Dataset:
    value, unit = number_of(draws.found), unit_of(draws.found)
    variables = _compared(value, draws.surrogates, settings["alternative"], unit)
    for name, sample in (("trial", draws.trials), ("unit", draws.units)):
        about = {"units": unit, "long_name": f"95 % bootstrap interval over {name}s", "n_bootstrap": sample.size}
        if name in draws.single:  # all samples are the same
            sample, about["reason"] = np.full(1, np.nan), f"a single {name} does not say how much {name}s differ"
        variables[f"{name}_interval"] = ("bound", centred_interval(value, sample), about)
    about = {"units": unit, "long_name": f"{settings['measure']} of surrogates"}
    variables["null_value"] = ("draw", draws.surrogates, about)
    attrs = {**settings, "reason": _reason(draws.found, value, draws.surrogates)}
    return xr.Dataset(variables, coords={"bound": ["lower", "upper"]}, attrs=attrs)


def _compared(value: float, drawn: Draws, alternative: str, unit: str) -> dict[str, Any]:
    """Return the value, what it is by chance, and how far apart they are."""
    defined, finite = drawn[~np.isnan(drawn)], drawn[np.isfinite(drawn)]
    mean = float(finite.mean()) if finite.size else np.nan
    sd = float(finite.std(ddof=1)) if finite.size > 1 else np.nan
    effect = value - mean
    # Where some surrogates are infinite, mean and deviation of the others say nothing of how unusual a value is.
    z = effect / sd if sd > SAME * abs(mean) and finite.size == defined.size and np.isfinite(value) else np.nan
    variables = {
        "value": scalar(value, unit, "Value"),
        "null_mean": scalar(mean, unit, "Mean over surrogates"),
        "null_sd": scalar(sd, unit, "Standard deviation over surrogates"),
        "effect": scalar(effect, unit, "Value - mean over surrogates"),
        "z": scalar(z, "1", "Effect / standard deviation over surrogates"),
        "p": scalar(_p(value, defined, alternative), "1", f"p-value ({alternative})"),
        "n_undefined": scalar(drawn.size - defined.size, "1", "Number of surrogates without a value"),
        "n_infinite": scalar(defined.size - finite.size, "1", "Number of infinite surrogates"),
    }
    variables["p"][2]["resolution"] = 1 / (defined.size + 1)
    return variables


def _p(value: float, drawn: Draws, alternative: str) -> float:
    if np.isnan(value) or not drawn.size:
        return float("nan")
    equal = np.isclose(drawn, value, rtol=SAME, atol=0)
    tails = [(1 + int((beyond | equal).sum())) / (1 + drawn.size) for beyond in (drawn > value, drawn < value)]
    return {"greater": tails[0], "less": tails[1], "two-sided": min(1.0, 2 * min(tails))}[alternative]


def _reason(found: Any, value: float, drawn: Draws) -> str:
    own = str(found.attrs.get("reason", "")) if isinstance(found, xr.Dataset) else ""
    defined, n_infinite = drawn[~np.isnan(drawn)], int(np.isinf(drawn).sum())
    if np.isnan(value) and not own:
        return "the measure of the activity is not a number (NaN)"
    reasons = [own]
    if not np.isnan(value) and defined.size and np.isclose(defined, value, rtol=SAME, atol=0).all():
        reasons.append("the surrogates have the same value: this null leaves the measure as it is")
    elif n_infinite:
        reasons.append(f"{n_infinite} of {drawn.size} surrogates are infinite: p counts them, their mean and z do not")
    return "; ".join(filter(None, reasons))


def _first(found: Any) -> str:
    return str(next(iter(found.data_vars), "")) if isinstance(found, xr.Dataset) else ""


def number_of(found: Any) -> float:
    """Return the number that a measure has returned."""
    value = (
        found[_first(found)].values if _first(found) else np.asarray(None if isinstance(found, xr.Dataset) else found)
    )
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise InputError(
            "`measure` must return a number, or a data set whose first variable is one, got "
            f"{type(found).__name__} of {value.dtype} {value.shape}."
        )
    return float(value.reshape(()))


def unit_of(found: Any) -> str:
    """Return the unit of the number that a measure has returned; empty if it does not say."""
    return str(found[_first(found)].attrs.get("units", "")) if _first(found) else ""


def _entry(measure: str | Callable[..., Any]) -> ActivityMeasure:
    if isinstance(measure, str):
        try:
            return ACTIVITY_MEASURES.find(measure)
        except InputError as error:
            raise InputError(
                f"{error}\nOr give a function of activity, such as rm.analysis.effective_dimension."
            ) from None
    if not callable(measure):
        raise InputError(f"`measure` must be the name of a measure, or a function of activity, got {measure!r}.")
    return ActivityMeasure(name=str(getattr(measure, "__name__", type(measure).__name__)), function=measure)


def _checked(entry: ActivityMeasure, options: Iterable[str]) -> ActivityMeasure:
    """Return a measure; raise `InputError` for an option that it does not have."""
    if not isinstance(entry.function, FunctionType):
        return entry  # what a class or a partial function takes is known when it is called
    others = list(inspect.signature(entry.function).parameters.values())[1:]
    known = [of.name for of in others if of.kind in (of.KEYWORD_ONLY, of.POSITIONAL_OR_KEYWORD)]
    for name in options:
        if name not in known and not any(of.kind is of.VAR_KEYWORD for of in others):
            raise InputError(f"`{name}` is no option of {entry.name}.{suggestion(name, known)}")
    return entry


def _array(values: Iterable[float]) -> Draws:
    return np.array(list(values), dtype=np.float64)
