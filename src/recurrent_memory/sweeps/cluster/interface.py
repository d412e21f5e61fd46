"""What a cluster's scheduler has to do for a sweep: the one interface, and a folder for each scheduler that has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ...registry import Registry
from ..execute import SECONDS_PER_CHECKPOINT
from ..file.sweep import Sweep
from ..grid import Network
from ..store.store import Store
from .submission import Submission, Submitted


class Job(NamedTuple):
    """A job, or an element of a job array, that is queued or running."""

    id: str
    array: str
    """Number of the whole job array."""
    state: str
    """``RUNNING`` if it runs; otherwise the scheduler's own word."""
    reason: str
    """Why it is not running."""
    submission: Submission
    chunk: int

    @property
    def networks(self) -> list[str]:
        """Identities of the networks that it trains."""
        return self.submission.chunks[self.chunk]


class AbstractCluster(ABC):
    """A scheduler. What is done is told by the store alone, so it may lose, kill or forget its jobs at any time."""

    name: ClassVar[str]
    """Name of the scheduler, and of the folder in a store that keeps its submissions."""

    @abstractmethod
    def submit(
        self,
        networks: Sequence[Network],
        sweep: Sweep,
        store: Store,
        request: Any,
        *,
        checkpoint_after: float = SECONDS_PER_CHECKPOINT,
    ) -> Submitted:
        """Submit networks as jobs.

        Parameters
        ----------
        networks
            What to train; at least one.
        sweep
            The sweep that they belong to, read from a file. The jobs read a copy of it.
        store
            Where the results go, on a file system that the nodes share.
        request
            What each job gets, in the scheduler's own terms.
        checkpoint_after
            Seconds between checkpoints of each network.

        Raises
        ------
        InputError
            If the scheduler is missing or refuses; then nothing has been submitted.
        """

    @abstractmethod
    def preview(self, networks: Sequence[Network], sweep: Sweep, store: Store, request: Any) -> list[str]:
        """Return the scripts that :meth:`submit` would hand to the scheduler; nothing is written.

        Raises
        ------
        InputError
            If the scheduler is missing.
        """

    @abstractmethod
    def queued(self, store: Store) -> list[Job]:
        """Return the jobs of a store's submissions that are queued or running.

        Raises
        ------
        InputError
            If the scheduler does not answer.
        """

    @abstractmethod
    def cancel(self, store: Store) -> list[Job]:
        """Cancel the jobs of a store's submissions and mark these as cancelled; return the jobs.

        Raises
        ------
        InputError
            If the scheduler does not answer, or refuses.
        """

    @abstractmethod
    def plain_script(self, networks: Sequence[Network], sweep: Sweep, file: Path, request: Any) -> str:
        """Return a script that trains the networks of a sweep's file and needs nothing but the command line."""

    def release(self, job: Job) -> bool:
        """Let a job go that the scheduler holds through no fault of its own; return whether there was such a job."""
        return False

    def advice_on_held(self, job: Job) -> str:
        """Return the command that lets a held job go, for a message."""
        return f"release {job.id}"


CLUSTERS: Registry[AbstractCluster] = Registry("cluster", homes=("recurrent_memory.sweeps.cluster.slurm.cluster",))
"""The schedulers by name."""
