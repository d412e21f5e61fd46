"""Many experiments in one call."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import storage
from ..errors import DivergedError, InputError, InterruptedRunError, counted, first_line
from ..experiment import Experiment
from . import resources
from .claims import Claims
from .folder import RESULT, RunFolder, folder_claims
from .pool import Job, Plan, Supply, plan, run_pool
from .session import SECONDS_PER_CHECKPOINT, Progress, Watch
from .sinks import FolderSink, Sink
from .start import check_calls, check_experiment

if TYPE_CHECKING:
    import xarray as xr


class ManyProgress(NamedTuple):
    """How far many networks have come."""

    networks: int
    finished: int
    diverged: int
    done: int
    """Iterations of all networks so far, including those of earlier tasks of a curriculum."""
    total: int
    """Iterations of all networks, if none stops early."""


def run_many(
    experiments: Sequence[Experiment],
    folders: Sequence[str | os.PathLike[str]] | None = None,
    *,
    on_progress: Callable[[ManyProgress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint_every: int | None = None,
    checkpoint_after: float = SECONDS_PER_CHECKPOINT,
    at_once: int | None = None,
    batched: bool | None = None,
) -> list[xr.Dataset]:
    """Train, test and measure many networks.

    Parameters
    ----------
    experiments
        The experiments, which may differ in anything.
    folders
        Run folder of each (see :func:`recurrent_memory.run`); None keeps the results only in memory.
    on_progress, on_message, should_stop
        As for :func:`recurrent_memory.run`, for all networks together.
    checkpoint_every, checkpoint_after
        Iterations between checkpoints; if None, seconds.
    at_once
        Networks to train at the same time; None: one per core (on accelerators, one group), if memory allows.
    batched
        Whether networks of equal shape share one program; None: on accelerators, not on CPUs, where it is slower.

    Returns
    -------
    A data set for each experiment, as from :func:`recurrent_memory.run`, bit for bit (batched: up to rounding); with
    folders, variables are read on first use. If a network diverged: its training curves and ``status`` "diverged".

    Raises
    ------
    InputError
        If a folder cannot be used or is named twice, or the results would not fit into memory; before training.
    InterruptedRunError
        If ``should_stop`` returned True.

    Examples
    --------
    >>> run_many([])
    []
    """
    calls = {"on_progress": on_progress, "on_message": on_message, "should_stop": should_stop}
    check_calls(checkpoint_every, checkpoint_after, **calls)
    places = _places(experiments, folders)
    if not experiments:
        return []
    if folders is None:
        resources.check_that_results_fit(experiments)
    made = plan(experiments, at_once=at_once, batched=batched)
    on_message(str(made))
    watch = _Watched(on_progress, on_message, should_stop, checkpoint_every, checkpoint_after)
    with folder_claims() as claims, resources.settled():
        supply = _Listed(experiments, places, made, claims, watch)
        run_pool(supply, made)
        return supply.all_results()


def _several(given: Any, name: str) -> Sequence[Any]:
    """Return a list of the user's; one experiment or one path is not a list of them."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(f"`{name}` = {given!r} is not a list: write [{given!r}] for a single one.")
    return given


def _places(
    experiments: Sequence[Experiment], folders: Sequence[str | os.PathLike[str]] | None
) -> list[RunFolder | None]:
    """Return the folder of each experiment, after all of them are checked."""
    for number, experiment in enumerate(_several(experiments, "experiments")):
        check_experiment(experiment, f"experiments[{number}]")
    if folders is None:
        return [None] * len(experiments)
    if len(_several(folders, "folders")) != len(experiments):
        raise InputError(f"There are {len(experiments)} experiments and {len(folders)} folders: give one for each.")
    places: dict[Path, RunFolder] = {}
    for experiment, folder in zip(experiments, folders, strict=True):
        place = RunFolder(folder)
        if place.path.absolute() in places:
            raise InputError(f"The folder {place.path} is named twice: give each network one of its own.")
        places[place.path.absolute()] = place
        place.check_free_for(experiment)
    return list(places.values())


class _Watched(NamedTuple):
    """The caller's callbacks, and when to save."""

    on_progress: Callable[[ManyProgress], None]
    on_message: Callable[[str], None]
    should_stop: Callable[[], bool]
    checkpoint_every: int | None
    checkpoint_after: float


class _Listed(Supply):
    """The networks of a list, each handed out once, and their results."""

    def __init__(
        self,
        experiments: Sequence[Experiment],
        places: Sequence[RunFolder | None],
        made: Plan,
        claims: Claims,
        watched: _Watched,
    ) -> None:
        self._experiments, self._places, self._claims, self._watched = experiments, places, claims, watched
        self._queues = collections.deque(collections.deque(group) for group in made.groups)
        self._lock, self._stopped = threading.RLock(), False
        self._done, self._all_done = [0] * len(experiments), 0
        self._iterations = [sum(stage.iterations for stage in experiment.stages) for experiment in experiments]
        self._results: list[xr.Dataset | None] = [None] * len(experiments)
        self._finished = self._diverged = 0

    def take(self, most: int = 1) -> list[Job]:
        with self._lock:
            while self._queues and not self._queues[0]:
                self._queues.popleft()
            group: collections.deque[int] = self._queues[0] if self._queues else collections.deque()
            numbers = [group.popleft() for _ in range(min(most, len(group)))]
        if numbers and self._asks_to_stop():
            raise self._interruption()
        return [self._job(number) for number in numbers]

    def finished(self, job: Job, result: xr.Dataset) -> None:
        self._note(int(job.key), result)

    def diverged(self, job: Job, error: DivergedError) -> None:
        from . import result as results

        self._say(f"network {int(job.key) + 1}: {first_line(error)}")
        self._note(int(job.key), results.training_so_far(error.experiment, error.history, "diverged"))

    def interrupted(self, jobs: Sequence[Job], error: InterruptedRunError) -> None:
        raise self._interruption() from None

    def halved(self, jobs: Sequence[Job]) -> None:
        self._say(f"{len(jobs)} networks together need too much memory; trying half of them at a time")

    def give_back(self, job: Job) -> None:
        place = self._places[int(job.key)]
        if place is not None:
            self._claims.release(str(place.path))

    def stop(self) -> None:
        self._stopped = True

    def all_results(self) -> list[xr.Dataset]:
        """Return the results in the order of the experiments."""
        return [result for result in self._results if result is not None]

    def _job(self, number: int) -> Job:
        experiment, place = self._experiments[number], self._places[number]
        sink = Sink()
        if place is not None:
            place.check_free_for(experiment)
            if not place.finished:
                place.claim_for(experiment, self._claims)
            sink = FolderSink(place, experiment)
        return Job(number, experiment, sink, self._watch(number))

    def _watch(self, number: int) -> Watch:
        of_stages = [0] * len(self._experiments[number].stages)

        def on_progress(now: Progress) -> None:
            if now.phase == "training":
                of_stages[now.stage] = now.done
                self._has_done(number, sum(of_stages))

        def on_message(line: str) -> None:
            self._say(f"network {number + 1}: {line}")

        return Watch(
            on_progress,
            on_message,
            self._asks_to_stop,
            self._watched.checkpoint_every,
            self._watched.checkpoint_after,
        )

    def _note(self, number: int, result: xr.Dataset) -> None:
        place = self._places[number]
        if place is not None and place.finished:
            # The activity of many networks may not fit into memory: if it is in a file, it stays there.
            result = storage.open_dataset(place / RESULT)
        with self._lock:
            self._results[number] = result
            if result.attrs["status"] == "diverged":
                self._diverged += 1
            else:
                self._finished += 1
            self._has_done(number, self._iterations[number])

    def _has_done(self, number: int, iterations: int) -> None:
        """Report the progress of all networks, after one has done so many iterations."""
        with self._lock:
            self._all_done += iterations - self._done[number]
            self._done[number] = iterations
            networks, total = len(self._results), sum(self._iterations)
            self._watched.on_progress(ManyProgress(networks, self._finished, self._diverged, self._all_done, total))

    def _interruption(self) -> InterruptedRunError:
        return InterruptedRunError(
            f"Stopped with {self._finished + self._diverged} of {counted(len(self._results), 'network')} finished."
        )

    def _say(self, line: str) -> None:
        with self._lock:
            self._watched.on_message(line)

    def _asks_to_stop(self) -> bool:
        with self._lock:
            self._stopped = self._stopped or self._watched.should_stop()
            return self._stopped
