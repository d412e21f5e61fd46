"""The options of a model: which there are, what they may be, and what they mean.

They are read off the cell: a further argument of ``initialize``, or a static field that ``initialize`` passes on, is an
option. A bare annotation such as ``leak: float = 0.5`` is enough; limits and a description come with
``Annotated[float, Field(gt=0, le=1, description="…")]``, as in all settings.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..errors import InputError

REQUIRED = inspect.Parameter.empty
"""The default of an option that has none."""

_NOT_OPTIONS = ("key", "n_inputs", "n_hidden", "lambda0", "sigma0")
"""What `initialize` gets from the experiment itself."""

_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a model.

    Examples
    --------
    >>> Option("leak", float, 0.5).validated("0.25")
    0.25
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
    def description(self) -> str:
        """What it means; empty if the cell does not say."""
        return next((field.description for field in self._fields() if field.description), "")

    @property
    def allowed(self) -> str:
        """The values it may have, in words."""
        plain = typing.get_args(self.kind)[0] if typing.get_origin(self.kind) is typing.Annotated else self.kind
        rules = [rule for field in self._fields() for rule in field.metadata]
        limits = [
            f"{sign} {getattr(rule, name)}" for rule in rules for name, sign in _SIGNS.items() if hasattr(rule, name)
        ]
        words = _in_words(plain)
        # Limits are those of a number, before what else there may be: "a number > 0, or none".
        number, _, other = words.partition(", or ")
        return " ".join([number, *([" and ".join(limits)] if limits else [])]) + (f", or {other}" if other else "")

    def validated(self, value: Any) -> Any:
        """Return a value in the option's type, such as 1.0 for 1.

        Raises
        ------
        InputError
            If it is not allowed; the message says what is.
        """
        try:
            return TypeAdapter(self.kind, config=ConfigDict(allow_inf_nan=False)).validate_python(value)
        except ValidationError as error:
            rule = error.errors(include_url=False)[0]["msg"].replace("Input should be", "must be")
            lines = [f"`model_options.{self.name}` = {value!r} is not allowed: {rule}."]
            if self.description:
                default = "" if self.is_required else f" Default: {self.default}."
                lines.append(f"`{self.name}`: {self.description} ({self.allowed}).{default}")
            raise InputError("\n".join(lines)) from None

    def _fields(self) -> list[FieldInfo]:
        return [extra for extra in typing.get_args(self.kind)[1:] if isinstance(extra, FieldInfo)]


def options_of(cell: type) -> dict[str, Option]:
    """Return the options of a cell by name, in the order in which it defines them.

    Parameters
    ----------
    cell
        A class with a method ``initialize``.

    Returns
    -------
    Further arguments of ``initialize``; if that takes ``**options``, the static fields of the class as well.
    """
    parameters = inspect.signature(cell.initialize).parameters.values()  # type: ignore[attr-defined]
    function = inspect.unwrap(cell.initialize.__func__)  # type: ignore[attr-defined]
    found = [
        Option(p.name, _resolved(p.annotation, function.__module__), p.default)
        for p in parameters
        if p.name not in _NOT_OPTIONS and p.kind is not p.VAR_KEYWORD
    ]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        for field in dataclasses.fields(cell):
            if field.metadata.get("static"):
                home = next(c for c in cell.__mro__ if field.name in vars(c).get("__annotations__", {}))
                default = REQUIRED if field.default is dataclasses.MISSING else field.default
                found.append(Option(field.name, _resolved(field.type, home.__module__), default))
    return {option.name: option for option in found}


def validated(model: str, known: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a model as it takes them.

    Parameters
    ----------
    model
        Name of the model, for messages.
    known
        Its options by name.
    given
        Values by name.

    Returns
    -------
    The given options alone, each in its type.

    Raises
    ------
    InputError
        If an option is unknown, missing or not allowed.
    """
    for name in given:
        if name not in known:
            raise InputError(f"model {model!r} has no option {name!r}. Its options: {', '.join(known) or 'none'}.")
    for option in known.values():
        if option.is_required and option.name not in given:
            raise InputError(f"model {model!r} needs the option {option.name!r} ({option.allowed}).")
    return {name: known[name].validated(value) for name, value in given.items()}


def _resolved(annotation: Any, module: str) -> Any:
    """Return the type that an annotation stands for; Any if it cannot be found, as for a name inside a function."""
    if annotation is REQUIRED:
        return Any
    holder = types.SimpleNamespace(__annotations__={"option": annotation})
    try:
        return typing.get_type_hints(holder, vars(sys.modules[module]), include_extras=True)["option"]
    except (NameError, KeyError, TypeError, SyntaxError):
        return Any


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return ", or ".join(_in_words(part) for part in typing.get_args(kind))
    words = {float: "a number", int: "a whole number", bool: "true | false", str: "a word", type(None): "none"}
    return words.get(kind, "anything" if kind is Any else getattr(kind, "__name__", str(kind)))
