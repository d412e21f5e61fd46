"""The fields of an experiment as a sweep names them, and the one spelling that each of their values has."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from ... import tasks
from ...errors import InputError, suggestion
from ...experiment import FOLLOWING, Experiment, split_condition
from ...networks import find_model
from ...registry import Registry
from ...training import OPTIMIZERS, SCHEDULES
from .source import OPTIONS, Source

FIELDS = tuple(name for name in Experiment.model_fields if name not in FOLLOWING)
"""The fields of an experiment that a sweep can give."""


def is_field(name: str) -> bool:
    """Tell whether a sweep can give a name values: a field of an experiment, or a setting of its task or model."""
    table, dot, setting = name.partition(".")
    return table in OPTIONS and setting.isidentifier() if dot else name in FIELDS


def check_name(name: str) -> None:
    """Refuse a name that is no field.

    Raises
    ------
    InputError
        With the names that might be meant.
    """
    if not is_field(name):
        raise InputError(f"{name!r} is not a field of an experiment.{suggestion(name, FIELDS)}")


def check_first(name: str, earlier: Mapping[str, Any], source: Source) -> None:
    """Refuse a field that has been given before.

    Raises
    ------
    InputError
        With the lines of both, where there are lines.
    """
    if name not in earlier:
        return
    lines = source.lines(name)
    place = f"{source.path}, line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}: " if lines else ""
    raise InputError(f"{place}`{name}` is given in two places: keep one of them.")


def spelled(name: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return values of a field as an experiment would have them, each checked by itself.

    Raises
    ------
    InputError
        Where the field is unknown or a value is not allowed.
    """
    check_name(name)
    if "." in name:
        return tuple(_fixed(name, value) for value in values)  # the rest only task or model can check
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
    Experiment(task="de1", **{name: wrong})  # which says what is wrong with it
    raise InputError(f"`{name}` = {wrong!r} is not allowed.")


def _fixed(name: str, value: Any) -> Any:
    """Return a setting in a form that can be compared and looked up: lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(_fixed(name, item) for item in value)
    if isinstance(value, dict):
        raise InputError(f"`{name}` = {value!r} is not allowed: a setting is a number, a text, or a list of those.")
    return value


@functools.cache
def _checker(name: str) -> Callable[[list[Any]], list[Any]]:
    field = Experiment.model_fields[name]
    kind: Any = Annotated[field.annotation, field.description, *field.metadata]
    return TypeAdapter(list[kind], config=Experiment.model_config).validate_python


def _task(given: Any) -> str:
    return tasks.find(_name("task", given)).name


def _model(given: Any) -> str:
    return find_model(_name("model", given))


def _variant(field: str, variants: Registry[Any], given: Any) -> str:
    return str(variants.name_of(variants.find(_name(field, given))))


def _name(field: str, given: Any) -> str | int:
    if isinstance(given, str | int):
        return given
    raise InputError(f"`{field}` = {given!r} is not allowed: give a name, in quotes.")


def _curriculum(given: Any) -> tuple[str, ...]:
    words = given.split(",") if isinstance(given, str) else given
    if not isinstance(words, list | tuple):
        raise InputError(f'`curriculum` = {given!r} is not allowed: name tasks in order, as in ["cd1", "2afc"].')
    return tuple(map(_task, words))


def _condition(given: Any) -> str:
    of_task, own = split_condition(given)
    return "+".join((*of_task, *own)) or "basic"


_SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "task": _task,
    "model": _model,
    "condition": _condition,
    "curriculum": _curriculum,
    "optimizer": functools.partial(_variant, "optimizer", OPTIMIZERS),
    "learning_rate_schedule": functools.partial(_variant, "learning_rate_schedule", SCHEDULES),
}
"""Fields with several spellings of one value."""
