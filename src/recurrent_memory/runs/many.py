"""Many experiments in one call: grouped by shape, and run the way that is fastest on the machine at hand.

On CPU cores that is one network a core, each in the very program that trains it alone: several networks batched into
one program share no work, and wait for one another at every step. On accelerators a group is one batched program,
sharded over all of them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

import jax
import psutil

from .. import kernel, storage
from ..errors import DivergedError, InputError, InterruptedRunError
from ..evaluation.test_trials import ACTIVITY_BATCHES
from ..experiment import Experiment
from ..networks import CELLS
from ..training import Ensemble, Member, TrainingState
from .folder import RESULT, RunFolder
from .run import blas_on_one_thread, find_finished, next_length, run_stage
from .session import SECONDS_PER_CHECKPOINT, Course, Progress, Watch, carry_over, fresh_state

if TYPE_CHECKING:
    import xarray as xr

SHARE_OF_MEMORY = 0.8
"""Of the memory that is free, what a plan may use."""


class ManyProgress(NamedTuple):
    """How far many networks have come, for whoever shows it."""

    networks: int
    finished: int
    diverged: int
    done: int
    """Iterations of all networks, those of earlier tasks of a curriculum included."""
    total: int


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
        What to do; they may differ in anything.
    folders
        Where to keep each run (see :func:`recurrent_memory.run`); None keeps nothing, so that all results have to fit
        into memory.
    on_progress
        Called several times a second with how far all have come.
    on_message
        Called with the plan, and with one line on each event worth a log entry.
    should_stop
        Asked several times a second; once it says True, every state is saved and the call ends.
    checkpoint_every
        Iterations between checkpoints; None: as often as ``checkpoint_after`` says.
    checkpoint_after
        Seconds between checkpoints.
    at_once
        Networks to train at the same time; None: as many as cores (or, on accelerators, all of a group), and fit
        into memory.
    batched
        Whether networks of equal shape are one program; None: on accelerators, not on CPUs, where it is slower.

    Returns
    -------
    A data set for each experiment, in their order, as :func:`recurrent_memory.run` gives it: unbatched, bit for bit;
    batched, up to rounding. Where folders are given, its variables are read from the file when they are looked at. One
    whose network diverged has the training curves alone, and says so in the attribute
    ``status``.

    Raises
    ------
    InputError
        Where a folder cannot be used or is named twice, or no folders are given and the results would not fit into
        memory; before anything starts.
    InterruptedRunError
        Where ``should_stop`` said so.
    """
    places: list[RunFolder | None] = [None] * len(experiments)
    if folders is not None:
        places = list(_places(experiments, folders))
    if not experiments:
        return []
    if folders is None:
        _check_that_results_fit(experiments)
    made = plan(experiments, at_once=at_once, batched=batched)
    on_message(str(made))
    checkpoints = checkpoint_every, checkpoint_after
    team = _Team(experiments, places, on_progress, on_message, should_stop, checkpoints)
    with blas_on_one_thread():
        return team.run_in_step(made) if made.batched else team.run_on_threads(made)


def plan(experiments: Sequence[Experiment], *, at_once: int | None = None, batched: bool | None = None) -> Plan:
    """Return how :func:`run_many` will run experiments here; for parameters see there.

    Raises
    ------
    InputError
        Where ``at_once`` is not a positive number.
    """
    if at_once is not None and at_once < 1:
        raise InputError(f"`at_once` = {at_once} is not allowed: it must be 1 or more networks.")
    groups: dict[str, list[int]] = {}
    for number, experiment in enumerate(experiments):
        groups.setdefault(experiment.shape, []).append(number)
    use_batches = jax.default_backend() != "cpu" if batched is None else batched
    largest = max((estimated_bytes(experiments[numbers[0]]) for numbers in groups.values()), default=1)
    fitting = max(1, int(SHARE_OF_MEMORY * _free_memory(use_batches) / largest))
    wanted = max(map(len, groups.values()), default=1) if use_batches else cores()
    return Plan(
        groups=tuple(map(tuple, groups.values())),
        at_once=min(at_once or wanted, fitting, max(1, len(experiments))),
        batched=use_batches,
        bytes_each=largest,
    )


def estimated_bytes(experiment: Experiment) -> int:
    """Return an estimate of the memory that training and testing one network takes, beyond what the process has."""
    task = experiment.make_task()
    blocks = CELLS[experiment.model].blocks
    steps = task.n_steps * experiment.batch_size
    weights = blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)
    training = 10 * weights + 4 * steps * (blocks * experiment.n_hidden + task.n_inputs)
    testing = weights + 6 * steps * (4 * experiment.n_hidden + 2 * task.n_inputs)
    return 4 * max(training, testing)


def _check_that_results_fit(experiments: Sequence[Experiment]) -> None:
    needed, free = sum(map(result_bytes, experiments)), psutil.virtual_memory().available
    if needed > SHARE_OF_MEMORY * free:
        raise InputError(
            f"The results of {len(experiments)} networks take about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of "
            "memory are free. Give `folders`, so that they are kept in files, or run fewer at a time."
        )


def result_bytes(experiment: Experiment) -> int:
    """Return about how much memory the data set of a network takes."""
    task = experiment.make_task()
    trials = min(ACTIVITY_BATCHES, experiment.test_batches) * experiment.batch_size
    columns = experiment.n_hidden + task.n_inputs + 2 * task.n_outputs
    return 4 * (trials * task.n_steps * columns + experiment.n_hidden**2) + 8 * 6 * experiment.iterations


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        found = os.cpu_count() or 1
    # Not every cluster binds a job to the cores it was given.
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(found, max(1, int(given))) if given.isdigit() else found


def _free_memory(of_devices: bool) -> int:
    if of_devices:
        known = [device.memory_stats() for device in jax.local_devices()]
        free = [of["bytes_limit"] - of["bytes_in_use"] for of in known if of and "bytes_limit" in of]
        if free:
            return int(min(free)) * len(free)
    return int(psutil.virtual_memory().available)


def _places(experiments: Sequence[Experiment], folders: Sequence[str | os.PathLike[str]]) -> Iterator[RunFolder]:
    if len(folders) != len(experiments):
        raise InputError(f"There are {len(experiments)} experiments and {len(folders)} folders: give one for each.")
    known = set()
    for experiment, folder in zip(experiments, folders, strict=True):
        place = RunFolder(folder)
        if place.path.absolute() in known:
            raise InputError(f"The folder {place.path} is named twice: give each network one of its own.")
        known.add(place.path.absolute())
        place.check_free_for(experiment)
        yield place


def on_cores(tasks: Sequence[Callable[[], None]], at_once: int, stop: Callable[[], None]) -> None:
    """Do tasks on threads, each with its share of the cores; the last ones share those that are left over.

    Parameters
    ----------
    tasks
        In the order in which they begin.
    at_once
        How many are done at the same time.
    stop
        Called where one fails, or this call is interrupted, as by Ctrl-C: has those under way end soon.

    Raises
    ------
    Exception
        What the first task that failed raised, but an InterruptedRunError only where there is nothing else.
    """
    n_cores, left, lock = cores(), len(tasks), threading.Lock()
    in_double_precision = bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]

    def do(task: Callable[[], None]) -> None:
        nonlocal left
        try:
            with jax.enable_x64(in_double_precision):  # it may be set for the caller's thread alone
                task()
        except BaseException:
            stop()
            raise
        finally:
            with lock:
                left -= 1
                kernel.limit_threads(max(1, n_cores // max(1, min(left, at_once))))

    kernel.limit_threads(max(1, n_cores // at_once))
    try:
        with ThreadPoolExecutor(at_once, thread_name_prefix="network") as pool:
            futures = [pool.submit(do, task) for task in tasks]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:  # those under way save their state
                stop()
                raise
            finally:
                for future in futures:
                    future.cancel()  # those that have not begun
    finally:
        kernel.limit_threads(0)
    errors = [error for f in futures if not f.cancelled() and (error := f.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, InterruptedRunError)), errors[0])


class _Team:
    """Networks that are run together, and what is known of each."""

    def __init__(
        self,
        experiments: Sequence[Experiment],
        places: list[RunFolder | None],
        on_progress: Callable[[ManyProgress], None],
        on_message: Callable[[str], None],
        should_stop: Callable[[], bool],
        checkpoints: tuple[int | None, float],
    ) -> None:
        self.experiments, self.places = experiments, places
        self._on_progress, self._on_message = on_progress, on_message
        self._should_stop, self._checkpoints = should_stop, checkpoints
        self._lock, self._stopped = threading.RLock(), False
        self._done, self._all_done = [0] * len(experiments), 0
        self._finished = self._diverged = 0
        self._total = sum(sum(stage.iterations for stage in _stages(e)) for e in experiments)
        self.results: list[xr.Dataset | None] = [None] * len(experiments)

    def run_on_threads(self, made: Plan) -> list[xr.Dataset]:
        """Give each network a core of its own; the last ones share the cores that are left over."""

        def run_one(number: int) -> None:
            with self._diverging(number):
                result, _ = run_stage(self.experiments[number], self.places[number], self.watch(number))
                self._finish(number, result)

        tasks = [functools.partial(run_one, number) for group in made.groups for number in group]
        try:
            on_cores(tasks, made.at_once, self._stop)
        except InterruptedRunError:
            raise self._interruption() from None
        return self._all()

    def run_in_step(self, made: Plan) -> list[xr.Dataset]:
        """Run each group as one batched program, in parts that fit into memory."""
        for group in made.groups:
            for first in range(0, len(group), made.at_once):
                self._run_part(list(group[first : first + made.at_once]))
        return self._all()

    def watch(self, number: int) -> Watch:
        """Return who watches one of the networks."""
        before = {stage.stage: 0 for stage in _stages(self.experiments[number])}

        def on_progress(now: Progress) -> None:
            if now.phase == "training":
                before[now.stage] = now.done
                self._has_done(number, sum(before.values()))

        def on_message(line: str) -> None:
            self._say(f"network {number + 1}: {line}")

        return Watch(on_progress, on_message, self._asks_to_stop, *self._checkpoints)

    def _run_part(self, numbers: list[int]) -> None:
        with contextlib.ExitStack() as claims:
            self._run_stage_in_step(numbers, {n: self.experiments[n] for n in numbers}, self.places, claims, last=True)

    def _run_stage_in_step(
        self,
        numbers: list[int],
        experiments: dict[int, Experiment],
        places: Sequence[RunFolder | None],
        claims: contextlib.ExitStack,
        *,
        last: bool,
    ) -> dict[int, tuple[xr.Dataset, TrainingState | None]]:
        """Do one stage of a curriculum for several networks, after those before it; return what each ends with."""
        ended: dict[int, tuple[xr.Dataset, TrainingState | None]] = {}
        for number in numbers:
            found = find_finished(experiments[number], places[number], keep_state=not last)
            if found is not None:
                ended[number] = found
                if last:
                    self._finish(number, found[0])
                continue
            place = places[number]
            if place is not None:
                claims.enter_context(place.claimed_for(experiments[number]))
        todo = [number for number in numbers if number not in ended]
        befores = {n: e for n in todo if (e := experiments[n].before) is not None}
        earlier: dict[int, tuple[xr.Dataset, TrainingState | None]] = {}
        if befores:
            before_places = [None if place is None else place.before for place in places]
            earlier = self._run_stage_in_step(list(befores), befores, before_places, claims, last=False)
        courses = {}
        for number in todo:
            if number in befores and number not in earlier:
                continue  # diverged
            start = fresh_state(experiments[number])
            if number in earlier:
                state = earlier[number][1]
                assert state is not None
                start = carry_over(state, start)
            courses[number] = Course(experiments[number], start, places[number], self.watch(number))
        for number in self._train_in_step(courses):
            known = earlier.get(number)
            result = courses[number].conclude(None if known is None else known[0], keep_state=not last)
            ended[number] = (result, courses[number].state)
            if last:
                self._finish(number, result)
        return ended

    def _train_in_step(self, courses: dict[int, Course]) -> list[int]:
        """Train networks of equal shape together to the end of each; return those that did not diverge."""
        diverged: set[int] = set()
        length = 1
        while active := [n for n, course in courses.items() if n not in diverged and not course.done]:
            ensemble = Ensemble([Member(courses[n].trainer, courses[n].state) for n in active])
            # The program is made for a number of networks. One that is done or diverged stays in it, unseen, until
            # half of them have gone; so no network costs time to the end, and few programs are compiled.
            running = set(active)
            while 2 * len(running) > len(active):
                length = min([length, *(courses[n].iterations_allowed() for n in running)])
                chunks, took = ensemble.advance(length)
                interrupted = False
                for place, number in enumerate(active):
                    if number not in running:
                        continue
                    try:
                        with self._diverging(number):
                            courses[number].take(ensemble.member(place).state, chunks[place], took / len(running))
                    except InterruptedRunError:
                        interrupted = True  # once the others have been saved too
                    if self.results[number] is not None:
                        diverged.add(number)
                running -= {n for n in running if n in diverged or courses[n].done}
                length = next_length(length, took)
                if interrupted:
                    raise self._interruption()
        return [n for n in courses if n not in diverged]

    @contextlib.contextmanager
    def _diverging(self, number: int) -> Iterator[None]:
        """Note a network that diverges, and go on with the others."""
        from . import result as results

        try:
            yield
        except DivergedError as error:
            self._say(f"network {number + 1}: {str(error).splitlines()[0]}")
            self._finish(number, results.training_so_far(error.experiment, error.history, "diverged"))

    def _finish(self, number: int, result: xr.Dataset) -> None:
        place = self.places[number]
        if place is not None and place.finished:
            # Of many networks not all activity fits into memory: where it is in a file, it is left there.
            result = storage.open_dataset(place / RESULT)
        with self._lock:
            self.results[number] = result
            if result.attrs["status"] == "diverged":
                self._diverged += 1
            else:
                self._finished += 1
            self._has_done(number, sum(stage.iterations for stage in _stages(self.experiments[number])))

    def _has_done(self, number: int, iterations: int) -> None:
        """Tell how far all have come, now that one has done so many iterations."""
        with self._lock:
            self._all_done += iterations - self._done[number]
            self._done[number] = iterations
            self._on_progress(
                ManyProgress(len(self.results), self._finished, self._diverged, self._all_done, self._total)
            )

    def _interruption(self) -> InterruptedRunError:
        return InterruptedRunError(
            f"Stopped with {self._finished + self._diverged} of {len(self.results)} networks finished."
        )

    def _say(self, line: str) -> None:
        with self._lock:
            self._on_message(line)

    def _stop(self) -> None:
        self._stopped = True

    def _asks_to_stop(self) -> bool:
        with self._lock:
            self._stopped = self._stopped or self._should_stop()
            return self._stopped

    def _all(self) -> list[xr.Dataset]:
        return [result for result in self.results if result is not None]


def _stages(experiment: Experiment) -> list[Experiment]:
    """Return the stages of an experiment's curriculum, the last first."""
    stages = [experiment]
    while (before := stages[-1].before) is not None:
        stages.append(before)
    return stages
