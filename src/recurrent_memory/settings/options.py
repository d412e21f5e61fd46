"""The options of a registered function or class: their names, types, limits and meanings, read off its signature.

A bare annotation such as ``leak: float = 0.5`` is enough; limits and a description come with
``Annotated[float, Field(gt=0, le=1, description="…")]``, as in all settings.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..errors import InputError
from .base import rule_of
from .documented import PLAIN, in_words

REQUIRED = inspect.Parameter.empty
"""The default of an option that has none."""


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a registered function or class: its name, type, limits and meaning.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import Field
    >>> leak = Option("leak", Annotated[float, Field(gt=0, le=1, description="Share of the new state")], 0.5)
    >>> leak.allowed, leak.description
    ('a number > 0 and ≤ 1', 'Share of the new state')
    """

    name: str
    kind: Any
    """Type, with its limits and description if it is ``Annotated``."""
    default: Any = REQUIRED

    @property
    def is_required(self) -> bool:
        """Whether an experiment has to give it."""
        return self.default is REQUIRED

    @property
    def is_plain(self) -> bool:
        """Whether its values are numbers, truth values or words, in contrast to a mask or a dtype."""
        return _is_plain(self.kind)

    @property
    def description(self) -> str:
        """What the option means; empty if its type does not say."""
        return next((field.description for field in self._fields if field.description), "")

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        plain = typing.get_args(self.kind)[0] if typing.get_origin(self.kind) is typing.Annotated else self.kind
        return in_words(plain, [rule for field in self._fields for rule in field.metadata])

    @property
    def _fields(self) -> list[FieldInfo]:
        return [extra for extra in typing.get_args(self.kind)[1:] if isinstance(extra, FieldInfo)]

    @functools.cached_property
    def _validate(self) -> Callable[[Any], Any]:
        return TypeAdapter(self.kind, config=ConfigDict(allow_inf_nan=False)).validate_python


def option(name: str, annotation: Any, default: Any, names: dict[str, Any]) -> Option:
    """Make an option of what stands in a signature or below a class.

    Parameters
    ----------
    name, annotation, default
        As they stand there; an annotation may be a text.
    names
        What the names in such a text mean.

    Returns
    -------
    The option. Its type is that of its default if the annotation is missing or cannot be read, and a number if the
    annotation also admits arrays.

    Examples
    --------
    >>> option("leak", "float", 0.5, {}).kind, option("leak", "Unknown", 0.5, {}).kind
    (<class 'float'>, <class 'float'>)
    """
    kind = _resolved(annotation, names)
    if not _is_plain(kind):
        takes_numbers = float in typing.get_args(kind)
        if isinstance(default, bool):
            kind = bool
        elif takes_numbers:
            kind = float | None if default is None else float
        elif isinstance(default, int | float):
            kind = float if isinstance(default, float) else int | float
    return Option(name, kind, default)


def options_of(function: Callable[..., Any], without: Collection[str] = ()) -> dict[str, Option]:
    """Return the options of a function by name: its parameters.

    Parameters
    ----------
    function
        The function.
    without
        Names of parameters that are no options.

    Returns
    -------
    Options, in the order of the parameters.

    Examples
    --------
    >>> def scaled(x, factor: float = 1.0, **others): ...
    >>> list(options_of(scaled, without=["x"]))
    ['factor']
    """
    names = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__globals__", {})
    return {
        p.name: option(p.name, p.annotation, p.default, names)
        for p in inspect.signature(function).parameters.values()
        if p.name not in without and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


@functools.lru_cache(maxsize=256)
def plain_options_of(function: Callable[..., Any]) -> Mapping[str, Option]:
    """Return the options of a function by name: its plain parameters after the first.

    Parameters
    ----------
    function
        The function, for example of the learning rate and of options.

    Returns
    -------
    Those parameters that are numbers, truth values or words.

    Examples
    --------
    >>> def scaled(x, factor: float = 1.0, mask=None): ...
    >>> list(plain_options_of(scaled))
    ['factor']
    """
    _, *others = options_of(function).items()
    return {name: option for name, option in others if option.is_plain}


def checked_options(
    of: str,
    known: Mapping[str, Option],
    given: Mapping[str, Any],
    *,
    place: str = "{name}",
    unknown: str = "`{name}` is not a setting of {of}. Its settings: {known}.",
    missing: str = "{of} needs `{name}`: {about}.",
) -> dict[str, Any]:
    """Return options, each converted to its type, such as 1.0 for 1.

    Parameters
    ----------
    of
        What messages call the function or class, such as "the optimizer sgd".
    known
        Its options by name.
    given
        Values by name.
    place, unknown, missing
        How messages name an option, and what they say of one that does not exist or is not given.

    Returns
    -------
    The given options; those that are left out keep their defaults.

    Raises
    ------
    InputError
        If an option is unknown, missing or not allowed.

    Examples
    --------
    >>> checked_options("it", {"factor": Option("factor", float, 1.0)}, {"factor": "2"})
    {'factor': 2.0}
    """
    about = {o.name: f"{o.description or f'Option of {of}'} ({o.allowed})" for o in known.values()}
    for name in given:
        if name not in known:
            raise InputError(unknown.format(name=name, of=of, known=", ".join(known) or "none"))
    for name, one in known.items():
        if one.is_required and name not in given:
            raise InputError(missing.format(name=name, of=of, about=about[name]))
    checked = {}
    for name, value in given.items():
        try:
            checked[name] = known[name]._validate(value)
        except ValidationError as error:
            default = "" if known[name].is_required else f" Default: {known[name].default}."
            raise InputError(
                f"`{place.format(name=name)}` = {value!r} is not allowed: {rule_of(error, known[name].allowed)}.\n"
                f"`{name}`: {about[name]}.{default}"
            ) from None
    return checked


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """Return the type that an annotation names; Any if it cannot be resolved, such as a name local to a function."""
    if annotation is REQUIRED:
        return Any
    holder = types.SimpleNamespace(__annotations__={"option": annotation})
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["option"]
    except (NameError, TypeError, SyntaxError, AttributeError):
        return Any


def _is_plain(kind: Any) -> bool:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return all(map(_is_plain, typing.get_args(kind)))
    return typing.get_origin(kind) in (typing.Annotated, typing.Literal) or kind in PLAIN
