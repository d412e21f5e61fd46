"""The pool that runs many networks: one per core on CPUs, groups of equal shape in one program on accelerators.

On CPUs each network runs in the program that would train it alone: networks batched into one program would share no
work, and would wait for one another at every step. On accelerators a group is one batched program, sharded over all of
them.

A *supply* provides the networks and receives the results: a list (:func:`run_many`), or a sweep, on which other
processes may work as well.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

import jax

from .. import kernel
from ..errors import DivergedError, FileError, InputError, InterruptedRunError, counted
from ..experiment import Experiment
from . import programs, resources
from .apart import run_apart
from .folder import RunFolder
from .run import Course, run_stages
from .session import Session, Watch, train_in_lockstep
from .sinks import Sink

if TYPE_CHECKING:
    import xarray as xr


class Plan(NamedTuple):
    """How a number of experiments will be run."""

    groups: tuple[tuple[int, ...], ...]
    """Numbers of the experiments that share compiled programs."""
    at_once: int
    """Networks that train at the same time."""
    batched: bool
    """Whether these share one program, as on accelerators; otherwise each has its own core."""
    bytes_each: int
    """Estimated memory of the largest network while it trains or is tested."""

    def __str__(self) -> str:
        """Return the plan in one line."""
        networks, groups = sum(map(len, self.groups)), len(self.groups)
        how = "batched in one program" if self.batched else "each on a core of its own"
        return (
            f"{counted(networks, 'network')} in {counted(groups, 'group')} of equal shape, "
            f"{self.at_once} at once, {how}; about {self.at_once * self.bytes_each / 1e9:.1f} GB (estimate)"
        )


def plan(experiments: Sequence[Experiment], *, at_once: int | None = None, batched: bool | None = None) -> Plan:
    """Return how experiments will be run on this machine; for parameters see :func:`recurrent_memory.run_many`.

    Raises
    ------
    InputError
        If ``at_once`` is not a positive number.
    """
    if at_once is not None and not (isinstance(at_once, int) and at_once >= 1):
        raise InputError(f"`at_once` = {at_once!r} is not allowed: it must be 1 or more networks.")
    if not isinstance(batched, bool | None):
        raise InputError(f"`batched` = {batched!r} is not allowed: it must be True, False or None.")
    groups: dict[str, list[int]] = {}
    for number, experiment in enumerate(experiments):
        groups.setdefault(experiment.shape, []).append(number)
    use_batches = jax.default_backend() != "cpu" if batched is None else batched
    for numbers in groups.values():
        # Of one shape, only the number of iterations makes a difference.
        resources.check_that_it_fits(max((experiments[i] for i in numbers), key=lambda one: one.iterations))
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
    """A network that a supply hands out, until it is given back."""

    key: str | int
    """Identifies the network to the supply."""
    experiment: Experiment
    sink: Sink
    watch: Watch
    apart: RunFolder | None = None
    """The folder in which a process of its own trains it first, if a worker has died of it; see `runs.apart`."""


class Supply(ABC):
    """Provides a pool's networks and receives the outcomes; all methods are called from several threads."""

    @abstractmethod
    def take(self, most: int = 1) -> list[Job]:
        """Hand out up to `most` networks of one shape; none if nothing is left, or the pool must stop."""

    @abstractmethod
    def finished(self, job: Job, result: xr.Dataset) -> None:
        """Record the result of a network, which its sink has kept."""

    @abstractmethod
    def diverged(self, job: Job, error: DivergedError) -> None:
        """Record that a network diverged."""

    def failed(self, jobs: Sequence[Job], error: Exception) -> None:
        """Record that networks failed in another way, or raise the error."""
        raise error

    def interrupted(self, jobs: Sequence[Job], error: InterruptedRunError) -> None:
        """Record that networks were interrupted, or raise the error."""
        raise error

    @abstractmethod
    def halved(self, jobs: Sequence[Job]) -> None:
        """Record that networks need too much memory together, and are run in two halves."""

    @abstractmethod
    def give_back(self, job: Job) -> None:
        """Take back a network after any outcome; it may be back already."""

    @abstractmethod
    def stop(self) -> None:
        """Make all networks that are being trained stop soon."""


def run_pool(supply: Supply, made: Plan) -> None:
    """Run all networks of a supply.

    Raises
    ------
    Exception
        The first error that the supply does not record; an InterruptedRunError only if there is no other.
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
    """Run networks with `how`, report the outcomes to the supply, and give the networks back."""
    programs.release_from_memory()
    try:
        how(supply, jobs)
    except InterruptedRunError as error:
        supply.interrupted(jobs, error)
    except (OSError, FileError):
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
    """Return whether an error means that the memory of the machine or of an accelerator did not suffice."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _run_alone(supply: Supply, jobs: list[Job]) -> None:
    (job,) = jobs
    if job.apart is not None:
        run_apart(job.experiment, job.apart, job.watch)
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
        # After an interruption some networks may be a stage behind: these catch up first.
        behind = min(session.experiment.stage for _, _, session in under_way.values())
        together = [key for key, (_, _, session) in under_way.items() if session.experiment.stage == behind]
        for key, came_to in zip(together, train_in_lockstep([under_way[key][2] for key in together]), strict=True):
            job, course, session = under_way.pop(key)
            try:
                if isinstance(came_to, DivergedError):
                    raise came_to
                course.conclude(session, came_to)
            except DivergedError as error:
                supply.diverged(job, error)
            else:
                begin(job, course)


class _Cores:
    """The division of the cores among threads: equal parts, which grow when threads run out of networks."""

    def __init__(self, workers: int, networks: int) -> None:
        self._cores, self._workers, self._networks = resources.cores(), workers, networks
        self._lock = threading.Lock()
        self._share()

    def network_done(self) -> None:
        """Record that a network has ended."""
        with self._lock:
            self._networks -= 1
            self._share()

    def worker_done(self) -> None:
        """Record that a thread has ended; others may still train."""
        with self._lock:
            self._workers -= 1
            if self._workers < self._networks:
                self._share()

    def _share(self) -> None:
        at_work = max(1, min(self._workers, self._networks))
        kernel.limit_threads(max(1, self._cores // at_work))


def _on_threads(work: Callable[[], None], workers: int, stop: Callable[[], None]) -> None:
    """Run a function on several threads until all return.

    Parameters
    ----------
    work
        What each thread does.
    workers
        Number of threads.
    stop
        Called if a thread fails or this call is interrupted, for example by Ctrl-C; makes the other threads end soon.

    Raises
    ------
    Exception
        The error of the first thread that failed; an InterruptedRunError only if there is no other.
    """
    in_double_precision = bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]

    def do() -> None:
        try:
            # Settings hold for one thread alone.
            with jax.enable_x64(in_double_precision), resources.published_randomness():
                work()
        except BaseException:
            stop()
            raise

    with ThreadPoolExecutor(workers, thread_name_prefix="network") as pool:
        futures = [pool.submit(do) for _ in range(workers)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # networks that are being trained save their state
            stop()
            raise
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, InterruptedRunError)), errors[0])
