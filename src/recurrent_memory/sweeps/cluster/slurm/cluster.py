"""Slurm as a cluster that sweeps can be submitted to."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ....errors import InputError
from ....errors import StuckError as StuckError
from ....settings import Settings
from ...execute import SECONDS_PER_CHECKPOINT
from ...file.sweep import Sweep
from ...grid import Network
from ...store.store import Store
from .. import follow
from ..follow import told as told
from ..follow import without_jobs as without_jobs
from ..interface import CLUSTERS, AbstractCluster
from ..interface import Job as Job
from ..submission import Submission as Submission
from ..submission import Submitted as Submitted
from . import jobs, plain, submission
from .commands import ask
from .request import Request


class Slurm(AbstractCluster):
    """Slurm: job arrays whose elements each train a chunk of networks. The request is a :class:`Request`."""

    name: ClassVar[str] = submission.SLURM
    title: ClassVar[str] = "Slurm"
    request: ClassVar[type[Settings]] = Request
    exported_by: ClassVar[str] = "export-sbatch"

    def submit(
        self,
        networks: Sequence[Network],
        sweep: Sweep,
        store: Store,
        request: Any,
        *,
        checkpoint_after: float = SECONDS_PER_CHECKPOINT,
    ) -> Submitted:
        """Submit networks as job arrays."""
        return submission.submit(networks, sweep, store, request, checkpoint_after=checkpoint_after)

    def preview(self, networks: Sequence[Network], sweep: Sweep, store: Store, request: Any) -> list[str]:
        """Return the scripts that would be given to sbatch, one for each job array."""
        return submission.preview(networks, sweep, store, request)

    def queued(self, store: Store) -> list[Job]:
        """Return the jobs of a store's submissions that are queued or running."""
        return jobs.queued(store)

    def cancel(self, store: Store) -> list[Job]:
        """Cancel the jobs of a store's submissions and mark these as cancelled; return the jobs."""
        return jobs.cancel(store)

    def plain_script(self, networks: Sequence[Network], sweep: Sweep, file: Path, request: Any) -> str:
        """Return a script for sbatch that uses the command line alone."""
        return plain.plain_script(networks, sweep, file, request)

    def release(self, job: Job) -> bool:
        """Release a job that Slurm holds because a node could not start it."""
        if "launch failed" not in job.reason.replace("_", " ").lower():
            return False
        try:
            ask("scontrol", "release", job.id)
        except InputError:  # the job may have ended
            return False
        return True

    def advice_on_held(self, job: Job) -> str:
        """Return the command that releases a held job."""
        return f"scontrol release {job.id}"


SLURM = CLUSTERS.register(Slurm())

finish = functools.partial(follow.finish, SLURM)
"""Submit a sweep to Slurm until nothing is left of it; see `recurrent_memory.sweeps.cluster.follow.finish`."""
