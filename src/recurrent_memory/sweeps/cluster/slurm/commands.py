"""Slurm's commands, and what they print: sites wrap them, add banners, and choose other columns."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from ....errors import InputError, RefusedError

SECONDS_FOR_AN_ANSWER = 120
LARGEST_ARRAY = 1001
"""Slurm's default, used if its configuration does not say."""

TIMED_OUT = -1
"""Exit code of a command that did not end in time."""

_NUMBER = (
    r"^.*\bsubmitted batch job ([0-9]+)\b",
    r"^([0-9]+)(?:;[\w.-]*)?$",  # as with --parsable: also the cluster, if there are several
    r"^.*\bjob *(?:id|number)?[ :=#]*([0-9]+)\b",
)
"""Lines in which sbatch, or a site's wrapper, says the number of a job; the surest first."""
SURE = 2
"""How many of them are sbatch's own: a refusal may name another job."""
_PERHAPS_QUEUED = re.compile(
    r"timed out|timeout|zero bytes|unexpected message|transport|communication|reset by peer|interrupted",
    re.IGNORECASE,
)
"""How sbatch says that it has asked Slurm's controller and heard nothing: the job may be queued all the same."""
_FOR_NOW = re.compile(
    r"unable to contact|connect|not responding|temporar|try again|try later|retry|busy|not available|unavailable|"
    r"standby|backup|down|drain|inactive",
    re.IGNORECASE,
)
"""Reasons for a refusal that pass by themselves."""
_LIMIT = re.compile(r"limit|policy|too many|maximum|max_?(submit|jobs)|quota|exceed", re.IGNORECASE)
"""Limits on a user's jobs or on their size: the former pass when other jobs end, and both have the same words."""
_FOR_GOOD = re.compile(
    r"invalid|permi(t|ssion)|denied|not exist|unknown|unrecognized|unable to open|illegal|specification|"
    r"configuration is not available|no partition",
    re.IGNORECASE,
)
"""What no waiting mends."""


class Printed(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def largest_array() -> int:
    """Return how many elements a job array may have.

    Raises
    ------
    InputError
        If Slurm does not answer.
    """
    found = re.search(r"^\s*MaxArraySize\s*=\s*([0-9]+)", ask("scontrol", "show", "config"), re.MULTILINE)
    return max(1, int(found[1])) if found else LARGEST_ARRAY


def ask(*command: str) -> str:
    """Run one of Slurm's commands and return its output.

    Raises
    ------
    InputError
        If there is no such command, or it fails or does not end.
    """
    done = call(*command)
    if done.code == TIMED_OUT:
        raise InputError(f"Slurm does not answer: {command[0]} took more than {SECONDS_FOR_AN_ANSWER} s.")
    if done.code:
        raise InputError(f"{command[0]} failed: {complaint(done.err) or complaint(done.out) or 'it does not say why'}")
    if not done.out.strip() and re.search(r"\berror:", done.err, re.IGNORECASE):
        # The exit code may be that of a pipe in a site's wrapper; no answer is not an empty queue.
        raise InputError(f"{command[0]} failed: {complaint(done.err)}")
    return done.out


def call(*command: str) -> Printed:
    """Run one of Slurm's commands, whatever its exit code.

    Raises
    ------
    InputError
        If there is no such command.
    """
    try:
        # Banners may be in any encoding.
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS_FOR_AN_ANSWER,
        )
    except FileNotFoundError:
        raise InputError(f"There is no Slurm here: no command {command[0]}. Use a login node of the cluster.") from None
    except OSError as error:
        raise InputError(f"{command[0]} cannot be run: {error.strerror or error}.") from None
    except subprocess.TimeoutExpired:
        return Printed(TIMED_OUT, "", f"{command[0]} took more than {SECONDS_FOR_AN_ANSWER} s, and does not answer")
    return Printed(done.returncode, done.stdout, done.stderr)


def complaint(text: str) -> str:
    """Return the error message of one of Slurm's commands in one line, without control characters."""
    rows = ["".join(filter(str.isprintable, row)) for row in text.splitlines()]
    rows = [re.sub(r"^\w+: (error: )?", "", row).strip() for row in rows]
    return "; ".join(dict.fromkeys(filter(None, rows)))[:400]


def surely_number(text: str) -> str | None:
    """Return the number of the job if it is printed as sbatch prints it; None if there is none, or only in a text."""
    return job_number(text, _NUMBER[:SURE])


def job_number(text: str, patterns: Sequence[str] = _NUMBER) -> str | None:
    """Return the number of the job in what sbatch printed, the last if there are several; None if there is none."""
    for pattern in patterns:
        found: list[str] = re.findall(pattern, text.replace("\r", ""), re.MULTILINE | re.IGNORECASE)
        if found:
            return found[-1]
    return None


def may_be_queued(done: Printed) -> bool:
    """Return whether a job may be queued although sbatch failed: it does not know, or somebody has ended it."""
    return done.code < 0 or _PERHAPS_QUEUED.search(done.err + done.out) is not None


def refusal(done: Printed) -> InputError:
    """Return the error for what sbatch has refused; a :class:`RefusedError` unless the reason passes by itself."""
    # Errors alone, if they are marked: banners say anything.
    lines = done.err.splitlines() or done.out.splitlines()
    why = complaint("\n".join([line for line in lines if "error" in line.lower()] or lines))
    text = f"Slurm refuses: {why.rstrip('.') or 'it does not say why'}."
    if _FOR_GOOD.search(why):
        return RefusedError(text, for_good=True)
    if may_be_queued(done) or _FOR_NOW.search(why) or (_LIMIT.search(why) and _has_jobs()):
        return InputError(text)
    return RefusedError(text, for_good=False)


def _has_jobs() -> bool:
    """Return whether the user has any job, whose end may make room below a limit."""
    try:
        found = ask("squeue", "--noheader", "--me", "--format=%i")
    except InputError:
        return True
    return any(re.match(r"[0-9]", line.strip()) for line in found.splitlines())
