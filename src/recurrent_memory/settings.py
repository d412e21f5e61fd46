"""Validated, frozen settings, and the one short message that bad input gets."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import InputError

Own = TypeVar("Own", bound="Settings")


class Settings(BaseModel):
    """Base of everything a user can set: immutable, hashable, no unknown names, converted only where nothing is lost.

    Every field states its default (the paper's value), its allowed range and a description with units; the
    command line, the stored attributes and the error messages are made from these.

    Raises
    ------
    InputError
        Where a value is missing, unknown or out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**{name: _without_numpy(value) for name, value in values.items()})
        except ValidationError as error:
            raise InputError(_explain(type(self), error)) from None

    def replace(self: Own, **changes: Any) -> Own:
        """Return a copy with some values changed, validated anew."""
        return type(self)(**{**dict(self), **changes})


def _without_numpy(value: Any) -> Any:
    """Return Python's own number for each of NumPy's, in dictionaries too, so that settings can be stored as JSON."""
    if isinstance(value, dict):
        return {name: _without_numpy(of) for name, of in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_without_numpy, value))
    # By its module: NumPy takes a moment to import, and whoever has such a number has imported it.
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 else value


def _explain(settings: type[Settings], error: ValidationError) -> str:
    """Turn the first of pydantic's complaints into a message of at most four lines."""
    first, *others = error.errors(include_url=False)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return str(cause)
    name = str(first["loc"][0]) if first["loc"] else ""
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"`{name}` is not a setting of {settings.__name__}. Its settings: {', '.join(settings.model_fields)}."
    if first["type"] == "missing":
        return f"{settings.__name__} needs `{name}`: {settings.model_fields[name].description}"
    rule = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    rule = "must be a path, in quotes" if first["type"] == "path_type" else rule.replace("valid tuple", "list")
    if name not in settings.model_fields:
        return rule
    field = settings.model_fields[name]
    lines = [f"`{place}` = {first['input']!r} is not allowed: {rule.rstrip('.')}."]
    if field.description:
        default = str(field.default) if isinstance(field.default, PurePath) else repr(field.default)
        default = "" if field.is_required() else f" Default: {default}."
        lines.append(f"`{name}`: {field.description.rstrip('.')}.{default}")
    if others:
        lines.append(f"({len(others)} more setting(s) are wrong as well.)")
    return "\n".join(lines)
