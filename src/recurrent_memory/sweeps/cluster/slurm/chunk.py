"""What an element of a job array does: it trains its chunk of the networks, and leaves in time."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ....errors import InputError, InterruptedRunError
from ...execute import SECONDS_PER_CHECKPOINT, execute
from ...file.read import load
from ...grid import networks
from ...store.store import Store
from ..submission import CHUNKS, DESCRIPTION, SWEEP, read_json

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


@dataclass(frozen=True)
class Chunk:
    """A function for submitit to call on a node, and to put back into the queue when the time is over.

    Slurm ends a job in three ways. Before the time is over it sends USR2: states are saved, and submitit puts the job
    back. `scancel`, `scontrol requeue` and preemption send TERM: states are saved, and Slurm has decided what becomes
    of the job. And some jobs are simply gone, which costs what was trained since the last checkpoint.
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
            Where the sweep has other networks for this version of the package.
        InterruptedRunError
            After TERM.
        """
        import submitit

        log = logging.getLogger(submitit.__name__)
        with _caught_signals() as caught:
            mine = set(read_json(self.submission / CHUNKS)[self.number])
            described = read_json(self.submission / DESCRIPTION)
            imports = [self.submission / name for name in described.get("imports", [])]
            sweep = load(self.submission / SWEEP, described["overrides"], imports, is_copy=True)
            chosen = [network for network in networks(sweep) if network.identity in mine]
            if len(chosen) < len(mine):
                raise InputError(
                    f"{len(mine) - len(chosen)} networks of {self.submission} are unknown: another version of the "
                    "package made it. Submit the sweep again."
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
                # Only now that all threads have saved their states, and nobody writes any more.
                caught[signal.SIGUSR2](signal.SIGUSR2, None)

    def checkpoint(self) -> DelayedSubmission:
        """Return what is to be done when the job starts again: the same, since what is done is in the store."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@contextlib.contextmanager
def _caught_signals() -> Iterator[dict[int, Any]]:
    """Note TERM and USR2 in the dictionary that is given, with what would have handled them."""
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
