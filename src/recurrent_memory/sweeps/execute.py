"""Train the networks of a sweep here: as many at once as there are cores, beside whoever else works on the sweep."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import xarray as xr

from ..errors import DivergedError, InputError, InterruptedRunError
from ..runs.claims import Claims as Claims
from ..runs.pool import Job, Plan, Supply, is_out_of_memory, plan, run_pool
from ..runs.resources import blas_on_one_thread, machine
from ..runs.result import load
from ..runs.session import Progress, Watch
from .grid import Network, listed
from .status import duration
from .store.layout import Failure
from .store.log import Log
from .store.sink import StoreSink
from .store.store import Part, Store

SECONDS_PER_CHECKPOINT = 60.0
COST_OF_TEST = 1 / 3
"""Time of a batch of test trials over that of an iteration, which goes forth and back and adds up a gradient."""
SECONDS_BETWEEN_LOOKS = 2.0
"""Between two looks at networks that others are training."""
MOST_OWNERS = 3
"""Other workers that are named."""
ALMOST = 0.999
"""Share of a network that is trained and tested, as long as its result is not kept."""


class SweepProgress(NamedTuple):
    """How far a sweep has come, for whoever shows it."""

    networks: int
    finished: int
    failed: int
    running: int
    """By this process."""
    done: float
    """Share of the training of all networks."""


def execute(
    networks: Sequence[Network],
    store: Store,
    parts: Collection[Part],
    *,
    on_progress: Callable[[SweepProgress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    at_once: int | None = None,
    batched: bool | None = None,
    verify: bool = True,
    checkpoint_after: float = SECONDS_PER_CHECKPOINT,
    claims: Claims | None = None,
) -> SweepProgress:
    """Train what is left of a sweep, until every network has come to an end, here or elsewhere.

    Parameters
    ----------
    networks
        All networks of the sweep.
    store
        Where results are kept.
    parts
        What to keep of each besides its measures.
    on_progress, on_message, should_stop, at_once, batched, checkpoint_after
        See :func:`recurrent_memory.run_many`.
    verify
        Whether to read all results and failures once nothing is left, and train those again whose files are damaged.
    claims
        For tests; None makes them.

    Returns
    -------
    How far the sweep has come.

    Raises
    ------
    InputError
        If the store cannot be used; before anything starts.
    InterruptedRunError
        If ``should_stop`` said so.
    OSError
        If nothing can be written any more, as on a full disk; what was finished stays.
    """
    store.prepare()
    with claims or Claims(store.claim_path) as held, blas_on_one_thread():
        asked = _Asked(on_progress, on_message, should_stop, checkpoint_after)
        supply = _Claimed(listed(networks), store, parts, held, asked)
        supply.run(at_once, batched)
        while verify and supply.take_back_damaged():
            supply.run(at_once, batched)
        return supply.progress()


class _Asked(NamedTuple):
    """Who hears of the work, and who is asked."""

    on_progress: Callable[[SweepProgress], None]
    on_message: Callable[[str], None]
    should_stop: Callable[[], bool]
    checkpoint_after: float


class _Claimed(Supply):
    """Networks of a sweep, each handed out once it is claimed, and what is known of all of them."""

    def __init__(
        self, networks: Sequence[Network], store: Store, parts: Collection[Part], claims: Claims, asked: _Asked
    ) -> None:
        self.store, self.parts, self.claims, self._asked = store, parts, claims, asked
        self.events = Log(store.path / "log", claims.worker)
        self._lock, self._stopped = threading.RLock(), False
        self._networks, self._verified = {network.identity: network for network in networks}, set[str]()
        finished, failed = store.ended()
        self._finished = sum(network.identity in finished for network in networks)
        self._failed = sum(network.identity in failed for network in networks)
        ended = finished | failed
        self._left = [network for network in networks if network.identity not in ended]
        self._queues: list[collections.deque[Network]] = []
        self._has_named_others = False
        self._share: dict[str, float] = {}  # of the training of each network that runs here

    def run(self, at_once: int | None, batched: bool | None) -> None:
        """Train until nothing is left, or something goes wrong."""
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
                f"Stopped with {self._finished + self._failed} of {len(self._networks)} networks done."
            )

    def take_back_damaged(self) -> int:
        """Discard results and failures whose files are damaged; return how many networks are trained again for it."""
        for network in self._networks.values():
            if self._asks_to_stop():
                raise InterruptedRunError("Stopped while the results were verified: all networks are done.")
            identity = network.identity
            if identity in self._verified or not self.store.has(identity):
                continue
            finished = self.store.is_finished(identity)
            try:
                self.store.verify(identity)
                self._verified.add(identity)
            except InputError as error:
                self._say(network, f"{_first_line(error)} It is trained again.")
                self.events.add("damaged", identity)
                self.store.discard(identity)
                self._finished -= finished
                self._failed -= not finished
                self._left.append(network)
        return len(self._left)

    def progress(self) -> SweepProgress:
        """Return how far the sweep has come."""
        with self._lock:
            ended = self._finished + self._failed
            running = sum(min(share, ALMOST) for share in self._share.values())
            done = (ended + running) / max(1, len(self._networks))
            return SweepProgress(len(self._networks), self._finished, self._failed, len(self._share), done)

    def take(self, most: int = 1) -> list[Job]:
        """Claim networks; wait for those that others are training, since these may die."""
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
        iteration = len(error.history)
        message = f"the loss of iteration {iteration} is not finite"
        self._fail(job, Failure("diverged", message, iteration, machine()))

    def failed(self, jobs: Sequence[Job], error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        for job in jobs:
            self._fail(job, Failure("out of memory" if is_out_of_memory(error) else "error", text, None, machine()))

    def interrupted(self, jobs: Sequence[Job], error: InterruptedRunError) -> None:
        if self._stopped:
            return
        # This process was asleep for so long that it lost a claim, or the one that slept has woken up.
        networks = [self._networks[str(job.key)] for job in jobs]
        for network in networks:
            self.events.add("given up", network.identity)
        self._say(networks[0], "another process is training it")
        with self._lock:
            self._queues.append(collections.deque(networks))

    def halved(self, jobs: Sequence[Job]) -> None:
        network = self._networks[str(jobs[0].key)]
        self._say(network, f"{len(jobs)} networks together need too much memory; half of them at a time")

    def give_back(self, job: Job) -> None:
        with self._lock:
            self._share.pop(str(job.key), None)
        self.claims.release(str(job.key))
        self._tell()

    def stop(self) -> None:
        self._stopped = True

    def _queued(self, made: Plan) -> list[collections.deque[Network]]:
        """Return what is left: for one program a queue for each shape, otherwise all networks in their order."""
        if made.batched:
            return [collections.deque(self._left[number] for number in group) for group in made.groups]
        return [collections.deque(self._left)]

    def _claim(self, queue: collections.deque[Network], most: int) -> list[Network]:
        """Claim networks that nobody trains, as far as there are; forget those that have come to their end."""
        claimed: list[Network] = []
        for _ in range(len(queue)):
            network = queue.popleft()
            if self._has_ended(network):
                continue
            if not self.claims.acquire(network.identity):
                queue.append(network)
                continue
            if self._has_ended(network):  # in between
                self.claims.release(network.identity)
                continue
            self._share[network.identity] = 0.0
            claimed.append(network)
            if len(claimed) == most:
                break
        return claimed

    def _has_ended(self, network: Network) -> bool:
        """Return whether a network has come to its end elsewhere, and count it."""
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
            if not self._has_named_others:
                self._name_others(network for queue in self._queues for network in queue)
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def _name_others(self, left: Iterable[Network]) -> None:
        owners = sorted({owner for network in left if (owner := self.claims.owner(network.identity)) is not None})
        if not owners:
            return  # they have just ended, or been given back
        self._has_named_others = True
        others = f" and {len(owners) - MOST_OWNERS} others" if len(owners) > MOST_OWNERS else ""
        self._asked.on_message(
            f"waiting for networks that others have claimed ({'; '.join(owners[:MOST_OWNERS])}{others}). If these die "
            "they are taken over: at once on the same machine, elsewhere after "
            f"{duration(self.claims.lease)} without a sign of life."
        )

    def _job(self, network: Network) -> Job:
        self._clear_damaged(network)
        sink = StoreSink(network.experiment, network.identity, self.store, self.parts, self.events)
        return Job(network.identity, network.experiment, sink, self._watch(network))

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
        """Remove training state that is damaged, or of another version: there is nothing to go on from."""
        place = self.store.work(network.identity)
        if not place.path.exists():
            return
        try:
            place.check_free_for(network.experiment)
            if place.finished:
                load(place)
            else:
                place.load_history()
        except InputError as error:
            self._say(network, f"{_first_line(error)} It is trained again.")
            self.store.clear_work(network.identity)

    def _fail(self, job: Job, failure: Failure) -> None:
        identity = str(job.key)
        self.store.clear_work(identity)
        self.store.fail(identity, failure)
        self.events.add("failed", identity, kind=failure.kind, message=failure.message)
        self._say(self._networks[identity], f"{failure.kind}: {failure.message}")
        self._note(job, failed=1)

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


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
