"""The training of one network on one task: chunks, checkpoints, and when to stop.

The sink of a session keeps its state, and :mod:`recurrent_memory.runs.run` does what follows the training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from ..errors import DivergedError, InterruptedRunError, counted
from ..evaluation import WINDOW, History
from ..experiment import Experiment
from ..networks import Network
from ..training import CHUNK_CAPACITY, Chunk, Ensemble, Member, TrainingState, copied
from . import divergence
from .sinks import Sink, Trained
from .start import trainer

SECONDS_PER_CHECKPOINT = 1.0
SECONDS_PER_CHUNK = 0.3


class Progress(NamedTuple):
    """How far a run has come."""

    phase: Literal["training", "testing"]
    done: int
    """Iterations (training) or batches (testing)."""
    total: int
    loss: float
    """Objective of the last iteration; NaN before the first."""
    fractional_loss: float
    """Over the last 100 iterations; NaN before the first."""
    history: History
    """History of the training so far."""
    stage: int
    """Number of earlier tasks of the curriculum."""


class Watch(NamedTuple):
    """The caller's callbacks during a run, and when to save."""

    on_progress: Callable[[Progress], None] = lambda _: None
    on_message: Callable[[str], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    checkpoint_every: int | None = None
    """Iterations between checkpoints; None: see `checkpoint_after`."""
    checkpoint_after: float = SECONDS_PER_CHECKPOINT
    """Seconds after which a checkpoint is due."""


class Session:
    """One network and its training on one task: state, history, and the seconds of computing so far.

    Parameters
    ----------
    experiment
        The experiment; of a curriculum, one stage.
    start
        State to start from if the sink has none.
    sink
        Where the state is kept.
    watch
        The caller's callbacks.
    """

    def __init__(self, experiment: Experiment, start: TrainingState, sink: Sink, watch: Watch) -> None:
        self.experiment, self.sink, self.watch = experiment, sink, watch
        self.task = experiment.make_task()
        self.trainer = trainer(experiment, self.task)
        saved = sink.load_state(experiment, start)
        self.state, self.history, self.seconds = saved or Trained(start, History.empty(), 0.0)
        after = f", {self.task.title} after {experiment.stage} other(s)" if experiment.stage else ""
        if saved is not None:
            self.say(f"going on from iteration {len(self.history)} of {experiment.iterations}{after}")
        elif sink.keeps_state:
            self.say(f"starting: {counted(experiment.iterations, 'iteration')}{after}")
        self._saved_at, self._saved_when = len(self.history), time.monotonic()
        self.snapshots = sink.load_snapshots(experiment, start.network)
        """The network after some iterations, by their number (``Experiment.snapshots``)."""
        self._keep_snapshot()
        watch.on_progress(self.progress())

    @property
    def done(self) -> bool:
        """Whether training has ended."""
        done = len(self.history)
        if done >= self.experiment.iterations:
            return True
        if self.experiment.stop_at is None or done == 0 or done % WINDOW:
            return False
        return self.history.latest_fractional_loss(self.task) <= self.experiment.stop_at

    def iterations_allowed(self) -> int:
        """Return the number of iterations until training may end, is to be saved, or a chunk is full."""
        done = len(self.history)
        ends = [self.experiment.iterations, done + CHUNK_CAPACITY, *(n for n in self.experiment.snapshots if n > done)]
        if self.experiment.stop_at is not None:
            # Checked only at multiples of the window, so that the end does not depend on the chunks.
            ends.append((done // WINDOW + 1) * WINDOW)
        if self.watch.checkpoint_every is not None:
            ends.append(self._saved_at + self.watch.checkpoint_every)
        return min(ends) - done

    def take(self, state: TrainingState, chunk: Chunk, seconds: float) -> None:
        """Take over the state after a chunk, and save it if that is due.

        Raises
        ------
        DivergedError
            If the chunk's last loss is not finite; the state before that step is saved.
        InterruptedRunError
            If the watch says to stop; the state is saved.
        """
        self.state = state
        self.seconds += seconds
        if chunk.diverged:
            self._save()
            iteration = len(self.history) + chunk.n_done - 1
            raise divergence.of_training(self.experiment, self.task, self.history, iteration, self.sink)
        self.history = self.history.extended(self.task, chunk, self.experiment.readout_step)
        self._keep_snapshot()
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
            raise self.interruption()

    def trained(self) -> Trained:
        """Return state, history and computing time."""
        return Trained(self.state, self.history, self.seconds)

    def progress(self) -> Progress:
        """Return how far training has come."""
        done, total = len(self.history), self.experiment.iterations
        loss = float(self.history.loss[-1]) if done else math.nan
        fractional = self.history.latest_fractional_loss(self.task)
        return Progress("training", done, total, loss, fractional, self.history, self.experiment.stage)

    def interruption(self) -> InterruptedRunError:
        """Return the error that says how far training has come, and how to resume."""
        done, total = len(self.history), self.experiment.iterations
        return InterruptedRunError(f"Stopped after iteration {done} of {total}.{self.sink.how_to_go_on}")

    def say(self, line: str) -> None:
        """Log an event, and pass it to the caller."""
        self.sink.log(self.experiment, line)
        self.watch.on_message(line)

    def _keep_snapshot(self) -> None:
        done = len(self.history)
        if done not in self.experiment.snapshots or done in self.snapshots:
            return
        kept: Network = copied(self.state.network)
        self.snapshots[done] = kept
        self.sink.keep_snapshot(self.experiment, done, kept)

    def _save(self) -> None:
        self.sink.save_state(self.experiment, self.trained())
        self._saved_at, self._saved_when = len(self.history), time.monotonic()


def train(session: Session) -> Trained:
    """Train a network to the end of its training.

    Raises
    ------
    DivergedError
        If the loss stops being finite.
    InterruptedRunError
        If the watch says to stop.
    """
    length = 1
    while not session.done:
        length, started = min(length, session.iterations_allowed()), time.monotonic()
        state, chunk = session.trainer.advance(session.state, length)
        took = time.monotonic() - started
        session.take(state, chunk, took)
        length = _next_length(length, took)
    return session.trained()


def train_in_lockstep(sessions: Sequence[Session]) -> list[Trained | DivergedError]:
    """Train networks of equal shape in one program, each to its end; return the outcome of each.

    Raises
    ------
    InterruptedRunError
        If a watch says to stop; all states are saved.
    """
    diverged: dict[int, DivergedError] = {}
    length = 1
    while active := [i for i, session in enumerate(sessions) if i not in diverged and not session.done]:
        ensemble = Ensemble([Member(sessions[i].trainer, sessions[i].state) for i in active])
        # A program has a fixed number of networks. Those that are done or diverged stay in it, ignored, until they are
        # half of it; then a smaller one takes over. So they cost little time, and few programs are compiled.
        running = set(active)
        while 2 * len(running) > len(active):
            length = min([length, *(sessions[i].iterations_allowed() for i in running)])
            chunks, took = ensemble.advance(length)
            interruption = None
            for place, i in enumerate(active):
                if i not in running:
                    continue
                try:
                    sessions[i].take(ensemble.member(place).state, chunks[place], took / len(running))
                except DivergedError as error:
                    diverged[i] = error
                except InterruptedRunError as error:
                    interruption = error  # raised once the others have been saved too
            running -= {i for i in running if i in diverged or sessions[i].done}
            length = _next_length(length, took)
            if interruption is not None:
                raise interruption
    return [diverged.get(i) or session.trained() for i, session in enumerate(sessions)]


def _next_length(length: int, took: float) -> int:
    """Return how many iterations to run next, given the time that `length` took: about `SECONDS_PER_CHUNK`."""
    return max(1, min(2 * length, round(length * SECONDS_PER_CHUNK / took)))
