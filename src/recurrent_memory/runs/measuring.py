"""Computing the variables of a result from the table of measures."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from jaxtyping import Int

from .. import evaluation
from ..errors import InputError
from ..evaluation.history import History
from ..networks import Network
from ..tasks import AbstractTask
from ..training import Answers
from .measured_on import VARIANTS, Activity, Answered, Training, answered
from .measures import MEASURES, Measure, Source

Variables: TypeAlias = dict[str, Any]
"""Dimensions, values and attributes of variables by their names."""


def of_activity(on: Activity) -> Variables:
    """Measure the activity over the whole trial, and over the epochs that measures list."""
    found: Variables = {}
    for variant in VARIANTS:
        for epoch in (None, *on.task.epochs):
            chosen = [m for m in _measures("activity", variant, on.task) if epoch is None or epoch in m.epochs]
            here = Activity(on.task, on.whole, on.whole_mask, variant, epoch)
            for measure in chosen:
                found |= _variables(measure, here, here.task, variant, epoch)
    return found


def of_network(network: Network, task: AbstractTask) -> Variables:
    """Measure the weights of a trained network."""
    return _joined(_variables(m, network, task, v) for v in VARIANTS for m in _measures("network", v, task))


def of_training(task: AbstractTask, history: History) -> Variables:
    """Return the curves of training."""
    of = [(m, v) for v in VARIANTS for m in _measures("training", v, task)]
    return _joined(_variables(m, Training(task, history, v), task, v) for m, v in of)


def of_answers(
    task: AbstractTask, answers: Answers, readout_step: int, batch_size: int
) -> tuple[Variables, dict[str, Answered]]:
    """Measure the answers to all test trials; also return the answers and the ideal observer's, for each variant."""
    on = answered(task, answers, readout_step, batch_size)
    return _joined(_variables(m, of, task, v) for v, of in on.items() for m in _measures("answers", v, task)), on


def of_result(result: xr.Dataset, task: AbstractTask) -> Variables:
    """Compute the measures that depend on all others."""
    return _joined(
        _variables(m, result.assign_attrs(variant=v), task, v) for v in VARIANTS for m in _measures("result", v, task)
    )


def by_delay(
    on: dict[str, Answered], test_delay: Int[np.ndarray, " test_trial"], kept: xr.Dataset, delays: Sequence[int]
) -> Variables:
    """Compute measures for each delay.

    Parameters
    ----------
    on
        Answers to all test trials, for each variant.
    test_delay
        Delay of each of these trials.
    kept
        Data set of the test trials whose activity is kept, and its measures.
    delays
        All delays that occur (steps).

    Returns
    -------
    Variables over ``delay``, whose names begin with ``delay_``.
    """
    found: Variables = {}
    for variant in VARIANTS:
        for measure in MEASURES.values():
            if variant not in measure.by_delay:
                continue
            if measure.of == "answers":
                parts = [on[variant].of_trials(test_delay == delay) for delay in delays]
                values = [_variables(measure, part, part.task, variant)[measure.variable(variant)][1] for part in parts]
            else:
                values = _means_by_delay(measure, variant, kept, delays)
            over = " in" if measure.of == "answers" else ", mean over"
            about = measure.attributes(on[variant].task, variant)
            about.pop("long_name", None)
            about["long_name"] = f"{measure.label}{over} trials of one delay ({VARIANTS[variant].what})"
            found[f"delay_{measure.variable(variant)}"] = ("delay", np.array(values), about)
    return found


def _means_by_delay(measure: Measure, variant: str, kept: xr.Dataset, delays: Sequence[int]) -> list[float]:
    name = f"trial_{measure.variable(variant)}"
    if name not in kept:  # the measure is undefined
        return [math.nan] * len(delays)
    return [evaluation.mean(kept[name].values[kept["trial_delay"].values == delay]) for delay in delays]


def _measures(of: Source, variant: str, task: AbstractTask) -> list[Measure]:
    """Return the measures of one source that a task has in a variant, without those that come with another."""
    own = [m for m in MEASURES.values() if m.of == of and variant in m.variants and not m.part_of]
    return own if VARIANTS[variant].concerns(task) else []


def _joined(parts: Iterable[Variables]) -> Variables:
    return functools.reduce(lambda all_of_them, part: all_of_them | part, parts, {})


def _variables(measure: Measure, on: Any, task: AbstractTask, variant: str, epoch: str | None = None) -> Variables:
    """Compute a measure: its variable, and those that come with it."""
    assert measure.function is not None
    name, about = measure.variable(variant, epoch), measure.attributes(task, variant)
    try:
        found = measure.function(on)
    except InputError as error:  # activity that overflowed, or a delay too short to measure
        units = {key: value for key, value in about.items() if key == "units"}
        return {name: ((), math.nan, {**units, "reason": str(error)})}
    if isinstance(found, xr.Dataset):
        ending = measure.ending(variant, epoch)
        return {f"{n}{ending}": (of.dims, of.values, {**found.attrs, **of.attrs}) for n, of in found.data_vars.items()}
    if isinstance(found, xr.Variable | xr.DataArray):
        return {name: (found.dims, found.values, about | found.attrs)}
    values = np.asarray(found)
    if isinstance(on, Activity) and values.shape == (len(on.whole),) and not measure.dims:
        mean = {**about, "long_name": f"{about['long_name']}, mean over trials"}
        return {name: ((), evaluation.mean(values.astype(float)), mean), f"trial_{name}": ("trial", values, about)}
    if values.ndim != len(measure.dims):
        raise InputError(
            f"The measure `{measure.name}` returned an array of the shape {values.shape}: return one number (for "
            "activity, also one per trial), or name the dimensions in `dims`."
        )
    if isinstance(on, Activity) and measure.by_delay:
        raise InputError(
            f"The measure `{measure.name}` is computed for each delay (`by_delay`), but did not return one number for "
            f"each of the {len(on.whole)} trials: return an array of the shape (trial,)."
        )
    return {name: (measure.dims, values, about)}
