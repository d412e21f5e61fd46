"""The networks of a study as one table, from the data sets in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from .. import storage
from ..errors import FileError, InputError
from ..experiment import Experiment
from ..settings import SOLVED_BELOW

DESIGN = ("task", "condition", "kind", "curriculum", "lambda0", "sigma0", "rho", "iterations", "other")
"""Columns in which networks of one cell agree: all settings but the seed."""
INDEX = {
    "sequentiality_index": ("published index", "nats"),
    "sequentiality_index_exact": ("exact index", "nats"),
    "sqi": ("SqI", "1"),
    "transient_index": ("transient index", "1"),
    "above_chance": ("published index above chance", "nats"),
}
"""Measures of sequentiality: the column, what it is called, and its unit."""
ASYMMETRY = "forward_asymmetry"
_NUMBERS = ("n_hidden", "lambda0", "sigma0", "rho", "iterations", "seed", "batch_size", "learning_rate")
_ELSEWHERE = {
    *DESIGN, "n_hidden", "seed", "model", "model_options", "activity_penalty", "readout_step", "snapshots", "stop_at",
    "code",
}  # fmt: skip
"""Fields that are columns of their own, follow from these, or do not change the trained network of a study."""


def load_networks(*folders: str | os.PathLike[str]) -> pd.DataFrame:
    """Read all data sets of networks in some folders.

    Parameters
    ----------
    *folders
        Folders with files `*.nc`, such as `sweeps.collect` returns and the study writes. Each has a variable `status`,
        and the fields of its experiments as coordinates or attributes; those that it lacks have their default.

    Returns
    -------
    One row for each network, in the order of files and rows: `DESIGN`, `n_hidden`, `seed`, `status`, `solved`, the
    measures (NaN if it has none), `identity`, `file`. Of networks that several files hold, the first that is finished.

    Raises
    ------
    InputError
        If there is no such folder or no such file in it, or a file is no data set of networks.

    Examples
    --------
    >>> import xarray as xr
    >>> made = xr.Dataset({"status": ("network", ["finished", "left"])}, attrs={"task": "comp", "n_hidden": 20})
    >>> storage.save_dataset(Path("made.nc"), made)
    >>> load_networks(".")[["task", "n_hidden", "kind", "status"]].values.tolist()
    [['comp', 20.0, 'relu', 'finished'], ['comp', 20.0, 'relu', 'left']]
    """
    frames = [_of_file(path) for folder in folders for path in _files(Path(folder))]
    found = pd.concat(frames, ignore_index=True)
    finished_first = found.assign(_left=found["status"] != "finished").sort_values("_left", kind="stable")
    return found.loc[finished_first.drop_duplicates("identity").index.sort_values()].reset_index(drop=True)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileError(f"There is no folder {folder}.")
    found = sorted(folder.glob("*.nc"))
    if not found:
        raise InputError(f"{folder} has no data set: its files must be *.nc, as `reproduce` and `sweep collect` write.")
    return found


def _of_file(path: Path) -> pd.DataFrame:
    dataset = storage.load_dataset(path)
    if "status" not in dataset or not dataset["status"].dims:
        raise InputError(f"{path} is no data set of networks: it has no `status` of each network.")
    table = storage.table_of_networks(dataset)
    given = {
        name: dataset.attrs[name] for name in Experiment.model_fields if name in dataset.attrs and name not in table
    }
    if "task" not in table and "task" not in given:
        raise InputError(f"{path} is no data set of a study: it does not say the `task` of its networks.")
    return completed(table.assign(**{name: _text(of) for name, of in given.items()}), path.name)


def completed(table: pd.DataFrame, source: str = "The table") -> pd.DataFrame:
    """Add to a table of networks what claims are judged by: the defaults of fields, the design, and all measures.

    Parameters
    ----------
    table
        One row for each network, with fields of experiments and measures as columns.
    source
        Where it is from, for messages and for the column `file`.

    Returns
    -------
    The table with all columns that `load_networks` promises; `status` is finished unless it is given.

    Raises
    ------
    InputError
        If a column that should hold numbers does not.

    Examples
    --------
    >>> completed(pd.DataFrame({"task": ["comp"], "fractional_loss": [0.2]}))["solved"].tolist()
    [True]
    """
    fields = {name: field.default for name, field in Experiment.model_fields.items() if name not in ("task", "code")}
    missing = {"status": "finished", **{name: _text(default) for name, default in fields.items()}}
    table = table.assign(**{name: default for name, default in missing.items() if name not in table})
    if "identity" not in table:
        table = table.assign(identity=[f"{source}:{row}" for row in range(len(table))])
    table = table.assign(**{name: _numbers(table[name], name, source) for name in _NUMBERS})
    return _with_measures(_with_design(table, fields), source).assign(file=source)


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value


def _with_design(table: pd.DataFrame, fields: dict[str, Any]) -> pd.DataFrame:
    texts = {name: table[name].map(str) for name in ("task", "condition", "model", "model_options", "curriculum")}
    curriculum = texts["curriculum"].map(_curriculum)
    kinds = {pair: _kind(*pair) for pair in set(zip(texts["model"], texts["model_options"], strict=True))}
    return table.assign(
        task=texts["task"],
        condition=texts["condition"],
        curriculum=curriculum,
        kind=[kinds[pair] for pair in zip(texts["model"], texts["model_options"], strict=True)],
        other=_other(table, {name: _text(default) for name, default in fields.items() if name not in _ELSEWHERE}),
        total_iterations=table["iterations"] * (1 + curriculum.str.count(",")),
    )


def _other(table: pd.DataFrame, defaults: dict[str, Any]) -> Any:
    """Return the settings that are not columns of the design, as far as they differ from their default."""
    found = np.full(len(table), "", object)
    for name, default in defaults.items():
        column = table[name]
        if default is None:
            same = column.isna() | column.isin(["null", "None"])
        else:
            same = column == default if is_numeric_dtype(column) else column.map(str) == str(default)
        found += np.where(same, "", [f"{name} = {value}; " for value in column])
    return found


def _curriculum(text: str) -> str:
    """Return the tasks of a curriculum, joined by commas, from JSON or as they are."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return ",".join(map(str, found)) if isinstance(found, list) else ""


def _kind(model: str, options: str) -> str:
    """Return a word for the model: its activation if it is leaky, dale under Dale's law, with any other options."""
    try:
        given: dict[str, Any] = dict(json.loads(options))
    except (ValueError, TypeError):
        given = {}
    if model != "leaky":
        return model + "".join(f", {name} {value}" for name, value in sorted(given.items()))
    alpha, activation = given.pop("alpha", 0.2), given.pop("activation", "relu")
    fraction = given.pop("fraction_excitatory", None)
    word = activation if fraction is None else "dale" if activation == "relu" else f"dale {activation}"
    more = {**given, **({} if float(alpha) == 1 else {"alpha": alpha})}
    if word == "relu" and not more:
        return "relu (leaky)"
    return word + "".join(f", {name} {value}" for name, value in sorted(more.items()))


def _with_measures(table: pd.DataFrame, source: str) -> pd.DataFrame:
    found = {name: _numbers(table[name], name, source) if name in table else np.nan for name in _measured()}
    table = table.assign(**found)
    with np.errstate(invalid="ignore"):
        above = table["sequentiality_index"] - table["sequentiality_index_null"]
    table["above_chance"] = above
    finished = table["status"] == "finished"
    if table["fractional_loss"].notna().any():
        solved = table["fractional_loss"] < SOLVED_BELOW
    else:
        solved = _numbers(table["solved"], "solved", source) == 1 if "solved" in table else finished
    measures = [*INDEX, ASYMMETRY]
    # An index of ±infinity is no number to take the mean of: such networks are counted as without a value.
    table[measures] = table[measures].where(np.isfinite(table[measures]) & finished.to_numpy()[:, None])
    known = table["iterations_done"].fillna(table["iterations"])
    return table.assign(solved=finished & solved, finished=finished, iterations_done=known)


def _measured() -> Iterable[str]:
    own = ("sequentiality_index_null", "sqi_null", "transient_index_null", "fractional_loss", "iterations_done")
    return [*(name for name in INDEX if name != "above_chance"), ASYMMETRY, *own]


def _numbers(column: Any, name: str, source: str) -> Any:
    try:
        return pd.to_numeric(column).astype(np.float64)
    except (ValueError, TypeError):
        raise InputError(f"{source}: `{name}` does not hold numbers.") from None


def standard_iterations(frame: pd.DataFrame) -> pd.Series:
    """Return whether each network was trained for the usual number of iterations.

    It is the most frequent one among networks of the same size and task: hard tasks may be trained for longer.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.

    Returns
    -------
    Truth values, one for each network.

    Examples
    --------
    >>> frame = pd.DataFrame({"n_hidden": 20, "task": ["de1"] * 3 + ["gde"], "iterations": [9, 9, 3, 27]})
    >>> standard_iterations(frame).tolist()
    [True, True, False, True]
    """
    usual = frame.groupby(["n_hidden", "task"])["iterations"].transform(lambda values: values.mode().iloc[0])
    return frame["iterations"] == usual
