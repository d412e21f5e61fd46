"""The contents of a report as JSON: numbers as base64, so that ten thousand networks stay small, and cleaned texts."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from ..figures.sweep_cells import OF_ACTIVITY
from ..runs.measures import MEASURES
from .contents import Contents, Curve, Detail
from .wording import analysed, text, units, units_by_task, wording

FIRST = ("task", "condition", "kind", "model", "n_hidden", "lambda0", "sigma0", "rho", "iterations", "seed")
"""Order of the fields; others follow."""
SYMBOLS = {"lambda0": "λ0", "sigma0": "σ0", "rho": "ρ", "n_hidden": "N"}
MOST_TEXTS = 65_535


def packed(contents: Contents) -> dict[str, Any]:
    """Return all that the page's script needs.

    Parameters
    ----------
    contents
        What the report shows.

    Returns
    -------
    Values of JSON's types; no number is NaN or infinite outside base64.

    Examples
    --------
    >>> table = pd.DataFrame({"task": ["de1", "comp"], "status": "finished", "fractional_loss": [0.3, 0.4]})
    >>> found = packed(Contents("made", "data", table, ("task",)))
    >>> [(column["name"], column["kind"]) for column in found["columns"]]
    [('status', 'status'), ('task', 'field'), ('fractional_loss', 'measure')]
    """
    table = contents.table
    fields = sorted(contents.fields, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    following = followers(table, fields)
    measures = [name for name in contents.measures if table[name].notna().any()]
    return {
        "n": len(table),
        "columns": [
            _levels("status", table["status"], "status", {}),
            *(
                _levels(name, table[name], "field", contents.about.get(name, {})) | {"follows": name in following}
                for name in fields
            ),
            *(_numbers(name, table[name], contents.about.get(name, {}), _tasks(table)) for name in measures),
            *(_levels(name, table[name], "fact", {}) for name in contents.facts),
        ],
        "shown": [name for name in _by_default() if name in measures],
        "identity": [text(of) for of in table["identity"]] if "identity" in table else [],
        "commands": [text(command, 2000) for command in contents.commands],
        "curves": [_curve(curve) for curve in contents.curves],
        "details": {str(row): _detail(of) for row, of in contents.details.items()},
        "failures": [
            {"i": of.network, "kind": text(of.kind), "reason": text(of.reason), "iteration": of.iteration}
            for of in contents.failures
        ],
        "analysis": None if contents.analysis is None else _analysis(contents.analysis),
        "effects": [
            {"n": of.n_hidden, "rows": [{name: _plain(value) for name, value in row.items()} for row in of.effects]}
            for of in contents.scores
        ],
    }


def followers(table: pd.DataFrame, fields: Sequence[str]) -> set[str]:
    """Return the fields that fields of words determine, as a condition does the penalty that belongs to it.

    Parameters
    ----------
    table
        One row for each network.
    fields
        Columns that are settings.

    Returns
    -------
    Names of fields that need not be shown beside the others.

    Examples
    --------
    >>> table = pd.DataFrame({"condition": ["basic", "tethered"], "readout_step": [-5, -10], "lambda0": [0.8, 0.9]})
    >>> followers(table, ["condition", "readout_step", "lambda0"])
    {'readout_step'}
    """
    varying = [name for name in fields if table[name].nunique(dropna=False) > 1]
    words = [name for name in varying if table[name].dtype.kind not in "fiub" and name != "file"]
    found: set[str] = set()
    chosen: list[str] = []
    for name in (*words, *(name for name in varying if name not in words and name not in FIRST)):
        if chosen and bool((table.groupby(chosen, dropna=False, sort=False)[name].nunique(dropna=False) <= 1).all()):
            found.add(name)
        elif name in words:
            chosen.append(name)
    return found


def encoded(values: Any, dtype: str) -> str:
    """Return an array as base64.

    Parameters
    ----------
    values
        The array.
    dtype
        NumPy's name of the type in the file, little-endian.

    Returns
    -------
    The text.

    Examples
    --------
    >>> encoded([1.0, 2.0], "<f4")
    'AACAPwAAAEA='
    """
    with np.errstate(over="ignore"):
        array: Shaped[np.ndarray, "..."] = np.asarray(values).astype(dtype)
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def label(value: Any) -> str:
    """Return a value of a field as it is shown.

    Parameters
    ----------
    value
        Number, truth value, text, or NaN for an empty field.

    Returns
    -------
    The text.

    Examples
    --------
    >>> label(0.1), label(100.0), label(float("nan")), label(True)
    ('0.1', '100', 'none', 'yes')
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "none"
    return f"{value:.12g}" if isinstance(value, float) else text(value)


def _by_default() -> list[str]:
    """Return the measures that the table shows unless others are chosen."""
    known = sorted((m.table, m.variable()) for m in MEASURES.values() if m.table is not None)
    return [name for _, name in known]


def _levels(name: str, column: pd.Series, kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Pack a column of few different values: the values, and which of them each network has."""
    codes, found = pd.factorize(column.astype(object).map(_hashable), use_na_sentinel=False)
    levels = [None if pd.isna(of) else of for of in found]
    known = [of for of in levels if of is not None]
    is_numeric = bool(known) and all(
        isinstance(of, int | float | np.number) and not isinstance(of, bool) for of in known
    )
    if is_numeric:
        order = sorted(range(len(levels)), key=lambda i: (levels[i] is None, levels[i] or 0))
        codes, levels = np.argsort(order)[codes], [levels[i] for i in order]
    return {
        "name": text(name),
        "label": SYMBOLS.get(name, text(name).replace("_", " ")),
        "title": text(about.get("long_name", "")),
        "kind": kind,
        "levels": [label(of) for of in levels],
        "numbers": [_plain(of) for of in levels] if is_numeric else None,
        "codes": encoded(codes, "<u2" if len(levels) <= MOST_TEXTS else "<u4"),
        "wide": len(levels) > MOST_TEXTS,
    }


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | np.number | None) else str(value)


def _tasks(table: pd.DataFrame) -> tuple[str, ...]:
    return tuple(map(str, table["task"].unique())) if "task" in table else ()


def _numbers(name: str, column: pd.Series, about: Mapping[str, Any], tasks: tuple[str, ...]) -> dict[str, Any]:
    words = wording(name, about)
    by_task = units_by_task(name, tasks) if not words.units else {}
    is_same = len({*by_task.values()}) == 1 and len(by_task) == len(tasks)
    return {
        "name": text(name),
        "label": words.label,
        "base": words.base,
        "variant": words.variant,
        "title": words.title,
        "units": next(iter(by_task.values())) if is_same else words.units,
        "unitsBy": {} if is_same else {text(task): of for task, of in by_task.items()},
        "kind": "measure",
        "truth": column.dtype.kind == "b" or name.startswith("solved"),
        "activity": about.get("measured_on") == "activity" or name.startswith(OF_ACTIVITY),
        "values": encoded(column.astype(np.float64), "<f4"),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "name": curve.name,
        "label": curve.label,
        "perBin": curve.per_bin,
        "x": encoded(curve.iteration, "<f4"),
        "y": encoded(curve.value, "<f4"),
        "bins": len(curve.iteration),
    }


def _detail(of: Detail) -> dict[str, Any]:
    return {
        "rows": encoded(np.round(255 * of.rows), "u1"),
        "n": len(of.rows),
        "time": [_plain(value) for value in of.time],
        "epochs": [[text(name, 40), start, stop] for name, start, stop in of.epochs],
        "readout": of.readout,
        "what": of.what,
        "active": of.n_active,
        "units": of.n_units,
        "perRow": of.per_row,
        "noProfile": text(of.no_profile),
        "noChance": text(of.no_chance),
        "profile": None
        if of.profile is None
        else {
            "x": [_plain(value) for value in of.profile.difference],
            "y": [_plain(value) for value in of.profile.mean],
            "e": [_plain(value) for value in of.profile.error],
            "forward": _plain(of.profile.forward),
        },
        "chance": None
        if of.by_chance is None
        else {
            "value": _plain(of.by_chance.value),
            "null": [_plain(value) for value in of.by_chance.surrogates],
            "name": text(of.by_chance.null),
            "p": _plain(of.by_chance.p),
            "trials": of.by_chance.trials,
        },
    }


def _analysis(frame: pd.DataFrame) -> dict[str, Any]:
    names: Sequence[str] = list(dict.fromkeys(map(str, frame["measure"])))
    columns = [name for name in ("value", "null_mean", "null_sd", "p", "p_resolution") if name in frame]
    networks = sorted(set(frame["network"].tolist()))
    whole = frame.drop_duplicates(["network", "measure"]).set_index(["network", "measure"])
    of_measure = frame.drop_duplicates("measure").set_index("measure")["units"] if "units" in frame else {}
    return {
        "measures": [{"name": text(analysed(name)), "units": units(of_measure.get(name, ""))} for name in names],
        "networks": networks,
        "columns": {
            name: encoded(whole[name].unstack("measure").reindex(index=networks, columns=names), "<f4")
            for name in columns
        },
    }


def _plain(value: Any) -> Any:
    """Return a number in JSON's types with seven digits, or None if it is not finite; a text cleaned."""
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    number = float(value)
    return (
        (int(number) if number.is_integer() and abs(number) < 2**53 else float(f"{number:.7g}"))
        if math.isfinite(number)
        else None
    )
