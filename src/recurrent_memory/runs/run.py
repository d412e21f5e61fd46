"""One experiment from its description to its result: its stages in order, each trained, tested and labelled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import FolderInUseError, InterruptedRunError
from ..evaluation import answer_batches, record_batches
from ..experiment import Experiment
from ..networks import Network
from ..training import Answers, TrainingState
from .folder import RunFolder, folder_claims
from .resources import blas_on_one_thread, machine
from .session import Progress, Session, Watch, train
from .sinks import FolderSink, Sink, Trained
from .start import carry_over, fresh_state, stream

if TYPE_CHECKING:
    import xarray as xr


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
        Where to keep the run. A run that was cut off goes on from its last checkpoint, to the same result bit for bit
        on the same machine; a finished one is read. None keeps nothing.
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
        experiment and the versions as attributes. See :mod:`recurrent_memory.runs.result`.

    Raises
    ------
    InputError
        If the folder belongs to another experiment or is in use, or a file in it is damaged.
    DivergedError
        If the loss stops being finite.
    InterruptedRunError
        If ``should_stop`` said so.
    """
    watch = Watch(on_progress, on_message, should_stop, checkpoint_every)
    with blas_on_one_thread():
        return run_in(RunFolder(folder), experiment, watch) if folder is not None else run_stages(experiment, watch)


def run_in(place: RunFolder, experiment: Experiment, watch: Watch) -> xr.Dataset:
    """Do the same in a folder, which no other process may use in the meantime."""
    sink = FolderSink(place, experiment)
    found = sink.finished(experiment)
    if found is not None:
        return found
    with folder_claims() as claims:
        place.claim_for(experiment, claims)

        def is_lost() -> bool:
            return claims.is_lost(str(place.path))

        try:
            return run_stages(experiment, watch._replace(should_stop=lambda: watch.should_stop() or is_lost()), sink)
        except InterruptedRunError:
            if is_lost():
                raise FolderInUseError(
                    f"Another process has taken over {place.path}, as this one was stopped for long."
                ) from None
            raise


def run_stages(experiment: Experiment, watch: Watch, sink: Sink | None = None) -> xr.Dataset:
    """Train, test and label the network of an experiment, one stage after the other, from where its sink has it."""
    course = Course(experiment, watch, Sink() if sink is None else sink)
    while (session := course.session()) is not None:
        course.conclude(session, train(session))
    return course.result()


class Course:
    """One experiment on its way through its stages; who trains them (alone, or several in one program) is not its part.

    Parameters
    ----------
    experiment
        The whole experiment.
    watch
        Who hears of it, and who is asked whether to stop.
    sink
        Where state and results are kept; stages that are finished there are not done again.

    Raises
    ------
    InputError
        If a file that is needed to go on is missing or damaged.
    """

    def __init__(self, experiment: Experiment, watch: Watch, sink: Sink) -> None:
        self._stages, self._watch, self._sink = experiment.stages, watch, sink
        self._result: xr.Dataset | None = None
        self._state: TrainingState | None = None  # in which the stage before ended
        self._next = 0
        for number in reversed(range(len(self._stages))):
            self._result = sink.finished(self._stages[number])
            if self._result is not None:
                self._next = number + 1
                if self._next < len(self._stages):
                    self._state = sink.final_state(self._stages[number], fresh_state(self._stages[number]))
                break

    def session(self) -> Session | None:
        """Begin the training of the next stage, or go on with it; None if all stages are done."""
        if self._next == len(self._stages):
            return None
        stage = self._stages[self._next]
        start = fresh_state(stage)
        if self._state is not None:
            start = carry_over(self._state, start)
        return Session(stage, start, self._sink, self._watch)

    def conclude(self, session: Session, trained: Trained) -> None:
        """Test and label a network whose training has come to its end, and keep the result.

        Raises
        ------
        InterruptedRunError
            If the watch says to stop during the test.
        """
        from . import result as results

        started = time.monotonic()
        answers = _answers(session, trained.state.network)
        kept = recorded(session.experiment, trained.state.network)
        result = results.assemble(session.experiment, session.task, trained.history, answers, kept)
        if self._result is not None:
            result = results.with_stages_before(result, self._result)
        timing = _timing(trained.seconds, time.monotonic() - started)
        self._sink.keep(session.experiment, trained, result, timing)
        if self._sink.keeps_state:
            session.say(f"finished: {timing['training_seconds']} s of training")
        self._result, self._state = result, trained.state
        self._next += 1

    def result(self) -> xr.Dataset:
        """Return the result of the last stage, which says what is known of those before it."""
        if self._next < len(self._stages) or self._result is None:
            raise RuntimeError("the experiment is not finished")
        return self._result


def recorded(experiment: Experiment, network: Network) -> xr.Dataset:
    """Return what is recorded of the test trials that are kept, given the trained network.

    See :func:`recurrent_memory.runs.result.recorded`.
    """
    from . import result as results

    task, key = experiment.make_task(), stream(experiment, "test")
    kept = record_batches(network, task, key, batches=experiment.test_batches, batch_size=experiment.batch_size)
    return results.recorded(experiment, task, *kept, network)


def _answers(session: Session, network: Network) -> Answers:
    """Let a trained network answer all test trials."""
    experiment, watch, last = session.experiment, session.watch, session.progress()

    def look_up(done: int) -> None:
        watch.on_progress(last._replace(phase="testing", done=done, total=experiment.test_batches))
        if watch.should_stop():
            raise session.interruption()

    return answer_batches(
        network,
        session.task,
        stream(experiment, "test"),
        batches=experiment.test_batches,
        batch_size=experiment.batch_size,
        until=session.task.n_steps + experiment.readout_step + 1,
        on_batches=look_up,
    )


def _timing(training: float, testing: float) -> dict[str, Any]:
    """Return what differs between two runs of one experiment."""
    return {
        "training_seconds": round(training, 3),
        "testing_seconds": round(testing, 3),
        **machine(),
    }
