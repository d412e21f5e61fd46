"""Validated, immutable settings, and short messages for bad input."""

from __future__ import annotations

import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InputError, nearest
from .documented import HAS_PARAMETERS, default_of, in_words, with_fields

Own = TypeVar("Own", bound="Settings")

_OF_TYPE = {
    *(f"{kind}_{what}" for kind in ("int", "float", "bool") for what in ("parsing", "type")), "int_parsing_size",
    "int_from_float", "string_type", "dict_type", "mapping_type", "list_type", "tuple_type", "is_instance_of",
}  # fmt: skip
"""Pydantic's names for errors about the type of a value."""

MOST_WHOLE = 2**63
"""Whole numbers are smaller, so that files can hold them."""
SOLVED_BELOW = 0.5
"""A network has solved its task if its fractional loss in the test is smaller (Orhan & Ma 2019, Methods)."""


class Settings(BaseModel):
    """Base class of all settings: immutable and hashable, without unknown names or lossy conversions.

    Each field has a default (the paper's value), an allowed range and a description with units. The command line, the
    attributes of results, the error messages and the docstring's section on the fields are made from these.

    Raises
    ------
    InputError
        If a value is missing, unknown or out of range.

    Examples
    --------
    >>> from pydantic import Field
    >>> class Recording(Settings):
    ...     dt: float = Field(0.01, gt=0, description="Time step (s)")
    >>> Recording().replace(dt=0.02)
    Recording(dt=0.02)
    >>> Recording(dt=-1)
    Traceback (most recent call last):
        ...
    recurrent_memory.errors.InputError: `dt` = -1 is not allowed: must be greater than 0.
    `dt`: Time step (s). Default: 0.01.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Add the fields to the class's docstring, so that `help` explains them."""
        super().__pydantic_init_subclass__(**kwargs)
        own, inherited = cls.__dict__.get("__doc__"), [of.__doc__ for of in cls.__mro__[1:] if issubclass(of, Settings)]
        # A section that its author has written stays; one that is that of a base class may lack fields.
        if own is None or own in inherited or not HAS_PARAMETERS.search(own):
            cls.__doc__ = with_fields(own or inherited[0] or "", cls.model_fields)

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def __new__(cls: type[Own], /, *given: Any, **_: Any) -> Own:
        """Say how fields are given, if some are given without their names."""
        if given:
            field = next(iter(cls.model_fields), "name")
            raise InputError(
                f"{cls.__name__} takes fields by their names, as in {cls.__name__}({field}=…), got {given[0]!r}."
            )
        return super().__new__(cls)

    def __init__(self, /, **values: Any) -> None:  # a file may have a field `self`
        try:
            super().__init__(**{name: self._checked(name, _without_arrays(value)) for name, value in values.items()})
        except ValidationError as error:
            raise InputError(_explain(type(self), error)) from None

    @classmethod
    def _checked(cls, name: str, value: Any) -> Any:
        """Return a value that is no truth value in place of a number, which pydantic would take for 0 or 1."""
        field = cls.model_fields.get(name)
        if isinstance(value, bool) and field is not None and _is_number(field.annotation):
            about = f"\n`{name}`: {field.description.rstrip('.')}." if field.description else ""
            raise InputError(f"`{name}` = {value} is not allowed: must be a number, no truth value.{about}")
        return _of_file(name, value)

    def replace(self: Own, **changes: Any) -> Own:
        """Return a validated copy with some values changed.

        Parameters
        ----------
        **changes
            New values by name.

        Returns
        -------
        The copy.

        Raises
        ------
        InputError
            If a value is unknown or out of range.
        """
        return type(self)(**{**dict(self), **changes})


def _of_file(name: str, value: Any) -> Any:
    """Return a value whose whole numbers are no larger than a file can hold, or raise an InputError."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    for one in parts:
        if isinstance(one, int) and abs(one) >= MOST_WHOLE:
            raise InputError(f"`{name}` = {one} is not allowed: whole numbers must be smaller than 2^63.")
    return value


def _without_arrays(value: Any) -> Any:
    """Replace scalars of NumPy and JAX by Python's, in lists and dictionaries too: settings are stored as JSON."""
    if isinstance(value, dict):
        return {name: _without_arrays(of) for name, of in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_without_arrays, value))
    # Compare the name of the type's module: importing NumPy takes a moment, and most settings hold none of its scalars.
    is_array = type(value).__module__.partition(".")[0] in ("numpy", "jaxlib")
    if not is_array or getattr(value, "ndim", None) != 0:
        return value
    found = value.item()
    return float(found) if type(found).__name__ == "longdouble" else found  # which has no type of Python's


def _is_number(annotation: Any) -> bool:
    """Return whether a field's type admits numbers, and no truth values."""
    kinds = typing.get_args(annotation) or (annotation,)
    return {int, float} & set(kinds) != set() and bool not in kinds


def _misspelt_first(errors: Any) -> Any:
    """Return pydantic's errors with an unknown name before a missing one, which it may be a misspelling of."""
    return sorted(errors, key=lambda one: one["type"] == "missing")


def _explain(settings: type[Settings], error: ValidationError) -> str:
    """Turn the first of pydantic's errors into a message of at most four lines."""
    first, *others = _misspelt_first(error.errors(include_url=False))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return str(cause)
    name = str(first["loc"][0]) if first["loc"] else ""
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = settings.model_fields
        return (
            f"`{name}` is not a setting of {settings.__name__}.{nearest(name, known)} Its settings: {', '.join(known)}."
        )
    if first["type"] == "missing":
        return f"{settings.__name__} needs `{name}`: {settings.model_fields[name].description}"
    field = settings.model_fields.get(name)
    rule = rule_of(error, "" if field is None else in_words(field.annotation, field.metadata))
    if field is None:
        return rule
    lines = [f"`{place}` = {first['input']!r} is not allowed: {rule.rstrip('.')}."]
    if field.description:
        default = "" if field.is_required() else f" Default: {default_of(field)}."
        lines.append(f"`{name}`: {field.description.rstrip('.')}.{default}")
    if others:
        lines.append(f"({len(others)} more setting(s) are wrong as well.)")
    return "\n".join(lines)


def rule_of(error: ValidationError, allowed: str) -> str:
    """Return the rule that a value breaks, such as "must be greater than 0": that of pydantic's first error.

    Of a value of the wrong type, pydantic says how it failed to convert it; the values `allowed`, in words, say more.
    """
    first = _misspelt_first(error.errors(include_url=False))[0]
    if first["type"] == "path_type":
        return "must be a path, in quotes"
    if first["type"] in _OF_TYPE and allowed:
        return f"must be {allowed.replace(' | ', ' or ')}"
    return str(first["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
