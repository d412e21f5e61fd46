"""Sinks keep the state and the result of a run: nowhere, in a run folder, or in the store of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError
from ..evaluation import History
from ..experiment import Experiment
from ..networks import Network
from ..training import TrainingState
from .folder import CHECKPOINT, STATE, RunFolder

if TYPE_CHECKING:
    import xarray as xr


class Trained(NamedTuple):
    """The training of a network so far."""

    state: TrainingState
    history: History
    seconds: float
    """Seconds of computing."""


class Sink:
    """Keeps nothing; subclasses do.

    Every method receives the stage of a curriculum that it is about; for a single task, this is the experiment itself.
    """

    keeps_state = False
    """Whether an interrupted run can be resumed."""
    how_to_go_on = ""
    """Sentence on how to resume an interrupted run, with a leading space."""

    def finished(self, stage: Experiment) -> xr.Dataset | None:
        """Return the result of a stage; None if it is not finished."""
        return None

    def final_state(self, stage: Experiment, like: TrainingState) -> TrainingState:
        """Return the state at the end of a finished stage's training."""
        raise NotImplementedError

    def load_state(self, stage: Experiment, like: TrainingState) -> Trained | None:
        """Return the last state that was saved; None if there is none."""
        return None

    def save_state(self, stage: Experiment, trained: Trained) -> None:
        """Save the state of unfinished training."""

    def keep_snapshot(self, stage: Experiment, iteration: int, network: Network) -> None:
        """Keep the network after some iterations, before the state is saved that follows it."""

    def load_snapshots(self, stage: Experiment, like: Network) -> dict[int, Network]:
        """Return the snapshots that were kept, by iteration."""
        return {}

    def state_file(self, stage: Experiment) -> Path | None:
        """Return the file of the last state, for messages."""
        return None

    def keep(self, stage: Experiment, trained: Trained, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Keep the result of a stage, the trained network, and the computing time."""

    def log(self, stage: Experiment, line: str) -> None:
        """Log an event."""


class FolderSink(Sink):
    """Keeps a run in its folder, with nested folders for the stages before the last.

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
        """Return the result of a stage; None if it is not finished.

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
        """Return the state at the end of a finished stage's training.

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
        self.place.remove_left_over()
        # Outer folders first: a folder that contains another one must already have its description.
        for later in reversed(self._stages[stage.stage :]):
            self._place(later).describe(later)
        saved = self._place(stage).load_checkpoint(like)
        return None if saved is None else Trained(*saved)

    def save_state(self, stage: Experiment, trained: Trained) -> None:
        """Save the state of unfinished training."""
        self._place(stage).save_checkpoint(*trained)

    def keep_snapshot(self, stage: Experiment, iteration: int, network: Network) -> None:
        """Keep the network after some iterations."""
        self._place(stage).save_snapshot(iteration, network)

    def load_snapshots(self, stage: Experiment, like: Network) -> dict[int, Network]:
        """Return the snapshots that were kept, by iteration."""
        return self._place(stage).load_snapshots(stage.snapshots, like)

    def state_file(self, stage: Experiment) -> Path | None:
        """Return the file of the last state."""
        return self._place(stage) / CHECKPOINT

    def keep(self, stage: Experiment, trained: Trained, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Keep the result, the weights, and the whole state, from which training can go on."""
        place = self._place(stage)
        place.save_checkpoint(*trained, name=STATE)
        place.save_result(trained.state.network, result, timing)

    def log(self, stage: Experiment, line: str) -> None:
        """Log an event in the stage's folder."""
        self._place(stage).log(line)

    def _place(self, stage: Experiment) -> RunFolder:
        place = self.place
        for _ in range(self._last - stage.stage):
            place = place.before
        return place
