"""What Slurm's environment variables say about the job of this process."""

from __future__ import annotations

import os
import re
from typing import ClassVar

from ....runs.resources import SCHEDULERS, AbstractScheduler, Job


class SlurmEnvironment(AbstractScheduler):
    """The Slurm job that this process belongs to."""

    name: ClassVar[str] = "slurm"

    def cores(self) -> int | None:
        """Return ``--cpus-per-task``; None outside a job or if it was not given."""
        return _number("SLURM_CPUS_PER_TASK") or None

    def memory(self) -> int | None:
        """Return ``--mem``, or ``--mem-per-cpu`` for all cores; None outside a job, or if it has the whole node."""
        of_node, per_core = _number("SLURM_MEM_PER_NODE"), _number("SLURM_MEM_PER_CPU")
        cores = self.cores() or _number("SLURM_CPUS_ON_NODE")
        megabytes = of_node or (per_core * cores if per_core and cores else None)
        return megabytes * 2**20 if megabytes else None

    def job(self) -> Job | None:
        """Return the number of the job, with that of its array element; None outside a job."""
        number = "_".join(filter(None, map(os.environ.get, ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID"))))
        return Job(number, _number("SLURM_RESTART_COUNT") or 0) if number else None


def _number(variable: str) -> int | None:
    """Return a variable's value if it is a whole number of reasonable size."""
    text = os.environ.get(variable, "").strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


SCHEDULERS.register(SlurmEnvironment())
