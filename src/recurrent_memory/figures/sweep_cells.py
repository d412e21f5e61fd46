"""The networks of a sweep, arranged for a picture: in panels, and in a cell for each pair of values of the axes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int
from scipy import special

from ..errors import InputError, suggestion
from ..storage import table_of_networks
from .style import readable_text

LEVEL = 0.95
"""Confidence level of all intervals."""

MOST_PANELS = 64
"""Most panels in one picture; more would not be legible."""

_FIRST = ("lambda0", "sigma0", "rho")
"""Fields of the initial network, the first choice for the axes."""

OF_ACTIVITY = ("sequentiality_index", "peak_entropy", "ridge_to_background", "n_active_units")
"""First words of the names of measures of activity: how a network remembers, which presupposes that it does."""

_NOT_AXES = ("identity", "network")


class Choice(NamedTuple):
    """The fields of a picture's axes and panels."""

    x: str
    y: str | None
    """None if there is no second field to show."""
    by: tuple[str, ...]


class Field(NamedTuple):
    """A field of the experiments and its values in a picture."""

    name: str
    values: list[Any]
    """Numbers in order, words in the order of the sweep."""

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers, so that there is a distance between them."""
        return all(_is_number(value) for value in self.values)

    @property
    def needs_name(self) -> bool:
        """Whether a value needs the field's name beside it; a word, such as a task's name, does not."""
        return any(not isinstance(value, str) for value in self.values)

    @property
    def labels(self) -> list[str]:
        """The values as text, with the fewest digits that tell them apart."""
        for digits in range(3, 18):
            labels = [_word(value, digits) for value in self.values]
            if len(set(labels)) == len(labels):
                break
        return labels


class Panel(NamedTuple):
    """Networks that share one value of each panel field."""

    label: str
    networks: pd.DataFrame
    """A row for each network that is shown, with the columns x, y (as in `cells`) and value (of the measure)."""
    cells: pd.DataFrame
    """A row for each cell that has networks. Columns: x and y (positions among the fields' values); networks, finished
    and shown (numbers of networks); mean, low and high (of the measure; NaN if no network is shown)."""

    def grid(self, column: str, n_x: int, n_y: int) -> Float[np.ndarray, "{n_y} {n_x}"]:
        """Return a column of the cells over both axes; NaN in cells without networks."""
        found = np.full((n_y, n_x), np.nan)
        found[self.cells["y"], self.cells["x"]] = self.cells[column]
        return found


class View(NamedTuple):
    """All that a picture of a sweep shows."""

    x: Field
    y: Field
    by: list[Field]
    panels: list[Panel]
    averaged: list[str]
    """Fields in which networks of one cell differ."""
    averaged_values: int
    """Number of values of the first of these."""
    solved_only: bool
    has_undefined: bool
    """Whether the measure is undefined for a network that would be shown otherwise."""
    interval: str
    """Kind of the intervals, "t" or "Wilson"."""

    def column(self, name: str) -> Any:
        """Return a column of the cells of all panels."""
        return np.concatenate([panel.cells[name].to_numpy() for panel in self.panels])


def sweep_measures(dataset: xr.Dataset) -> list[str]:
    """List the measures that are one number per network.

    Parameters
    ----------
    dataset
        Data set of a sweep, from `recurrent_memory.sweeps.collect`.

    Returns
    -------
    Names of the measures.

    Examples
    --------
    >>> status, loss = ("seed", ["finished", "finished"]), ("seed", [0.2, 0.3])
    >>> sweep_measures(xr.Dataset({"status": status, "fractional_loss": loss}, coords={"seed": [0, 1]}))
    ['fractional_loss']
    """
    of_networks = set(dataset["status"].dims)
    return [str(name) for name, of in dataset.items() if set(of.dims) == of_networks and of.dtype.kind in "fiub"]


def sweep_axes(dataset: xr.Dataset) -> list[str]:
    """List the fields in which networks differ, except those that other listed fields determine.

    λ0, σ0 and ρ are listed even if one determines another, as in a zip; the seed is never listed.

    Parameters
    ----------
    dataset
        Data set of a sweep, from `recurrent_memory.sweeps.collect`.

    Returns
    -------
    Names of the fields, those of numbers first.

    Examples
    --------
    >>> status = (("task", "lambda0"), [["finished", "finished"], ["finished", "finished"]])
    >>> sweep_axes(xr.Dataset({"status": status}, coords={"task": ["de1", "comp"], "lambda0": [0.8, 0.98]}))
    ['lambda0', 'task']
    """
    table = _table(dataset)
    dims = dataset["status"].dims
    varying = [name for name in _varying(dataset, table) if name != "seed" and (name in dims or dims == ("network",))]
    numbers = [name for name in varying if _levels(table, name).is_numeric]
    found = [name for name in varying if name in _FIRST]
    # Words first: a condition determines the numbers that come with it, so it replaces them.
    for name in (*(name for name in varying if name not in numbers), *(name for name in numbers if name not in found)):
        if not _follows(table, found, name):
            found.append(name)
    return sorted(found, key=lambda name: (name not in numbers, varying.index(name)))


def choose(dataset: xr.Dataset, x: str | None = None, y: str | None = None, by: Sequence[str] | None = None) -> Choice:
    """Choose those fields of axes and panels that are not given.

    Parameters
    ----------
    dataset
        Data set of a sweep.
    x, y
        Fields of the axes; by default λ0 and σ0 if both vary, else the first fields of numbers.
    by
        Fields whose values have a panel each; by default all others in which networks differ except the seed, as long
        as there are at most `MOST_PANELS` panels.

    Returns
    -------
    The fields.

    Raises
    ------
    InputError
        If a field is unknown or given twice.
    """
    table = _table(dataset)
    given = [name for name in (x, y, *(by or ())) if name is not None]
    for name in given:
        _need_field(dataset, table, name)
        if given.count(name) > 1:
            raise InputError(f"{name!r} is given twice: axes and panels need different fields.")
    axes = [name for name in sweep_axes(dataset) if name not in given]
    numbers = [name for name in axes if _levels(table, name).is_numeric]
    if x is None:
        # Without a field of numbers: words, then the seed, then a field with a single value.
        others = [
            *axes,
            *(name for name in (*_varying(dataset, table), "lambda0") if name in table and name not in given),
        ]
        x = (numbers or others or list(table))[0]
    if y is None:
        y = next((name for name in numbers if name != x), None)
    if by is None:
        chosen: list[str] = []
        for name in sorted((name for name in axes if name not in (x, y)), key=lambda name: name in numbers):
            if len(table.groupby([*chosen, name], dropna=False)) <= MOST_PANELS:
                chosen.append(name)
        by = chosen
    return Choice(x, y, tuple(by))


def view(dataset: xr.Dataset, measure: str, choice: Choice, solved_only: bool | None) -> View:
    """Sort the networks of a sweep into the cells of a picture, and average over those of each cell.

    Parameters
    ----------
    dataset
        Data set of a sweep.
    measure
        One of `sweep_measures`.
    choice
        Fields of the axes and panels.
    solved_only
        Whether only networks that solved their task are shown; None: only if the measure is one of activity.

    Returns
    -------
    All that the picture shows.

    Raises
    ------
    InputError
        If a measure or a field is unknown, or there are too many panels.

    Notes
    -----
    Intervals come from SciPy: Student's t for a mean, Wilson's for a fraction of networks. The mean of a single network
    has no interval.
    """
    _need_measure(dataset, measure)
    if solved_only is None:
        solved_only = _is_of_activity(dataset, measure)
    table = _table(dataset, measure, "solved")
    x, y = _levels(table, choice.x), _levels(table, choice.y)
    by = [_levels(table, name) for name in choice.by]
    rows = pd.DataFrame({"x": _codes(table, x), "y": _codes(table, y), "finished": table["status"] == "finished"})
    wanted = rows["finished"].to_numpy()
    if solved_only:
        _need_measure(dataset, "solved")
        wanted = wanted & (table["solved"].to_numpy(float) == 1)
    shown = wanted & np.isfinite(table[measure].to_numpy(float))
    rows["value"] = table[measure].astype(float).where(shown)
    is_fraction = measure.startswith("solved")
    panels = _panels(rows, table, by, is_fraction)
    averaged = _averaged(dataset, table, choice)
    n_values = len(_levels(table, averaged[0]).values) if averaged else 1
    has_undefined, interval = bool((wanted & ~shown).any()), "Wilson" if is_fraction else "t"
    return View(x, y, by, panels, averaged, n_values, solved_only, has_undefined, interval)


def _panels(rows: pd.DataFrame, table: pd.DataFrame, by: list[Field], is_fraction: bool) -> list[Panel]:
    """Return the cells of each panel."""
    keys = [pd.Series(_codes(table, field), name=field.name) for field in by]
    groups = list(rows.groupby(keys)) if keys else [((), rows)]
    if len(groups) > MOST_PANELS:
        raise InputError(
            f"There would be {len(groups)} panels for {' × '.join(field.name for field in by)}, and a picture has at "
            f"most {MOST_PANELS}: choose other fields, or fewer networks."
        )
    # The cells of all panels together: pandas takes as long for one panel as for all.
    number = rows.groupby(keys).ngroup() if keys else np.zeros(len(rows), int)
    cells = [of.reset_index(drop=True) for _, of in _cells(rows.assign(panel=number), is_fraction).groupby("panel")]
    return [
        Panel(_panel_label(by, codes), of_panel.loc[of_panel["value"].notna()], of_cells.drop(columns="panel"))
        for (codes, of_panel), of_cells in zip(groups, cells, strict=True)
    ]


def _averaged(dataset: xr.Dataset, table: pd.DataFrame, choice: Choice) -> list[str]:
    """Return the fields in which networks of one cell differ, the seed first."""
    chosen = [name for name in (choice.x, choice.y, *choice.by) if name is not None]
    varying = sorted(_varying(dataset, table), key=lambda name: name != "seed")
    return [name for name in varying if name not in chosen and not _follows(table, chosen, name)]


def _cells(rows: pd.DataFrame, is_fraction: bool) -> pd.DataFrame:
    grouped = rows.groupby(["panel", "x", "y"])
    cells = grouped.agg(
        networks=("finished", "size"),
        finished=("finished", "sum"),
        shown=("value", "count"),
        mean=("value", "mean"),
        error=("value", "sem"),
    ).reset_index()
    low, high = np.full((2, len(cells)), np.nan)
    if is_fraction:
        for i in np.flatnonzero(cells["shown"]):
            n = int(cells["shown"][i])
            low[i], high[i] = _interval_of_fraction(round(cells["mean"][i] * n), n)
    else:
        several = cells["shown"].to_numpy() > 1
        of = cells[several]
        half = special.stdtrit(of["shown"] - 1, 0.5 + LEVEL / 2) * of["error"]  # Student's t
        low[several], high[several] = of["mean"] - half, of["mean"] + half
    return cells.assign(low=low, high=high)


@functools.lru_cache(maxsize=1024)
def _interval_of_fraction(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval; cached, since SciPy takes a millisecond for each and few differ."""
    import scipy.stats  # takes half a second, which a picture of a single network need not wait for

    found = scipy.stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def _table(dataset: xr.Dataset, *measures: str) -> pd.DataFrame:
    """Return the fields, status and some measures of all networks; all of them could fill the memory."""
    names = [name for name in ("status", *measures) if name in dataset]
    return table_of_networks(dataset[names].drop_vars(_NOT_AXES, errors="ignore"))


def _varying(dataset: xr.Dataset, table: pd.DataFrame) -> list[str]:
    """Return the fields that have several values, the sweep's axes first."""
    names = dict.fromkeys([*map(str, dataset["status"].dims), *map(str, dataset.coords)])
    tables = {name.partition(".")[0] for name in names if "." in name}  # of options, each of which is a field itself
    return [name for name in names if name not in tables and name in table and table[name].nunique(dropna=False) > 1]


def _follows(table: pd.DataFrame, chosen: Sequence[str], name: str) -> bool:
    """Return whether the chosen fields determine a field: each combination of their values has one value of it."""
    return len(chosen) > 0 and bool(
        (table.groupby(list(chosen), dropna=False, sort=False)[name].nunique(dropna=False) <= 1).all()
    )


def _levels(table: pd.DataFrame, name: str | None) -> Field:
    if name is None:
        return Field("", [None])
    values = table[name].unique().tolist()
    return Field(name, sorted(values) if all(_is_number(value) for value in values) else values)


def _codes(table: pd.DataFrame, field: Field) -> Int[np.ndarray, " network"]:
    """Return the position of each network's value among the values of a field."""
    if not field.name:
        return np.zeros(len(table), int)
    return np.asarray(pd.Categorical(table[field.name].map(_hashable), map(_hashable, field.values)).codes, int)


def _hashable(value: Any) -> Any:
    """Return a value that pandas accepts as a category; NaN, for an empty field such as `stop_at`, is not one."""
    return "none" if value != value else value


def _panel_label(by: list[Field], codes: Any) -> str:
    codes = codes if isinstance(codes, tuple) else (codes,)
    words = []
    for field, code in zip(by, codes, strict=True):
        name = f"{field_symbol(field.name)} = " if field.needs_name else ""
        words.append(f"{name}{field.labels[code]}".replace(" ", "\N{NO-BREAK SPACE}"))  # a line ends between fields
    return ", ".join(words)


def field_symbol(name: str) -> str:
    """Return the paper's symbol of a field, or its name without that of its table."""
    symbols = {"lambda0": "$λ_0$", "sigma0": "$σ_0$", "rho": "ρ", "n_hidden": "N"}
    return symbols.get(name) or readable_text(name.rpartition(".")[2].replace("_", " "))


def _is_of_activity(dataset: xr.Dataset, measure: str) -> bool:
    """Return whether a measure is one of activity, by its attribute `measured_on` or its name in the paper."""
    return dataset[measure].attrs.get("measured_on") == "activity" or measure.startswith(OF_ACTIVITY)


def _need_measure(dataset: xr.Dataset, name: str) -> None:
    known = sweep_measures(dataset)
    if name not in known:
        raise InputError(f"{name!r} is not a measure of these networks.{suggestion(name, known)}")


def _need_field(dataset: xr.Dataset, table: pd.DataFrame, name: str) -> None:
    fields = [str(field) for field in dataset.coords]
    if name not in fields or name not in table or name in _NOT_AXES:
        varying = ", ".join(_varying(dataset, table)) or "nothing"
        raise InputError(f"{name!r} is not a field of these networks. They differ in: {varying}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _word(value: Any, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float) and not np.isfinite(value):
        return "none"
    return f"{value:.{digits}g}" if isinstance(value, float) else readable_text(str(value), 200)
