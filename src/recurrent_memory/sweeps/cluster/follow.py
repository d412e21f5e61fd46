"""Submit the networks that are left of a sweep until none is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...errors import InputError, InterruptedRunError, RefusedError, StuckError, counted, first_line
from ...runs.folder import CHECKPOINT
from ..execute import SECONDS_PER_CHECKPOINT
from ..file.sweep import Sweep
from ..grid import Network, listed
from ..grid import left as left_of
from ..store.store import Store
from .interface import AbstractCluster, Job
from .submission import Submitted

SECONDS_BETWEEN_LOOKS = 30.0
MOST_IN_VAIN = 3
"""Submissions in a row without progress before giving up: a single one may have met a bad node, or a `scancel`."""


MOST_REFUSALS = 10
"""Refusals in a row before giving up, if the scheduler does not say whether the reason passes by itself."""
MOST_RELEASES = 3
"""How often to release a job that is held because a node could not start it."""


def without_jobs(networks: Sequence[Network], jobs: Sequence[Job]) -> list[Network]:
    """Return the networks that no job will train."""
    taken = {identity for job in jobs for identity in job.networks}
    return [network for network in networks if network.identity not in taken]


def finish(
    cluster: AbstractCluster,
    networks: Sequence[Network],
    sweep: Sweep,
    store: Store,
    request: Any,
    *,
    on_message: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    look_every: float = SECONDS_BETWEEN_LOOKS,
    checkpoint_after: float = SECONDS_PER_CHECKPOINT,
) -> None:
    """Wait for the jobs of a sweep and submit what they leave, until every network has finished or failed.

    Parameters
    ----------
    cluster
        The scheduler.
    networks, sweep, store, request, checkpoint_after
        As for :meth:`AbstractCluster.submit`, with all networks of the sweep.
    on_message
        Called with one line on each event.
    should_stop
        Called several times a second; once it returns True, the call ends, and the jobs go on.
    look_every
        Seconds between two looks at the store and at the queue.

    Raises
    ------
    InputError
        If the scheduler is missing, or refuses the first submission.
    InterruptedRunError
        If ``should_stop`` returned True.
    StuckError
        If submissions make no progress, a later one is refused for good, or the user has cancelled the last one.
    """
    networks = listed(networks)
    watch = _Watch(cluster, networks, store, on_message, should_stop, look_every)
    todo = without_jobs(left_of(networks, store), cluster.queued(store))
    last: Submitted | None = None
    in_vain = 0
    while True:
        reached = _reached(networks, store)
        if todo:
            try:
                last = cluster.submit(todo, sweep, store, request, checkpoint_after=checkpoint_after)
            except InputError as error:
                if last is None:
                    raise
                watch.refused(error, len(todo))
                todo = watch.wait()  # what seems to be refused may be queued all the same
                continue
            watch.refusals = 0
            on_message(told(last))
        todo = watch.wait()
        if not todo:
            return
        in_vain = 0 if last is None or reached != _reached(networks, store) else in_vain + 1
        if last is not None:
            _check_that_it_helps(last, len(todo), in_vain)


def _check_that_it_helps(last: Submitted, left: int, in_vain: int) -> None:
    """Raise a StuckError if the last submission was cancelled, or several made no progress."""
    if last.submission.cancelled:
        raise StuckError(f"Cancelled, with {counted(left, 'network')} left.")
    if in_vain == MOST_IN_VAIN:
        raise StuckError(
            f"{counted(left, 'network')} left, and {MOST_IN_VAIN} submissions have brought none of them further. See "
            f"{last.submission.folder} for why the last jobs ended; once that is mended, the same command goes on."
        )


def told(submitted: Submitted) -> str:
    """Describe what the scheduler accepted in one line."""
    line = (
        f"submitted {counted(submitted.networks, 'network')} in {counted(submitted.jobs, 'job')}: "
        f"{', '.join(submitted.ids)}; their output is in {submitted.submission.folder}"
    )
    return f"{line}\n{submitted.refusal} The rest has to wait for these." if submitted.refusal else line


class _Reached(NamedTuple):
    """The progress of networks, to compare before and after a submission."""

    ended: int
    checkpoints: dict[str, int]
    """Time of each last checkpoint, by the file system's clock."""


def _reached(networks: Sequence[Network], store: Store) -> _Reached:
    left = left_of(networks, store)
    times = {
        str(path): path.stat().st_mtime_ns
        for network in left
        for path in store.work(network.identity).path.rglob(CHECKPOINT)
    }
    return _Reached(len(networks) - len(left), times)


class _Watch:
    """Watches the store and the queue, and reports changes."""

    def __init__(
        self,
        cluster: AbstractCluster,
        networks: Sequence[Network],
        store: Store,
        on_message: Callable[[str], None],
        should_stop: Callable[[], bool],
        look_every: float,
    ) -> None:
        self.cluster, self.networks, self.store, self.look_every = cluster, networks, store, look_every
        self._on_message, self._should_stop = on_message, should_stop
        self.refusals = 0
        """Refusals in a row whose reason may not pass by itself."""
        self._said = ""
        self._released: Counter[str] = Counter()

    def wait(self) -> list[Network]:
        """Return the networks that are left once two looks in a row find no job: results may become visible late."""
        without = 0
        while left := left_of(self.networks, self.store):
            try:
                jobs = self.cluster.queued(self.store)
            except InputError as error:
                self.pause(error)
                continue
            without = 0 if jobs else without + 1
            if without == 2:
                break
            self._release(jobs)
            self._tell(len(self.networks) - len(left), jobs)
            self._sleep()
        return left

    def refused(self, error: InputError, left: int) -> None:
        """Wait after a refusal whose reason may pass; raise a StuckError if it does not."""
        if isinstance(error, RefusedError):
            self.refusals += 1
            if error.for_good or self.refusals == MOST_REFUSALS:
                rest = counted(left, "network")
                raise StuckError(f"{error} {rest} left; once that is mended, the same command goes on.")
        self.pause(error)

    def pause(self, error: InputError) -> None:
        """Wait before asking the scheduler again: it can be down for hours while the jobs go on."""
        self._say(f"{first_line(error)} Trying again every {self.look_every:g} s.")
        self._sleep()

    def _release(self, jobs: Sequence[Job]) -> None:
        """Release jobs that are held because a node could not start them (its daemon died): another node may."""
        for job in jobs:
            if self._released[job.id] < MOST_RELEASES and self.cluster.release(job):
                self._released[job.id] += 1
                self._say(f"job {job.id} was held because a node could not start it: released")

    def _tell(self, ended: int, jobs: Sequence[Job]) -> None:
        running = sum(job.state == "RUNNING" for job in jobs)
        line = f"{ended} of {counted(len(self.networks), 'network')} done; "
        line += f"{counted(running, 'job')} running, {len(jobs) - running} waiting"
        held = [job for job in jobs if "held" in job.reason.lower()]
        if held:
            first = held[0]
            line += f", {len(held)} of them held ({first.reason}): {self.cluster.advice_on_held(first)}"
        self._say(line)

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._on_message(line)

    def _sleep(self) -> None:
        until = time.monotonic() + self.look_every
        while (rest := until - time.monotonic()) > 0:
            if self._should_stop():
                raise InterruptedRunError("The jobs go on; the same command follows them again.")
            time.sleep(min(rest, 0.3))
