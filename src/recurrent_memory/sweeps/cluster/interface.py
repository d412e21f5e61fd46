"""The interface between a sweep and a cluster's scheduler; each scheduler has a folder that implements it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ...errors import InputError
from ...registry import Registry
from ...settings import Settings
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
    """Why it is not running, in the scheduler's words."""
    submission: Submission
    chunk: int
    name: str
    """Name of the job array."""

    @property
    def networks(self) -> list[str]:
        """Identities of the networks that it trains; none if its submission is damaged."""
        return self.submission.networks(self.chunk)


class AbstractCluster(ABC):
    """A scheduler. Only the store says what is done, so the scheduler may lose, kill or forget jobs at any time."""

    name: ClassVar[str]
    """Name of the scheduler, and of the folder in a store that keeps its submissions."""
    title: ClassVar[str]
    """Name of the scheduler in messages."""
    request: ClassVar[type[Settings]]
    """What a job gets: the options of the command line that the scheduler understands, with their limits."""
    exported_by: ClassVar[str] = ""
    """The command that writes a plain script, if there is one."""

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
            Networks to train; at least one.
        sweep
            The sweep that they belong to, read from a file. The jobs read a copy of it.
        store
            Where the results go, on a file system that the nodes share.
        request
            What each job gets: an instance of `request`.
        checkpoint_after
            Seconds between checkpoints of each network.

        Returns
        -------
        What the scheduler accepted.

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

    def plain_script(self, networks: Sequence[Network], sweep: Sweep, file: Path, request: Any) -> str:
        """Return a script that trains the networks of a sweep's file with the command line alone."""
        raise InputError(f"There are no plain scripts for {self.title}.")

    def release(self, job: Job) -> bool:
        """Release a job that the scheduler holds through no fault of the job; return whether it was released."""
        return False

    def advice_on_held(self, job: Job) -> str:
        """Return the command that releases a held job, for a message."""
        return f"release {job.id}"


CLUSTERS: Registry[AbstractCluster] = Registry("cluster", homes=("recurrent_memory.sweeps.cluster.slurm.cluster",))
"""The schedulers by name."""
