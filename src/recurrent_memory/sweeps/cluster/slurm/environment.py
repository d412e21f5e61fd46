"""What Slurm tells a process of its job in environment variables."""

from __future__ import annotations

import os
from typing import ClassVar

from ....runs.resources import SCHEDULERS, AbstractScheduler, Job


class SlurmEnvironment(AbstractScheduler):
    """The job of Slurm that this process belongs to."""

    name: ClassVar[str] = "slurm"

    def cores(self) -> int | None:
        """Return ``--cpus-per-task``; None outside of a job or if it was not given."""
        return _number("SLURM_CPUS_PER_TASK")

    def job(self) -> Job | None:
        """Return the number of the job, with that of its element in an array; None outside of a job."""
        number = "_".join(filter(None, map(os.environ.get, ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID"))))
        return Job(number, _number("SLURM_RESTART_COUNT") or 0) if number else None


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else None


SCHEDULERS.register(SlurmEnvironment())
