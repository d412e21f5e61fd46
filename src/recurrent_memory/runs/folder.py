"""The folder of one run: its files, the experiment that it belongs to, and how far the run has come."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np

from ..errors import DamagedResultError, FileError, FolderInUseError, InputError, UnreadableFileError
from ..evaluation.history import History
from ..experiment import Experiment
from ..networks import Network

# Not through the lazy names of `storage`: threads would then load libraries while others look up which are loaded.
from ..storage.arrays import flatten, load_arrays, save_arrays, unflatten
from ..storage.atomic import append_line, remove_left_over, write_atomically
from ..storage.datasets import save_dataset
from ..storage.paths import expanded
from ..storage.reading import read_json
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
SNAPSHOTS = "snapshots"
LOG = "run.log"
TIMING = "timing.json"
CLAIM = ".claim"
FORMAT = "recurrent-memory run 1"
TIMED: dict[str, Any] = {"training_seconds": int | float, "testing_seconds": int | float, "device": str}
"""What is in ``timing.json``, at least."""


class RunFolder:
    """Files of one run.

    ``experiment.json`` says which experiment the folder belongs to, and is written first. ``training.checkpoint`` holds
    the state of unfinished training. ``result.nc`` is written last, so a folder that has it is finished.
    ``final.checkpoint`` keeps the state at the end of training, from which training can go on. ``timing.json`` holds
    what differs between two runs of one experiment, so that ``result.nc`` does not. ``snapshots`` holds weights during
    training, if the experiment asks for some. If a finished run goes on with more iterations, its result and weights
    stay as ``result-N.nc`` and ``weights-N.safetensors``, where N is the number of iterations that it had. In a
    curriculum, ``before`` is the run folder of the tasks before the last one.

    Parameters
    ----------
    path
        The folder; it need not exist yet. ``~`` and environment variables are replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = expanded(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def finished(self) -> bool:
        """Whether the run has a result."""
        return os.path.lexists(self / RESULT)  # be it a folder, or a link to a disk that is away: reading it says so

    @property
    def before(self) -> RunFolder:
        """Run folder of the tasks before the last one of a curriculum."""
        return RunFolder(self / BEFORE)

    def check_free_for(self, experiment: Experiment) -> None:
        """Raise an error for a folder that belongs to something else, before anything is written.

        Raises
        ------
        InputError
            If the path is not a folder, belongs to another experiment, or holds anything else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file: give the name of a new folder.")
        if self.path.is_dir() and any(not name.startswith(".") for name in os.listdir(self.path)):
            found = self.experiment()
            # Compared as JSON, because tuples are lists in a file.
            there, here = (of.model_dump(mode="json") for of in (found, experiment))
            changed = [name for name in {**there, **here} if there.get(name) != here.get(name)]
            if changed == ["code"]:
                files = "".join(f"{file}, " for file in experiment.own_files) + "or code that it uses,"
                raise InputError(
                    f"{self.path} holds a run of other code: {files.removeprefix('or ')} has changed since it was "
                    "started.\n"
                    "Give a new folder, or restore the code."
                )
            if changed:
                differences = ", ".join(f"{n} = {there.get(n)!r} there, {here.get(n)!r} here" for n in changed[:3])
                raise InputError(
                    f"{self.path} holds another experiment ({differences}).\n"
                    "Give a new folder, or the settings that it was started with."
                )
        if self.finished:
            return  # nothing will be written
        above = next((p for p in (self.path, *self.path.absolute().parents) if p.exists()), Path("/"))
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise FileError(f"{self.path} cannot be written to ({above} is not a writable folder): choose another.")

    def experiment(self) -> Experiment:
        """Return the experiment that the folder belongs to.

        Raises
        ------
        InputError
            If it is not a run folder, or its description is damaged.
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
            description = read_json(path)
            values, of_format = description["experiment"], description["format"]
        except UnreadableFileError:
            raise
        except (DamagedResultError, KeyError, TypeError):
            raise DamagedResultError(
                f"{path} is damaged. Restore it, or move {self.path} aside and train again."
            ) from None
        if of_format != FORMAT:
            raise InputError(f"{path} is of another version ({of_format!r}; known: {FORMAT!r}).")
        if not isinstance(values, dict):
            raise DamagedResultError(f"{path} is damaged: it does not say which experiment it belongs to.")
        return Experiment(**values)

    def can_go_on(self, experiment: Experiment) -> bool:
        """Return whether an experiment is that of the folder with more iterations, and there is a state to go on from.

        With a schedule of the learning rate, more iterations change all of them. In a curriculum, they change the
        earlier tasks, too.
        """
        if not (self / (STATE if self.finished else CHECKPOINT)).exists():
            return False
        try:
            found = self.experiment()
        except InputError:  # reported by `check_free_for`
            return False
        is_longer = found.iterations < experiment.iterations
        more = found.model_dump(mode="json") | {"iterations": experiment.iterations}
        simple = experiment.learning_rate_schedule == "constant" and not experiment.curriculum
        return is_longer and simple and more == experiment.model_dump(mode="json")

    def go_on(self, experiment: Experiment) -> None:
        """Make the folder that of an unfinished run with more iterations; only for whoever has claimed it.

        After each step, the folder is that of a run which can be resumed with the old or the new number of iterations.
        """
        if self.finished:
            done = self.experiment().iterations
            self._copy(STATE, CHECKPOINT)
            # Nothing that was finished is lost, whatever becomes of the further training.
            self._copy(WEIGHTS, f"weights-{done}.safetensors")
            (self / RESULT).rename(self / f"result-{done}.nc")
        self._describe(experiment)
        (self / STATE).unlink(missing_ok=True)

    def claim_for(self, experiment: Experiment, claims: Claims) -> None:
        """Create the folder if necessary, and keep other processes out until the claim is given back.

        Parameters
        ----------
        experiment
            Experiment of the folder.
        claims
            Claims from :func:`folder_claims`.

        Raises
        ------
        InputError
            If the folder cannot be created, or (as FolderInUseError) another process is training in it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            is_ours = claims.acquire(str(self.path))
            if is_ours:
                self.describe(experiment)
        except OSError as error:
            raise FileError(f"{self.path} cannot be written to ({error.strerror}): choose another folder.") from None
        if not is_ours:
            raise FolderInUseError(
                f"Another process is training in {self.path} ({claims.owner(str(self.path))}): wait for it, or stop it "
                "first."
            )

    def remove_left_over(self) -> None:
        """Remove temporary files of killed processes from the folder and from those of the stages before."""
        place = self
        while place.path.is_dir():
            remove_left_over(place.path)
            place = place.before

    def describe(self, experiment: Experiment) -> None:
        """Record which experiment the folder belongs to, unless it is recorded already."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self / DESCRIPTION).is_file():
            self._describe(experiment)

    def _describe(self, experiment: Experiment) -> None:
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
        """Return the saved state, its history and its seconds of computing; None if none was saved.

        Raises
        ------
        InputError
            If the file is damaged or holds another kind of network.
        """
        path = self / name
        if not path.exists():
            return None
        arrays, metadata = load_arrays(path)
        dynamic, static = eqx.partition(like, eqx.is_array)
        restored = unflatten(dynamic, arrays, path, "state.")
        state = eqx.combine(jax.tree.map(jax.numpy.asarray, restored), static)
        return state, _history(arrays, path), _seconds(metadata, path)

    def load_history(self) -> History:
        """Return the history of an unfinished run, empty before its first checkpoint."""
        if not (self / CHECKPOINT).exists():
            return History.empty()
        arrays, _ = load_arrays(self / CHECKPOINT)
        return _history(arrays, self / CHECKPOINT)

    def save_result(self, network: Network, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Save the final weights and then the result, and delete the checkpoint."""
        save_arrays(self / WEIGHTS, flatten(eqx.filter(network, eqx.is_array)), {"format": FORMAT})
        self._write_json(TIMING, timing)
        save_dataset(self / RESULT, result)
        (self / CHECKPOINT).unlink(missing_ok=True)

    def load_weights(self, like: Network) -> Network:
        """Return the trained network.

        Parameters
        ----------
        like
            A network of the same experiment, such as the initial one.

        Raises
        ------
        InputError
            If the weights are missing, damaged, or of another shape.
        """
        arrays, _ = load_arrays(self / WEIGHTS)
        return with_weights(like, arrays, self / WEIGHTS)

    def save_snapshot(self, iteration: int, network: Network) -> None:
        """Save the weights of a network in training."""
        path = self / SNAPSHOTS / f"{iteration}.safetensors"
        path.parent.mkdir(exist_ok=True)
        save_arrays(path, flatten(eqx.filter(network, eqx.is_array)), {"format": FORMAT})

    def load_snapshots(self, iterations: Iterable[int], like: Network) -> dict[int, Network]:
        """Return the networks that were saved, by iteration."""
        paths = {number: self / SNAPSHOTS / f"{number}.safetensors" for number in iterations}
        return {
            number: with_weights(like, load_arrays(path)[0], path) for number, path in paths.items() if path.exists()
        }

    def log(self, line: str) -> None:
        """Append a line to the run's log, with the time."""
        append_line(self / LOG, f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}")

    def timing(self) -> dict[str, Any]:
        """Return the computing time and the machine of a finished run; empty if they are unknown."""
        try:
            noted = read_json(self / TIMING)
        except FileError:
            return {}
        is_whole = isinstance(noted, dict) and all(isinstance(noted.get(name), kind) for name, kind in TIMED.items())
        return noted if is_whole else {}

    def _copy(self, name: str, to: str) -> None:
        if (self / name).exists():
            write_atomically(self / to, (self / name).read_bytes())

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        write_atomically(self / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def folder_claims() -> Claims:
    """Return claims on run folders, whose identities are their paths."""
    return Claims(lambda folder: Path(folder) / CLAIM)


def _history(arrays: dict[str, np.ndarray], path: Path) -> History:
    missing = [name for name in History._fields if f"history.{name}" not in arrays]
    if missing:
        raise InputError(
            f"{path} is of another version of this package: its history lacks {', '.join(missing)}.\n"
            f"Finish it with that version, or delete {path.parent} and train again."
        )
    found = History(*(arrays[f"history.{name}"] for name in History._fields))
    *curves, reports = found
    is_whole = all(of.dtype == np.float64 and of.shape == curves[0].shape and of.ndim == 1 for of in curves)
    if not (is_whole and reports.dtype == np.float64 and reports.ndim == 3):
        raise DamagedResultError(f"{path} is damaged: its history is not numbers, as many as there were iterations.")
    return found


def _seconds(metadata: dict[str, str], path: Path) -> float:
    """Return the seconds of computing that a checkpoint notes."""
    with contextlib.suppress(KeyError, ValueError):
        if 0 <= (seconds := float(metadata["seconds"])) < math.inf:
            return seconds
    raise DamagedResultError(f"{path} is damaged: it does not say how long its training took.")


def with_weights(like: Network, arrays: dict[str, np.ndarray], source: Path, prefix: str = "") -> Network:
    """Return a network of the same shape with weights from a file, in which their names begin with `prefix`.

    Raises
    ------
    InputError
        If the file has no weights, or their shape or precision differs.
    """
    dynamic, static = eqx.partition(like, eqx.is_array)
    restored = unflatten(dynamic, arrays, source, prefix)
    network: Network = eqx.combine(jax.tree.map(jax.numpy.asarray, restored), static)
    return network
