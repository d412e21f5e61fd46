"""Identities: equal experiments share one, whichever sweep they belong to."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from collections.abc import Iterable
from typing import Any

from ...experiment import OF_ONE_PROGRAM, Experiment
from .layout import RESULTS_VERSION

DIGITS = 20
"""Hexadecimal digits of an identity."""

FIRST_FIELDS = frozenset(OF_ONE_PROGRAM) | {
    "batch_size", "condition", "curriculum", "judge_after_step", "model", "model_options", "n_hidden", "precision",
    "readout", "readout_step", "separate_clipping", "task", "task_options", "test_batches",
}  # fmt: skip
"""Fields that experiments had when the first results were stored.

A field that was added later counts only if it differs from its default, so that earlier results keep their identities.
Its default must therefore be what was done before it existed.
"""


def identity(experiment: Experiment) -> str:
    """Return the name under which an experiment's result is stored; equal experiments have the same.

    It is the beginning of the SHA-256 of `RESULTS_VERSION` and all fields (see `FIRST_FIELDS` for those added later).

    Parameters
    ----------
    experiment
        The experiment.

    Returns
    -------
    20 hexadecimal digits.

    Examples
    --------
    >>> from recurrent_memory import Experiment
    >>> identity(Experiment(task="de1")) == identity(Experiment(task="DE-1", lambda0=0.98))  # the default
    True
    """
    return name_of(structure(experiment), _numbers(experiment))


_numbers = operator.attrgetter(*OF_ONE_PROGRAM)


def structure(experiment: Experiment) -> bytes:
    """Return the fields that networks of one program share, as the beginning of canonical JSON."""
    fields = {
        name: _canonical(value)
        for name, value in experiment
        if name not in OF_ONE_PROGRAM and (name in FIRST_FIELDS or value != Experiment.model_fields[name].default)
    }
    return json.dumps([RESULTS_VERSION, fields], sort_keys=True)[:-1].encode()


def name_of(structure: bytes, numbers: Iterable[int | float | None]) -> str:
    """Return an experiment's identity, given its :func:`structure` and its values of `OF_ONE_PROGRAM` in order."""
    text = ", ".join(map(_number_text, numbers))
    return hashlib.sha256(structure + f", [{text}]]".encode()).hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=2**16)
def _number_text(number: int | float | None) -> str:
    return json.dumps(_canonical(number))


def _canonical(value: Any) -> Any:
    """Return the same form for values that are equal in Python, such as 1 and 1.0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict):
        return {name: _canonical(of_name) for name, of_name in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
