"""The networks of a sweep, handed out one by one as they are claimed: other processes may work on the same sweep."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import xarray as xr

from ..errors import (
    DamagedResultError,
    DivergedError,
    FileError,
    InputError,
    InterruptedRunError,
    UnreadableFileError,
    counted,
    first_line,
)
from ..runs.apart import ALONE_AFTER, MOST_DEATHS, can_run_apart, deaths, note_death, too_many_deaths
from ..runs.claims import Claims as Claims
from ..runs.pool import Job, Plan, Supply, is_out_of_memory, plan, run_pool
from ..runs.resources import machine
from ..runs.result import load
from ..runs.session import Progress, Watch
from .grid import Network
from .status import duration
from .store.layout import Failure
from .store.log import Log
from .store.record import Part
from .store.sink import StoreSink
from .store.store import Store

COST_OF_TEST = 1 / 3
"""Time of a test batch relative to a training iteration, which also has a backward pass and a gradient."""
SECONDS_BETWEEN_LOOKS = 2.0
"""Time between two looks at networks that other workers are training."""
MOST_OWNERS = 3
"""Number of other workers that a message names."""
ALMOST = 0.999
"""Progress of a network that is trained and tested, until its result is stored."""


class SweepProgress(NamedTuple):
    """How far a sweep has come.

    Examples
    --------
    >>> progress = SweepProgress(networks=12, finished=5, failed=1, running=2, done=0.55)
    >>> progress.networks - progress.finished - progress.failed
    6
    """

    networks: int
    finished: int
    failed: int
    running: int
    """Networks that this process is training."""
    done: float
    """Fraction of the training of all networks that is done, from 0 to 1."""


class Asked(NamedTuple):
    """The caller's callbacks, and how often to save."""

    on_progress: Callable[[SweepProgress], None]
    on_message: Callable[[str], None]
    should_stop: Callable[[], bool]
    checkpoint_after: float


class Claimed(Supply):
    """The networks of a sweep, each handed out once it is claimed, and the progress of all of them."""

    def __init__(
        self, networks: Sequence[Network], store: Store, parts: Collection[Part], claims: Claims, asked: Asked
    ) -> None:
        self.store, self.parts, self.claims, self._asked = store, parts, claims, asked
        self.events = Log(store.path / "log", claims.worker)
        self._lock, self._stopped = threading.RLock(), False
        self._networks, self._verified = {network.identity: network for network in networks}, set[str]()
        self._count()
        self._again = set[str]()  # networks whose file was damaged, which are trained once more
        self._queues: list[collections.deque[Network]] = []
        self._has_named_others = False
        self._share: dict[str, float] = {}  # progress of each network that is trained here, from 0 to 1
        self._alone: str | None = None  # the network beside which this worker trains no other

    def _count(self, again: Collection[str] = ()) -> None:
        """Count the networks that have ended, and list the others: their user may have discarded some meanwhile."""
        finished, failed = (of.difference(again) for of in self.store.ended())
        self._finished, self._failed = (len(self._networks.keys() & of) for of in (finished, failed))
        self._verified &= finished | failed
        self._left = [one for name, one in self._networks.items() if name not in finished and name not in failed]

    def run(self, at_once: int | None, batched: bool | None) -> None:
        """Train until nothing is left."""
        if not self._left:
            return
        made = plan([network.experiment for network in self._left], at_once=at_once, batched=batched)
        self._asked.on_message(str(made))
        self._queues = self._queued(made)
        self._left = []
        run_pool(self, made)
        self.store.clear_ended_work()
        if self._stopped:
            raise InterruptedRunError(
                f"Stopped with {self._finished + self._failed} of {counted(len(self._networks), 'network')} done."
            )

    def take_back_damaged(self) -> int:
        """Set damaged results and failures aside; return how many networks are trained again.

        Raises
        ------
        FileError
            If a file cannot be read, which does not make it damaged; once all others have been looked at.
        """
        unreadable: list[FileError] = []
        again: set[str] = set()
        for network in self._networks.values():
            if self._asks_to_stop():
                raise InterruptedRunError("Stopped while the results were verified: all networks are done.")
            identity = network.identity
            if identity in self._verified or not self.store.has(identity):
                continue
            try:
                self.store.verify(identity)
                self._verified.add(identity)
            except DamagedResultError:
                if identity in self._again:
                    raise  # its file is damaged although it has just been written: the disk, or the program, is
                self._again.add(identity)
                self._take_back(network)
                again.add(identity)
            except FileError as error:
                unreadable.append(error)
        self._count(again)
        if unreadable and not self._left:
            more = f"\n{len(unreadable) - 1} more cannot be read." if len(unreadable) > 1 else ""
            raise type(unreadable[0])(f"{unreadable[0]}{more}")
        return len(self._left)

    def _take_back(self, network: Network) -> None:
        """Set a damaged result aside, unless somebody else is doing that."""
        identity = network.identity
        if not self.claims.acquire(identity):
            return
        try:
            self.store.verify(identity)  # again: somebody else may have replaced it by now
        except DamagedResultError as error:
            aside = self.store.set_aside(identity)
            self._say(network, f"{first_line(error)} It was moved to {aside}. It is trained again.")
            self.events.add("damaged", identity)
        finally:
            self.claims.release(identity)

    def progress(self) -> SweepProgress:
        """Return how far the sweep has come."""
        with self._lock:
            ended = self._finished + self._failed
            running = sum(min(share, ALMOST) for share in self._share.values())
            done = (ended + running) / max(1, len(self._networks))
            return SweepProgress(len(self._networks), self._finished, self._failed, len(self._share), done)

    def take(self, most: int = 1) -> list[Job]:
        """Claim networks; wait for those that others are training, because their owners may die."""
        while not self._asks_to_stop():
            with self._lock:
                claimed = next((some for queue in self._queues if (some := self._claim(queue, most))), [])
            if claimed or not any(self._queues):
                return [self._job(network) for network in claimed]
            self._wait()
        return []

    def finished(self, job: Job, result: xr.Dataset) -> None:
        self.store.clear_work(str(job.key))
        self._note(job, finished=1)

    def diverged(self, job: Job, error: DivergedError) -> None:
        message = first_line(error).removeprefix("Training diverged: ").partition(" The state before")[0].rstrip(".")
        self._fail(str(job.key), Failure("diverged", message, len(error.history), machine()))
        self._note(job, failed=1)

    def failed(self, jobs: Sequence[Job], error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        for job in jobs:
            why = Failure("out of memory" if is_out_of_memory(error) else "error", text, None, machine())
            self._fail(str(job.key), why)
            self._note(job, failed=1)

    def interrupted(self, jobs: Sequence[Job], error: InterruptedRunError) -> None:
        if self._stopped:
            return
        # This process was suspended for so long that it lost a claim, or a suspended owner is back.
        networks = [self._networks[str(job.key)] for job in jobs]
        for network in networks:
            self.events.add("given up", network.identity)
        self._say(networks[0], "another process is training it")
        with self._lock:
            self._queues.append(collections.deque(networks))

    def halved(self, jobs: Sequence[Job]) -> None:
        network = self._networks[str(jobs[0].key)]
        self._say(network, f"{len(jobs)} networks together need too much memory; trying half of them at a time")

    def give_back(self, job: Job) -> None:
        with self._lock:
            self._share.pop(str(job.key), None)
            self._alone = None if self._alone == job.key else self._alone
        self.claims.release(str(job.key))
        self._tell()

    def stop(self) -> None:
        self._stopped = True

    def _queued(self, made: Plan) -> list[collections.deque[Network]]:
        """Return queues of the networks that are left: one for each shape if batched, otherwise one in all."""
        if made.batched:
            return [collections.deque(self._left[number] for number in group) for group in made.groups]
        return [collections.deque(self._left)]

    def _claim(self, queue: collections.deque[Network], most: int) -> list[Network]:
        """Claim up to `most` networks of a queue that nobody trains, and drop those that have ended."""
        claimed: list[Network] = []
        for _ in range(len(queue) if self._alone is None else 0):
            network = queue.popleft()
            if self._has_ended(network):
                continue
            if not self.claims.acquire(network.identity):
                queue.append(network)
                continue
            if self._has_ended(network):  # between the look and the claim
                self.claims.release(network.identity)
                continue
            died = self._deaths(network)
            needs_all = died >= ALONE_AFTER and not can_run_apart(network.experiment)
            if died >= MOST_DEATHS or (needs_all and self._share):
                if died >= MOST_DEATHS:
                    self._fail_by_deaths(network)
                else:
                    queue.append(network)  # until this worker trains nothing else
                self.claims.release(network.identity)
                continue
            self._share[network.identity] = 0.0
            claimed.append(network)
            if needs_all:
                self._alone = network.identity
            if needs_all or len(claimed) == most:
                break
        return claimed

    def _deaths(self, network: Network) -> int:
        """Return how many workers in a row died while they trained a network that has just been claimed."""
        place = self.store.work(network.identity)
        if network.identity not in self.claims.orphans:
            return deaths(place)
        self.claims.orphans.discard(network.identity)
        self._clear_damaged(network)
        return note_death(network.experiment, place)

    def _fail_by_deaths(self, network: Network) -> None:
        message = too_many_deaths(network.experiment, self.store.work(network.identity))
        self._fail(network.identity, Failure("error", message, None, machine()))
        self._failed += 1

    def _has_ended(self, network: Network) -> bool:
        """Return whether a network has ended elsewhere, and if so count it."""
        if not self.store.has(network.identity):
            return False
        if self.store.is_finished(network.identity):
            self._finished += 1
        else:
            self._failed += 1
        return True

    def _wait(self) -> None:
        """Wait a little for networks that others have claimed."""
        with self._lock:
            if not self._has_named_others and self._alone is None:
                self._name_others(network for queue in self._queues for network in queue)
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def _name_others(self, left: Iterable[Network]) -> None:
        owners = sorted({owner for network in left if (owner := self.claims.owner(network.identity)) is not None})
        if not owners:
            return  # the networks have just ended, or their claims were given back
        self._has_named_others = True
        others = f" and {counted(len(owners) - MOST_OWNERS, 'other')}" if len(owners) > MOST_OWNERS else ""
        self._asked.on_message(
            f"waiting for networks that others have claimed ({'; '.join(owners[:MOST_OWNERS])}{others}). If an owner "
            "dies, its networks are taken over: on this machine at once, elsewhere after "
            f"{duration(self.claims.lease)} without a sign of life."
        )

    def _job(self, network: Network) -> Job:
        self._clear_damaged(network)
        sink = StoreSink(network.experiment, network.identity, self.store, self.parts, self.events)
        place = None
        if died := deaths(self.store.work(network.identity)):
            how = " beside no other" if self._alone == network.identity else " again"
            if can_run_apart(network.experiment):
                place, how = self.store.work(network.identity), " in a process of its own"
            self._say(network, f"{counted(died, 'worker')} died while training this network: it is trained{how}")
        return Job(network.identity, network.experiment, sink, self._watch(network), place)

    def _watch(self, network: Network) -> Watch:
        identity, experiment = network.identity, network.experiment
        of_test = (
            experiment.test_batches * COST_OF_TEST / (experiment.iterations + experiment.test_batches * COST_OF_TEST)
        )

        def on_progress(now: Progress) -> None:
            share = now.done / max(1, now.total)
            share = (1 - of_test) * share if now.phase == "training" else 1 - of_test + of_test * share
            with self._lock:
                self._share[identity] = (now.stage + share) / (experiment.stage + 1)
            self._tell()

        def on_message(line: str) -> None:
            if line.startswith(("starting", "going on")):
                self.events.add("started", identity, how=line)

        def must_stop() -> bool:
            return self._asks_to_stop() or self.claims.is_lost(identity)

        return Watch(on_progress, on_message, must_stop, checkpoint_after=self._asked.checkpoint_after)

    def _clear_damaged(self, network: Network) -> None:
        """Set training state aside that is damaged, or of another version: there is nothing to go on from."""
        place = self.store.work(network.identity)
        if not place.path.exists():
            return
        try:
            place.check_free_for(network.experiment)
            if place.finished:
                load(place)
            else:
                place.load_history()
        except UnreadableFileError:
            raise
        except InputError as error:
            aside = self.store.set_work_aside(network.identity)
            self._say(network, f"{first_line(error)} It was moved to {aside}. It is trained again.")

    def _fail(self, identity: str, failure: Failure) -> None:
        self.store.clear_work(identity)
        self.store.fail(identity, failure)
        self.events.add("failed", identity, kind=failure.kind, message=failure.message)
        self._say(self._networks[identity], f"{failure.kind}: {failure.message}")

    def _note(self, job: Job, *, finished: int = 0, failed: int = 0) -> None:
        with self._lock:
            self._share.pop(str(job.key), None)
            self._finished += finished
            self._failed += failed

    def _tell(self) -> None:
        with self._lock:
            self._asked.on_progress(self.progress())

    def _say(self, network: Network, line: str) -> None:
        point = ", ".join(f"{name} = {value}" for name, value in network.point.items())
        with self._lock:
            self._asked.on_message(f"{point or network.identity}: {line}")

    def _asks_to_stop(self) -> bool:
        with self._lock:
            self._stopped = self._stopped or self._asked.should_stop()
            return self._stopped
