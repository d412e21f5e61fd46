"""What one run yields: a labelled data set, and its summary in words."""

from __future__ import annotations

import json
import math
import platform
from importlib import metadata
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from .. import analysis, evaluation, storage
from ..errors import InputError
from ..evaluation import mispaired_cd1
from ..evaluation.history import History
from ..experiment import Experiment
from ..networks import Network
from ..tasks import AbstractTask, Trials
from ..training import Answers
from .folder import RESULT, RunFolder

VERSIONED = ("recurrent-memory", "jax", "jaxlib", "equinox", "numpy", "scipy", "xarray")

SEQUENTIALITY: dict[str, tuple[evaluation.Variant, str | None]] = {
    "": ("paper", None),
    "_delay": ("paper", "delay"),
    "_exact": ("exact", None),
    "_delay_exact": ("exact", "delay"),
}
"""Ending of a variable's name → variant of the index, and the epoch it is measured in (None: the whole trial)."""


MISALIGNED = "fractional loss as the published script computes it, from pairs of different batches"

_VARIANT_ENDINGS: dict[str, evaluation.Variant] = {"": "paper", "_exact": "exact"}


def assemble(
    experiment: Experiment, task: AbstractTask, history: History, answers: Answers, kept: xr.Dataset
) -> xr.Dataset:
    """Measure a trained network and label everything.

    Parameters
    ----------
    experiment, task
        What was done.
    history
        Its training.
    answers
        To all test trials.
    kept
        What :func:`recorded` returned of the test trials that are kept.

    Returns
    -------
    xarray.Dataset
        Over ``trial``, ``time`` and ``unit``: activity, inputs, targets, outputs, the ideal observer's estimate; over
        ``iteration``: the training curves; scalars: test measures (names ending in ``_exact`` are the exact variant,
        others the published one) and sequentiality (``_delay``: over the delay period alone); ``recurrent_weights``.
        With variable delays also over ``delay``: measures that begin with ``delay_``.
        The same experiment on the same machine gives the same data set bit for bit: nothing in it tells the time.
    """
    test, judged = _test_measures(task, answers, experiment.readout_step, experiment.batch_size)
    by_delay = _by_delay(task, judged, np.asarray(answers.delay), kept) if task.skips_steps else {}
    dataset = kept.assign({**_training_curves(task, history), **test, **by_delay})
    dataset = dataset.assign_coords(iteration=np.arange(len(history)))
    if task.skips_steps:
        dataset = dataset.assign_coords(delay=("delay", np.array(delays_of(task)), _about("delay", "steps")))
    return dataset.assign_attrs({**provenance(experiment, task), "status": "finished"})


def recorded(
    experiment: Experiment,
    task: AbstractTask,
    trials: Trials,
    outputs: Float[np.ndarray, "trial time output"],
    activity: Float[np.ndarray, "trial time unit"],
    network: Network,
) -> xr.Dataset:
    """Label what was recorded of the test trials that are kept, and measure its sequentiality.

    Parameters
    ----------
    experiment, task
        What was done.
    trials, outputs, activity
        The test trials that are kept.
    network
        The trained network.
    """
    observer = task.ideal_observer(jax.tree.map(jax.numpy.asarray, trials))
    mask = np.asarray(trials.mask)
    dataset = xr.Dataset(
        {
            "activity": (
                ("trial", "time", "unit"),
                activity,
                _about("activity of the units", "arbitrary units"),
            ),
            "inputs": (
                ("trial", "time", "neuron"),
                np.asarray(trials.inputs, np.float32),
                _about("input counts", "spikes"),
            ),
            "targets": (
                ("trial", "time", "output"),
                np.asarray(trials.targets),
                _about("target", _unit(task)),
            ),
            "outputs": (
                ("trial", "time", "output"),
                np.asarray(outputs),
                _about("network output", _unit(task)),
            ),
            "mask": (("trial", "time"), mask, {"long_name": "step exists in this trial"}),
            "observer_estimate": (
                ("trial", "answer"),
                observer.reshape(len(observer), -1),
                _about("the ideal observer's answer, as published", _unit(task)),
            ),
            "recurrent_weights": (
                ("source", "target_unit"),
                np.asarray(network.cell.W_rec),
                {"long_name": "recurrent weight from source to target unit (gru: three blocks, r, u, c)"},
            ),
            **_sequentiality(task, activity, mask),
        },
        coords={
            "time": ("time", np.arange(task.n_steps), {"units": "steps of 10 ms"}),
            "epoch": ("time", _epoch_names(task)),
            "location": ("neuron", task.input_locations),
            "trial": np.arange(len(activity)),
            "unit": np.arange(experiment.n_hidden),
        },
    )
    if task.skips_steps:
        delay = mask[:, slice(*task.epochs["delay"])].sum(axis=1)
        dataset = dataset.assign_coords(trial_delay=("trial", delay, _about("delay of the trial", "steps")))
    return dataset


STAGE_MEASURES = (
    "fractional_loss", "fractional_loss_exact", "fractional_loss_misaligned", "solved", "test_loss", "observer_loss",
    "sequentiality_index", "sequentiality_index_exact", "peak_entropy", "ridge_to_background", "n_active_units",
    "training_loss", "training_fractional_loss", "report_fractional_loss", "report_fractional_loss_misaligned",
)  # fmt: skip
"""What a result of a curriculum also tells of the tasks before the last."""


def with_stages_before(result: xr.Dataset, earlier: xr.Dataset) -> xr.Dataset:
    """Add what is known of the tasks before, over the dimension ``stage``, whose last entry is the result itself.

    Parameters
    ----------
    result
        Of the last task.
    earlier
        Of the task before it, which tells of its own predecessors in the same way.
    """
    stages = xr.concat(
        [_stages(earlier), _stages(result)], "stage", join="outer", data_vars="all", combine_attrs="drop"
    )
    stages = stages.rename({name: f"stage_{name}" for name in (*stages.data_vars, *stages.dims) if name != "stage"})
    return result.merge(stages.assign_coords(stage=np.arange(stages.sizes["stage"])))


def _stages(result: xr.Dataset) -> xr.Dataset:
    """Return what a result tells of each of its tasks, over ``stage``; curves may differ in length."""
    if "stage" in result.dims:
        stages = result[[name for name in result.data_vars if str(name).startswith("stage_")]].drop_vars("stage")
        return stages.rename({name: str(name).removeprefix("stage_") for name in (*stages.variables,)})
    stages = result[[name for name in STAGE_MEASURES if name in result]].astype(float).reset_coords(drop=True)
    stages = stages.assign_coords({dim: np.arange(n) for dim, n in stages.sizes.items()})
    return stages.assign(task=((), result.attrs["task"], {"long_name": "task, in order"})).expand_dims("stage")


def training_so_far(experiment: Experiment, history: History, status: str = "training") -> xr.Dataset:
    """Label the training curves of a run that is not finished; ``status`` says why."""
    task = experiment.make_task()
    return xr.Dataset(
        _training_curves(task, history),
        coords={"iteration": np.arange(len(history))},
        attrs={**provenance(experiment, task), "status": status},
    )


def _about(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}


def _unit(task: AbstractTask) -> str:
    return task.kind.unit


def _epoch_names(task: AbstractTask) -> list[str]:
    return [epoch.name for epoch in task.epoch_list for _ in range(epoch.duration)]


def _training_curves(task: AbstractTask, history: History) -> dict[str, Any]:
    error_unit = _error_unit(task)
    network, reference = task.kind.error_names if task.has_observer else task.kind.error_names_without_observer
    reported_at, reported = history.reports(task)
    curves: dict[str, Any] = {
        "training_loss": (
            "iteration",
            history.loss,
            _about("objective before the iteration's step", error_unit),
        ),
        "training_fractional_loss": (
            "iteration",
            history.fractional_loss(task),
            {"long_name": "fractional loss over the last 100 iterations, as published"},
        ),
        "report_fractional_loss": (
            "report",
            reported,
            {"long_name": "fractional loss since the last report, at iterations 0, 500, … as in the published code"},
        ),
        "report_iteration": ("report", reported_at, {"long_name": "iteration of the report"}),
        "training_network_error": (
            "iteration",
            history.network_error(),
            _about(f"{network} (last 100 iterations)", error_unit),
        ),
        "training_observer_error": (
            "iteration",
            history.reference_error(),
            _about(f"{reference} (last 100 iterations)", error_unit),
        ),
    }
    if mispaired_cd1.concerns(task):
        mispaired = history.mispaired_reports()
        curves["report_fractional_loss_misaligned"] = ("report", mispaired, {"long_name": MISALIGNED})
    return curves


def _error_unit(task: AbstractTask) -> str:
    return task.kind.error_unit


def _test_measures(
    task: AbstractTask, answers: Answers, readout_step: int, batch_size: int
) -> tuple[dict[str, Any], dict[str, evaluation.Errors]]:
    """Return the measures, and the errors they are made of by the ending of their names."""
    measures: dict[str, Any] = {}
    judged: dict[str, evaluation.Errors] = {}
    kinds: list[tuple[str, evaluation.Variant, bool]]
    kinds = [("", "paper", False), ("_exact", "exact", False), ("_exact_causal", "exact", True)]
    for ending, variant, causal in kinds:
        given = evaluation.given(task, answers, readout_step, variant, causal=causal)
        judged[ending] = evaluation.judge(task, given, variant)
        of = evaluation.performance(task.response, judged[ending])
        what = f"{variant}{', observer stops at the read-out step' if causal else ''}"
        measures[f"fractional_loss{ending}"] = (
            (),
            of.fractional_loss,
            {"long_name": f"fractional loss ({what})"},
        )
        measures[f"fractional_loss{ending}_standard_error"] = (
            (),
            of.standard_error,
            {"long_name": f"over answers ({what})"},
        )
        if causal:
            continue
        measures[f"n_dropped_answers{ending}"] = (
            (),
            of.n_dropped,
            {"long_name": f"test answers not counted ({what})"},
        )
        for name, whose, answer in (("test", "network", given.network), ("observer", "ideal observer", given.observer)):
            loss = evaluation.loss(task.response, given.truth, answer, variant)
            about = _about(f"{whose}'s loss in the test ({what})", _error_unit(task))
            measures[f"{name}_loss{ending}"] = ((), loss, about)
        if mispaired_cd1.concerns(task) and variant == "paper":
            best, answered = (answer.reshape(-1, batch_size) for answer in (given.observer, given.network))
            found = mispaired_cd1.fractional_loss(mispaired_cd1.quantities(best, answered).sum(axis=0))
            measures["fractional_loss_misaligned"] = ((), found, {"long_name": MISALIGNED})
    solved = measures["fractional_loss"][1] < evaluation.SOLVED_BELOW
    measures["solved"] = ((), solved, {"long_name": "fractional loss < 0.5, the paper's criterion"})
    return measures, judged


def _sequentiality(
    task: AbstractTask, activity: Float[np.ndarray, "trial time unit"], mask: Bool[np.ndarray, "trial time"]
) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    for ending, (variant, epoch) in SEQUENTIALITY.items():
        steps = None if epoch is None else task.epochs[epoch]
        try:
            # As published, steps in which a trial's state is held count like any other.
            found = analysis.sequentiality_index(
                activity, variant=variant, steps=steps, mask=mask if variant == "exact" else None
            )
        except InputError as error:  # activity that overflowed, or a delay too short to measure
            attrs = {"units": "nats", "reason": str(error)}
            measures[f"sequentiality_index{ending}"] = ((), math.nan, attrs)
            continue
        for name, variable in found.data_vars.items():
            measures[f"{name}{ending}"] = (variable.dims, variable.values, {**found.attrs, **variable.attrs})
    return measures


def _by_delay(
    task: AbstractTask,
    judged: dict[str, evaluation.Errors],
    test_delay: Int[np.ndarray, " test_trial"],
    kept: xr.Dataset,
) -> dict[str, Any]:
    """Take the test measures and the index apart by the delay of the trial; the last is the longest.

    ``test_delay`` is that of all test trials, ``kept`` is of those whose activity is kept.
    """
    delays, delay = delays_of(task), kept["trial_delay"].values
    measures: dict[str, Any] = {}
    for ending, variant in _VARIANT_ENDINGS.items():
        network, reference = (np.asarray(errors).reshape(len(test_delay), -1) for errors in judged[ending])
        parts = [test_delay == d for d in delays]
        of = [
            evaluation.performance(task.response, evaluation.Errors(network[p].ravel(), reference[p].ravel()))
            for p in parts
        ]
        measures[f"delay_fractional_loss{ending}"] = (
            "delay",
            np.array([performance.fractional_loss for performance in of]),
            {"long_name": f"fractional loss in trials of one delay ({variant})"},
        )
        for name in ("sequentiality_index", "peak_entropy", "ridge_to_background"):
            of_trials = f"trial_{name}{ending}"
            values = kept[of_trials].values if of_trials in kept else np.full(len(delay), math.nan)
            measures[f"delay_{name}{ending}"] = (
                "delay",
                np.array([evaluation.mean(values[delay == d]) for d in delays]),
                {"units": "nats", "long_name": f"{name.replace('_', ' ')}, mean over trials of one delay ({variant})"},
            )
    return measures


def delays_of(task: AbstractTask) -> tuple[int, ...]:
    """Return the delays that occur in a task, each once, the longest last."""
    delays: tuple[int, ...] = getattr(task, "delays", (task.delay_dur,))
    return tuple(sorted(set(delays)))


def provenance(experiment: Experiment, task: AbstractTask) -> dict[str, str | int | float]:
    """Return attributes that say what a result is of, and what made it."""
    versions = {f"version_{name.replace('-', '_')}": metadata.version(name) for name in VERSIONED}
    named = {
        name: getattr(experiment, name) for name in ("task", "condition", "model", "n_hidden", "lambda0", "sigma0")
    }
    return {
        **named,
        "rho": experiment.rho,
        "seed": experiment.seed,
        "task_title": task.title,
        "response": task.response,
        "experiment": json.dumps(experiment.model_dump(mode="json"), ensure_ascii=False),
        "task_settings": json.dumps(task.model_dump(mode="json"), ensure_ascii=False),
        "precision": "float64" if jax.numpy.zeros(()).dtype == "float64" else "float32",
        "platform": f"{platform.system()} {platform.machine()}, {jax.default_backend()}",
        "version_python": platform.python_version(),
        **versions,
    }


def load(place: RunFolder) -> xr.Dataset:
    """Read the result of a finished run.

    Raises
    ------
    InputError
        Where it is missing or damaged.
    """
    return storage.load_dataset(place / RESULT)
