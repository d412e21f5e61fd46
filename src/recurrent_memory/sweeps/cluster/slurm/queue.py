"""The queue as squeue prints it, read line by line: sites add headers, banners and columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ....errors import InputError
from .commands import ask

FORMAT = "%j|%K|%i|%F|%T|%r"
N_COLUMNS = 6
MOST_ELEMENTS = 4_000_001
"""Largest job array that Slurm can be configured for."""
_RANGE = r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?"
SHORT = {"R": "RUNNING", "PD": "PENDING", "CG": "COMPLETING", "CF": "CONFIGURING", "S": "SUSPENDED"}
"""States as squeue abbreviates them."""


class Row(NamedTuple):
    """A job, or an element of a job array."""

    name: str
    element: int
    """Its index in the array; 0 for a job of its own."""
    id: str
    array: str
    state: str
    reason: str


def rows() -> Iterator[Row]:
    """Yield the user's jobs that are queued or running.

    Raises
    ------
    InputError
        If Slurm does not answer.
    """
    # All of them: a list of names may be too long for a command line.
    for line in ask("squeue", "--noheader", "--array", "--me", f"--format={FORMAT}").splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) < N_COLUMNS:
            continue
        name, index, job_id, array, state, reason = columns[:N_COLUMNS]
        if not re.match(r"[0-9]+", job_id) or not array.isdecimal():
            continue
        state = SHORT.get(state.upper(), state.upper())
        for element in _elements(index):
            yield Row(name, element, job_id, array, state, reason)


def _elements(index: str) -> list[int]:
    """Return the elements of an index such as "3", of a range that squeue has not split ("[0-6:2,9%2]"), or of none."""
    found: set[int] = set()
    for first, last, step in re.findall(_RANGE, index.partition("%")[0]):
        found.update(range(int(first), min(int(last or first), MOST_ELEMENTS) + 1, int(step or 1) or 1))
    return sorted(found) or [0]


def numbers(name: str) -> str | None:
    """Return the number of the job array of this name; None if there is none, or Slurm does not say."""
    try:
        found = [row.array for row in rows() if row.name == name]
    except InputError:
        return None
    return found[-1] if found else None
