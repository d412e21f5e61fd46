"""Run one experiment, from its description to its result."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..experiment import Experiment
from ..training import TrainingState
from .folder import STATE, RunFolder
from .session import Course, Progress, Watch, carry_over, fresh_state

if TYPE_CHECKING:
    import xarray as xr

SECONDS_PER_CHUNK = 0.3


def run(
    experiment: Experiment,
    folder: str | os.PathLike[str] | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint_every: int | None = None,
) -> xr.Dataset:
    """Train the network of an experiment, test it, and measure how it remembers.

    Parameters
    ----------
    experiment
        What to do.
    folder
        Where to keep the run: a run that was cut off goes on from its last checkpoint, to the same result bit for
        bit on the same machine; a finished one is read. None keeps nothing.
    on_progress
        Called several times a second with how far the run has come.
    on_message
        Called with one line on each event worth a log entry.
    should_stop
        Asked several times a second; once it says True, the state is saved and :class:`InterruptedRunError` raised.
    checkpoint_every
        Iterations between checkpoints; None saves about once a second.

    Returns
    -------
    xarray.Dataset
        Learning curves, test measures, activity of up to 300 test trials, recurrent weights, sequentiality; the
        experiment and the versions as attributes. See :mod:`recurrent_memory.results`.

    Raises
    ------
    InputError
        Where the folder is not this experiment's, or a file in it is damaged.
    DivergedError
        Where the loss stops being finite.
    InterruptedRunError
        Where ``should_stop`` said so.
    """
    watch = Watch(on_progress, on_message, should_stop, checkpoint_every)
    with blas_on_one_thread():
        return run_stage(experiment, None if folder is None else RunFolder(folder), watch)[0]


def run_stage(
    experiment: Experiment, place: RunFolder | None, watch: Watch, *, keep_state: bool = False
) -> tuple[xr.Dataset, TrainingState | None]:
    """Do one stage of a curriculum, after those before it; return its result and, if asked for, its last state."""
    finished = find_finished(experiment, place, keep_state=keep_state)
    if finished is not None:
        return finished
    with contextlib.nullcontext() if place is None else place.claimed_for(experiment):
        start, earlier = fresh_state(experiment), None
        if experiment.before is not None:
            before = None if place is None else place.before
            earlier, last = run_stage(experiment.before, before, watch, keep_state=True)
            assert last is not None
            start = carry_over(last, start)
        course, length = Course(experiment, start, place, watch), 1
        while not course.done:
            length, started = min(length, course.iterations_allowed()), time.monotonic()
            state, chunk = course.trainer.advance(course.state, length)
            took = time.monotonic() - started
            course.take(state, chunk, took)
            length = next_length(length, took)
        return course.conclude(earlier, keep_state=keep_state), course.state if keep_state else None


def blas_on_one_thread() -> contextlib.AbstractContextManager[object]:
    """Have NumPy's matrix products use one thread for a while.

    The products of the ideal observers are small. But after each of them the other threads of OpenBLAS wait for the
    next one without sleep, on the cores on which networks train.
    """
    limits: contextlib.AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def next_length(length: int, took: float) -> int:
    """Return how many iterations to do in one go, given the time that so many took: a fraction of a second's."""
    return max(1, min(2 * length, round(length * SECONDS_PER_CHUNK / took)))


def find_finished(
    experiment: Experiment, place: RunFolder | None, *, keep_state: bool
) -> tuple[xr.Dataset, TrainingState | None] | None:
    """Return what a finished run folder holds; None where there is still something to do.

    Raises
    ------
    InputError
        Where the folder cannot be used for this experiment, or lacks a file.
    """
    if place is None:
        return None
    place.check_free_for(experiment)
    if not place.finished:
        return None
    from . import result as results

    result = results.load(place)
    if not keep_state:
        return result, None
    saved = place.load_checkpoint(fresh_state(experiment), STATE)
    if saved is None:
        raise InputError(f"{place / STATE} is missing. Restore it, or delete {place.path} to train that stage again.")
    return result, saved[0]
