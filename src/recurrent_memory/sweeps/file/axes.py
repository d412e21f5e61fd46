"""The values of an axis, from a list, an evenly or logarithmically spaced grid, or a range of whole numbers."""

from __future__ import annotations

import decimal
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ...errors import InputError

MOST_NETWORKS = 1_000_000
"""Largest number of networks in a sweep, and so of values on an axis."""


def values_of(name: str, spec: Any) -> list[Any]:
    """Return the values of an axis.

    Parameters
    ----------
    name
        Field of the axis, for messages.
    spec
        A list, or a table with one of ``linspace``, ``logspace`` and ``range``.

    Returns
    -------
    The values.

    Raises
    ------
    InputError
        If the values are not in one of these forms, or there are none or too many.

    Notes
    -----
    Spaced values are computed in decimal arithmetic and rounded once, so they are the numbers that one would write:
    0.8 … 0.98 contains 0.82, and ``numpy.linspace`` 0.8200000000000001.
    """
    if isinstance(spec, list):
        if not spec:
            raise InputError(f"`{name}` = [] has no values: give at least one, or leave the line out.")
        return spec
    if isinstance(spec, dict) and len(spec) == 1 and (kind := next(iter(spec))) in _KINDS:
        numbers = spec[kind]
        how = _KINDS[kind]
        try:
            return how(numbers)
        except _RuleError as error:
            raise InputError(f"`{name}` = {{ {kind} = {numbers!r} }} is not allowed: {error}.") from None
    raise InputError(
        f"`{name}` = {spec!r} is not an axis. Give a list of values, {{ linspace = [first, last, how many] }}, "
        "{ logspace = [first, last, how many] } or { range = [first, stop] }; a value that all networks share belongs "
        "below [experiment]."
    )


class _RuleError(Exception):
    """The numbers of an axis break a rule, which is the message."""


def _spaced(numbers: Any) -> tuple[int | float, int | float, int]:
    if not (isinstance(numbers, list) and len(numbers) == 3 and all(map(_is_finite, numbers))):
        raise _RuleError("give three numbers, [first, last, how many]")
    first, last, count = numbers
    if not isinstance(count, int) or not 2 <= count <= MOST_NETWORKS:
        raise _RuleError(f"how many must be a whole number from 2 to {MOST_NETWORKS:,}; for one value write a list")
    return first, last, count


def evenly_spaced(first: int | float, last: int | float, count: int) -> list[float]:
    """Return evenly spaced numbers between two finite ones, computed in decimals: see :func:`values_of`."""
    begin, end = Decimal(repr(first)), Decimal(repr(last))
    with decimal.localcontext(prec=40):
        return [float(begin + (end - begin) * i / max(1, count - 1)) for i in range(count)]


def _linspace(numbers: Any) -> list[Any]:
    first, last, count = _spaced(numbers)
    return list(evenly_spaced(first, last, count))


def _logspace(numbers: Any) -> list[Any]:
    first, last, count = _spaced(numbers)
    if first <= 0 or last <= 0:
        raise _RuleError("logarithms need a first and a last above 0; write { linspace = … } or a list instead")
    begin, end = Decimal(repr(first)), Decimal(repr(last))
    with decimal.localcontext(prec=40):
        return [float(begin * (end / begin) ** (Decimal(i) / (count - 1))) for i in range(count)]


def _range(numbers: Any) -> list[Any]:
    whole = isinstance(numbers, list) and all(type(x) is int and abs(x) < 2**63 for x in numbers)
    if not whole or len(numbers) not in (2, 3) or numbers[2:] == [0]:
        raise _RuleError("give whole numbers, [first, stop] or [first, stop, step] with a step other than 0")
    found = range(*numbers)
    if not found:
        raise _RuleError("there is no number in it; the stop is left out")
    if found[MOST_NETWORKS:]:
        raise _RuleError(f"it has more than {MOST_NETWORKS:,} values")
    return list(found)


def _is_finite(number: Any) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and abs(number) <= sys.float_info.max


_KINDS: dict[str, Callable[[Any], list[Any]]] = {"linspace": _linspace, "logspace": _logspace, "range": _range}
