"""What one run yields: a labelled data set, and its summary in words."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from .. import storage
from ..evaluation.history import History
from ..experiment import Experiment
from ..networks import Network
from ..tasks import AbstractTask, Trials
from ..training import Answers
from . import measuring
from .folder import RESULT, RunFolder
from .measured_on import Activity
from .measures import MEASURES

VERSIONED = ("recurrent-memory", "jax", "jaxlib", "equinox", "numpy", "scipy", "xarray")


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
    test, judged = measuring.of_answers(task, answers, experiment.readout_step, experiment.batch_size)
    dataset = kept.assign({**measuring.of_training(task, history), **test})
    dataset = dataset.assign(measuring.of_result(dataset, task))
    if task.skips_steps:
        delays = delays_of(task)
        dataset = dataset.assign(measuring.by_delay(judged, np.asarray(answers.delay), kept, delays))
    dataset = dataset.assign_coords(iteration=np.arange(len(history)))
    if task.skips_steps:
        dataset = dataset.assign_coords(delay=("delay", np.array(delays), _about("delay", "steps")))
    return dataset.assign_attrs({**provenance(experiment, task), "status": "finished"})


def recorded(
    experiment: Experiment,
    task: AbstractTask,
    trials: Trials,
    outputs: Float[np.ndarray, "trial time output"],
    activity: Float[np.ndarray, "trial time unit"],
    network: Network,
) -> xr.Dataset:
    """Label what was recorded of the test trials that are kept, and measure the activity and the weights.

    Parameters
    ----------
    experiment, task
        What was done.
    trials, outputs, activity
        The test trials that are kept.
    network
        The trained network.
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


def _of_trials(
    task: AbstractTask,
    trials: Trials,
    outputs: Float[np.ndarray, "trial time output"],
    activity: Float[np.ndarray, "trial time unit"],
) -> dict[str, Any]:
    """Label what is known of each trial: what came in, what the network did, what an ideal observer answers."""
    observer = task.ideal_observer(jax.tree.map(jax.numpy.asarray, trials))
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
    }


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
        "precision": _precision(experiment),
        "platform": f"{platform.system()} {platform.machine()}, {jax.default_backend()}",
        "version_python": platform.python_version(),
        **versions,
    }


def _precision(experiment: Experiment) -> str:
    """Return the precision of all arrays, and that of matrix products if it is lower."""
    of_arrays = "float64" if jax.numpy.zeros(()).dtype == "float64" else "float32"
    return of_arrays if experiment.precision == "float32" else f"{of_arrays}, matrix products in {experiment.precision}"


def load(place: RunFolder) -> xr.Dataset:
    """Read the result of a finished run.

    Raises
    ------
    InputError
        Where it is missing or damaged.
    """
    return storage.load_dataset(place / RESULT)
