"""The folder of one run: what lies in it, whose it is, and how far the run has come."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np

from ..errors import FolderInUseError, InputError
from ..evaluation.history import History
from ..experiment import Experiment
from ..networks import Network

# Not by the lazy names of `storage`: threads would load their libraries, while others ask which libraries are loaded.
from ..storage.arrays import flatten, load_arrays, save_arrays, unflatten
from ..storage.atomic import write_atomically
from ..storage.datasets import save_dataset
from ..training import TrainingState
from .claims import Claims

if TYPE_CHECKING:
    import xarray as xr

DESCRIPTION = "experiment.json"
CHECKPOINT = "training.checkpoint"
WEIGHTS = "weights.safetensors"
RESULT = "result.nc"
STATE = "final.checkpoint"
BEFORE = "before"
LOG = "run.log"
TIMING = "timing.json"
CLAIM = ".claim"
FORMAT = "recurrent-memory run 1"


class RunFolder:
    """Files of one run.

    ``experiment.json`` says which experiment the folder belongs to and is written first; ``training.checkpoint``
    holds the state of an unfinished training; ``result.nc`` is written last, so a folder that has it is finished.
    ``timing.json`` holds what differs between two runs of one experiment, so that ``result.nc`` does not. In a
    curriculum ``before`` is the run folder of the tasks before the last one, and in it ``final.checkpoint`` keeps the
    state that the next task goes on with.

    Parameters
    ----------
    path
        The folder; it need not exist yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def finished(self) -> bool:
        """Whether the run's result is there."""
        return (self / RESULT).is_file()

    @property
    def before(self) -> RunFolder:
        """Run folder of the tasks before the last one of a curriculum."""
        return RunFolder(self / BEFORE)

    def check_free_for(self, experiment: Experiment) -> None:
        """Refuse a folder that is not this experiment's, before anything is written.

        Raises
        ------
        InputError
            Where the path is not a folder, belongs to another experiment, or holds anything else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file: give the name of a new folder.")
        if self.path.is_dir() and any(not name.startswith(".") for name in os.listdir(self.path)):
            found = self.experiment()
            # As they are written: a list of a file may have been a tuple.
            there, here = (of.model_dump(mode="json") for of in (found, experiment))
            changed = [name for name in {**there, **here} if there.get(name) != here.get(name)]
            if changed == ["code"]:
                files = ", ".join(experiment.own_files) or "the code that it uses"
                raise InputError(
                    f"{self.path} holds a run of other code: {files} has changed since it was started.\n"
                    "Give a new folder, or restore the code."
                )
            if changed:
                differences = ", ".join(f"{n} = {there.get(n)!r} there, {here.get(n)!r} here" for n in changed[:3])
                raise InputError(
                    f"{self.path} holds another experiment ({differences}).\n"
                    "Give a new folder, or the settings that it was started with."
                )
        above = next((p for p in (self.path, *self.path.absolute().parents) if p.exists()), Path("/"))
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise InputError(f"{self.path} cannot be written to ({above} is not a writable folder): choose another.")

    def experiment(self) -> Experiment:
        """Return the experiment that the folder belongs to.

        Raises
        ------
        InputError
            Where the folder is no run folder, or its description is damaged.
        """
        path = self / DESCRIPTION
        if not self.path.is_dir():
            raise InputError(f"There is no run folder {self.path}.")
        if not path.is_file():
            raise InputError(
                f"{self.path} is not a run folder: it has no {DESCRIPTION}.\nGive a folder of `recurrent-memory "
                "train`, or for a new run one that does not exist or is empty."
            )
        try:
            description = json.loads(path.read_text())
            values = description["experiment"]
            if description["format"] != FORMAT:
                raise InputError(f"{path} is of another version ({description['format']!r}; known: {FORMAT!r}).")
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is damaged. Restore it, or delete {self.path} and train again.") from None
        return Experiment(**values)

    def claim_for(self, experiment: Experiment, claims: Claims) -> None:
        """Create the folder if need be, and keep other processes out until the claim is given back.

        Parameters
        ----------
        experiment
            What the folder is for.
        claims
            From :func:`folder_claims`; the folder's path names the claim.

        Raises
        ------
        InputError
            If the folder cannot be made; a :class:`FolderInUseError` if another process is training in it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            is_ours = claims.acquire(str(self.path))
            if is_ours:
                self.describe(experiment)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written to ({error.strerror}): choose another folder.") from None
        if not is_ours:
            raise FolderInUseError(
                f"Another process is training in {self.path} ({claims.owner(str(self.path))}): wait for it, or stop it "
                "first."
            )

    def describe(self, experiment: Experiment) -> None:
        """Write down which experiment the folder belongs to, unless it says so already."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self / DESCRIPTION).is_file():
            self._write_json(DESCRIPTION, {"format": FORMAT, "experiment": experiment.model_dump(mode="json")})

    def save_checkpoint(self, state: TrainingState, history: History, seconds: float, name: str = CHECKPOINT) -> None:
        """Save the whole state of training."""
        arrays = flatten(eqx.filter(state, eqx.is_array), "state.") | {
            f"history.{name}": values for name, values in history._asdict().items()
        }
        save_arrays(self / name, arrays, {"format": FORMAT, "seconds": f"{seconds:.3f}"})

    def load_checkpoint(
        self, like: TrainingState, name: str = CHECKPOINT
    ) -> tuple[TrainingState, History, float] | None:
        """Return the saved state, its history and the seconds of computing behind it; None where none was saved.

        Raises
        ------
        InputError
            Where the file is damaged or holds another kind of network.
        """
        path = self / name
        if not path.exists():
            return None
        arrays, metadata = load_arrays(path)
        dynamic, static = eqx.partition(like, eqx.is_array)
        restored = unflatten(dynamic, arrays, path, "state.")
        state = eqx.combine(jax.tree.map(jax.numpy.asarray, restored), static)
        return state, _history(arrays, path), float(metadata["seconds"])

    def load_history(self) -> History:
        """Return the history of an unfinished run, empty before its first checkpoint."""
        if not (self / CHECKPOINT).exists():
            return History.empty()
        arrays, _ = load_arrays(self / CHECKPOINT)
        return _history(arrays, self / CHECKPOINT)

    def save_result(self, network: Network, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Save the final weights and the result, the result last; then the checkpoint is no longer needed."""
        save_arrays(self / WEIGHTS, flatten(eqx.filter(network, eqx.is_array)), {"format": FORMAT})
        self._write_json(TIMING, timing)
        save_dataset(self / RESULT, result)
        (self / CHECKPOINT).unlink(missing_ok=True)

    def load_weights(self, like: Network) -> Network:
        """Return the trained network.

        Parameters
        ----------
        like
            A network of the same experiment, such as the one training started from.

        Raises
        ------
        InputError
            Where the weights are missing, damaged, or of another shape.
        """
        arrays, _ = load_arrays(self / WEIGHTS)
        return with_weights(like, arrays, self / WEIGHTS)

    def log(self, line: str) -> None:
        """Append a line with the time to the run's log."""
        with (self / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def timing(self) -> dict[str, Any]:
        """Return what was noted of the finished run's computing time and machine."""
        try:
            noted: dict[str, Any] = json.loads((self / TIMING).read_text())
        except (OSError, ValueError):
            return {}
        return noted

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self / name, lambda path: path.write_text(text, encoding="utf-8"))


def folder_claims() -> Claims:
    """Return claims of run folders, each named by its path."""
    return Claims(lambda folder: Path(folder) / CLAIM)


def _history(arrays: dict[str, np.ndarray], path: Path) -> History:
    missing = [name for name in History._fields if f"history.{name}" not in arrays]
    if missing:
        raise InputError(
            f"{path} is of another version of this package: its history lacks {', '.join(missing)}.\n"
            f"Finish it with that version, or delete {path.parent} and train again."
        )
    return History(*(arrays[f"history.{name}"] for name in History._fields))


def with_weights(like: Network, arrays: dict[str, np.ndarray], source: Path, prefix: str = "") -> Network:
    """Return a network of the same shape with weights from a file, whose names begin with a prefix.

    Raises
    ------
    InputError
        Where the file has no weights, or such of another shape or precision.
    """
    dynamic, static = eqx.partition(like, eqx.is_array)
    restored = unflatten(dynamic, arrays, source, prefix)
    network: Network = eqx.combine(jax.tree.map(jax.numpy.asarray, restored), static)
    return network
