"""Conditions on the fields of a sweep, as ``task == 'comp' and lambda0 > 0.95``.

What a file says is never run: an expression is taken apart, and only what is known to be harmless is put together again
for pandas.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from ...errors import InputError

LONGEST = 2000
"""Most characters of an expression."""

_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_TRUTH = {"true": True, "false": False}
"""As the files of sweeps write it."""
_RULE = (
    "Compare fields with values by ==, != or in, numbers also by <, <=, >, >=, and join comparisons by and, or, not: "
    "\"task == 'comp' and lambda0 > 0.95\"."
)


class Condition(NamedTuple):
    """An expression that has been checked."""

    text: str
    """As it was written."""
    columns: dict[str, str]
    """Fields that it names, with the names that they have in `expression`."""
    expression: str
    """For `pandas.DataFrame.eval`."""

    def holds(self, values: Mapping[str, Sequence[Any]]) -> Bool[np.ndarray, " row"]:
        """Return in which rows the condition holds, given the values of all fields that it names.

        Raises
        ------
        InputError
            Where values cannot be compared.
        """
        import pandas as pd  # which takes half a second, and most sweeps leave nothing out

        frame = pd.DataFrame({column: list(map(_cell, values[field])) for field, column in self.columns.items()})
        try:
            return np.asarray(frame.eval(self.expression, engine="python"), dtype=bool)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"`where` = {self.text!r} cannot be evaluated: {str(error).splitlines()[0]}.") from None


def parse(text: str, values: Mapping[str, Sequence[Any]], spell: Callable[[str, Any], Any]) -> Condition:
    """Check an expression.

    Parameters
    ----------
    text
        The expression, in Python's notation.
    values
        Values of each field that may be named.
    spell
        Returns a value of a field in the spelling that ``values`` have, or raises an InputError.

    Raises
    ------
    InputError
        Where it is not an expression, has more than comparisons of fields in it, names an unknown field or one without
        values, or compares a field with what it cannot be.
    """
    if len(text) > LONGEST:
        raise InputError(f"`where` has {len(text)} characters, of at most {LONGEST}: write several [[exclude]].")
    try:
        # Blanks in front would be an indentation, and line breaks the end.
        tree = ast.parse(" ".join(text.split("\n")).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise InputError(f"`where` = {text!r} is not an expression: {reason}.\n{_RULE}") from None
    translation = _Translation(text, values, spell)
    return Condition(text, translation.columns, translation.condition(tree))


class _Translation:
    """From Python's tree of an expression to pandas' text of it."""

    def __init__(self, text: str, values: Mapping[str, Sequence[Any]], spell: Callable[[str, Any], Any]) -> None:
        self.text, self.values, self.spell = text, values, spell
        self.columns: dict[str, str] = {}

    def condition(self, node: ast.expr) -> str:
        match node:
            case ast.BoolOp(op=op, values=parts):
                word = " and " if isinstance(op, ast.And) else " or "
                return f"({word.join(map(self.condition, parts))})"
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return f"(not {self.condition(part)})"
            case ast.Compare(left=first, ops=ops, comparators=others):
                pairs = zip([first, *others], ops, others, strict=False)
                return f"({' and '.join(self.comparison(*of_pair) for of_pair in pairs)})"
            case ast.Name() | ast.Attribute() if (field := self.field(node)) and self.is_condition(field):
                return self.column(field)
        raise self.refusal(node)

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> str:
        whole = ast.Compare(left, [op], [right])
        if type(op) not in _SIGNS:
            raise self.refusal(whole)
        sign = _SIGNS[type(op)]
        field, other = self.field(left), self.field(right)
        if sign.endswith("in"):
            if not (field and isinstance(right, ast.List | ast.Tuple) and right.elts):
                raise self.refusal(whole)
            return f"{self.column(field)} {sign} [{', '.join(self.constant(item, field) for item in right.elts)}]"
        if not (field or other):
            raise self.refusal(whole)
        if sign not in ("==", "!=") and any(map(self.is_text, filter(None, (field, other)))):
            raise self.refusal(whole)  # pandas would compare by the alphabet
        sides = ((field, left, other), (other, right, field))
        return f" {sign} ".join(
            self.column(own) if own else self.constant(node, str(opposite)) for own, node, opposite in sides
        )

    def is_condition(self, field: str) -> bool:
        return all(isinstance(value, bool) for value in self.values[field])

    def is_text(self, field: str) -> bool:
        return all(isinstance(value, str) for value in self.values[field])

    def field(self, node: ast.expr) -> str | None:
        match node:
            case ast.Name(id=name) if name not in _TRUTH:
                pass
            case ast.Attribute(value=ast.Name(id=table), attr=setting):
                name = f"{table}.{setting}"
            case _:
                return None
        if name not in self.values:
            raise InputError(
                f"`where` = {self.text!r} is not allowed: no value is given to `{name}`, only to "
                f"{', '.join(self.values)}. Write words in quotes, as 'comp'."
            )
        return name

    def column(self, field: str) -> str:
        return self.columns.setdefault(field, f"field{len(self.columns)}")

    def constant(self, node: ast.expr, field: str) -> str:
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
        if isinstance(value, str | tuple) or not all(isinstance(known, int | float) for known in self.values[field]):
            try:
                value = self.spell(field, value)
            except InputError as error:
                raise InputError(f"`where` = {self.text!r}: {error}") from None
        return repr(_cell(value))

    def refusal(self, node: ast.expr) -> InputError:
        return InputError(f"`where` = {self.text!r} is not allowed, because of {ast.unparse(node)!r}.\n{_RULE}")


def _cell(value: Any) -> Any:
    """Return a value as one cell of a table: a curriculum as in ``cd1,2afc``."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else value
