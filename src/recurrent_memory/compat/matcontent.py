"""The variables of the published files as labelled arrays: trials, weights, and the settings in a file's name."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Real

from .. import tasks
from ..errors import InputError, counted
from .matreader import MatFile
from .scripts import PUBLISHED_NAMES, SCRIPTS, PriorTraining

GRU = ("u", "r", "c")
"""Order of the blocks of the published GRU; each has input weights, recurrent weights and a bias."""
OUR_BLOCKS = {"r": 0, "u": 1, "c": 2}
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_NAME = re.compile(rf"([a-z]+)_sigma{_NUMBER}_lambda{_NUMBER}_rho{_NUMBER}_model(\d{{1,3}})_task(\d{{1,3}})")
_PRIOR_NAME = re.compile(
    r"(\d{1,6})jobidx(\d{1,3})_model(\d{1,3})_(?:task(\d{1,3})|([a-z0-9]+)_([a-z0-9]+))_everything"
)
_WEIGHTS = {
    "input_weights": ("neuron", "target_unit"),
    "input_bias": ("target_unit",),
    "recurrent_weights": ("source", "target_unit"),
    "recurrent_bias": ("target_unit",),
    "output_weights": ("source", "output"),
    "output_bias": ("output",),
}
"""Dimensions of the weights, in the order in which the published networks without gates list them."""


def trials(found: MatFile, name: str) -> tuple[Real[np.ndarray, "trial time channel"], Bool[np.ndarray, "trial time"]]:
    """Return the trials of a variable, and which of their steps exist.

    Parameters
    ----------
    found
        The file.
    name
        A variable: trials, batches of trials, or a cell array of either.

    Returns
    -------
    The trials, with the last step of a short one repeated to the end of the longest, and the mask.

    Raises
    ------
    InputError
        If it is anything else.
    """
    stored = found.need(name)
    parts = [part.reshape(-1, *part.shape[2:]) if part.ndim == 4 else part for part in found.list(name)]
    if isinstance(stored, list):
        parts = [part[None] if part.ndim == 2 else part for part in parts]
    if any(part.ndim != 3 for part in parts) or len({part.shape[2] for part in parts}) > 1:
        shapes = ", ".join(map(str, sorted({part.shape for part in parts})[:3]))
        raise InputError(f"{found.path}: {name} must be (trial, time, unit) numbers, got shape {shapes}.")
    lengths = np.concatenate([np.full(len(part), part.shape[1]) for part in parts])
    longest = int(lengths.max())
    whole = [np.pad(part, ((0, 0), (0, longest - part.shape[1]), (0, 0)), mode="edge") for part in parts]
    return np.concatenate(whole), np.arange(longest) < lengths[:, None]


def weights(found: MatFile, n_units: int | None, n_inputs: int | None = None) -> dict[str, Any]:
    """Return all weights with their dimensions; a GRU's blocks lie side by side, in this package's order.

    Parameters
    ----------
    found
        The file.
    n_units, n_inputs
        Number of units and of input neurons, if known.

    Returns
    -------
    Dimensions and numbers of each, by name.

    Raises
    ------
    InputError
        If they are not those of one of the scripts' networks.
    """
    parameters = found.list("all_params_list")
    if len(parameters) == 6:
        w_in, b_in, w_rec, b_rec, w_out, b_out = parameters
        squares, blocks = [w_rec], {"input_weights": [w_in], "input_bias": [b_in], "recurrent_bias": [b_rec]}
    elif len(parameters) == 11:
        order = sorted(GRU, key=OUR_BLOCKS.__getitem__)
        of_blocks = [[parameters[3 * GRU.index(block) + i] for block in order] for i in range(3)]
        squares, (w_out, b_out) = of_blocks[1], parameters[9:]
        blocks = {"input_weights": of_blocks[0], "input_bias": of_blocks[2]}
    else:
        raise InputError(
            f"{found.path}: all_params_list holds {counted(len(parameters), 'array')}; the scripts' networks have 6 "
            "or 11."
        )
    units = squares[0].shape[0] if n_units is None else n_units
    if any(square.shape != (units, units) for square in squares):
        raise InputError(
            f"{found.path} is damaged: {units} units in hidResps, recurrent weights of shape {squares[0].shape}."
        )
    made: dict[str, Any] = {"recurrent_weights": np.concatenate(squares, axis=1)}
    try:
        for name, parts in blocks.items():
            is_matrix = len(_WEIGHTS[name]) == 2
            shaped = [part.reshape((-1, units) if is_matrix else (units,)) for part in parts]
            made[name] = np.concatenate(shaped, axis=-1)
        made["output_weights"] = w_out.reshape(units, -1)
        made["output_bias"] = b_out.reshape(made["output_weights"].shape[1])
        if n_inputs not in (None, made["input_weights"].shape[0]):
            raise ValueError("inputs")
    except ValueError:
        shapes = ", ".join(str(part.shape) for part in parameters)
        raise InputError(f"{found.path} is damaged: {units} units, and weights of shapes {shapes}.") from None
    return {name: (dims, made[name]) for name, dims in _WEIGHTS.items() if name in made}


def attributes_of(path: Path, n_units: int) -> dict[str, Any]:
    """Return the number of units, and the settings in the name of the file, if it is of a published form."""
    known: dict[str, Any] = {"n_hidden": n_units, "source": path.name}
    with contextlib.suppress(InputError):  # a name of the form with other codes
        if match := _NAME.fullmatch(path.stem):
            kind, sigma, lam, rho, model, task = match.groups()
            if kind in SCRIPTS:
                script = SCRIPTS[kind]
                known |= _of_task(task) | {
                    "condition": script.condition,
                    "model": script.model(model)[1],
                    "lambda0": float(lam),
                    "sigma0": float(sigma) * math.sqrt(n_units),
                    "rho": float(rho),
                }
        elif match := _PRIOR_NAME.fullmatch(path.stem):
            _, number, model, task, *names = match.groups()
            ours = {theirs: name for name, theirs in PUBLISHED_NAMES.items()}
            first, second = (task, task) if task else (ours.get(name, name) for name in names)
            job = PriorTraining(tasks.find(first).name, tasks.find(second).name, int(number), model)
            of_job = job.experiment(n_hidden=n_units)
            stages = {} if task else {"curriculum": f"{job.first},{job.second}"}
            same = {name: getattr(of_job, name) for name in ("condition", "model", "lambda0", "sigma0", "rho")}
            known |= _of_task(second) | stages | same | {"seed": job.job_index}
    return known


def _of_task(name: str) -> dict[str, Any]:
    task = tasks.find(name)
    return {"task": task.name, "task_title": task.title, "response": task.response}
