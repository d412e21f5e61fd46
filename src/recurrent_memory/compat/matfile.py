"""The published output files: MATLAB 5 files with activity, weights and performance."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.io import loadmat, savemat

from .. import analysis, evaluation, tasks
from ..errors import InputError
from ..networks import Network
from ..storage.atomic import write_atomically
from .scripts import SCRIPTS, PriorTraining, Script

_NAME = re.compile(
    r"(?P<script>[a-z]+)_sigma(?P<sigma>[\d.]+)_lambda(?P<lam>[\d.]+)_rho(?P<rho>[\d.]+)_model(?P<model>\d+)_task(?P<task>\d+)"
)
_GRU = ("u", "r", "c")
"""Order of the blocks of the published GRU; each has input weights, recurrent weights and a bias."""
_OUR_BLOCKS = {"r": 0, "u": 1, "c": 2}


def parameters_as_published(network: Network) -> list[np.ndarray]:
    """Return the trainable parameters of a network in the order of the published network's layers."""
    cell: Any = network.cell
    readout = [np.asarray(network.W_out), np.asarray(network.b_out)]
    if hasattr(cell, "b_rec"):
        return [np.asarray(a) for a in (cell.W_in, cell.b_in, cell.recurrent_weights(), cell.b_rec)] + readout
    blocks = {
        block: [np.split(np.asarray(a), 3, axis=-1)[number] for a in (cell.W_in, cell.recurrent_weights(), cell.b_in)]
        for block, number in _OUR_BLOCKS.items()
    }
    return [array for block in _GRU for array in blocks[block]] + readout


def _write(path: Path, network: Network, content: dict[str, Any]) -> None:
    """Write a file with the parameters of the network as a cell array."""
    parameters = parameters_as_published(network)
    cells = np.empty(len(parameters), object)
    cells[:] = parameters

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            savemat(file, {"all_params_list": cells, **content}, do_compression=True)

    write_atomically(path, write)


def save_mat(path: Path, script: Script, result: xr.Dataset, network: Network, *, as_published: bool = False) -> float:
    """Write a result as the published script's output file.

    Parameters
    ----------
    path
        File to write.
    script
        The script whose file it is.
    result
        Result of :func:`recurrent_memory.run`.
    network
        The trained network.
    as_published
        Whether to write what the published script takes for the fractional loss of CD-1.

    Returns
    -------
    The fractional loss in the file.

    Examples
    --------
    >>> import jax, tempfile
    >>> from recurrent_memory.networks import initialize
    >>> sizes = {"n_inputs": 50, "n_hidden": 4, "n_outputs": 1}
    >>> options = {"readout": "linear", "is_probability": False, "lambda0": 0.98, "sigma0": 0.0}
    >>> network = initialize(jax.random.key(0), "relu", **sizes, **options)
    >>> result = xr.Dataset(
    ...     {
    ...         "activity": (("trial", "time", "unit"), np.ones((2, 150, 4))),
    ...         "inputs": (("trial", "time", "neuron"), np.zeros((2, 150, 50))),
    ...         "fractional_loss": 0.31,
    ...         "report_fractional_loss": ("report", [1.2, 0.4]),
    ...     }
    ... )
    >>> path = Path(tempfile.mkdtemp()) / "basic.mat"
    >>> save_mat(path, SCRIPTS["basic"], result, network)
    0.31
    >>> load_mat(path).activity.shape
    (2, 150, 4)
    """
    test, reported = _fractional_losses(result, as_published=as_published)
    loss = float(test)
    content = {
        "inpResps": result["inputs"].values,
        "hidResps": result["activity"].values,
        f"{script.measure}_test": loss,
        f"{script.measure}_vec": reported,
    }
    if "trial_delay" in result.coords:
        content["delay_vec"] = result["trial_delay"].values
    _write(path, network, content)
    return loss


def save_multitask_mat(
    path: Path, job: PriorTraining, result: xr.Dataset, network: Network, *, as_published: bool = False
) -> tuple[float, float]:
    """Write a result as the output file of the published multi-task scripts.

    Parameters
    ----------
    path
        File to write.
    job
        The job that the file is of.
    result
        Result of both tasks.
    network
        The trained network.
    as_published
        Whether to write what the published scripts take for the fractional loss of CD-1, and 0 for the sequentiality
        index if that measure says that the second task is not solved.

    Returns
    -------
    The second task's fractional loss and the sequentiality index, as written.
    """
    test, reported = _fractional_losses(result, "stage_", as_published=as_published)
    first, second = test
    solved = second < evaluation.SOLVED_BELOW
    index = float(result["sequentiality_index"]) if solved or not as_published else 0.0
    content = {
        "SI": index,
        "infloss_test_first": first,
        "infloss_vec_first": reported[0],
        "infloss_test_second": second,
        "infloss_vec_second": reported[1],
        "jobidx": job.job_index,
    }
    _write(path, network, content)
    return float(second), index


def _fractional_losses(result: xr.Dataset, prefix: str = "", *, as_published: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the fractional losses of the test and of the reports; for CD-1 the published ones if asked for."""
    found = [result[f"{prefix}{name}"] for name in ("fractional_loss", "report_fractional_loss")]
    if as_published:
        found = [result.get(f"{losses.name}_misaligned", losses).fillna(losses) for losses in found]
    test, reported = found
    return test.values, reported.values


def load_mat(path: Path) -> xr.Dataset:
    """Read an output file of the scripts, ours or the published ones, as a result for analyses and pictures.

    Parameters
    ----------
    path
        The file; a name of the published form says which experiment it is.

    Returns
    -------
    Data set with ``activity`` (trial, time, unit), ``inputs`` (trial, time, neuron), ``recurrent_weights`` (source,
    target_unit), ``fractional_loss``, and the sequentiality of the activity (nats).

    Raises
    ------
    InputError
        If the file is missing or damaged, or is not an output file of the scripts.

    Examples
    --------
    See :func:`save_mat`.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        content = loadmat(path)
    except Exception as error:  # on a damaged file, SciPy raises almost any exception
        line = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise InputError(
            f"{path} is not a MATLAB file, or damaged ({line}).\nGive a .mat file of the scripts."
        ) from None
    missing = [name for name in ("hidResps", "inpResps", "all_params_list") if name not in content]
    if missing:
        raise InputError(
            f"{path} is not an output file of the scripts: it has no {', '.join(missing)}.\nIt has: "
            f"{', '.join(sorted(name for name in content if not name.startswith('__'))) or 'nothing'}."
        )
    activity, inputs = (_trials(content[name], name, path) for name in ("hidResps", "inpResps"))
    if activity.shape[:2] != inputs.shape[:2]:
        raise InputError(f"{path} is damaged: hidResps is {activity.shape}, inpResps {inputs.shape}.")
    weights = _recurrent_weights([np.asarray(a) for a in content["all_params_list"].ravel()], activity.shape[2], path)
    result = xr.Dataset(
        {
            "activity": (("trial", "time", "unit"), activity),
            "inputs": (("trial", "time", "neuron"), inputs),
            "recurrent_weights": (("source", "target_unit"), weights),
        },
        coords={name: np.arange(n) for name, n in zip(("trial", "time", "unit"), activity.shape, strict=True)},
        attrs=_attributes(path, activity.shape[2]),
    )
    for name in ("infloss", "frac_rmse"):
        if f"{name}_test" in content:
            result["fractional_loss"] = ((), float(np.ravel(content[f"{name}_test"])[0]))
    measured = analysis.sequentiality_index(activity, variant="paper")
    return result.assign({name: variable.variable for name, variable in measured.data_vars.items()})


def _trials(stored: np.ndarray, name: str, path: Path) -> np.ndarray:
    values = np.asarray(stored)
    if values.ndim == 4:  # batches of trials
        values = values.reshape(-1, *values.shape[2:])
    if values.ndim != 3 or values.dtype.kind not in "iuf" or not values.size:
        raise InputError(
            f"{path}: {name} must be (trial, time, unit) numbers, got {values.dtype} of shape {values.shape}."
        )
    return values


def _recurrent_weights(parameters: list[np.ndarray], n_units: int, path: Path) -> np.ndarray:
    """Return W_rec (from, to): the third of six arrays, or three of the GRU's eleven side by side."""
    if len(parameters) == 6:
        weights = parameters[2]
    elif len(parameters) == 11:
        blocks = {block: parameters[3 * i + 1] for i, block in enumerate(_GRU)}
        weights = np.concatenate([blocks[block] for block in _OUR_BLOCKS], axis=1)
    else:
        raise InputError(f"{path}: all_params_list holds {len(parameters)} arrays; the scripts' networks have 6 or 11.")
    if weights.shape[0] != n_units:
        raise InputError(f"{path} is damaged: {n_units} units in hidResps, recurrent weights of shape {weights.shape}.")
    return np.asarray(weights)


def _attributes(path: Path, n_units: int) -> dict[str, Any]:
    """Return what the name of the file says, besides the number of units."""
    known: dict[str, Any] = {"n_hidden": n_units, "source": path.name}
    match = _NAME.fullmatch(path.stem)
    if match is None or match["script"] not in SCRIPTS:
        return known
    script = SCRIPTS[match["script"]]
    task = tasks.find(match["task"])
    return known | {
        "task": task.name,
        "task_title": task.title,
        "response": task.response,
        "condition": script.condition,
        "model": script.model(match["model"])[1],
        "lambda0": float(match["lam"]),
        "sigma0": float(match["sigma"]) * math.sqrt(n_units),
        "rho": float(match["rho"]),
    }
