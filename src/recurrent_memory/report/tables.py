"""Data sets of networks as the tables, curves and commands of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from .. import storage
from ..errors import InputError
from ..experiment import Experiment
from ..runs import written
from .contents import Failed
from .curves import CURVES, Binned
from .recreate import train_command

NOT_FIELDS = ("identity", "network")


def tabled(dataset: xr.Dataset) -> tuple[pd.DataFrame, list[str], dict[str, dict[str, Any]]]:
    """Return the table of the networks in a data set, which columns are fields, and the attributes of columns.

    Parameters
    ----------
    dataset
        Data set of networks, with `status`.

    Returns
    -------
    Table, fields, and attributes by column.

    Examples
    --------
    >>> made = xr.Dataset({"status": ("seed", ["finished", "left"])}, coords={"seed": [0, 1]})
    >>> tabled(made)[1]
    ['seed']
    """
    table = storage.table_of_networks(dataset)
    given = {n: of for n, of in dataset.attrs.items() if n in Experiment.model_fields and n not in table}
    table = table.assign(**{str(name): cell(value) for name, value in given.items()})
    if "identity" not in table:
        table = table.assign(identity=[f"row {row}" for row in range(len(table))])
    fields = [*(str(name) for name in (*dataset["status"].dims, *dataset.coords) if name in table), *map(str, given)]
    about = {str(name): dict(of.attrs) for name, of in dataset.variables.items()}
    return table, [name for name in dict.fromkeys(fields) if name not in NOT_FIELDS], about


def over_networks(dataset: xr.Dataset) -> xr.Dataset:
    """Return a data set in which networks lie along one dimension, in the order of the table.

    Parameters
    ----------
    dataset
        Data set of networks, with `status`.

    Returns
    -------
    The data set over `network`, with the variables that depend on the network.

    Examples
    --------
    >>> made = xr.Dataset({"status": (("lambda0", "seed"), [["left"] * 3] * 2)})
    >>> over_networks(made).sizes["network"]
    6
    """
    dims = dataset["status"].dims
    own = dataset.drop_vars([name for name, of in dataset.variables.items() if not set(dims) <= set(of.dims)])
    own = own.assign_coords({name: of for name, of in dataset.coords.items() if not set(of.dims) & set(dims)})
    return own if dims == ("network",) else own.stack(network=dims, create_index=False)


def curves_of(parts: Sequence[tuple[Sequence[int], xr.Dataset]], n_networks: int) -> list[Binned]:
    """Return the learning curves in data sets over `network`.

    Parameters
    ----------
    parts
        For each data set the number of each network in the report, -1 for those that it leaves out, and the data set.
    n_networks
        Number of networks in the report.

    Returns
    -------
    The curves of each kind that there is.

    Examples
    --------
    >>> made = xr.Dataset({"training_loss": (("network", "iteration"), [[2.0, 1.0]])})
    >>> curves_of([([0], made)], 1)[0].curve().value.tolist()
    [[2.0, 1.0]]
    """
    found = []
    for name in CURVES:
        of = [(rows, part) for rows, part in parts if name in part and part[name].ndim == 2]
        if not of:
            continue
        binned = Binned(name, n_networks, max(part[name].size // part.sizes["network"] for _, part in of))
        for rows, part in of:
            values = part[name].transpose("network", ...).values
            at = part.get("report_iteration") if name.startswith("report") else None
            iteration = None if at is None or at.ndim < 2 else at.transpose("network", ...).values
            for number, row in enumerate(rows):
                if row >= 0:
                    binned.put(row, values[number], None if iteration is None else iteration[number])
        found.append(binned)
    return found


def put_curves(binned: Sequence[Binned], row: int, result: xr.Dataset) -> None:
    """Add the learning curves of one network's result.

    Parameters
    ----------
    binned
        Curves that are collected.
    row
        Number of the network.
    result
        Its result.

    Examples
    --------
    >>> binned = Binned("training_loss", 1, 2)
    >>> put_curves([binned], 0, xr.Dataset({"training_loss": ("iteration", [2.0, 1.0])}))
    >>> binned.curve().value.tolist()
    [[2.0, 1.0]]
    """
    for of in binned:
        if of.name in result and result[of.name].ndim == 1:
            at = result.get("report_iteration") if of.name.startswith("report") else None
            of.put(row, result[of.name].values, None if at is None else at.values)


def commands_of(table: pd.DataFrame, fields: Sequence[str]) -> list[str]:
    """Return the command that trains each network of a table.

    Parameters
    ----------
    table
        The networks.
    fields
        Columns that are settings.

    Returns
    -------
    The commands.

    Examples
    --------
    >>> commands_of(pd.DataFrame({"task": ["comp"], "seed": [3]}), ["task", "seed"])
    ['recurrent-memory train --task comp --seed 3']
    """
    own = [name for name in fields if name in Experiment.model_fields]
    return [train_command(values) for values in table[own].to_dict("records")]


def failed_in(table: pd.DataFrame) -> list[Failed]:
    """Return the networks of a table that have no result and are not left to train.

    Parameters
    ----------
    table
        The networks, with `status`.

    Returns
    -------
    The failures, without reasons: a data set keeps only their kinds.

    Examples
    --------
    >>> failed_in(pd.DataFrame({"status": ["finished", "diverged"]}))[0].network
    1
    """
    statuses = enumerate(map(str, table["status"]))
    return [Failed(row, status, "") for row, status in statuses if status not in ("finished", "left")]


def cell(value: Any) -> Any:
    """Return a setting as one cell of a table: tables and lists as JSON.

    Parameters
    ----------
    value
        The setting.

    Returns
    -------
    The cell.

    Examples
    --------
    >>> cell({"delay_dur": 50}), cell(0.9)
    ('{"delay_dur": 50}', 0.9)
    """
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value


def read_analysis(path: Path) -> xr.Dataset:
    """Read a file of `recurrent-memory analyse`.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The analysis.

    Raises
    ------
    InputError
        If there is no such file, or it is something else.

    Examples
    --------
    >>> try:
    ...     read_analysis(Path("nothing.nc"))
    ... except InputError as error:
    ...     print(error)
    There is no file nothing.nc: `recurrent-memory analyse` makes it.
    """
    found = written.load_analysis(path)
    if found is None:
        raise InputError(f"There is no file {path}: `recurrent-memory analyse` makes it.")
    return found


def analysis_of(path: Path | None, table: pd.DataFrame) -> pd.DataFrame | None:
    """Return what `analyse` has measured of the networks of a table.

    Parameters
    ----------
    path
        File of the analysis; None: there is none.
    table
        The networks, which are found by `identity`; a single one may be without.

    Returns
    -------
    A row for each network (its number is in `network`) and measure; None without a file.

    Raises
    ------
    InputError
        If it has measured none of them.

    Examples
    --------
    >>> analysis_of(None, pd.DataFrame()) is None
    True
    """
    if path is None:
        return None
    found = read_analysis(path)
    kept = ("value", "null_mean", "null_sd", "p", "p_resolution", "units", "identity")
    frame = found.reset_coords()[[name for name in kept if name in found.variables]].to_dataframe().reset_index()
    if "identity" in frame and "identity" in table:
        rows = {str(identity): row for row, identity in enumerate(table["identity"])}
        frame = frame.assign(network=frame["identity"].map(lambda identity: rows.get(str(identity), -1)))
        frame = frame[frame["network"] >= 0]
    elif len(table) == 1 and "identity" not in frame:
        frame = frame.assign(network=0)
    else:
        frame = frame.iloc[:0]
    if frame.empty:
        raise InputError(f"{path} has measured none of these networks: give an analysis of the same file.")
    return frame.reset_index(drop=True)
