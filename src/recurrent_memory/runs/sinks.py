"""Where the state and the result of a run go: nowhere, or into a run folder. A sweep adds its store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError
from ..evaluation import History
from ..experiment import Experiment
from ..training import TrainingState
from .folder import CHECKPOINT, STATE, RunFolder

if TYPE_CHECKING:
    import xarray as xr


class Trained(NamedTuple):
    """What the training of a network has come to."""

    state: TrainingState
    history: History
    seconds: float
    """Seconds of computing."""


class Sink:
    """Keeps nothing; and what a driver hands in for whatever keeps something.

    Every method takes the stage of a curriculum that it is about, which for a single task is the experiment itself.
    """

    keeps_state = False
    """Whether an interrupted run can go on."""
    how_to_go_on = ""
    """A sentence for whoever interrupts a run, with a blank before it."""

    def finished(self, stage: Experiment) -> xr.Dataset | None:
        """Return the result of a stage that is finished."""
        return None

    def final_state(self, stage: Experiment, like: TrainingState) -> TrainingState:
        """Return the state in which the training of a finished stage ended."""
        raise NotImplementedError

    def load_state(self, stage: Experiment, like: TrainingState) -> Trained | None:
        """Return the last state that was saved; None if there is none."""
        return None

    def save_state(self, stage: Experiment, trained: Trained) -> None:
        """Save the state of an unfinished training."""

    def state_file(self, stage: Experiment) -> Path | None:
        """Return the file of the last state, for messages."""
        return None

    def keep(self, stage: Experiment, trained: Trained, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Keep the result of a stage, the trained network, and what its computing took."""

    def log(self, stage: Experiment, line: str) -> None:
        """Note an event."""


class FolderSink(Sink):
    """Keeps a run in its folder; the stages before the last in folders inside.

    Parameters
    ----------
    place
        The folder, which belongs to the experiment.
    experiment
        The whole experiment.
    """

    keeps_state = True

    def __init__(self, place: RunFolder, experiment: Experiment) -> None:
        self.place, self._stages, self._last = place, experiment.stages, experiment.stage
        self.how_to_go_on = f" The same command with --out {place.path} goes on from there."

    def finished(self, stage: Experiment) -> xr.Dataset | None:
        """Return the result of a stage that is finished.

        Raises
        ------
        InputError
            If the folder belongs to another experiment, or the file is damaged.
        """
        place = self._place(stage)
        place.check_free_for(stage)
        if not place.finished:
            return None
        from . import result

        return result.load(place)

    def final_state(self, stage: Experiment, like: TrainingState) -> TrainingState:
        """Return the state in which the training of a finished stage ended.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        place = self._place(stage)
        saved = place.load_checkpoint(like, STATE)
        if saved is None:
            raise InputError(
                f"{place / STATE} is missing. Restore it, or delete {place.path} to train that stage again."
            )
        return saved[0]

    def load_state(self, stage: Experiment, like: TrainingState) -> Trained | None:
        """Return the last state that was saved; None if there is none."""
        # The outer folders first: a folder that holds another one must say what it is.
        for later in reversed(self._stages[stage.stage :]):
            self._place(later).describe(later)
        saved = self._place(stage).load_checkpoint(like)
        return None if saved is None else Trained(*saved)

    def save_state(self, stage: Experiment, trained: Trained) -> None:
        """Save the state of an unfinished training."""
        self._place(stage).save_checkpoint(*trained)

    def state_file(self, stage: Experiment) -> Path | None:
        """Return the file of the last state."""
        return self._place(stage) / CHECKPOINT

    def keep(self, stage: Experiment, trained: Trained, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Keep the result and the weights; of a stage before the last also the state that the next one goes on with."""
        place = self._place(stage)
        if stage.stage < self._last:
            place.save_checkpoint(*trained, name=STATE)
        place.save_result(trained.state.network, result, timing)

    def log(self, stage: Experiment, line: str) -> None:
        """Note an event in the log of the stage's folder."""
        self._place(stage).log(line)

    def _place(self, stage: Experiment) -> RunFolder:
        place = self.place
        for _ in range(self._last - stage.stage):
            place = place.before
        return place
