"""Submit what is left of a sweep until nothing is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...errors import InputError, InterruptedRunError, StuckError
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
"""Submissions in a row that bring nothing before there are no more: one may have met a bad node, or a `scancel`."""


MOST_RELEASES = 3
"""How often a job is released that is held because a node could not start it."""


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
    """Wait for the jobs of a sweep and submit what they leave, until every network has come to an end.

    Parameters
    ----------
    cluster
        The scheduler.
    networks, sweep, store, request, checkpoint_after
        See :meth:`AbstractCluster.submit`; all networks of the sweep.
    on_message
        Called with one line on each event worth telling.
    should_stop
        Asked several times a second; once it says True, the call ends, and the jobs go on.
    look_every
        Seconds between two looks at the store and at the queue.

    Raises
    ------
    InputError
        If the scheduler is missing, or refuses the first submission.
    InterruptedRunError
        If ``should_stop`` said so.
    StuckError
        If submissions came to nothing, or the user has cancelled the last one.
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
                watch.pause(error)
                continue
            on_message(told(last))
        todo = watch.wait()
        if not todo:
            return
        in_vain = 0 if last is None or reached != _reached(networks, store) else in_vain + 1
        if last is not None:
            _check_that_it_helps(last, len(todo), in_vain)


def _check_that_it_helps(last: Submitted, left: int, in_vain: int) -> None:
    """Raise a StuckError if the last submission was cancelled, or several have come to nothing."""
    if last.submission.cancelled:
        raise StuckError(f"Cancelled, with {counted(left, 'network')} left.")
    if in_vain == MOST_IN_VAIN:
        raise StuckError(
            f"{counted(left, 'network')} left, and {MOST_IN_VAIN} submissions have brought none of them further. Why "
            f"the last jobs ended is in {last.submission.folder}; mend it, and the same command goes on."
        )


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'s' * (number != 1)}"


def told(submitted: Submitted) -> str:
    """Return in a line what the scheduler took."""
    line = (
        f"submitted {counted(submitted.networks, 'network')} in {counted(submitted.jobs, 'job')}: "
        f"{', '.join(submitted.ids)}; what they print is in {submitted.submission.folder}"
    )
    return f"{line}\n{submitted.refusal} The rest has to wait for these." if submitted.refusal else line


class _Reached(NamedTuple):
    """How far networks have come, for comparing."""

    ended: int
    checkpoints: dict[str, int]
    """Times of the last checkpoints, by the file system's own clock."""


def _reached(networks: Sequence[Network], store: Store) -> _Reached:
    left = left_of(networks, store)
    times = {
        str(path): path.stat().st_mtime_ns
        for network in left
        for path in store.work(network.identity).path.rglob(CHECKPOINT)
    }
    return _Reached(len(networks) - len(left), times)


class _Watch:
    """Looks at the store and at the queue, and tells what has changed."""

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
        self._said = ""
        self._released: Counter[str] = Counter()

    def wait(self) -> list[Network]:
        """Return what is left once no job is there, in two looks in a row: results may be seen late."""
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

    def pause(self, error: InputError) -> None:
        """Wait until the scheduler may have come back: it can be away for hours, and the jobs go on without it."""
        self._say(f"{str(error).splitlines()[0]} Trying again every {self.look_every:g} s.")
        self._sleep()

    def _release(self, jobs: Sequence[Job]) -> None:
        """Let jobs go that are held since a node could not start them, as after its daemon died: another one may."""
        for job in jobs:
            if self._released[job.id] < MOST_RELEASES and self.cluster.release(job):
                self._released[job.id] += 1
                self._say(f"job {job.id} was held, as a node could not start it: released")

    def _tell(self, ended: int, jobs: Sequence[Job]) -> None:
        running = sum(job.state == "RUNNING" for job in jobs)
        line = f"{ended} of {len(self.networks)} networks done; {running} jobs running, {len(jobs) - running} waiting"
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
