"""One trained network as one file: its experiment, its weights, and what it measured in its test."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import xarray as xr

from ..errors import DamagedResultError, InputError
from ..experiment import Experiment
from ..storage.arrays import flatten, load_arrays, load_notes, save_arrays
from ..storage.paths import expanded
from ..storage.reading import parse_json
from .folder import with_weights
from .result import numbers_of
from .start import initial_network
from .trained import TrainedNetwork

FORMAT = "recurrent-memory network 1"
SUFFIX = ".safetensors"


def save(net: TrainedNetwork, path: str | os.PathLike[str], test: xr.Dataset | None = None) -> None:
    """Save a trained network as one small file, to be kept, or given to others.

    Parameters
    ----------
    net
        The network, with its lesions and added noise. The state of its optimizer is left out.
    path
        File to write, ``.safetensors``. An existing file is replaced.
    test
        Result of the network, or what :meth:`TrainedNetwork.test` returned; its measures that are one number are kept
        beside the weights.

    Raises
    ------
    InputError
        If the name of the file ends otherwise.

    Examples
    --------
    >>> import recurrent_memory as rm
    >>> short = {"stim_dur": 2, "delay_dur": 4, "resp_dur": 6, "n_neurons": 4}
    >>> small = {"n_hidden": 4, "batch_size": 2, "iterations": 3, "test_batches": 1}
    >>> result = rm.run(Experiment(task="de1", task_options=short, **small), "run")
    >>> rm.save(rm.load("run").lesion([0]), "de1.safetensors")
    >>> rm.load("de1.safetensors")
    <DE-1, relu of 4 units, 3 iterations, 1 silent>
    """
    place = expanded(path)
    if place.suffix != SUFFIX:
        raise InputError(f"`path` = {str(path)!r} is not allowed: its name must end in {SUFFIX}.")
    measures = {} if test is None else {str(name): float(of) for name, of in numbers_of(test).items()}
    notes = {
        "format": FORMAT,
        "experiment": json.dumps(net.experiment.model_dump(mode="json"), ensure_ascii=False),
        "iterations_done": str(net.iterations_done),
        "silent": json.dumps(net.silent),
        "noise": json.dumps(net.noise),
        # JSON has no NaN: a measure that is not defined is left out.
        "measures": json.dumps({name: value for name, value in measures.items() if math.isfinite(value)}),
    }
    save_arrays(place, flatten(eqx.filter(net.network, eqx.is_array)), notes)


def is_saved(path: Path) -> bool:
    """Return whether a file holds one network; raise if it is a damaged file of arrays."""
    return path.suffix == SUFFIX and path.is_file() and load_notes(path).get("format") == FORMAT


def load_saved(path: Path) -> TrainedNetwork:
    """Return the network in a file that :func:`save` wrote.

    Raises
    ------
    InputError
        If the file is damaged, or the network needs code that is not imported.
    """
    arrays, notes = load_arrays(path)
    experiment = experiment_of(notes, path)
    network = with_weights(initial_network(experiment), arrays, path)
    done, silent, noise = (_note(notes, name, path) for name in ("iterations_done", "silent", "noise"))
    try:
        net = TrainedNetwork(experiment, network, int(done))
        return net.lesion(silent).with_noise(noise)
    except (InputError, TypeError, ValueError):
        raise _damaged(path) from None


def experiment_of(notes: Mapping[str, str], path: Path) -> Experiment:
    """Return the experiment that the notes of a file describe."""
    values = _note(notes, "experiment", path)
    if notes.get("format") != FORMAT or not isinstance(values, dict):
        raise _damaged(path)
    return Experiment(**values)


def measures_of(notes: Mapping[str, str], path: Path) -> dict[str, float]:
    """Return the measures of a network that its file has kept."""
    values = _note(notes, "measures", path)
    if not isinstance(values, dict) or not all(isinstance(value, int | float) for value in values.values()):
        raise _damaged(path)
    return {str(name): float(value) for name, value in values.items()}


def _note(notes: Mapping[str, str], name: str, path: Path) -> Any:
    if name not in notes:
        raise _damaged(path)
    return parse_json(notes[name], path)


def _damaged(path: Path) -> DamagedResultError:
    return DamagedResultError(f"{path} is damaged: its notes do not describe a network. Restore it from a copy.")
