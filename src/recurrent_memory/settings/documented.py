"""The fields of settings in words: the allowed values, and the section of a docstring that lists them all."""

from __future__ import annotations

import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pydantic.fields import FieldInfo

PLAIN = {float: "a number", int: "a whole number", bool: "true | false", str: "a word", types.NoneType: "none"}
"""Types of numbers, truth values and words, in words."""
WIDTH = 100
"""Longest line of a description."""
_CONTAINERS = {dict: "a dictionary", tuple: "a list", list: "a list"}
_SEVERAL = {float: "numbers", int: "whole numbers", str: "words"}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_SECTION = re.compile(r"^(?=[A-Z][A-Za-z ]*\n-{3,}$)", re.MULTILINE)
HAS_PARAMETERS = re.compile(r"^\s*Parameters\n\s*-{3,}$", re.MULTILINE)
"""Found in a docstring that lists its parameters already."""
_PARAMETERS = "Parameters\n----------\n"


def in_words(kind: Any, rules: Iterable[Any] = ()) -> str:
    """Return the values that a type and its limits allow.

    Parameters
    ----------
    kind
        The type.
    rules
        Its limits, as pydantic keeps them.

    Returns
    -------
    The values in words.

    Examples
    --------
    >>> from annotated_types import Gt
    >>> in_words(float | None, [Gt(0)])
    'a number > 0, or none'
    """
    limits = [f"{sign} {getattr(rule, of)}" for rule in rules for of, sign in _SIGNS.items() if hasattr(rule, of)]
    # Limits belong to the number and come before any alternative: "a number > 0, or none".
    number, _, other = _type_in_words(kind).partition(", or ")
    return " ".join([number, *([" and ".join(limits)] if limits else [])]) + (f", or {other}" if other else "")


def with_fields(doc: str, fields: Mapping[str, FieldInfo]) -> str:
    """Return a class's docstring with a section on all fields: what they mean, what they allow, their defaults.

    Parameters
    ----------
    doc
        The docstring; such a section that it has already, as from a base class, is replaced.
    fields
        The fields by name.

    Returns
    -------
    The docstring.

    Examples
    --------
    >>> step = FieldInfo(annotation=float, default=0.01, description="Time step (s)")
    >>> with_fields("A recording.", {"dt": step}).splitlines()[-2:]
    ['dt : a number, default 0.01', '    Time step (s).']
    """
    before, *sections = _SECTION.split(inspect.cleandoc(doc))
    own = _PARAMETERS + "\n".join(_described(name, field) for name, field in fields.items()) + "\n"
    rest = [section for section in sections if not section.startswith(_PARAMETERS)]
    return "\n".join([f"{before.rstrip()}\n", *([own] if fields else []), "".join(rest)]).strip()


def default_of(field: FieldInfo) -> str:
    """Return the default of a field as text."""
    return str(field.default) if isinstance(field.default, PurePath) else repr(field.default)


def _described(name: str, field: FieldInfo) -> str:
    default = "" if field.is_required() else f", default {default_of(field)}"
    line = f"{name} : {in_words(field.annotation, field.metadata)}{default}"
    if not field.description:
        return line
    about = f"{field.description.rstrip('.')}."
    return f"{line}\n{textwrap.fill(about, WIDTH, initial_indent='    ', subsequent_indent='    ')}"


def _type_in_words(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " | ".join(map(str, parts))
    if origin in (types.UnionType, typing.Union):
        return ", or ".join(_type_in_words(part) for part in parts if not (part is int and float in parts))
    if origin in _CONTAINERS:
        several = _SEVERAL.get(parts[0]) if parts and origin is not dict else None
        return _CONTAINERS[origin] + (f" of {several}" if several else "")
    return PLAIN.get(kind, "anything" if kind is Any else getattr(kind, "__name__", str(kind)))
