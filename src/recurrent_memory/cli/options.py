"""Command-line options made from the fields of a settings class, so that each default is written only once."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import click.shell_completion
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from ..errors import InputError
from ..settings import Settings
from .paths import PATH

Command = Callable[..., None]

MOST_NETWORKS = 100_000
"""Largest number of networks in one call, and so of values that one option may have."""

formats_option = click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "svg", "pdf"]),
    default=["png"],
    show_default=True,
    help="Format of the pictures; may be repeated",
)
"""The option of every command that draws pictures."""


IMPORT_HELP = "Python file with tasks, cells or other code of your own; may be repeated"
IMPORT: dict[str, Any] = {"multiple": True, "metavar": "FILE.py", "type": PATH}


def _import(ctx: click.Context, parameter: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    from ..own_code import import_file

    for path in () if ctx.resilient_parsing else paths:  # tab completion must not run the user's files
        import_file(path)
    return paths


import_option = click.option(
    "--import", "imports", **IMPORT, help=IMPORT_HELP, is_eager=True, expose_value=False, callback=_import
)
"""The option of commands that take no sweep file. Eager: the other options may name what the files register."""
import_values_option = click.option("--import", "imports", **IMPORT, help=IMPORT_HELP, is_eager=True, callback=_import)
"""The same for a command that may be given a sweep file, and needs the paths."""

_SIGNS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}


def options_from(
    settings: type[Settings], *, required: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """Return a decorator that adds one option for each field of a settings class.

    An option that the user leaves out is None, so that a preset can supply it. The settings class checks the values,
    so that the command line and Python have the same rules and the same messages.

    Parameters
    ----------
    settings
        The settings class.
    required
        Names of fields whose options must be given.
    without
        Names of fields that get no option.

    Returns
    -------
    The decorator.
    """

    def decorate(command: Command) -> Command:
        for name, field in reversed(settings.model_fields.items()):
            if name not in without:
                command = _option(name, field, name in required)(command)
        return command

    return decorate


def _option(name: str, field: FieldInfo, required: bool) -> Callable[[Command], Command]:
    flag = "--" + name.replace("_", "-")
    help_text = _help(field)
    kind = _kind(field.annotation)
    if kind is dict:
        # Each use sets one value, so the flag is in the singular: `--task-option delay_dur=50`.
        return click.option(
            flag.removesuffix("s"), name, multiple=True, metavar="NAME=VALUE", help=help_text, callback=_pairs
        )
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=help_text)
    metavar = "N,N,…" if field.annotation == tuple[int, ...] else _metavar(kind)
    if name in ("task", "model", "condition", "optimizer", "learning_rate_schedule"):
        kind = _Named(name)
    elif kind in (int, float):
        kind = Numbers(kind)
    return click.option(flag, name, type=kind, default=None, required=required, help=help_text, metavar=metavar)


class _Named(click.types.StringParamType):
    """A name, such as that of a task or a model: any word is accepted here, and tab completion offers known names."""

    def __init__(self, name: str) -> None:
        self.name = name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        # Imported here, because these modules import JAX, which takes a second.
        from .. import networks, tasks, training
        from ..experiment import OWN_CONDITIONS

        known = {
            "task": tasks.names("variable_delay"),  # the condition in which all tasks exist, VDE-1 included
            "model": tuple(networks.CELLS),
            "condition": ("basic", *tasks.CONDITIONS, *OWN_CONDITIONS),
            "optimizer": training.OPTIMIZERS.names(),
            "learning_rate_schedule": training.SCHEDULES.names(),
        }[self.name]
        return [click.shell_completion.CompletionItem(word) for word in known if word.startswith(incomplete)]


class Several(tuple[Any, ...]):
    """Several values of one option, each for a network of its own."""


class Numbers(click.types.StringParamType):
    """A number, or several: a list 1,2,5; evenly spaced values 0.9:0.98:5; a range of whole numbers 0:20."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = kind.__name__

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or `Several`."""
        if not isinstance(value, str):
            return value
        from ..sweeps.file.axes import evenly_spaced  # imported here, so that --help is fast

        try:
            if ":" not in value:
                numbers = [self.kind(word) for word in value.split(",")]
                return numbers[0] if len(numbers) == 1 else Several(numbers)
            bounds = value.split(":")
            if self.kind is int and len(bounds) == 2:
                found: Sequence[Any] = range(*map(int, bounds))
            else:
                first, last, count = bounds
                few = min(int(count), MOST_NETWORKS + 1)
                found = [self.kind(x) for x in evenly_spaced(float(first), float(last), few)]
        except (ValueError, TypeError, ArithmeticError):
            self.fail(f"{value!r} is not {self._rule()}.", param, ctx)
        # A slice: the length of a longer range may be no machine integer.
        few_enough = len(found[: MOST_NETWORKS + 1])
        if not 1 <= few_enough <= MOST_NETWORKS:
            number = few_enough if few_enough <= MOST_NETWORKS else "too many"
            self.fail(f"{value!r} is {number} values: give from 1 to {MOST_NETWORKS}.", param, ctx)
        return Several(found)

    def _rule(self) -> str:
        if self.kind is int:
            return "a whole number, a list (1,2,5) or a range (0:20 is 0 … 19)"
        return "a number, a list (0.9,0.98) or evenly spaced values (0.9:0.98:5 is five from 0.9 to 0.98)"


def _kind(annotation: Any) -> Any:
    """Return the type, without `Optional` or type arguments, that an option of this annotation takes."""
    origin = typing.get_origin(annotation)
    if origin is dict:
        return dict
    if origin is tuple:
        return str  # words separated by commas; the settings class splits them
    if origin is typing.Literal:
        return str
    if origin in (types.UnionType, typing.Union):
        return next(_kind(a) for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def _metavar(kind: type) -> str:
    return {int: "INTEGER", float: "NUMBER", str: "NAME"}[kind]


def _help(field: FieldInfo) -> str:
    signs = [(_SIGNS[type(rule)], rule) for rule in field.metadata if type(rule) in _SIGNS]
    notes = [f"{sign} {getattr(rule, bound)}" for (sign, bound), rule in signs]
    if typing.get_origin(field.annotation) is typing.Literal:
        notes.append(" | ".join(typing.get_args(field.annotation)))
    # A flag has two words, of which the other one is the default.
    if not field.is_required() and field.default not in (None, {}, ()) and not isinstance(field.default, bool):
        notes.append(f"default {field.default}")
    return f"{field.description}  [{'; '.join(notes)}]" if notes else str(field.description)


def _pairs(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any] | None:
    """Turn NAME=VALUE words into a dictionary; None if there are none."""
    pairs = {}
    for word in values:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise InputError(f"{word!r} is not NAME=VALUE: write, for example, delay_dur=50.")
        pairs[name.strip().replace("-", "_")] = _number(value.strip())
    return pairs or None


def _number(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
