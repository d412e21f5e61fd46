"""Options of a registered function: its parameters after the first, checked as all settings are."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, create_model

from ..settings import Settings


def checked_options(
    function: Callable[..., Any], title: str, options: dict[str, Any], *, base: type[Settings] = Settings
) -> dict[str, Any]:
    """Return options of a function, each converted to its type.

    Parameters
    ----------
    function
        The function; its options are the parameters after its first that are numbers or truth values.
    title
        What to call it in messages.
    options
        Values by name; those that are left out keep their defaults.
    base
        Settings that are options too.

    Raises
    ------
    InputError
        If there is no such option, or a value is not allowed.

    Examples
    --------
    >>> def scaled(x, factor: Annotated[float, Field(gt=0)] = 1.0): ...
    >>> checked_options(scaled, "scaled", {"factor": 2})
    {'factor': 2.0}
    """
    return _settings_of(function, title, base)(**options).model_dump(exclude_unset=True)


@functools.lru_cache(maxsize=256)
def _settings_of(function: Callable[..., Any], title: str, base: type[Settings]) -> type[Settings]:
    try:
        _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
    except NameError:  # an annotation names what is imported for type checkers alone
        _, *parameters = inspect.signature(function).parameters.values()
    fields: dict[str, Any] = {}
    for parameter in parameters:
        kind = _kind(parameter)
        if kind is not None:
            required = parameter.default is parameter.empty
            described = kind if _is_annotated(kind) else Annotated[kind, Field(description=f"Option of {title}")]
            fields[parameter.name] = (described, ... if required else parameter.default)
    return create_model(title, __base__=base, **fields)


def _kind(parameter: inspect.Parameter) -> Any:
    """Return the type of an option; None for a parameter that is none, such as a mask or a type of arrays."""
    hint, default = parameter.annotation, parameter.default
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return None
    if _is_annotated(hint) or hint in (bool, int, float):
        return hint
    if isinstance(default, bool):
        return bool
    takes_numbers = float in typing.get_args(hint)
    if isinstance(default, int | float) or (takes_numbers and default is parameter.empty):
        return float
    return float | None if takes_numbers else None


def _is_annotated(hint: Any) -> bool:
    return typing.get_origin(hint) is Annotated
