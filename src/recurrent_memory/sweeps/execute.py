"""Train the networks of a sweep here: as many at once as there are cores, beside whoever else works on the sweep."""

from __future__ import annotations

import collections
import contextlib
import platform
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import xarray as xr

from .. import storage
from ..errors import DivergedError, FolderInUseError, InputError, InterruptedRunError
from ..networks import Network as TrainedNetwork
from ..runs import result as results
from ..runs.folder import RunFolder
from ..runs.many import ManyProgress, Plan, on_cores, plan, run_many
from ..runs.run import blas_on_one_thread, run_stage
from ..runs.session import Progress, Watch, initial_network
from .grid import Network, listed
from .status import duration
from .store.claims import Claims
from .store.layout import Failure
from .store.log import Log
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
    on_progress
        Called several times a second.
    on_message
        Called with one line on each event worth telling.
    should_stop
        Asked several times a second; once it says True, every state is saved and the call ends.
    at_once
        Networks to train at the same time; None: as many as there are cores (on accelerators, all of one shape), and
        fit into memory.
    batched
        Whether networks of equal shape are one program; None: on accelerators.
    verify
        Whether to read all results and failures once nothing is left, and train those again whose files are damaged.
    checkpoint_after
        Seconds between checkpoints of each network.
    claims
        For tests; None makes them.

    Returns
    -------
    How far the sweep has come.

    Raises
    ------
    InputError
        Where the store cannot be used, before anything starts.
    InterruptedRunError
        Where ``should_stop`` said so.
    OSError
        Where nothing can be written any more, such as on a full disk; what was finished stays.
    """
    store.prepare()
    with claims or Claims(store.claim_path) as held, blas_on_one_thread():
        crew = _Crew(listed(networks), store, parts, on_progress, on_message, should_stop, checkpoint_after, held)
        crew.work(at_once, batched)
        while verify and crew.take_back_damaged():
            crew.work(at_once, batched)
        return crew.progress()


class _Workplace(RunFolder):
    """Run folder of a network whose result goes to the store at once."""

    def __init__(self, path: Path, publish: Callable[[TrainedNetwork, xr.Dataset, dict[str, Any]], None]) -> None:
        super().__init__(path)
        self._publish = publish

    def save_result(self, network: TrainedNetwork, result: xr.Dataset, timing: dict[str, Any]) -> None:
        self._publish(network, result, timing)


class _Crew:
    """Threads of this process that train networks, and what they know."""

    def __init__(
        self,
        networks: Sequence[Network],
        store: Store,
        parts: Collection[Part],
        on_progress: Callable[[SweepProgress], None],
        on_message: Callable[[str], None],
        should_stop: Callable[[], bool],
        checkpoint_after: float,
        claims: Claims,
    ) -> None:
        self.store, self.parts, self.claims, self.checkpoint_after = store, parts, claims, checkpoint_after
        self.events = Log(store.path / "log", claims.worker)
        self._on_progress, self._on_message, self._should_stop = on_progress, on_message, should_stop
        self._lock, self._stopped = threading.RLock(), False
        self._networks, self._verified = networks, set[str]()
        finished, failed = store.ended()
        self._finished = sum(network.identity in finished for network in networks)
        self._failed = sum(network.identity in failed for network in networks)
        ended = finished | failed
        self._left = collections.deque(network for network in networks if network.identity not in ended)
        self._has_told_of_others = False
        self._share: dict[str, float] = {}  # of the training of each network that runs here

    def work(self, at_once: int | None, batched: bool | None) -> None:
        """Train until nothing is left, or something goes wrong."""
        if not self._left:
            return
        made = plan([network.experiment for network in self._left], at_once=at_once, batched=batched)
        self._on_message(str(made))
        if made.batched:
            self._work_in_batches(made)
        else:
            self._work_on_threads(made)
        self.store.clear_ended_work()
        if self._stopped:
            raise InterruptedRunError(
                f"Stopped with {self._finished + self._failed} of {len(self._networks)} networks done."
            )

    def take_back_damaged(self) -> int:
        """Discard results and failures whose files are damaged; return how many networks are trained again for it."""
        for network in self._networks:
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

    def _work_on_threads(self, made: Plan) -> None:
        """Give each network a core of its own; the last ones share the cores that are left over."""

        def train_some() -> None:
            while (network := self._next()) is not None:
                self._train([network], self._train_alone)

        on_cores([train_some] * made.at_once, made.at_once, self._stop)

    def _work_in_batches(self, made: Plan) -> None:
        """Train networks of equal shape in one program, as many as fit."""
        left = list(self._left)
        self._left.clear()
        queues = [collections.deque(left[number] for number in group) for group in made.groups]
        while any(queues) and not self._asks_to_stop():
            got_any = False
            for queue in queues:
                batch: list[Network] = []
                while len(batch) < made.at_once and (network := self._claim_one(queue)) is not None:
                    batch.append(network)
                if batch:
                    self._train(batch, self._train_together, queue)
                    got_any = True
            if not got_any:
                self._wait(*queues)

    def progress(self) -> SweepProgress:
        """Return how far the sweep has come."""
        with self._lock:
            ended = self._finished + self._failed
            running = sum(min(share, ALMOST) for share in self._share.values())
            done = (ended + running) / max(1, len(self._networks))
            return SweepProgress(len(self._networks), self._finished, self._failed, len(self._share), done)

    def _tell(self) -> None:
        with self._lock:
            self._on_progress(self.progress())

    def _next(self) -> Network | None:
        """Claim a network; wait for those that others are training, since these may die."""
        while not self._asks_to_stop():
            network = self._claim_one(self._left)
            if network is not None or not self._left:
                return network
            self._wait(self._left)
        return None

    def _wait(self, *queues: collections.deque[Network]) -> None:
        """Wait a little for networks that others have claimed."""
        with self._lock:
            if not self._has_told_of_others:
                self._tell_of_others([network for queue in queues for network in queue])
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def _tell_of_others(self, left: list[Network]) -> None:
        owners = sorted({owner for network in left if (owner := self.claims.owner(network.identity)) is not None})
        if not owners:
            return  # they have just ended, or been given back
        self._has_told_of_others = True
        others = f" and {len(owners) - MOST_OWNERS} others" if len(owners) > MOST_OWNERS else ""
        self._on_message(
            f"waiting for networks that others have claimed ({'; '.join(owners[:MOST_OWNERS])}{others}). If these die "
            "they are taken over: at once on the same machine, elsewhere after "
            f"{duration(self.claims.lease)} without a sign of life."
        )

    def _claim_one(self, queue: collections.deque[Network]) -> Network | None:
        """Claim a network that nobody trains, if there is one; forget those that have come to their end."""
        with self._lock:
            for _ in range(len(queue)):
                network = queue.popleft()
                if self._has_ended(network):
                    continue
                if not self.claims.acquire(network.identity):
                    queue.append(network)
                    continue
                if not self._has_ended(network):  # in between
                    self._share[network.identity] = 0.0
                    return network
                self.claims.release(network.identity)
        return None

    def _has_ended(self, network: Network) -> bool:
        """Return whether a network has come to its end elsewhere, and count it."""
        if not self.store.has(network.identity):
            return False
        if self.store.is_finished(network.identity):
            self._finished += 1
        else:
            self._failed += 1
        return True

    def _train(
        self,
        networks: list[Network],
        how: Callable[[list[Network]], None],
        queue: collections.deque[Network] | None = None,
    ) -> None:
        """Train claimed networks in some way, and note what became of them."""
        try:
            how(networks)
            for network in networks:
                self.store.clear_work(network.identity)
        except (InterruptedRunError, FolderInUseError):
            if not self._stopped:
                # This process was asleep for so long that it lost a claim, or the one that slept has woken up.
                for network in networks:
                    self.events.add("given up", network.identity)
                self._say(networks[0], "another process is training it")
                with self._lock:
                    (self._left if queue is None else queue).extend(networks)
        except OSError:
            raise  # not the network's fault: nobody could keep a result now
        except Exception as error:
            is_full = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
            if is_full and len(networks) > 1:
                self._say(
                    networks[0], f"{len(networks)} networks together need too much memory; half of them at a time"
                )
                middle = len(networks) // 2
                for half in (networks[:middle], networks[middle:]):
                    self._train(half, how, queue)
                return
            text = f"{type(error).__name__}: {error}"
            for network in networks:
                self.store.clear_work(network.identity)
                self._fail(network, Failure("out of memory" if is_full else "error", text, None, _where()))
        finally:
            for network in networks:
                with self._lock:
                    self._share.pop(network.identity, None)
                self.claims.release(network.identity)
            self._tell()

    def _train_alone(self, networks: list[Network]) -> None:
        (network,) = networks
        identity, experiment = network.identity, network.experiment
        place = _Workplace(self.store.work(identity).path, lambda *made: self._publish(network, *made))
        of_test = (
            experiment.test_batches * COST_OF_TEST / (experiment.iterations + experiment.test_batches * COST_OF_TEST)
        )

        def on_progress(now: Progress) -> None:
            share = now.done / max(1, now.total)
            share = (1 - of_test) * share if now.phase == "training" else 1 - of_test + of_test * share
            self._share[identity] = (now.stage + share) / (experiment.stage + 1)
            self._tell()

        def on_message(line: str) -> None:
            if line.startswith(("starting", "going on")):
                self.events.add("started", identity, how=line)

        self._clear_damaged(network)
        watch = Watch(on_progress, on_message, self._must_stop(networks), checkpoint_after=self.checkpoint_after)
        try:
            run_stage(experiment, place, watch)
        except DivergedError as error:
            self._fail(network, _divergence(len(error.history)))

    def _train_together(self, networks: list[Network]) -> None:
        def on_progress(now: ManyProgress) -> None:
            for network in networks:
                self._share[network.identity] = now.done / max(1, now.total)
            self._tell()

        for network in networks:
            self._clear_damaged(network)
            self.events.add("started", network.identity, how=f"with {len(networks) - 1} others")
        found = run_many(
            [network.experiment for network in networks],
            [self.store.work(network.identity).path for network in networks],
            on_progress=on_progress,
            should_stop=self._must_stop(networks),
            checkpoint_after=self.checkpoint_after,
            at_once=len(networks),
            batched=True,
        )
        for network, result in zip(networks, found, strict=True):
            with contextlib.closing(result):
                if result.attrs["status"] == "diverged":
                    self._fail(network, _divergence(result.sizes["iteration"]))
                else:
                    place = self.store.work(network.identity)
                    like = initial_network(network.experiment)
                    self._publish(network, place.load_weights(like), result, place.timing())

    def _must_stop(self, networks: list[Network]) -> Callable[[], bool]:
        return lambda: self._asks_to_stop() or any(self.claims.is_lost(network.identity) for network in networks)

    def _clear_damaged(self, network: Network) -> None:
        """Remove training state that is damaged, or of another version: there is nothing to go on from."""
        place = self.store.work(network.identity)
        if not place.path.exists():
            return
        try:
            place.check_free_for(network.experiment)
            if place.finished:
                results.load(place)
            else:
                place.load_history()
        except InputError as error:
            self._say(network, f"{_first_line(error)} It is trained again.")
            self.store.clear_work(network.identity)

    def _publish(self, network: Network, trained: TrainedNetwork, result: xr.Dataset, timing: dict[str, Any]) -> None:
        weights = storage.flatten(eqx.filter(trained, eqx.is_array))
        described = network.experiment.model_dump(mode="json")
        if self.store.publish(network.identity, described, result, weights, self.parts, {**timing, **_where()}):
            self.events.add("finished", network.identity)
        with self._lock:
            self._share.pop(network.identity, None)
            self._finished += 1

    def _fail(self, network: Network, failure: Failure) -> None:
        self.store.fail(network.identity, failure)
        self.events.add("failed", network.identity, kind=failure.kind, message=failure.message)
        self._say(network, f"{failure.kind}: {failure.message}")
        with self._lock:
            self._share.pop(network.identity, None)
            self._failed += 1

    def _say(self, network: Network, line: str) -> None:
        point = ", ".join(f"{name} = {value}" for name, value in network.point.items())
        with self._lock:
            self._on_message(f"{point or network.identity}: {line}")

    def _stop(self) -> None:
        self._stopped = True

    def _asks_to_stop(self) -> bool:
        with self._lock:
            self._stopped = self._stopped or self._should_stop()
            return self._stopped


def _divergence(iteration: int) -> Failure:
    return Failure("diverged", f"the loss of iteration {iteration} is not finite", iteration, _where())


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _where() -> dict[str, Any]:
    return {"host": platform.node(), "device": jax.devices()[0].device_kind}
