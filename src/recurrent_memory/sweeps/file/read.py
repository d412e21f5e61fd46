"""Reading a sweep's file, and the values that override it."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import InputError, suggestion
from ...storage.paths import expanded
from ...storage.reading import is_deep
from .axes import values_of
from .fields import check_first, check_name, is_field
from .source import MOST_LEVELS, Source, flat, store_of
from .sweep import Sweep

_NAMES = ("store", "save", "experiment", "axes", "zip", "exclude", "import")


def load(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    imports: Sequence[str | os.PathLike[str]] = (),
    *,
    is_copy: bool = False,
) -> Sweep:
    """Read a sweep's file.

    Parameters
    ----------
    path
        The TOML file.
    overrides
        Values that all networks share instead of those in the file, such as ``lambda0=0.9``.
    imports
        Python files to import besides those that the file names.
    is_copy
        Whether the file is a copy in another folder; then only ``imports`` are imported.

    Returns
    -------
    The sweep.

    Raises
    ------
    InputError
        If the file cannot be read or does not describe a sweep; the message names the line and what is allowed.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("sweep.toml").write_text("experiment.task = 'de1'\\naxes.seed = { range = [0, 3] }")
    >>> load("sweep.toml", ["lambda0=0.9"]).values["seed"]
    (0, 1, 2)
    """
    path = expanded(path)
    source = Source.read(path)
    content = source.content()
    _check_tables(content, source)
    given = dict(itertools.chain(*map(_override, overrides)))
    files = source.files({} if is_copy else content, map(expanded, imports))
    source = source._replace(overrides={name: words for name, (words, _) in given.items()}, imports=files)
    for file in files:
        file.load()
    values: dict[str, Any] = {"source": source}
    for name in ("store", "save"):
        if name in content:
            with source.at(name):
                Sweep(**{name: content[name]})  # by itself, so that an error names its line
            values[name] = content[name]
    with source.at("store"):
        values["store"] = store_of(path, values)
    experiment = _once(content.get("experiment", {}), source)
    values["experiment"] = experiment | {name: value for name, (_, value) in given.items()}
    values["axes"] = tuple(_axes(content, given, source))
    values["exclude"] = tuple(table["where"] for table in content.get("exclude", []))
    if not {"task", "curriculum"} & {*values["experiment"], *itertools.chain(*values["axes"])}:
        raise InputError(f'{path} gives no task: write task = "de1" below [experiment], or several below [axes].')
    return Sweep(**values)


def _check_tables(content: Mapping[str, Any], source: Source) -> None:
    """Raise an error for unknown names, and for values that should be tables."""
    for name, value in content.items():
        with source.at(name):
            if name not in _NAMES:
                below = "; it belongs below [experiment] or [axes]" if is_field(name) else ""
                raise InputError(f"`{name}` is unknown here{below}.{suggestion(name, _NAMES)}")
            if name in ("experiment", "axes") and not isinstance(value, dict):
                raise InputError(f"`{name}` must be a table: write [{name}] and its fields below.")
            if name in ("zip", "exclude") and not (
                isinstance(value, list) and all(isinstance(table, dict) for table in value)
            ):
                raise InputError(f"`{name}` must be a list of tables: write [[{name}]] in double brackets.")
    for number, table in enumerate(content.get("exclude", [])):
        for name in table:
            if name != "where":
                with source.at(name, 0, "exclude"):
                    raise InputError(f'`{name}` is unknown in [[exclude]]: write where = "{name} == …".')
        with source.at("where", number, "exclude"):
            if not isinstance(table.get("where"), str):
                raise InputError("An [[exclude]] needs `where`, a text such as \"task == 'comp' and lambda0 > 0.95\".")


def _axes(content: Mapping[str, Any], overridden: Iterable[str], source: Source) -> Iterable[dict[str, list[Any]]]:
    """Yield the axes and zips in the order of the file, without axes that are overridden."""
    for kind, part in content.items():
        if kind == "axes":
            for name, spec in _once(part, source).items():
                if name not in overridden:
                    yield {name: _values(name, spec, source)}
        for table in part if kind == "zip" else []:
            axis = {}
            for name, spec in _once(table, source).items():
                if name in overridden:
                    with source.at(name):
                        raise InputError(
                            f"`{name}` is in a zip ({source._replace(overrides={}).place(name)}), whose values go "
                            "together: change it there."
                        )
                axis[name] = _values(name, spec, source)
            if not axis:
                raise InputError(f"{source.path}: a [[zip]] without fields is not allowed: leave it out.")
            yield axis


def _values(name: str, spec: Any, source: Source) -> list[Any]:
    with source.at(name):
        check_name(name)
        return values_of(name, spec)


def _once(table: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return a table with dotted names for settings; a name that occurs twice is an error."""
    found: dict[str, Any] = {}
    for name, value in flat(table):
        check_first(name, found, source)
        found[name] = value
    return found


def _override(words: str) -> list[tuple[str, tuple[str, Any]]]:
    """Return field, words and value of each setting in an override; a value that is not TOML is text."""
    name, sign, text = (part.strip() for part in words.partition("="))
    if not (name and sign and text):
        raise InputError(f"{words!r} is not FIELD=VALUE: write for example lambda0=0.9.")
    try:
        content = tomllib.loads(f"value = {text}")
        repr(content)
        if is_deep(content, MOST_LEVELS):
            content = {}
    except (ValueError, RecursionError):
        content = {}
    value = content["value"] if len(content) == 1 else text
    return [(field, (words, of_field)) for field, of_field in flat({name: value})]
