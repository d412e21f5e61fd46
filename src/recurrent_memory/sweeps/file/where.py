"""Conditions on the fields of a sweep, such as ``task == 'comp' and lambda0 > 0.95``.

Python's parser turns an expression into a tree, and one walk over the tree checks and evaluates it. The text of a file
is never executed.
"""

from __future__ import annotations

import ast
import functools
import operator
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped

from ...errors import InputError, first_line

LONGEST = 2000
"""Largest number of characters in an expression."""
DEEPEST = 50
"""Largest depth of an expression, so that the walk never exhausts Python's stack."""

_SIGNS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_TRUTH = {"true": True, "false": False}
"""The words for truth values in TOML."""
_RULE = (
    "Compare fields with values by ==, != or in, numbers also by <, <=, >, >=, and join comparisons by and, or, not: "
    "\"task == 'comp' and lambda0 > 0.95\"."
)


class Columns(NamedTuple):
    """The fields that a condition may name."""

    values: Mapping[str, Sequence[Any]]
    """All values that each field takes."""
    of: Callable[[str], Shaped[np.ndarray, "..."]]
    """Returns a field's values in all rows as a :func:`column`; columns broadcast against each other."""
    spell: Callable[[str, Any], Any]
    """Returns a value of a field in the spelling that experiments store, or raises an InputError."""


def column(values: Sequence[Any]) -> Shaped[np.ndarray, " row"]:
    """Return values as an array: numbers as numbers, with NaN for None, anything else as objects."""
    if all(isinstance(value, int | float | None) for value in values):
        return np.array([np.nan if value is None else value for value in values])
    found = np.empty(len(values), dtype=object)
    found[:] = list(map(_cell, values))
    return found


def holds(text: str, columns: Columns) -> Bool[np.ndarray, "..."]:
    """Return whether a condition holds in each row.

    Parameters
    ----------
    text
        The condition, in Python's notation.
    columns
        The fields that it may name.

    Returns
    -------
    True for each row in which it holds.

    Raises
    ------
    InputError
        If it is not an expression, does more than compare fields, names an unknown field or one without values, or
        compares a field with a value that is not allowed.
    """
    tree = parsed(text)
    try:
        with np.errstate(invalid="ignore"):  # comparisons with NaN are false
            return np.asarray(_Walk(text, columns).condition(tree), dtype=bool)
    except (TypeError, OverflowError) as error:
        raise InputError(f"`where` = {text!r} cannot be evaluated: {first_line(error)}.") from None


def parsed(text: str) -> ast.expr:
    """Return the tree of a condition, whose fields are not yet known.

    Parameters
    ----------
    text
        The condition, in Python's notation.

    Returns
    -------
    The tree.

    Raises
    ------
    InputError
        If it is not an expression, or too long or too deep.

    Examples
    --------
    >>> type(parsed("lambda0 > 0.9")).__name__
    'Compare'
    """
    if len(text) > LONGEST:
        raise InputError(f"`where` has {len(text)} characters, of at most {LONGEST}: write several [[exclude]].")
    try:
        # To the parser, leading blanks would be an indentation, and a line break the end.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser warns of what the walk below refuses anyway
            tree = ast.parse(" ".join(text.split("\n")).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise InputError(f"`where` = {text!r} is not an expression: {reason}.\n{_RULE}") from None
    if _depth(tree) > DEEPEST:
        raise InputError(f"`where` = {text!r} has more than {DEEPEST} levels: write several [[exclude]].")
    return tree


class _Walk(NamedTuple):
    """One walk over the tree of an expression."""

    text: str
    columns: Columns

    def condition(self, node: ast.expr) -> Any:
        match node:
            case ast.BoolOp(op=op, values=parts):
                joined = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return functools.reduce(joined, [self.condition(part) for part in parts])
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return np.logical_not(self.condition(part))
            case ast.Compare(left=first, ops=ops, comparators=others):
                pairs = zip([first, *others], ops, others, strict=False)
                return functools.reduce(np.logical_and, [self.comparison(*of_pair) for of_pair in pairs])
            case ast.Name() | ast.Attribute() if (field := self.field(node)) and self.has_only(bool, field):
                return self.columns.of(field)
        raise self.refusal(node)

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Any:
        whole = ast.Compare(left, [op], [right])
        field, other = self.field(left), self.field(right)
        if isinstance(op, ast.In | ast.NotIn):
            if not (field and isinstance(right, ast.List | ast.Tuple) and right.elts):
                raise self.refusal(whole)
            own = self.columns.of(field)
            found = functools.reduce(np.logical_or, [own == self.constant(item, field) for item in right.elts])
            return found if isinstance(op, ast.In) else np.logical_not(found)
        if type(op) not in _SIGNS or not (field or other):
            raise self.refusal(whole)
        ordered = not isinstance(op, ast.Eq | ast.NotEq)
        if ordered and any(self.has_only(str, name) for name in (field, other) if name):
            raise self.refusal(whole)  # Python would compare alphabetically
        sides = ((field, left, other), (other, right, field))
        values = [self.columns.of(own) if own else self.constant(node, str(to)) for own, node, to in sides]
        return _SIGNS[type(op)](*values)

    def has_only(self, kind: type, field: str) -> bool:
        return all(isinstance(value, kind) for value in self.columns.values[field])

    def field(self, node: ast.expr) -> str | None:
        match node:
            case ast.Name(id=name) if name not in _TRUTH:
                pass
            case ast.Attribute(value=ast.Name(id=table), attr=setting):
                name = f"{table}.{setting}"
            case _:
                return None
        if name not in self.columns.values:
            raise InputError(
                f"`where` = {self.text!r} is not allowed: no value is given to `{name}`, only to "
                f"{', '.join(self.columns.values)}. Write words in quotes, as 'comp'."
            )
        return name

    def constant(self, node: ast.expr, field: str) -> Any:
        value: Any
        match node:
            case ast.Constant(value=str() | int() | float() as value):
                pass
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                value = -number
            case ast.Name(id=word) if word in _TRUTH:
                value = _TRUTH[word]
            case ast.List(elts=items) | ast.Tuple(elts=items) if all(isinstance(one, ast.Constant) for one in items):
                value = tuple(ast.literal_eval(node))
            case _:
                raise self.refusal(node)
        if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
            raise self.refusal(node)
        known = self.columns.values[field]
        if isinstance(value, str | tuple) or not all(isinstance(one, int | float) for one in known):
            try:
                value = self.columns.spell(field, value)
            except InputError as error:
                raise InputError(f"`where` = {self.text!r}: {error}") from None
        return _cell(value)

    def refusal(self, node: ast.expr) -> InputError:
        return InputError(f"`where` = {self.text!r} is not allowed, because of {ast.unparse(node)!r}.\n{_RULE}")


def _depth(tree: ast.AST) -> int:
    levels, nodes = 0, [tree]
    while nodes:
        levels, nodes = levels + 1, [child for node in nodes for child in ast.iter_child_nodes(node)]
    return levels


def _cell(value: Any) -> Any:
    """Return a value as one cell of a column; a curriculum becomes a text such as ``cd1,2afc``."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else value
