"""The fields of an experiment by the names that a sweep uses, and the one spelling of each of their values."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError

from ...errors import InputError, suggestion
from ...experiment import FOLLOWING, VARIANTS, Experiment, split_condition, variants
from .source import OPTIONS, Source

FIELDS = tuple(name for name in Experiment.model_fields if name not in FOLLOWING)
"""The fields of an experiment that a sweep can set."""
LISTS = tuple(name for name in FIELDS if get_origin(Experiment.model_fields[name].annotation) is tuple)
"""Those whose value is a list, such as a curriculum."""


def is_field(name: str) -> bool:
    """Return whether a sweep can set this name: a field of an experiment, or one of its table of options."""
    table, dot, setting = name.partition(".")
    return table in OPTIONS and setting.isidentifier() if dot else name in FIELDS


def check_name(name: str) -> None:
    """Raise an error for a name that is not a field.

    Raises
    ------
    InputError
        If it is not; the message lists similar names.
    """
    if not is_field(name):
        raise InputError(f"{name!r} is not a field of an experiment.{suggestion(name, FIELDS)}")


def check_first(name: str, earlier: Mapping[str, Any], source: Source) -> None:
    """Raise an error for a field that is given twice.

    Raises
    ------
    InputError
        If it is; the message has both lines, if the sweep comes from a file.
    """
    if name not in earlier:
        return
    lines = source.lines(name)
    place = f"{source.path}, line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}: " if lines else ""
    raise InputError(f"{place}`{name}` is given in two places: keep one of them.")


def spelled(name: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return values of a field as an experiment would store them, each checked by itself.

    Raises
    ------
    InputError
        If the field is unknown or a value is not allowed.
    """
    check_name(name)
    if "." in name:
        return tuple(_fixed(name, value) for value in values)  # only the task or the model can check the rest
    if name in OPTIONS:
        raise InputError(
            f'`{name}` = {reprlib.repr(values)} is not allowed: write "{name}.SETTING" = … for each setting.'
        )
    if name in _SPELLINGS:
        return tuple(map(_SPELLINGS[name], values))
    try:
        return tuple(_checker(name)(list(values)))
    except ValidationError as error:
        wrong = values[int(error.errors()[0]["loc"][0])]
    Experiment(task="de1", **{name: wrong})  # raises an error that explains what is wrong
    raise InputError(f"`{name}` = {wrong!r} is not allowed.")


def _fixed(name: str, value: Any) -> Any:
    """Return a setting in a hashable form: lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(_fixed(name, item) for item in value)
    if isinstance(value, dict):
        raise InputError(f"`{name}` = {value!r} is not allowed: a setting is a number, a text, or a list of these.")
    return value


@functools.cache
def _checker(name: str) -> Callable[[list[Any]], list[Any]]:
    field = Experiment.model_fields[name]
    kind: Any = Annotated[field.annotation, field.description, *field.metadata]
    return TypeAdapter(list[kind], config=Experiment.model_config).validate_python


def _variant(field: str, given: Any) -> str:
    return variants(field).spelled(_name(field, given))


def _name(field: str, given: Any) -> str | int:
    if isinstance(given, str | int):
        return given
    raise InputError(f"`{field}` = {given!r} is not allowed: give a name, in quotes.")


def _curriculum(given: Any) -> tuple[str, ...]:
    words = given.split(",") if isinstance(given, str) else given
    if not isinstance(words, list | tuple):
        raise InputError(f'`curriculum` = {given!r} is not allowed: name tasks in order, as in ["cd1", "2afc"].')
    return tuple(_variant("task", word) for word in words)


def _condition(given: Any) -> str:
    of_task, own = split_condition(given)
    return "+".join((*of_task, *own)) or "basic"


_SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "condition": _condition,
    "curriculum": _curriculum,
    **{field: functools.partial(_variant, field) for field in VARIANTS},
}
"""Fields with several spellings of one value."""
