"""One experiment from its description to its result: its stages in order, each trained, tested and labelled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import FolderInUseError, InterruptedRunError
from ..experiment import Experiment
from ..networks import Network
from ..training import TrainingState
from .bar import bar
from .divergence import check_trained
from .folder import RunFolder, folder_claims
from .resources import check_that_it_fits, machine, settled
from .session import Progress, Session, Watch, train
from .sinks import FolderSink, Sink, Trained
from .start import carry_over, check_calls, check_experiment, check_path, fresh_state
from .testing import answered, recorded, run_test

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

        experiment, task, network = session.experiment, session.task, trained.state.network
        started = time.monotonic()
        answers = answered(experiment, network, on_batches=_looking_up(session))
        check_trained(experiment, task, trained.history, network, answers)
        kept = recorded(experiment, network)
        result = results.assemble(experiment, task, trained.history, answers, kept)
        if session.snapshots:
            result = results.with_snapshots(result, _snapshots(session, last=result))
        if self._result is not None:
            result = results.with_stages_before(result, self._result)
        timing = _timing(trained.seconds, time.monotonic() - started)
        self._sink.keep(experiment, trained, result, timing)
        if self._sink.keeps_state:
            session.say(f"finished: {timing['training_seconds']} s of training")
        self._result, self._state = result, trained.state
        self._next += 1

    def result(self) -> xr.Dataset:
        """Return the result of the last stage, which includes the measures of those before it."""
        if self._next < len(self._stages) or self._result is None:
            raise RuntimeError("the experiment is not finished")
        return self._result


def _looking_up(session: Session) -> Callable[[int], None]:
    """Return what to do after some batches of a test: report them, and stop if the watch says so."""
    watch, last, total = session.watch, session.progress(), session.experiment.test_batches

    def look_up(done: int) -> None:
        watch.on_progress(last._replace(phase="testing", done=done, total=total))
        if watch.should_stop():
            raise session.interruption()

    return look_up


def _snapshots(session: Session, last: xr.Dataset) -> dict[int, tuple[Network, xr.Dataset]]:
    """Return the snapshots of a session by their number, each with its test; `last` is that of the trained network."""
    done, look_up = len(session.history), _looking_up(session)
    return {
        number: (of, last if number == done else run_test(session.experiment, of, "snapshot", on_batches=look_up))
        for number, of in sorted(session.snapshots.items())
    }


def _timing(training: float, testing: float) -> dict[str, Any]:
    """Return the part of a run that differs between two runs of one experiment."""
    return {
        "training_seconds": round(training, 3),
        "testing_seconds": round(testing, 3),
        **machine(),
    }
