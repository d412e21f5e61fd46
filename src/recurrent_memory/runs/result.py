"""The result of one run: a labelled data set."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from .. import __version__, storage
from ..evaluation.history import History
from ..experiment import Experiment
from ..networks import Network
from ..tasks import AbstractTask, Evidence, Trials
from ..training import Answers
from . import measuring
from .folder import RESULT, RunFolder
from .measured_on import Activity
from .measures import MEASURES
from .schema import check_result, measured_dims
from .weights import labelled

LIBRARIES = ("jax", "jaxlib", "equinox", "numpy", "scipy", "xarray")


def assemble(
    experiment: Experiment, task: AbstractTask, history: History, answers: Answers, kept: xr.Dataset
) -> xr.Dataset:
    """Measure a trained network and label everything.

    Parameters
    ----------
    experiment, task
        The experiment and its task.
    history
        History of training.
    answers
        Answers to all test trials.
    kept
        Data set of the test trials that are kept, from :func:`recorded`.

    Returns
    -------
    xarray.Dataset
        Over ``trial``, ``time`` and ``unit``: activity, inputs, targets, outputs, the ideal observer's estimate, the
        ``stimuli`` (trial, display, stimulus_location) and the ``label`` of each trial (see :class:`Trials`); over
        ``iteration``: the training curves; scalars: test measures (names ending in ``_exact`` are the exact variant,
        others the published one) and sequentiality (``_delay``: over the delay period alone); ``recurrent_weights``.
        With variable delays, also over ``delay``: measures whose names begin with ``delay_``.
        The same experiment on the same machine gives the same data set bit for bit: it contains no times of day.
    """
    curves = kept.assign(measuring.of_training(task, history)).assign_coords(iteration=np.arange(len(history)))
    return tested(experiment, task, answers, curves, "finished")


def tested(experiment: Experiment, task: AbstractTask, answers: Answers, kept: xr.Dataset, status: str) -> xr.Dataset:
    """Add what the answers to all test trials say to a data set of those that are kept.

    Parameters
    ----------
    experiment, task, answers
        As for :func:`assemble`.
    kept
        Data set from :func:`recorded`, with or without the curves of training.
    status
        How far the network is.

    Returns
    -------
    The data set with all test measures and the attributes of a result.
    """
    test, judged = measuring.of_answers(task, answers, experiment.readout_step, experiment.batch_size)
    dataset = kept.assign(test)
    dataset = dataset.assign(measuring.of_result(dataset, task))
    if task.skips_steps:
        delays = delays_of(task)
        dataset = dataset.assign(measuring.by_delay(judged, np.asarray(answers.delay), kept, delays))
        dataset = dataset.assign_coords(delay=("delay", np.array(delays), _about("delay", "steps")))
    return dataset.assign_attrs({**provenance(experiment, task), "status": status})


def recorded(
    experiment: Experiment,
    task: AbstractTask,
    trials: Trials,
    outputs: Float[np.ndarray, "trial time output"],
    activity: Float[np.ndarray, "trial time unit"],
    network: Network,
) -> xr.Dataset:
    """Label the test trials that are kept, and measure the activity and the weights.

    Parameters
    ----------
    experiment, task
        The experiment and its task.
    trials, outputs, activity
        The test trials that are kept, and the network's outputs and activity in them.
    network
        The trained network.

    Returns
    -------
    The part of a result that follows from these trials.
    """
    mask = np.asarray(trials.mask)
    dataset = xr.Dataset(
        {
            **_of_trials(task, trials, outputs, activity),
            "recurrent_weights": (
                ("source", "target_unit"),
                np.asarray(network.cell.recurrent_weights()),
                {"long_name": "recurrent weight from source to target unit (gru: three blocks, r, u, c)"},
            ),
            **measuring.of_activity(Activity(task, activity, mask)),
            **measuring.of_network(network, task),
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


@eqx.filter_jit
def _evidence(task: AbstractTask, trials: Trials) -> Evidence:
    """Return what the ideal observer sees: one program, where the steps alone would be compiled one by one."""
    return task.evidence(trials)


def _of_trials(
    task: AbstractTask,
    trials: Trials,
    outputs: Float[np.ndarray, "trial time output"],
    activity: Float[np.ndarray, "trial time unit"],
) -> dict[str, Any]:
    """Label inputs, targets, the network's activity and outputs, and the ideal observer's estimate in each trial."""
    observer = task.observe(_evidence(task, trials))
    in_time, unit = ("trial", "time"), _unit(task)
    return {
        "activity": ((*in_time, "unit"), activity, _about("activity of the units", "arbitrary units")),
        "inputs": ((*in_time, "neuron"), np.asarray(trials.inputs, np.float32), _about("input counts", "spikes")),
        "targets": ((*in_time, "output"), np.asarray(trials.targets), _about("target", unit)),
        "outputs": ((*in_time, "output"), np.asarray(outputs), _about("network output", unit)),
        "mask": (in_time, np.asarray(trials.mask), {"long_name": "step exists in this trial"}),
        "observer_estimate": (
            ("trial", "answer"),
            observer.reshape(len(observer), -1),
            _about("the ideal observer's answer, as published", unit),
        ),
        **_hidden(task, trials),
    }


def _hidden(task: AbstractTask, trials: Trials) -> dict[str, Any]:
    """Label the hidden variables of the trials; ``location`` is the name of a coordinate, so the places have another.

    No text is among them: sweeps that keep no activity would keep the names of displays.
    """
    shown = ("trial", "display", "stimulus_location")
    names = dict.fromkeys(epoch.name for epoch in task.epoch_list if epoch.shows is not None)
    about = {"long_name": "value shown in each display at each location", "displays": ", ".join(names)}
    if task.stimulus_unit:
        about["units"] = task.stimulus_unit
    label = np.asarray(trials.label)
    found: dict[str, Any] = {
        "label": ("trial", label, {"long_name": task.label_means or "discrete variable of the trial; 0 if none"})
    }
    if (stimuli := np.asarray(trials.stimuli)).size:
        found["stimuli"] = (shown, stimuli, about)
    if task.label_means == "cued location":
        found["cued_location"] = ("trial", label, {"long_name": "location of the stimulus that is asked for, from 0"})
    return found


def numbers_of(test: xr.Dataset) -> xr.Dataset:
    """Return the measures of a trained network that are one number; those of its training are left out.

    Parameters
    ----------
    test
        A result, or a data set from :func:`tested`.

    Returns
    -------
    The measures without coordinates.
    """
    known = measured_dims()
    of_training = {
        measure.variable(of) for measure in MEASURES.values() if measure.of == "training" for of in measure.variants
    }
    names = [name for name in test.data_vars if name in known and name not in of_training and not test[name].dims]
    return test[names].reset_coords(drop=True)


def with_snapshots(result: xr.Dataset, found: Mapping[int, tuple[Network, xr.Dataset]]) -> xr.Dataset:
    """Add the weights and the measures of the network during training, over the dimension ``snapshot``.

    Parameters
    ----------
    result
        Result of the trained network.
    found
        By the number of iterations done, the network and its test, from :func:`tested`.

    Returns
    -------
    The result with variables over ``snapshot``, whose names begin with ``snapshot_``.
    """
    parts = [
        xr.merge([numbers_of(test), labelled(network).reset_coords(drop=True)]) for network, test in found.values()
    ]
    joined = xr.concat(parts, "snapshot", combine_attrs="drop_conflicts").rename(
        {n: f"snapshot_{n}" for n in parts[0].data_vars}
    )
    labels = ("snapshot", np.array([*found]), {"long_name": "iterations of training done"})
    return result.merge(joined.assign_coords(snapshot=labels))


def with_stages_before(result: xr.Dataset, earlier: xr.Dataset) -> xr.Dataset:
    """Add the measures of earlier tasks over the dimension ``stage``, whose last entry is the result itself.

    Parameters
    ----------
    result
        Result of the last task.
    earlier
        Result of the task before it, which includes its own predecessors in the same way.

    Returns
    -------
    The result with variables over ``stage``, whose names begin with ``stage_``.
    """
    stages = xr.concat(
        [_stages(earlier), _stages(result)], "stage", join="outer", data_vars="all", combine_attrs="drop"
    )
    stages = stages.rename({name: f"stage_{name}" for name in (*stages.data_vars, *stages.dims) if name != "stage"})
    return result.merge(stages.assign_coords(stage=np.arange(stages.sizes["stage"])))


def _stages(result: xr.Dataset) -> xr.Dataset:
    """Return the measures of each task in a result, over ``stage``; curves may differ in length."""
    if "stage" in result.dims:
        stages = result[[name for name in result.data_vars if str(name).startswith("stage_")]].drop_vars("stage")
        return stages.rename({name: str(name).removeprefix("stage_") for name in (*stages.variables,)})
    names = (measure.variable(variant) for measure in MEASURES.values() for variant in measure.by_stage)
    stages = result[[name for name in names if name in result]].astype(float).reset_coords(drop=True)
    stages = stages.assign_coords({dim: np.arange(n) for dim, n in stages.sizes.items()})
    return stages.assign(task=((), result.attrs["task"], {"long_name": "task, in order"})).expand_dims("stage")


def training_so_far(experiment: Experiment, history: History, status: str = "training") -> xr.Dataset:
    """Label the training curves of a run that is not finished; ``status`` says why."""
    task = experiment.make_task()
    return xr.Dataset(
        measuring.of_training(task, history),
        coords={"iteration": np.arange(len(history))},
        attrs={**provenance(experiment, task), "status": status},
    )


def _about(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}


def _unit(task: AbstractTask) -> str:
    return task.kind.unit


def _epoch_names(task: AbstractTask) -> list[str]:
    return [epoch.name for epoch in task.epoch_list for _ in range(epoch.duration)]


def delays_of(task: AbstractTask) -> tuple[int, ...]:
    """Return the delays that occur in a task (steps), each once, in ascending order."""
    delays: tuple[int, ...] = getattr(task, "delays", (task.delay_dur,))
    return tuple(sorted(set(delays)))


def provenance(experiment: Experiment, task: AbstractTask) -> dict[str, str | int | float]:
    """Return attributes that say which experiment a result belongs to, and what computed it."""
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
        "precision": _precision(experiment),
        "platform": f"{platform.system()} {platform.machine()}, {jax.default_backend()}",
        **versions(),
    }


def versions() -> dict[str, str]:
    """Return attributes that say which software has computed something."""
    return {
        "version_python": platform.python_version(),
        "version_recurrent_memory": __version__,
        **{f"version_{name}": metadata.version(name) for name in LIBRARIES},
    }


def _precision(experiment: Experiment) -> str:
    """Return the precision of all arrays, and that of matrix products if it is lower."""
    of_arrays = "float64" if jax.numpy.zeros(()).dtype == "float64" else "float32"
    return of_arrays if experiment.precision == "float32" else f"{of_arrays}, matrix products in {experiment.precision}"


def load(place: RunFolder) -> xr.Dataset:
    """Read the result of a finished run.

    Raises
    ------
    FileError
        If it is missing, unreadable or damaged, or lacks what every result has.
    """
    return check_result(storage.load_dataset(place / RESULT), place / RESULT)
