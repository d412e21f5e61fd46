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
from .bar import bar
from .divergence import check_trained
from .folder import RunFolder, folder_claims
from .resources import check_that_it_fits, machine, settled
from .session import Progress, Session, Watch, train
from .sinks import FolderSink, Sink, Trained
from .start import carry_over, check_calls, check_experiment, check_path, fresh_state, stream

if TYPE_CHECKING:
    import xarray as xr


def run(
    experiment: Experiment,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint_every: int | None = None,
) -> xr.Dataset:
    """Train the network of an experiment, test it, and measure how it remembers.

    Parameters
    ----------
    experiment
        The experiment.
    folder
        Folder of the run; None keeps nothing. An interrupted run resumes from its last checkpoint, to the same result
        bit for bit on the same machine; the result of a finished one is read, or training goes on if there are more
        ``iterations`` than before (not with a schedule of the learning rate or a curriculum).
    progress
        Whether to show a bar on standard error, in a terminal or a notebook.
    on_progress, on_message
        Called several times a second with the progress of the run, and with one line on each event.
    should_stop
        Called several times a second; once it returns True, the state is saved and :class:`InterruptedRunError` raised.
    checkpoint_every
        Iterations between checkpoints; None saves about once a second.

    Returns
    -------
    xarray.Dataset
        Learning curves, test measures, activity of up to 300 test trials, recurrent weights and sequentiality, with the
        experiment and the versions as attributes: see :mod:`recurrent_memory.runs.result`.

    Raises
    ------
    InputError
        If there is no experiment, the folder belongs to another one or is in use, or a file in it is damaged.
    DivergedError, InterruptedRunError
        If the loss stops being finite, or if ``should_stop`` returned True.

    Examples
    --------
    >>> short = {"stim_dur": 2, "delay_dur": 4, "resp_dur": 6, "n_neurons": 4}
    >>> small = {"n_hidden": 4, "batch_size": 2, "iterations": 3, "test_batches": 1, "task_options": short}
    >>> result = run(Experiment(task="de1", **small), "run")
    >>> result.sizes["iteration"], result.activity.shape
    (3, (2, 12, 4))
    """
    check_experiment(experiment)
    check_path("folder", folder)
    check_calls(checkpoint_every, on_progress=on_progress, on_message=on_message, should_stop=should_stop)
    with settled(), bar(progress, on_progress) as show:
        watch = Watch(show, on_message, should_stop, checkpoint_every)
        if folder is not None:
            return run_in(RunFolder(folder), experiment, watch)
        check_that_it_fits(experiment)
        return run_stages(experiment, watch)


def run_in(place: RunFolder, experiment: Experiment, watch: Watch) -> xr.Dataset:
    """Run an experiment in a folder, which no other process can use in the meantime."""
    sink = FolderSink(place, experiment)
    goes_on = place.can_go_on(experiment)
    found = None if goes_on else sink.finished(experiment)
    if found is not None:
        return found
    check_that_it_fits(experiment)
    with folder_claims() as claims:
        place.claim_for(experiment, claims)
        if goes_on:
            place.go_on(experiment)

        def is_lost() -> bool:
            return claims.is_lost(str(place.path))

        try:
            return run_stages(experiment, watch._replace(should_stop=lambda: watch.should_stop() or is_lost()), sink)
        except InterruptedRunError:
            if is_lost():
                raise FolderInUseError(
                    f"Another process has taken over {place.path}, because this one was suspended for long."
                ) from None
            raise


def run_stages(experiment: Experiment, watch: Watch, sink: Sink | None = None) -> xr.Dataset:
    """Train, test and label the network of an experiment, stage by stage, from the state that its sink has."""
    course = Course(experiment, watch, Sink() if sink is None else sink)
    while (session := course.session()) is not None:
        course.conclude(session, train(session))
    return course.result()


class Course:
    """One experiment on its way through its stages, which others train (alone, or several in one program).

    Parameters
    ----------
    experiment
        The whole experiment.
    watch
        The caller's callbacks.
    sink
        Where state and results are kept; stages that it has finished are not run again.

    Raises
    ------
    InputError
        If a file that is needed to resume is missing or damaged.
    """

    def __init__(self, experiment: Experiment, watch: Watch, sink: Sink) -> None:
        self._stages, self._watch, self._sink = experiment.stages, watch, sink
        self._result: xr.Dataset | None = None
        self._state: TrainingState | None = None  # final state of the previous stage
        self._next = 0
        for number in reversed(range(len(self._stages))):
            self._result = sink.finished(self._stages[number])
            if self._result is not None:
                self._next = number + 1
                if self._next < len(self._stages):
                    self._state = sink.final_state(self._stages[number], fresh_state(self._stages[number]))
                break

    def session(self) -> Session | None:
        """Start or resume the training of the next stage; None if all stages are done."""
        if self._next == len(self._stages):
            return None
        stage = self._stages[self._next]
        start = fresh_state(stage)
        if self._state is not None:
            start = carry_over(self._state, start)
        return Session(stage, start, self._sink, self._watch)

    def conclude(self, session: Session, trained: Trained) -> None:
        """Test and label a trained network, and keep the result.

        Raises
        ------
        DivergedError
            If the network broke in its last step, or its answers are not finite.
        InterruptedRunError
            If the watch says to stop during the test.
        """
        from . import result as results

        started = time.monotonic()
        answers = _answers(session, trained.state.network)
        check_trained(session.experiment, session.task, trained.history, trained.state.network, answers)
        kept = recorded(session.experiment, trained.state.network)
        result = results.assemble(session.experiment, session.task, trained.history, answers, kept)
        snapshots = {number: (of, self._tested(session, of)) for number, of in sorted(session.snapshots.items())}
        if snapshots:
            result = results.with_snapshots(result, snapshots)
        if self._result is not None:
            result = results.with_stages_before(result, self._result)
        timing = _timing(trained.seconds, time.monotonic() - started)
        self._sink.keep(session.experiment, trained, result, timing)
        if self._sink.keeps_state:
            session.say(f"finished: {timing['training_seconds']} s of training")
        self._result, self._state = result, trained.state
        self._next += 1

    @staticmethod
    def _tested(session: Session, network: Network) -> xr.Dataset:
        from . import result as results

        experiment = session.experiment
        kept, answers = recorded(experiment, network), _answers(session, network)
        return results.tested(experiment, session.task, answers, kept, "snapshot")

    def result(self) -> xr.Dataset:
        """Return the result of the last stage, which includes the measures of those before it."""
        if self._next < len(self._stages) or self._result is None:
            raise RuntimeError("the experiment is not finished")
        return self._result


def recorded(experiment: Experiment, network: Network) -> xr.Dataset:
    """Run the test trials that are kept through the trained network, and label them.

    See :func:`recurrent_memory.runs.result.recorded`.
    """
    from . import result as results

    task, key = experiment.make_task(), stream(experiment, "test")
    kept = record_batches(network, task, key, batches=experiment.test_batches, batch_size=experiment.batch_size)
    return results.recorded(experiment, task, *kept, network)


def _answers(session: Session, network: Network) -> Answers:
    """Return a trained network's answers to all test trials."""
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
    """Return the part of a run that differs between two runs of one experiment."""
    return {
        "training_seconds": round(training, 3),
        "testing_seconds": round(testing, 3),
        **machine(),
    }
