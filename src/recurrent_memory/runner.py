"""From the description of an experiment to its result: train, test, measure, store."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import xarray as xr
from jaxtyping import PRNGKeyArray

from . import networks, results, simulation
from .experiment import Experiment
from .history import WINDOW, History
from .networks import Network
from .runfolder import CHECKPOINT, STATE, RunFolder
from .settings import InputError
from .tasks import AbstractTask
from .training import CHUNK_CAPACITY, Objective, Trainer, TrainingState

STREAMS = {"initialization": 0, "training": 1, "test": 2}
"""Randomness is addressed: each purpose has a stream of its own, and each batch a number in it."""

SECONDS_PER_CHUNK = 0.3
SECONDS_PER_CHECKPOINT = 1.0


class Progress(NamedTuple):
    """How far a run has come, for whoever shows it."""

    phase: Literal["training", "testing"]
    done: int
    """Iterations (training) or batches (testing)."""
    total: int
    loss: float
    """Objective of the last iteration; NaN before the first."""
    fractional_loss: float
    """Over the last 100 iterations; NaN before the first."""
    history: History
    """All that is known of the training so far."""
    stage: int
    """How many tasks of a curriculum are behind."""


class DivergedError(RuntimeError):
    """The loss is not finite any more; the state before the step that broke it is saved."""


class InterruptedRunError(RuntimeError):
    """Training was asked to stop before its end; its state is saved."""


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
    watch = _Watch(on_progress, on_message, should_stop, checkpoint_every)
    return _run(experiment, None if folder is None else RunFolder(folder), watch)[0]


class _Watch(NamedTuple):
    """Who is told, and who is asked, while a run goes on."""

    on_progress: Callable[[Progress], None]
    on_message: Callable[[str], None]
    should_stop: Callable[[], bool]
    checkpoint_every: int | None


def _run(
    experiment: Experiment, place: RunFolder | None, watch: _Watch, *, keep_state: bool = False
) -> tuple[xr.Dataset, TrainingState | None]:
    """Do one stage, after those before it; return its result and, if asked for, the state it ends in."""
    if place is not None:
        place.check_free_for(experiment)
        if place.finished:
            return results.load(place), _final_state(experiment, place) if keep_state else None
    with contextlib.nullcontext() if place is None else place.claimed_for(experiment):
        task = experiment.make_task()

        def say(line: str) -> None:
            if place is not None:
                place.log(line)
            watch.on_message(line)

        state, before, earlier = _fresh_state(experiment), experiment.before, None
        if before is not None:
            earlier, last = _run(before, None if place is None else place.before, watch, keep_state=True)
            assert last is not None
            state = carry_over(last, state)
        training = _Training(experiment, task, state, place, say)
        training.finish(watch.on_progress, watch.should_stop, watch.checkpoint_every)
        started = time.monotonic()
        result = _test(training, watch.on_progress, watch.should_stop)
        if earlier is not None:
            result = results.with_stages_before(result, earlier)
        if place is not None:
            timing = {
                "training_seconds": round(training.seconds, 3),
                "testing_seconds": round(time.monotonic() - started, 3),
                "host": platform.node(),
                "device": jax.devices()[0].device_kind,
            }
            if keep_state:
                place.save_checkpoint(training.state, training.history, training.seconds, STATE)
            place.save_result(training.network, result, timing)
            say(f"finished: {timing['training_seconds']} s of training")
        return result, training.state if keep_state else None


def _fresh_state(experiment: Experiment) -> TrainingState:
    return trainer(experiment, experiment.make_task()).start(initial_network(experiment))


def _final_state(experiment: Experiment, place: RunFolder) -> TrainingState:
    saved = place.load_checkpoint(_fresh_state(experiment), STATE)
    if saved is None:
        raise InputError(f"{place / STATE} is missing. Restore it, or delete {place.path} to train that stage again.")
    return saved[0]


def carry_over(last: TrainingState, fresh: TrainingState) -> TrainingState:
    """Return the state in which a network goes on with another task.

    Parameters
    ----------
    last
        State at the end of the task before.
    fresh
        State that the next task would start from without a task before.

    Returns
    -------
    All weights, Adam's running means and its count of steps are those of `last`, as in the published code; but input
    weights or a readout of another shape, for another number of input neurons or outputs, are those of `fresh`, with
    running means of zero. The trials begin anew.
    """
    (new, static), (old, _) = (eqx.partition(state, eqx.is_array) for state in (fresh, last))
    leaves, structure = jax.tree.flatten(new)
    pairs = zip(leaves, jax.tree.leaves(old), strict=True)
    kept = jax.tree.unflatten(structure, [theirs if ours.shape == theirs.shape else ours for ours, theirs in pairs])
    carried: TrainingState = eqx.combine(kept, static)
    begun_anew: TrainingState = eqx.tree_at(lambda state: state.iteration, carried, fresh.iteration)
    return begun_anew


def stream(experiment: Experiment, name: str) -> PRNGKeyArray:
    """Return the key of one of the experiment's streams (see ``STREAMS``); each stage of a curriculum has its own."""
    return jr.fold_in(jr.key(experiment.seed), STREAMS[name] + len(STREAMS) * experiment.stage)


def initial_network(experiment: Experiment) -> Network:
    """Return the network of an experiment as it is before training."""
    task = experiment.make_task()
    asks_for_probability = task.response == "probability"
    return networks.initialize(
        stream(experiment, "initialization"),
        experiment.model,
        n_inputs=task.n_inputs,
        n_hidden=experiment.n_hidden,
        n_outputs=task.n_outputs,
        readout=("sigmoid" if asks_for_probability else "linear")
        if experiment.readout == "auto"
        else experiment.readout,
        is_probability=asks_for_probability,
        lambda0=experiment.lambda0,
        sigma0=experiment.sigma0,
        **experiment.model_options,
    )


def trainer(experiment: Experiment, task: AbstractTask) -> Trainer:
    """Return what training needs besides the network."""
    start, stop = task.epochs["response"]
    objective = Objective(
        response=task.response,
        resp_dur=stop - start,
        activity_penalty=jnp.asarray(experiment.activity_penalty),
        rho=jnp.asarray(experiment.rho),
        masked=task.skips_steps,
        separate_clipping=experiment.separate_clipping,
    )
    learning_rate = jnp.asarray(experiment.learning_rate)
    return Trainer(task, objective, stream(experiment, "training"), learning_rate, experiment.batch_size)


class _Training:
    """A training on its way: state, history, and the seconds of computing behind it."""

    def __init__(
        self,
        experiment: Experiment,
        task: AbstractTask,
        state: TrainingState,
        place: RunFolder | None,
        on_message: Callable[[str], None],
    ) -> None:
        self.experiment, self.task, self.place = experiment, task, place
        self.trainer = trainer(experiment, task)
        self.state = state
        self.history, self.seconds = History.empty(), 0.0
        saved = None if place is None else place.load_checkpoint(self.state)
        if saved is not None:
            self.state, self.history, self.seconds = saved
            on_message(f"going on from iteration {len(self.history)} of {experiment.iterations}{self._which_task()}")
        elif place is not None:
            on_message(f"starting: {experiment.iterations} iterations{self._which_task()}")

    def _which_task(self) -> str:
        return f", {self.task.title} after {self.experiment.stage} other(s)" if self.experiment.stage else ""

    @property
    def network(self) -> Network:
        return self.state.network

    def finish(
        self,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        checkpoint_every: int | None,
    ) -> None:
        """Train to the end of the experiment, in compiled chunks that take a fraction of a second each."""
        length, saved_at, saved_when = 1, len(self.history), time.monotonic()
        on_progress(self.progress())
        while not self._done():
            length = min(length, CHUNK_CAPACITY, self._until_next_look(saved_at, checkpoint_every))
            started = time.monotonic()
            self.state, chunk = self.trainer.advance(self.state, length)
            took = time.monotonic() - started
            self.seconds += took
            if chunk.diverged:
                self._save()
                raise DivergedError(
                    _divergence_message(self.experiment, len(self.history) + chunk.n_done - 1, self.place)
                )
            self.history = self.history.extended(self.task, chunk, self.experiment.readout_step)
            on_progress(self.progress())
            length = max(1, min(2 * chunk.n_done, round(chunk.n_done * SECONDS_PER_CHUNK / took)))
            due = (
                time.monotonic() - saved_when > SECONDS_PER_CHECKPOINT
                if checkpoint_every is None
                else len(self.history) - saved_at >= checkpoint_every
            )
            stopping = should_stop()
            if due or stopping or self._done():
                self._save()
                saved_at, saved_when = len(self.history), time.monotonic()
            if stopping and not self._done():
                raise InterruptedRunError(_interruption_message(len(self.history), self.experiment, self.place))

    def _done(self) -> bool:
        done = len(self.history)
        if done >= self.experiment.iterations:
            return True
        if self.experiment.stop_at is None or done == 0 or done % WINDOW:
            return False
        return bool(self.history.fractional_loss(self.task)[-1] <= self.experiment.stop_at)

    def _until_next_look(self, saved_at: int, checkpoint_every: int | None) -> int:
        """Return the iterations until training may have to end or to be saved."""
        done = len(self.history)
        ends = [self.experiment.iterations]
        if self.experiment.stop_at is not None:
            # Looked at only at multiples of the window, so that when to stop does not depend on the chunks.
            ends.append((done // WINDOW + 1) * WINDOW)
        if checkpoint_every is not None:
            ends.append(saved_at + checkpoint_every)
        return min(ends) - done

    def _save(self) -> None:
        if self.place is not None:
            self.place.save_checkpoint(self.state, self.history, self.seconds)

    def progress(self) -> Progress:
        loss, fractional = math.nan, math.nan
        if len(self.history):
            loss, fractional = (
                float(self.history.loss[-1]),
                float(self.history.fractional_loss(self.task)[-1]),
            )
        done, total = len(self.history), self.experiment.iterations
        return Progress("training", done, total, loss, fractional, self.history, self.experiment.stage)


def _test(training: _Training, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> xr.Dataset:
    """Test a trained network on fresh trials and measure it."""
    experiment, task, network = training.experiment, training.task, training.network
    key, batches, size = stream(experiment, "test"), experiment.test_batches, experiment.batch_size
    last = training.progress()

    def look_up(done: int) -> None:
        on_progress(last._replace(phase="testing", done=done, total=batches))
        if should_stop():
            raise InterruptedRunError(_interruption_message(len(training.history), experiment, training.place))

    answers = simulation.answer_batches(
        network,
        task,
        key,
        batches=batches,
        batch_size=size,
        until=task.n_steps + experiment.readout_step + 1,
        on_batches=look_up,
    )
    kept = simulation.record_batches(network, task, key, batches=batches, batch_size=size)
    return results.assemble(experiment, task, training.history, answers, *kept, network)


def _divergence_message(experiment: Experiment, iteration: int, place: RunFolder | None) -> str:
    where = "" if place is None else f" The state before that step is in {place / CHECKPOINT}."
    return (
        f"Training diverged: the loss of iteration {iteration} is not finite.{where}\n"
        f"Try a smaller lambda0 (now {experiment.lambda0:g}), sigma0 (now {experiment.sigma0:g}) "
        f"or learning rate (now {experiment.learning_rate:g})."
    )


def _interruption_message(iteration: int, experiment: Experiment, place: RunFolder | None) -> str:
    rest = "" if place is None else f" The same command with --out {place.path} goes on from there."
    return f"Stopped after iteration {iteration} of {experiment.iterations}.{rest}"
