"""What a report shows of a sweep, of a run folder, and of a data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from .. import storage
from ..errors import InputError, first_line
from ..loading import load
from ..runs import result as results
from ..runs.analysed import FORMAT
from ..runs.folder import RunFolder
from ..sweeps import Network, Store, collect
from ..sweeps.grid import listed
from ..sweeps.replay import activity_of
from .chosen import Wanted, details_of
from .contents import Contents, Curve, Failed
from .curves import CURVES, Binned, shown
from .recreate import condition_for, train_command
from .tables import analysis_of, cell, commands_of, curves_of, failed_in, over_networks, put_curves, tabled


def of_sweep(
    source: str, networks: Sequence[Network], store: Store, replay: Callable[[str], str], wanted: Wanted
) -> Contents:
    """Return what a report shows of a sweep, finished or not.

    Parameters
    ----------
    source
        Name of its file.
    networks, store
        All networks of the sweep, and the store with their results.
    replay
        Returns the command that recreates the network for which a condition holds.
    wanted
        What is read.

    Returns
    -------
    The contents.

    Raises
    ------
    InputError
        If there are no networks, or the analysis is of something else.
    InterruptedRunError
        If the user has stopped the command.

    Examples
    --------
    >>> from recurrent_memory import sweeps
    >>> networks = sweeps.networks(sweeps.Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}]))
    >>> found = of_sweep("sweep.toml", networks, Store("no_store"), lambda where: f"replay {where}", Wanted())
    >>> found.left, found.commands
    (2, ['replay seed == 0', 'replay seed == 1'])
    """
    dataset = collect(networks, store, on_progress=wanted.on_reading, on_message=wanted.on_message)
    by_identity = {network.identity: network for network in listed(networks)}
    table, fields, about = tabled(dataset)
    ordered = [by_identity[str(identity)] for identity in table["identity"]]
    curves = _curves(table, ordered, store, wanted)
    details, notes = details_of(table, fields, lambda row: activity_of(ordered[row], store), wanted)
    conditions = [condition_for(network.point) for network in ordered]
    commands = [
        replay(condition) if condition else train_command(network.experiment.model_dump())
        for network, condition in zip(ordered, conditions, strict=True)
    ]
    return Contents(
        source, "sweep", table, fields, about, commands, curves, details, _failures(table, store),
        analysis_of(wanted.analysis, table), notes=notes, left=int((table["status"] == "left").sum()),
    )  # fmt: skip


def _curves(table: pd.DataFrame, networks: Sequence[Network], store: Store, wanted: Wanted) -> tuple[Curve, ...]:
    """Return the learning curves of all finished networks, in the order of the table."""
    finished = [row for row, status in enumerate(table["status"]) if status == "finished"]
    n_values = max((network.experiment.iterations for network in networks), default=1)
    binned = [Binned(name, len(networks), n_values) for name in CURVES]
    for number, row in enumerate(finished):
        wanted.look_up()
        try:
            identity = networks[row].identity
            if set(CURVES) & set(store.read(identity).dims):  # otherwise its arrays need not be read
                put_curves(binned, row, store.dataset(identity))
        except InputError as error:
            wanted.on_message(first_line(error))
        wanted.on_curves(number + 1, len(finished))
    return shown(binned)


def _failures(table: pd.DataFrame, store: Store) -> list[Failed]:
    found = []
    for row, (identity, status) in enumerate(zip(table["identity"], table["status"], strict=True)):
        if status in ("finished", "left"):
            continue
        try:
            failure = store.failure(str(identity))
            found.append(Failed(row, failure.kind, failure.message, failure.iteration))
        except InputError as error:
            found.append(Failed(row, str(status), first_line(error)))
    return found


def of_run(path: Path, wanted: Wanted) -> Contents:
    """Return what a report shows of a run folder, finished or not.

    Parameters
    ----------
    path
        The folder.
    wanted
        What is read.

    Returns
    -------
    The contents, with a single network.

    Raises
    ------
    InputError
        If it is not a run folder, or its result is damaged.

    Examples
    --------
    >>> from recurrent_memory import Experiment
    >>> RunFolder("run").describe(Experiment(task="comp"))
    >>> of_run(Path("run"), Wanted()).left
    1
    """
    place = RunFolder(path)
    experiment = place.experiment()
    result = results.load(place) if place.finished else results.training_so_far(experiment, place.load_history())
    values = experiment.model_dump(mode="json")
    timing = {**(place.timing() or {}), "folder": str(path)}
    return of_result(result, values, str(path), wanted, is_finished=place.finished, more=timing)


def of_result(
    result: xr.Dataset,
    settings: Mapping[str, Any],
    source: str,
    wanted: Wanted,
    *,
    is_finished: bool = True,
    more: Mapping[str, Any] | None = None,
) -> Contents:
    """Return what a report shows of the result of one network.

    Parameters
    ----------
    result
        The result.
    settings
        Fields of its experiment, in JSON's types.
    source
        Where it is from.
    wanted
        What is read.
    is_finished
        Whether its training is done.
    more
        Further facts, such as the device.

    Returns
    -------
    The contents.

    Raises
    ------
    InputError
        If the activity cannot be read.

    Examples
    --------
    >>> made = xr.Dataset({"training_loss": ("iteration", [2.0, 1.0]), "fractional_loss": 0.4})
    >>> of_result(made, {"task": "de1"}, "made", Wanted()).table["fractional_loss"].tolist()
    [0.4]
    """
    known = {name: cell(value) for name, value in settings.items() if value is not None}
    numbers = {
        str(name): of.item() for name, of in result.data_vars.items() if of.ndim == 0 and of.dtype.kind in "fiub"
    }
    versions = {name[8:]: of for name, of in result.attrs.items() if str(name).startswith("version_")}
    facts = {name: of for name, of in (more or {}).items() if isinstance(of, str | int | float)}
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    status = "finished" if is_finished else "left"
    table = pd.DataFrame([{**known, "status": status, **numbers, **facts}])
    longest = max((result.sizes[dim] for dim in ("iteration", "report") if dim in result.sizes), default=1)
    binned = [Binned(name, 1, longest) for name in CURVES]
    put_curves(binned, 0, result)
    details, notes = details_of(table, [], lambda row: result, wanted) if is_finished else ({}, [])
    about = {str(name): dict(of.attrs) for name, of in result.data_vars.items()}
    left = 0 if is_finished else 1
    return Contents(
        source, "run", table, list(known), about, [train_command(settings)], shown(binned), details,
        analysis=analysis_of(wanted.analysis, table), notes=notes, left=left,
    )  # fmt: skip


def of_network(name: str, wanted: Wanted) -> Contents:
    """Return what a report shows of a saved network, such as one of the bank: it is tested as after its training.

    Parameters
    ----------
    name
        What `load` takes.
    wanted
        What is read.

    Returns
    -------
    The contents, with a single network and no learning curves.

    Raises
    ------
    InputError
        If there is no such network, or it cannot be read.

    Examples
    --------
    >>> of_network("bank:comp-sequential", Wanted()).table["task"].tolist()
    ['comp']
    """
    network = load(name)
    wanted.on_message(f"testing {name}")
    found = of_result(network.test(), network.experiment.model_dump(mode="json"), name, wanted)
    return replace(
        found, notes=[*found.notes, "A saved network has no learning curves; its measures are of a new test."]
    )


def of_file(path: Path, wanted: Wanted) -> Contents:
    """Return what a report shows of a data set: of a collected sweep, or the result of one network.

    Parameters
    ----------
    path
        The file.
    wanted
        What is read.

    Returns
    -------
    The contents.

    Raises
    ------
    InputError
        If there is no such file, or it is something else.

    Examples
    --------
    >>> made = xr.Dataset({"status": ("seed", ["finished", "left"])}, coords={"seed": [0, 1], "task": "comp"})
    >>> storage.save_dataset(Path("sweep.nc"), made)
    >>> of_file(Path("sweep.nc"), Wanted()).commands[1]
    'recurrent-memory train --task comp --seed 1'
    """
    dataset = storage.load_dataset(path)
    if dataset.attrs.get("format") == FORMAT:
        raise InputError(
            f"{path} is an analysis: give the sweep, run or data set that was analysed, and the analysis beside it:\n"
            f"recurrent-memory report {dataset.attrs.get('source', 'SOURCE')} --analysis {path} -o report.html"
        )
    if "status" not in dataset or not dataset["status"].dims:
        if "experiment" in dataset.attrs and isinstance(dataset.attrs.get("status"), str):
            return of_result(dataset, json.loads(dataset.attrs["experiment"]), str(path), wanted)
        raise InputError(
            f"{path} holds no networks: it has no `status` of each.\nGive a file of `recurrent-memory sweep collect`, "
            "or the result.nc of a run."
        )
    table, fields, about = tabled(dataset)
    stacked = over_networks(dataset)
    binned = curves_of([(range(len(table)), stacked)], len(table))
    details, notes = details_of(table, fields, lambda row: _one(stacked, row), wanted) if "activity" in stacked else (
        {},
        ["The data set has no activity, so single networks have no heat map: give the sweep's file instead."],
    )  # fmt: skip
    return Contents(
        str(path), "data", table, fields, about, commands_of(table, fields), shown(binned), details,
        failed_in(table), analysis_of(wanted.analysis, table), notes=notes,
    )  # fmt: skip


def _one(stacked: xr.Dataset, row: int) -> xr.Dataset:
    """Return one network of a data set with activity, without what only other networks have."""
    one = stacked.isel(network=row)
    empty = one["activity"].isnull()
    trials, steps, units = (~empty.all([dim for dim in ("trial", "time", "unit") if dim != own]).values
                            for own in ("trial", "time", "unit"))  # fmt: skip
    if not trials.any():
        raise InputError("its activity was not kept")
    one = one.isel(trial=np.flatnonzero(trials), time=np.flatnonzero(steps), unit=np.flatnonzero(units))
    names = [name for name in ("activity", "mask") if name in one]
    return one[names].drop_vars("network", errors="ignore")
