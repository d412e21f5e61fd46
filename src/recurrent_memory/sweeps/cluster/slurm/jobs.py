"""Finding and cancelling the jobs of a sweep."""

from __future__ import annotations

from ....errors import InputError
from ...store.store import Store
from ..interface import Job
from .commands import ask
from .queue import rows
from .submission import submissions


def queued(store: Store) -> list[Job]:
    """Return the jobs of a store's submissions that are queued or running.

    Raises
    ------
    InputError
        If Slurm does not answer.
    """
    by_name = {name: (known, jobs) for known in submissions(store) for name, jobs in known.arrays().items()}
    if not by_name:
        return []
    found = []
    for row in rows():
        # The second name is for a submission whose description is damaged.
        of_row = by_name.get(row.name) or by_name.get("-".join(["*", *row.name.split("-")[-2:]]))
        if of_row is not None and row.element < len(of_row[1]):
            known, jobs = of_row
            found.append(Job(row.id, row.array, row.state, row.reason, known, jobs[row.element], row.name))
    return found


def cancel(store: Store) -> list[Job]:
    """Cancel the jobs of a store's submissions, and mark these so that the rest is not submitted again.

    Returns
    -------
    The jobs that were queued or running.

    Raises
    ------
    InputError
        If Slurm does not answer, or refuses.
    """
    for known in submissions(store):
        known.mark_cancelled()
    jobs = queued(store)
    arrays: dict[str, set[str]] = {}
    for job in jobs:
        arrays.setdefault(job.name, set()).add(job.array)
    for name, numbers in arrays.items():
        try:
            # By number and name: if a number has been reused in the meantime, the name differs.
            ask("scancel", f"--name={name}", *sorted(numbers))
        except InputError:
            # It also fails for jobs that have ended since the look at the queue, which is fine.
            if any(job.array in numbers and job.state != "COMPLETING" for job in queued(store)):
                raise
    return jobs
