"""The course of one network: from where it starts, through training and test, to its result.

Who drives it (one network alone, many on threads, many in one program) is not its business: see :mod:`runner` and
:mod:`ensembles`. What makes a result of it (xarray, the measures) is imported where a result is made, so that the
first iteration need not wait for it.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from .. import networks
from ..errors import DivergedError, InterruptedRunError
from ..evaluation.history import WINDOW, History
from ..evaluation.test_trials import answer_batches, record_batches
from ..experiment import Experiment
from ..networks import Network
from ..tasks import AbstractTask
from ..training import CHUNK_CAPACITY, Chunk, Objective, Trainer, TrainingState
from .folder import CHECKPOINT, STATE, RunFolder

if TYPE_CHECKING:
    import xarray as xr

STREAMS = {"initialization": 0, "training": 1, "test": 2}
"""Randomness is addressed: each purpose has a stream of its own, and each batch a number in it."""

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


class Watch(NamedTuple):
    """Who is told, and who is asked, while a run goes on."""

    on_progress: Callable[[Progress], None] = lambda _: None
    on_message: Callable[[str], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    checkpoint_every: int | None = None
    """Iterations between checkpoints; None: as often as `checkpoint_after` says."""
    checkpoint_after: float = SECONDS_PER_CHECKPOINT
    """Seconds after which a checkpoint is due."""


class Course:
    """A network on its way: state, history, and the seconds of computing behind it.

    Parameters
    ----------
    experiment
        What to do.
    start
        The state it starts from, if nothing is saved.
    place
        Where the run is kept, if it is; the folder must be claimed.
    watch
        Who is told and asked.
    """

    def __init__(self, experiment: Experiment, start: TrainingState, place: RunFolder | None, watch: Watch) -> None:
        self.experiment, self.place, self.watch = experiment, place, watch
        self.task = experiment.make_task()
        self.trainer = trainer(experiment, self.task)
        self.state = start
        self.history, self.seconds = History.empty(), 0.0
        saved = None if place is None else place.load_checkpoint(self.state)
        if saved is not None:
            self.state, self.history, self.seconds = saved
            self._say(f"going on from iteration {len(self.history)} of {experiment.iterations}{self._which_task()}")
        elif place is not None:
            self._say(f"starting: {experiment.iterations} iterations{self._which_task()}")
        self._saved_at, self._saved_when = len(self.history), time.monotonic()
        watch.on_progress(self.progress())

    @property
    def done(self) -> bool:
        """Whether training has come to its end."""
        done = len(self.history)
        if done >= self.experiment.iterations:
            return True
        if self.experiment.stop_at is None or done == 0 or done % WINDOW:
            return False
        return bool(self.history.fractional_loss(self.task)[-1] <= self.experiment.stop_at)

    def iterations_allowed(self) -> int:
        """Return the iterations until training may have to end or to be saved, or a chunk is full."""
        done = len(self.history)
        ends = [self.experiment.iterations, done + CHUNK_CAPACITY]
        if self.experiment.stop_at is not None:
            # Looked at only at multiples of the window, so that when to stop does not depend on the chunks.
            ends.append((done // WINDOW + 1) * WINDOW)
        if self.watch.checkpoint_every is not None:
            ends.append(self._saved_at + self.watch.checkpoint_every)
        return min(ends) - done

    def take(self, state: TrainingState, chunk: Chunk, seconds: float) -> None:
        """Go on to the state after a chunk, save it if that is due, and tell.

        Raises
        ------
        DivergedError
            Where the chunk's last loss is not finite; the state before that step is saved.
        InterruptedRunError
            Where the watch says to stop; the state is saved.
        """
        self.state = state
        self.seconds += seconds
        if chunk.diverged:
            self._save()
            message = _divergence_message(self.experiment, len(self.history) + chunk.n_done - 1, self.place)
            raise DivergedError(message, self.experiment, self.history)
        self.history = self.history.extended(self.task, chunk, self.experiment.readout_step)
        self.watch.on_progress(self.progress())
        every = self.watch.checkpoint_every
        due = (
            time.monotonic() - self._saved_when > self.watch.checkpoint_after
            if every is None
            else len(self.history) - self._saved_at >= every
        )
        stopping = self.watch.should_stop()
        if due or stopping or self.done:
            self._save()
        if stopping and not self.done:
            raise InterruptedRunError(_interruption_message(len(self.history), self.experiment, self.place))

    def conclude(self, earlier: xr.Dataset | None, *, keep_state: bool = False) -> xr.Dataset:
        """Test the trained network and keep what it comes to.

        Parameters
        ----------
        earlier
            Result of the task before, in a curriculum.
        keep_state
            Also keep the state in which training ended, for a task after this.
        """
        from . import result as results

        started = time.monotonic()
        result = self._test()
        if earlier is not None:
            result = results.with_stages_before(result, earlier)
        if self.place is not None:
            timing = {
                "training_seconds": round(self.seconds, 3),
                "testing_seconds": round(time.monotonic() - started, 3),
                "host": platform.node(),
                "device": jax.devices()[0].device_kind,
            }
            if keep_state:
                self.place.save_checkpoint(self.state, self.history, self.seconds, STATE)
            self.place.save_result(self.state.network, result, timing)
            self._say(f"finished: {timing['training_seconds']} s of training")
        return result

    def progress(self) -> Progress:
        """Return how far training has come."""
        loss, fractional = math.nan, math.nan
        if len(self.history):
            loss, fractional = (
                float(self.history.loss[-1]),
                float(self.history.fractional_loss(self.task)[-1]),
            )
        done, total = len(self.history), self.experiment.iterations
        return Progress("training", done, total, loss, fractional, self.history, self.experiment.stage)

    def _test(self) -> xr.Dataset:
        """Test a trained network on fresh trials and measure it."""
        from . import result as results

        experiment, task, network = self.experiment, self.task, self.state.network
        key, batches, size = stream(experiment, "test"), experiment.test_batches, experiment.batch_size
        last = self.progress()

        def look_up(done: int) -> None:
            self.watch.on_progress(last._replace(phase="testing", done=done, total=batches))
            if self.watch.should_stop():
                raise InterruptedRunError(_interruption_message(len(self.history), experiment, self.place))

        answers = answer_batches(
            network,
            task,
            key,
            batches=batches,
            batch_size=size,
            until=task.n_steps + experiment.readout_step + 1,
            on_batches=look_up,
        )
        return results.assemble(experiment, task, self.history, answers, recorded(experiment, network))

    def _save(self) -> None:
        if self.place is not None:
            self.place.save_checkpoint(self.state, self.history, self.seconds)
        self._saved_at, self._saved_when = len(self.history), time.monotonic()

    def _say(self, line: str) -> None:
        if self.place is not None:
            self.place.log(line)
        self.watch.on_message(line)

    def _which_task(self) -> str:
        return f", {self.task.title} after {self.experiment.stage} other(s)" if self.experiment.stage else ""


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
    return networks.initialize(
        stream(experiment, "initialization"),
        experiment.model,
        n_inputs=task.n_inputs,
        n_hidden=experiment.n_hidden,
        n_outputs=task.n_outputs,
        readout=task.kind.readout if experiment.readout == "auto" else experiment.readout,
        is_probability=task.kind.is_probability,
        lambda0=experiment.lambda0,
        sigma0=experiment.sigma0,
        precision=experiment.precision,
        **experiment.model_options,
    )


def recorded(experiment: Experiment, network: Network) -> xr.Dataset:
    """Return what is recorded of the test trials that are kept, given the trained network.

    See :func:`recurrent_memory.results.recorded`.
    """
    from . import result as results

    task, key = experiment.make_task(), stream(experiment, "test")
    kept = record_batches(network, task, key, batches=experiment.test_batches, batch_size=experiment.batch_size)
    return results.recorded(experiment, task, *kept, network)


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
    key, size = stream(experiment, "training"), experiment.batch_size
    return Trainer(task, objective, key, learning_rate, size, experiment.judge_after_step)


def fresh_state(experiment: Experiment) -> TrainingState:
    """Return the state that training starts from without a task before."""
    return trainer(experiment, experiment.make_task()).start(initial_network(experiment))


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
