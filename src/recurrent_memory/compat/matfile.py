"""The published output files: MATLAB 5 files with activity, weights and performance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .. import analysis, evaluation
from ..errors import InputError
from ..networks import Network
from ..runs.analysed import Recorded, chosen, of_dataset
from ..storage.paths import expanded
from .matcontent import GRU, OUR_BLOCKS, attributes_of, trials, weights
from .matreader import MatFile, read_mat
from .matwriter import write_mat
from .scripts import SCRIPTS as SCRIPTS
from .scripts import PriorTraining, Script


def parameters_as_published(network: Network) -> list[np.ndarray]:
    """Return the trainable parameters of a network in the order of the published network's layers."""
    cell: Any = network.cell
    readout = [np.asarray(network.W_out), np.asarray(network.b_out)]
    if hasattr(cell, "b_rec"):
        return [np.asarray(a) for a in (cell.W_in, cell.b_in, cell.recurrent_weights(), cell.b_rec)] + readout
    blocks = {
        block: [np.split(np.asarray(a), 3, axis=-1)[number] for a in (cell.W_in, cell.recurrent_weights(), cell.b_in)]
        for block, number in OUR_BLOCKS.items()
    }
    return [array for block in GRU for array in blocks[block]] + readout


def _write(path: Path, network: Network, content: dict[str, Any]) -> None:
    """Write a file with the parameters of the network as a cell array."""
    parameters = parameters_as_published(network)
    cells = np.empty(len(parameters), object)
    cells[:] = parameters
    write_mat(path, {"all_params_list": cells, **content})


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
        Whether to write, for CD-1, the fractional loss that the published script reports, from mispaired batches.

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
        The job.
    result
        Result of both tasks.
    network
        The trained network.
    as_published
        Whether to write, for CD-1, the fractional loss that the published scripts report, from mispaired batches, and 0
        for the sequentiality index if the second task is not solved by that measure.

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
    """Return the fractional losses of the test and of the reports; if `as_published`, those with mispaired CD-1."""
    found = [result[f"{prefix}{name}"] for name in ("fractional_loss", "report_fractional_loss")]
    if as_published:
        found = [result.get(f"{losses.name}_misaligned", losses).fillna(losses) for losses in found]
    test, reported = found
    return test.values, reported.values


FIELDS = (
    "hidResps", "inpResps", "all_params_list", "delay_vec", "SI", "jobidx",
    *(f"{name}_{of}" for name in ("infloss", "frac_rmse") for of in ("test", "vec")),
    *(f"infloss_{of}_{stage}" for of in ("test", "vec") for stage in ("first", "second")),
)  # fmt: skip
"""Variables of the published files."""


def load_mat(path: Path) -> xr.Dataset:
    """Read an output file of the published scripts, or of ours, as a result for analyses and figures.

    Parameters
    ----------
    path
        The file, of MATLAB's version 5 or 7.3. A name of the published form adds the task, the condition and the
        settings as attributes.

    Returns
    -------
    Data set with ``activity`` (trial, time, unit), ``inputs`` (trial, time, neuron), all weights (``recurrent_weights``
    is (source, target_unit)), ``fractional_loss``, ``report_fractional_loss`` (report), and the sequentiality of the
    activity (nats). Trials of unequal length get a ``mask`` (trial, time); variable delays are ``trial_delay`` (trial).
    A file of the prior-training scripts has no activity: the data set has the fractional losses of both tasks (stage)
    and the published index, which is 0 if the second task is not solved.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is not an output file of the scripts.

    Notes
    -----
    After the end of a short trial, ``activity`` repeats the trial's last step, as results do in steps that a mask
    leaves out, and ``inputs`` are 0.

    Examples
    --------
    >>> from scipy.io import savemat
    >>> parameters = np.array([np.zeros(shape) for shape in [(50, 4), 4, (4, 4), 4, (4, 1), 1]], object)
    >>> responses = {"hidResps": np.ones((2, 150, 4)), "inpResps": np.zeros((2, 150, 50))}
    >>> path = Path("basic_sigma0.010000_lambda-0.980000_rho0.000000_model0_task0.mat")
    >>> savemat(path, {**responses, "all_params_list": parameters})
    >>> load_mat(path).attrs["task"], load_mat(path).attrs["lambda0"]
    ('de1', -0.98)
    """
    path = expanded(path)
    found = read_mat(path, FIELDS)
    of_two_tasks = "hidResps" not in found.kinds and "infloss_test_second" in found.kinds
    needed = ["all_params_list"] if of_two_tasks else ["hidResps", "inpResps", "all_params_list"]
    missing = [name for name in needed if name not in found.kinds]
    if missing:
        names = ", ".join(sorted(found.kinds)) or "nothing"
        raise InputError(
            f"{path} is not an output file of the scripts: it has no {', '.join(missing)}.\nIt has: {names}."
        )
    result = _two_tasks(found) if of_two_tasks else _one_task(found)
    sizes = {"unit": result.sizes["source"], **result.sizes}
    own = {dim: np.arange(sizes[dim]) for dim in ("trial", "time", "unit") if dim in result.dims}
    return result.assign_coords(own).assign_attrs(attributes_of(path, sizes["unit"]))


def mat_recorded(path: Path, variable: str | None = None) -> Recorded:
    """Read activity from an output file of the published scripts, or from any MATLAB file.

    Parameters
    ----------
    path
        The file, of MATLAB's version 5 or 7.3.
    variable
        Name of the variable, an array (trial, time, unit), or a cell array of one array (time, unit) for each trial;
        None: the activity of the scripts, `activity`, or the only variable.

    Returns
    -------
    The activity; of a file of the scripts with its mask, and with the delay if the file's name says the task.

    Raises
    ------
    InputError
        If the file is missing or damaged, there is no such variable, or it is not known which is meant.

    Examples
    --------
    >>> from scipy.io import savemat
    >>> savemat("rates.mat", {"rates": np.ones((4, 150, 20)), "day": 3})
    >>> mat_recorded(Path("rates.mat"), "rates").activity.shape
    (4, 150, 20)
    """
    kinds = read_mat(path, []).kinds
    if variable is None and {"hidResps", "all_params_list"} <= kinds.keys():
        return of_dataset(load_mat(path), path)
    name = chosen(dict.fromkeys(kinds, ""), path, variable)
    return Recorded(read_mat(path, [name]).need(name))


def _one_task(found: MatFile) -> xr.Dataset:
    """Return the content of a file with activity."""
    (activity, mask), (inputs, of_inputs) = (trials(found, name) for name in ("hidResps", "inpResps"))
    if activity.shape[:2] != inputs.shape[:2] or not np.array_equal(mask, of_inputs):
        raise InputError(f"{found.path} is damaged: hidResps is {activity.shape}, inpResps {inputs.shape}.")
    inputs[~mask] = 0
    whole: dict[str, Any] = {
        "activity": (("trial", "time", "unit"), activity),
        "inputs": (("trial", "time", "neuron"), inputs),
        **weights(found, activity.shape[2], inputs.shape[2]),
    }
    is_whole = bool(mask.all())
    if not is_whole:
        whole["mask"] = (("trial", "time"), mask)
    if "delay_vec" in found.kinds:
        delays = np.concatenate([np.ravel(part) for part in found.list("delay_vec")])
        whole["trial_delay"] = ("trial" if delays.size == len(activity) else "test_trial", delays, {"units": "steps"})
    for name in ("infloss", "frac_rmse"):
        if f"{name}_test" in found.kinds:
            whole["fractional_loss"] = ((), found.number(f"{name}_test"))
        if f"{name}_vec" in found.kinds:
            reported = np.concatenate([np.ravel(part) for part in found.list(f"{name}_vec")])
            whole["report_fractional_loss"] = ("report", reported)
    measured = analysis.sequentiality_index(activity, variant="paper", mask=None if is_whole else mask)
    measured = measured.drop_vars(["n_units", "trial_n_units"])
    result = xr.Dataset(whole).assign({name: variable.variable for name, variable in measured.data_vars.items()})
    return result.set_coords([name for name in ("trial_delay",) if name in result])


def _two_tasks(found: MatFile) -> xr.Dataset:
    """Return the content of a file of the prior-training scripts, which has no activity."""
    stages = ("first", "second")
    losses = [found.number(f"infloss_test_{stage}") for stage in stages]
    whole: dict[str, Any] = {
        **weights(found, None),
        "stage_fractional_loss": ("stage", losses),
        "fractional_loss": ((), losses[-1]),
    }
    if all(f"infloss_vec_{stage}" in found.kinds for stage in stages):
        first, second = (np.ravel(found.list(f"infloss_vec_{stage}")[0]).astype(float) for stage in stages)
        reports = np.full((2, max(first.size, second.size)), np.nan)
        reports[0, : first.size], reports[1, : second.size] = first, second
        whole["stage_report_fractional_loss"] = (("stage", "stage_report"), reports)
    if "SI" in found.kinds:
        about = "Sequentiality index, mean over trials; as published 0 if the second task is not solved"
        whole["sequentiality_index"] = ((), found.number("SI"), {"units": "nats", "long_name": about})
    if "jobidx" in found.kinds:
        whole["jobidx"] = ((), found.number("jobidx"), {"long_name": "job index, which was also the seed"})
    return xr.Dataset(whole)
