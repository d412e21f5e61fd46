"""The one pool that runs many networks: one a core on CPUs, or groups of equal shape in one program on accelerators.

On CPU cores each network runs in the very program that trains it alone: several networks batched into one program share
no work, and wait for one another at every step. On accelerators a group is one batched program, sharded over all of
them.

What the networks are and what becomes of each is the business of a *supply*: a list (:func:`run_many`), or a sweep,
whose networks others train as well.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

import jax

from .. import kernel
from ..errors import DivergedError, InputError, InterruptedRunError
from ..experiment import Experiment
from . import resources
from .run import Course, run_stages
from .session import Session, Watch, train_in_lockstep
from .sinks import Sink

if TYPE_CHECKING:
    import xarray as xr


class Plan(NamedTuple):
    """How many experiments will be run."""

    groups: tuple[tuple[int, ...], ...]
    """Numbers of the experiments that share compiled programs."""
    at_once: int
    """Networks that train at the same time."""
    batched: bool
    """Whether those are one program, on accelerators; otherwise each has a core to itself."""
    bytes_each: int
    """Estimated memory of the largest network while it trains or is tested."""

    def __str__(self) -> str:
        """Return the plan in one line."""
        networks, groups = sum(map(len, self.groups)), len(self.groups)
        how = "batched in one program" if self.batched else "each on a core of its own"
        return (
            f"{networks} network{'s' * (networks != 1)} in {groups} group{'s' * (groups != 1)} of equal shape, "
            f"{self.at_once} at once, {how}; about {self.at_once * self.bytes_each / 1e9:.1f} GB (estimate)"
        )


def plan(experiments: Sequence[Experiment], *, at_once: int | None = None, batched: bool | None = None) -> Plan:
    """Return how many experiments will be run here; for parameters see :func:`recurrent_memory.run_many`.

    Raises
    ------
    InputError
        If ``at_once`` is not a positive number.
    """
    if at_once is not None and at_once < 1:
        raise InputError(f"`at_once` = {at_once} is not allowed: it must be 1 or more networks.")
    groups: dict[str, list[int]] = {}
    for number, experiment in enumerate(experiments):
        groups.setdefault(experiment.shape, []).append(number)
    use_batches = jax.default_backend() != "cpu" if batched is None else batched
    largest = max((resources.estimated_bytes(experiments[numbers[0]]) for numbers in groups.values()), default=1)
    free = resources.free_memory(of_devices=use_batches)
    fitting = max(1, int(resources.SHARE_OF_MEMORY * free / largest))
    wanted = max(map(len, groups.values()), default=1) if use_batches else resources.cores()
    return Plan(
        groups=tuple(map(tuple, groups.values())),
        at_once=min(at_once or wanted, fitting, max(1, len(experiments))),
        batched=use_batches,
        bytes_each=largest,
    )


class Job(NamedTuple):
    """A network that a supply hands out, and that is its until it is given back."""

    key: str | int
    """By which the supply knows it."""
    experiment: Experiment
    sink: Sink
    watch: Watch


class Supply(ABC):
    """Where a pool's networks come from, and what becomes of them; all methods are called from several threads."""

    @abstractmethod
    def take(self, most: int = 1) -> list[Job]:
        """Hand out up to so many networks of one shape; none once nothing is left, or all are to stop."""

    @abstractmethod
    def finished(self, job: Job, result: xr.Dataset) -> None:
        """Note the result of a network, which its sink has kept."""

    @abstractmethod
    def diverged(self, job: Job, error: DivergedError) -> None:
        """Note a network that diverged."""

    def failed(self, jobs: Sequence[Job], error: Exception) -> None:
        """Note networks that failed in another way, or raise the error."""
        raise error

    def interrupted(self, jobs: Sequence[Job], error: InterruptedRunError) -> None:
        """Note networks that stopped before their end, or raise the error."""
        raise error

    @abstractmethod
    def halved(self, jobs: Sequence[Job]) -> None:
        """Note that networks need too much memory together, and are run in two halves."""

    @abstractmethod
    def give_back(self, job: Job) -> None:
        """Take back a network, whatever became of it; it may already be back."""

    @abstractmethod
    def stop(self) -> None:
        """Have all networks that are under way stop soon."""


def run_pool(supply: Supply, made: Plan) -> None:
    """Run all networks of a supply.

    Raises
    ------
    Exception
        The first error that the supply does not note; an InterruptedRunError only if there is no other.
    """
    if made.batched:
        while jobs := supply.take(made.at_once):
            _attempt(supply, jobs, _run_together)
        return

    cores = _Cores(made.at_once, sum(map(len, made.groups)))

    def work() -> None:
        try:
            while jobs := supply.take():
                try:
                    _attempt(supply, jobs, _run_alone)
                finally:
                    cores.network_done()
        finally:
            cores.worker_done()

    try:
        _on_threads(work, made.at_once, supply.stop)
    finally:
        kernel.limit_threads(0)


def _attempt(supply: Supply, jobs: list[Job], how: Callable[[Supply, list[Job]], None]) -> None:
    """Run networks in some way, let the supply know what became of them, and give them back."""
    resources.release_programs()
    try:
        how(supply, jobs)
    except InterruptedRunError as error:
        supply.interrupted(jobs, error)
    except OSError:
        raise  # not the networks' fault: nobody could keep a result now
    except Exception as error:
        if len(jobs) == 1 or not is_out_of_memory(error):
            supply.failed(jobs, error)
            return
        supply.halved(jobs)
        middle = len(jobs) // 2
        for half in (jobs[:middle], jobs[middle:]):
            _attempt(supply, half, how)
    finally:
        for job in jobs:
            supply.give_back(job)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory, of the machine or of an accelerator, did not suffice."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _run_alone(supply: Supply, jobs: list[Job]) -> None:
    (job,) = jobs
    try:
        result = run_stages(job.experiment, job.watch, job.sink)
    except DivergedError as error:
        supply.diverged(job, error)
    else:
        supply.finished(job, result)


def _run_together(supply: Supply, jobs: list[Job]) -> None:
    """Run networks of equal shape, each stage of all of them in one program."""
    under_way: dict[str | int, tuple[Job, Course, Session]] = {}

    def begin(job: Job, course: Course) -> None:
        session = course.session()
        if session is None:
            supply.finished(job, course.result())
        else:
            under_way[job.key] = job, course, session

    for job in jobs:
        begin(job, Course(job.experiment, job.watch, job.sink))
    while under_way:
        # After an interruption some may be a stage behind: they catch up first.
        behind = min(session.experiment.stage for _, _, session in under_way.values())
        together = [key for key, (_, _, session) in under_way.items() if session.experiment.stage == behind]
        for key, came_to in zip(together, train_in_lockstep([under_way[key][2] for key in together]), strict=True):
            job, course, session = under_way.pop(key)
            if isinstance(came_to, DivergedError):
                supply.diverged(job, came_to)
            else:
                course.conclude(session, came_to)
                begin(job, course)


class _Cores:
    """The cores, as threads share them: each has its part, and the last ones share what is left over."""

    def __init__(self, workers: int, networks: int) -> None:
        self._cores, self._workers, self._networks = resources.cores(), workers, networks
        self._lock = threading.Lock()
        self._share()

    def network_done(self) -> None:
        """Note that a network has come to its end."""
        with self._lock:
            self._networks -= 1
            self._share()

    def worker_done(self) -> None:
        """Note that a thread has ended, though others may still train."""
        with self._lock:
            self._workers -= 1
            if self._workers < self._networks:
                self._share()

    def _share(self) -> None:
        at_work = max(1, min(self._workers, self._networks))
        kernel.limit_threads(max(1, self._cores // at_work))


def _on_threads(work: Callable[[], None], workers: int, stop: Callable[[], None]) -> None:
    """Let several threads work to their end.

    Parameters
    ----------
    work
        What each thread does.
    workers
        Number of threads.
    stop
        Called if one fails, or this call is interrupted, as by Ctrl-C: has those under way end soon.

    Raises
    ------
    Exception
        What the first thread that failed raised, but an InterruptedRunError only if there is nothing else.
    """
    in_double_precision = bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]

    def do() -> None:
        try:
            with jax.enable_x64(in_double_precision):  # it may be set for the caller's thread alone
                work()
        except BaseException:
            stop()
            raise

    with ThreadPoolExecutor(workers, thread_name_prefix="network") as pool:
        futures = [pool.submit(do) for _ in range(workers)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # those under way save their state
            stop()
            raise
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, InterruptedRunError)), errors[0])
