"""The jobs of a sweep that Slurm knows, and how to be rid of them."""

from __future__ import annotations

from ....errors import InputError
from ...store.store import Store
from ..interface import Job
from .commands import ask
from .submission import submissions


def queued(store: Store) -> list[Job]:
    """Return the jobs of a store's submissions that are queued or running.

    Raises
    ------
    InputError
        Where Slurm does not answer.
    """
    by_name = {name: (known, first) for known in submissions(store) for name, first, _ in known.arrays()}
    if not by_name:
        return []
    # The user's jobs are told apart here, not by squeue: a list of all names may be too long for a command.
    found = ask("squeue", "--noheader", "--array", "--me", "--format=%j|%K|%i|%F|%T|%r")
    jobs = []
    for line in found.splitlines():
        name, index, job_id, array, state, reason = line.strip().rsplit("|", 5)
        if name in by_name:
            known, first = by_name[name]
            # A job alone is no array, and has no index.
            jobs.append(Job(job_id, array, state, reason, known, first + (int(index) if index.isdigit() else 0)))
    return jobs


def cancel(store: Store) -> list[Job]:
    """Cancel the jobs of a store's submissions, and let whoever follows these not submit the rest again.

    Returns
    -------
    The jobs that were queued or running.

    Raises
    ------
    InputError
        Where Slurm does not answer, or refuses.
    """
    for known in submissions(store):
        known.mark_cancelled()
    jobs = queued(store)
    arrays: dict[str, set[str]] = {}
    for job in jobs:
        arrays.setdefault(job.submission.name_of(job.chunk), set()).add(job.array)
    for name, numbers in arrays.items():
        try:
            # By number and name: whoever has such a number in the meantime has another name.
            ask("scancel", f"--name={name}", *sorted(numbers))
        except InputError:
            # It also fails for jobs that have ended since we looked, which is what was wanted.
            if any(job.array in numbers and job.state != "COMPLETING" for job in queued(store)):
                raise
    return jobs
