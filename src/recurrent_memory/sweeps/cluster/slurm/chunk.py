"""What an element of a job array does: it trains its chunk of the networks, and exits in time."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ....errors import DamagedResultError, InputError, InterruptedRunError, counted
from ...execute import SECONDS_PER_CHECKPOINT, execute
from ...file.read import load
from ...grid import networks
from ...store.store import Store
from ..submission import SWEEP, Submission

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


@dataclass(frozen=True)
class Chunk:
    """A function that submitit calls on a node, and requeues when the time runs out.

    Slurm ends a job in three ways. Shortly before the time runs out, it sends USR2: states are saved, and submitit
    requeues the job. `scancel`, `scontrol requeue` and preemption send TERM: states are saved, and Slurm decides what
    becomes of the job. And some jobs simply vanish, which loses the training since the last checkpoint.
    """

    store: Path
    submission: Path
    """Folder of the submission."""
    number: int
    checkpoint_after: float = SECONDS_PER_CHECKPOINT

    def __call__(self) -> None:
        """Train what is left of the chunk.

        Raises
        ------
        InputError
            If this version of the package does not know some of the networks, or the submission's files are damaged.
        InterruptedRunError
            After TERM.
        """
        import submitit

        log = logging.getLogger(submitit.__name__)
        with _caught_signals() as caught:
            submission = Submission(self.submission)
            if submission.fault:
                raise DamagedResultError(submission.fault)
            mine, described = set(submission.chunks[self.number]), submission.described
            imports = [self.submission / name for name in described["imports"]]
            sweep = load(self.submission / SWEEP, described["overrides"], imports, is_copy=True)
            chosen = [network for network in networks(sweep) if network.identity in mine]
            if len(chosen) < len(mine):
                raise InputError(
                    f"{counted(len(mine) - len(chosen), 'network')} of {self.submission} cannot be made here: another "
                    "version of the package chose them. Submit the sweep again."
                )
            try:
                execute(
                    chosen,
                    Store(self.store),
                    sweep.save,
                    on_message=log.info,
                    should_stop=lambda: bool(caught),
                    checkpoint_after=self.checkpoint_after,
                )
            except InterruptedRunError as error:
                log.info(str(error))
                if signal.SIGUSR2 not in caught:
                    raise
                # Only now that all threads have saved their states and nothing is being written.
                caught[signal.SIGUSR2](signal.SIGUSR2, None)

    def checkpoint(self) -> DelayedSubmission:
        """Return what to do when the job restarts: the same, because the store says what is already done."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@contextlib.contextmanager
def _caught_signals() -> Iterator[dict[int, Any]]:
    """Yield a dictionary that records TERM and USR2 as they arrive, with the handlers that they had before."""
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    caught: dict[int, Any] = {}

    def note(number: int, _: FrameType | None) -> None:
        caught[number] = before[number]

    for number in before:
        signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
