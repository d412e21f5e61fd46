"""The networks of a sweep as a picture has them: which are shown, in which panel, at which value of which field."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr
from jaxtyping import Float, Int

from ..errors import InputError, suggestion
from ..storage import table_of_networks

LEVEL = 0.95
"""Confidence level of all intervals."""

MOST_PANELS = 64
"""Most panels of one picture: more would not be legible."""

_FIRST = ("lambda0", "sigma0", "rho")
"""The initial network: what a picture shows unless told otherwise."""

_OF_ACTIVITY = ("sequentiality_index", "peak_entropy", "ridge_to_background", "n_active_units")
"""Beginnings of the names of measures that say how a network remembers, which presupposes that it does."""

_NOT_AXES = ("identity", "network")


class Choice(NamedTuple):
    """Fields that a picture has its axes and panels for."""

    x: str
    y: str | None
    """None where there is no second field to show."""
    by: tuple[str, ...]


class Field(NamedTuple):
    """A field of the experiments, with the values that a picture shows."""

    name: str
    values: list[Any]
    """Numbers in order, words in the order of the sweep."""

    @property
    def is_numeric(self) -> bool:
        """Whether there is a distance between values."""
        return all(_is_number(value) for value in self.values)

    @property
    def needs_name(self) -> bool:
        """Whether a value alone does not say of what it is, as a task does."""
        return any(not isinstance(value, str) for value in self.values)

    @property
    def labels(self) -> list[str]:
        """The values in words, with as few digits as tell them apart."""
        for digits in range(3, 18):
            labels = [_word(value, digits) for value in self.values]
            if len(set(labels)) == len(labels):
                break
        return labels


class Panel(NamedTuple):
    """Networks that share a value of each field that there are panels for."""

    label: str
    cells: pd.DataFrame
    """A row for each cell that has networks, with the columns x and y (places among the fields' values), networks,
    finished, shown (numbers of networks) and mean, low, high (of the measure; NaN where none is shown)."""

    def grid(self, column: str, n_x: int, n_y: int) -> Float[np.ndarray, "{n_y} {n_x}"]:
        """Return a column of the cells over both axes; NaN where there is no network."""
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
    """How many values the first of these has."""
    solved_only: bool
    has_undefined: bool
    """Whether the measure is undefined for any network that would be shown."""
    interval: str
    """Kind of the intervals."""

    def column(self, name: str) -> Any:
        """Return a column of the cells of all panels."""
        return np.concatenate([panel.cells[name].to_numpy() for panel in self.panels])


def sweep_measures(dataset: xr.Dataset) -> list[str]:
    """Return the names of all measures that are one number a network.

    Parameters
    ----------
    dataset
        As `recurrent_memory.sweeps.collect` returns it; so for all functions here.
    """
    of_networks = set(dataset["status"].dims)
    return [str(name) for name, of in dataset.items() if set(of.dims) == of_networks and of.dtype.kind in "fiub"]


def sweep_axes(dataset: xr.Dataset) -> list[str]:
    """Return the fields in which networks differ, without those that follow from the ones before.

    Those that are numbers come first. λ0, σ0 and ρ are there even where one follows from another, as in a zip; the
    seed is not.
    """
    table = table_of_networks(dataset)
    dims = dataset["status"].dims
    varying = [name for name in _varying(dataset, table) if name != "seed" and (name in dims or dims == ("network",))]
    numbers = [name for name in varying if _levels(table, name).is_numeric]
    found = [name for name in varying if name in _FIRST]
    # Words first: a condition stands for the numbers that come with it, and not the other way round.
    for name in (*(name for name in varying if name not in numbers), *(name for name in numbers if name not in found)):
        if not _follows(table, found, name):
            found.append(name)
    return sorted(found, key=lambda name: (name not in numbers, varying.index(name)))


def choose(dataset: xr.Dataset, x: str | None = None, y: str | None = None, by: Sequence[str] | None = None) -> Choice:
    """Return what to draw a sweep over, so far as it is not given.

    Parameters
    ----------
    x, y
        Fields of the axes; by default λ0 and σ0 where both vary, else the first that are numbers.
    by
        Fields to draw a panel for each value of; by default all others in which networks differ but the seed, so far
        as there are not more than `MOST_PANELS` panels.

    Raises
    ------
    InputError
        Where a field is unknown or given twice.
    """
    table = table_of_networks(dataset)
    given = [name for name in (x, y, *(by or ())) if name is not None]
    for name in given:
        _need_field(dataset, table, name)
        if given.count(name) > 1:
            raise InputError(f"{name!r} is given twice: axes and panels need a field each.")
    axes = [name for name in sweep_axes(dataset) if name not in given]
    numbers = [name for name in axes if _levels(table, name).is_numeric]
    if x is None:
        # Without any number to draw against: words, then the seed, then the one value that there is.
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
    """Place the networks of a sweep in the cells of a picture, and average over those of each cell.

    Parameters
    ----------
    measure
        One of `sweep_measures`.
    choice
        What there are axes and panels for.
    solved_only
        Whether only networks that solved their task are shown; None: where the measure is one of activity.

    Raises
    ------
    InputError
        Where a measure or a field is unknown, or there are too many panels.

    Notes
    -----
    Intervals are those of SciPy: Student's t of the mean, and Wilson's of a fraction of networks. Of a single network
    there is none of a mean.
    """
    _need_measure(dataset, measure)
    if solved_only is None:
        solved_only = _is_of_activity(dataset, measure)
    table = table_of_networks(dataset)
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
            f"There would be {len(groups)} panels for {' × '.join(field.name for field in by)}, of at most "
            f"{MOST_PANELS}: choose other fields, or fewer networks."
        )
    return [Panel(_panel_label(by, codes), _cells(of_panel, is_fraction)) for codes, of_panel in groups]


def _averaged(dataset: xr.Dataset, table: pd.DataFrame, choice: Choice) -> list[str]:
    """Return the fields in which networks of one cell differ, the seed first."""
    chosen = [name for name in (choice.x, choice.y, *choice.by) if name is not None]
    varying = sorted(_varying(dataset, table), key=lambda name: name != "seed")
    return [name for name in varying if name not in chosen and not _follows(table, chosen, name)]


def shared_fields(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the value of each field that all networks have in common."""
    return {str(name): of.item() for name, of in dataset.coords.items() if of.ndim == 0}


def status_counts(dataset: xr.Dataset) -> dict[str, int]:
    """Return how many networks have finished, failed, are damaged, and are left."""
    status = dataset["status"].values.ravel()
    counts = {name: int((status == name).sum()) for name in ("finished", "damaged", "left")}
    failed = status.size - sum(counts.values())
    return {"finished": counts["finished"], "failed": failed, "damaged": counts["damaged"], "left": counts["left"]}


def _cells(rows: pd.DataFrame, is_fraction: bool) -> pd.DataFrame:
    grouped = rows.groupby(["x", "y"])
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
        # Without a spread the interval is the mean; SciPy has none of a scale of zero.
        scale = of["error"].where(of["error"] > 0, np.finfo(float).tiny)
        low[several], high[several] = scipy.stats.t.interval(LEVEL, of["shown"] - 1, loc=of["mean"], scale=scale)
    return cells.assign(low=low, high=high)


@functools.lru_cache(maxsize=1024)
def _interval_of_fraction(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval; SciPy takes a millisecond for each, and few differ."""
    found = scipy.stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def _varying(dataset: xr.Dataset, table: pd.DataFrame) -> list[str]:
    """Return the fields that have several values: those of the axes first."""
    names = dict.fromkeys([*map(str, dataset["status"].dims), *map(str, dataset.coords)])
    tables = {name.partition(".")[0] for name in names if "." in name}  # of options, which are fields one by one
    return [
        name
        for name in names
        if name not in (*_NOT_AXES, *tables) and name in table and table[name].nunique(dropna=False) > 1
    ]


def _follows(table: pd.DataFrame, chosen: Sequence[str], name: str) -> bool:
    """Tell whether a field has a single value wherever those that are chosen have one each."""
    if not chosen:
        return False
    return bool((table.groupby(list(chosen), dropna=False, sort=False)[name].nunique(dropna=False) <= 1).all())


def _levels(table: pd.DataFrame, name: str | None) -> Field:
    if name is None:
        return Field("", [None])
    values = table[name].unique().tolist()
    return Field(name, sorted(values) if all(_is_number(value) for value in values) else values)


def _codes(table: pd.DataFrame, field: Field) -> Int[np.ndarray, " network"]:
    """Return the place of each network's value among those of a field."""
    if not field.name:
        return np.zeros(len(table), int)
    return np.asarray(pd.Categorical(table[field.name].map(_hashable), map(_hashable, field.values)).codes, int)


def _hashable(value: Any) -> Any:
    """Return a value as a category: one that is missing, as `stop_at` may be, is none to pandas."""
    return "none" if value != value else value


def _panel_label(by: list[Field], codes: Any) -> str:
    codes = codes if isinstance(codes, tuple) else (codes,)
    words = []
    for field, code in zip(by, codes, strict=True):
        name = f"{field_symbol(field.name)} = " if field.needs_name else ""
        words.append(f"{name}{field.labels[code]}".replace(" ", "\N{NO-BREAK SPACE}"))  # a line ends between fields
    return ", ".join(words)


def field_symbol(name: str) -> str:
    """Return the paper's symbol of a field, or its name without the table that it is in."""
    symbols = {"lambda0": "$λ_0$", "sigma0": "$σ_0$", "rho": "ρ", "n_hidden": "N"}
    return symbols.get(name, name.rpartition(".")[2].replace("_", " "))


def _is_of_activity(dataset: xr.Dataset, measure: str) -> bool:
    """Return whether a measure says how a network remembers: by its attribute `measured_on`, or one of the paper's."""
    return dataset[measure].attrs.get("measured_on") == "activity" or measure.startswith(_OF_ACTIVITY)


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
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
