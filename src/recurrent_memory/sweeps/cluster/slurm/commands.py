"""Slurm's own commands, and what they complain of."""

from __future__ import annotations

import re
import subprocess

from ....errors import InputError

SECONDS_FOR_AN_ANSWER = 120
LARGEST_ARRAY = 1001
"""Slurm's own default, where it does not say."""


def largest_array() -> int:
    """Return how many elements a job array may have.

    Raises
    ------
    InputError
        Where Slurm does not answer.
    """
    found = re.search(r"^MaxArraySize\s*=\s*([0-9]+)", ask("scontrol", "show", "config"), re.MULTILINE)
    return max(1, int(found[1])) if found else LARGEST_ARRAY


def ask(*command: str) -> str:
    """Return what one of Slurm's commands answers.

    Raises
    ------
    InputError
        Where there is no such command, or it fails, or does not end.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_AN_ANSWER)
    except FileNotFoundError:
        raise InputError(f"There is no Slurm here: no command {command[0]}. Use a login node of the cluster.") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"Slurm does not answer: {command[0]} took more than {SECONDS_FOR_AN_ANSWER} s.") from None
    if done.returncode:
        raise InputError(f"{command[0]} failed: {complaint(done.stderr)}")
    return done.stdout


def complaint(text: str) -> str:
    """Return what one of Slurm's commands complains of, in a line."""
    lines = [re.sub(r"^\w+: (error: )?", "", line).strip() for line in text.splitlines()]
    return "; ".join(dict.fromkeys(filter(None, lines)))[:400]
