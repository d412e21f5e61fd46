"""The results of a sweep: one file per network, in folders that stay small, and no other record.

A file appears complete or not at all, and only if there is none yet. The folders therefore say everything, two workers
that finish the same network leave one result, and there is no index that could be damaged.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import storage
from ...errors import DamagedResultError, InputError, first_line
from ...networks import Network as TrainedNetwork
from ...runs.folder import RunFolder, with_weights
from ...storage.atomic import write_atomically
from ...storage.paths import make_folder
from .layout import DESCRIPTION, FAILURE, FORMAT, RESULT, Failure, Layout, digest, names, shard
from .record import DATA, WEIGHT, Part, Record, labelled, part_of, read_record


class Store(Layout):
    """The folder of a sweep, for writing and reading results (:class:`Layout` describes its contents).

    Examples
    --------
    >>> store = Store(Path(tempfile.mkdtemp()) / "sweep")
    >>> store.prepare()
    >>> store.finished()
    set()
    """

    def prepare(self) -> None:
        """Create the folder if it does not exist.

        Raises
        ------
        InputError
            If the folder cannot be written to, holds something else, or is of another version.
        """
        self.check()
        try:
            make_folder(self.path)
            # First, so that a second worker that starts now does not take the folders for something else.
            if not (self.path / DESCRIPTION).exists():
                write_atomically(self.path / DESCRIPTION, json.dumps({"format": FORMAT}) + "\n")
            for folder in ("networks", "claims", "work", "log"):
                make_folder(self.path / folder)
            self.remove_left_over()
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            place = error.filename if os.path.isdir(error.filename or "") else self.path
            raise InputError(f"{place} cannot be written to ({error.strerror}): give another `store`.") from None

    def work(self, identity: str) -> RunFolder:
        """Return the run folder of an unfinished network.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        The folder, which need not exist.
        """
        return RunFolder(self.path / "work" / shard(identity) / identity)

    def clear_work(self, identity: str) -> None:
        """Remove the run folder of a network, if there is one.

        Parameters
        ----------
        identity
            Identity of the network.
        """
        shutil.rmtree(self.work(identity).path, ignore_errors=True)

    def clear_ended_work(self) -> None:
        """Remove the run folders of ended networks whose worker died before it could do so."""
        for identity in names(self.path / "work"):
            if self.has(identity):
                self.clear_work(identity)

    def publish(
        self,
        identity: str,
        experiment: Mapping[str, Any],
        result: xr.Dataset,
        weights: Mapping[str, np.ndarray],
        parts: Collection[Part],
        provenance: Mapping[str, Any],
    ) -> bool:
        """Keep the result of a network, unless it already has one.

        Parameters
        ----------
        identity
            Identity of the network.
        experiment
            Settings of its experiment, in JSON's types.
        result
            Result of :func:`recurrent_memory.run`.
        weights
            Trained weights by name.
        parts
            What to keep besides the measures.
        provenance
            Host, device, seconds.

        Returns
        -------
        Whether this result is the one that is kept.
        """
        kept = {
            str(name): variable
            for name, variable in result.variables.items()
            if (part := part_of(str(name), variable)) is None or part in parts
        }
        # safetensors cannot hold arrays of text, such as the names of epochs.
        small = [name for name, of in kept.items() if part_of(name, of) is None or of.dtype.kind not in "fiub"]
        about = {
            "experiment": dict(experiment),
            "measures": {name: kept[name].values.tolist() for name in small if name in result.data_vars},
            "coords": {name: kept[name].values.tolist() for name in small if name in result.coords},
            "coordinates": [name for name in kept if name in result.coords],
            "dims": {name: list(map(str, kept[name].dims)) for name in kept},
            "attrs": {name: _plain(kept[name].attrs) for name in kept},
            # The experiment is stored above, not as text.
            "attributes": _plain({name: value for name, value in result.attrs.items() if name != "experiment"}),
            "provenance": dict(provenance),
        }
        arrays = {DATA + name: kept[name].values for name in kept if name not in small}
        if "weights" in parts:
            arrays |= {WEIGHT + name: array for name, array in weights.items()}
        return storage.save_arrays(self._made(identity, RESULT), arrays, _signed(about), replace=False)

    def read(self, identity: str) -> Record:
        """Return the record of a finished network, without its arrays.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        The record.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        path = self.file(identity, RESULT)
        with _advised_for_a_sweep(path):
            return read_record(storage.load_notes(path), path)

    def read_all(self, identity: str) -> tuple[Record, dict[str, np.ndarray]]:
        """Return the record of a finished network and its arrays.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        The record, and the arrays by name: those of the result as ``data.…``, weights as ``weights.…``.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        path = self.file(identity, RESULT)
        with _advised_for_a_sweep(path):
            arrays, notes = storage.load_arrays(path)
            return read_record(notes, path), arrays

    def verify(self, identity: str) -> None:
        """Read everything kept of a network that has ended, with a result or a failure.

        Parameters
        ----------
        identity
            Identity of the network.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        if self.is_finished(identity):
            self.read_all(identity)
        else:
            self.failure(identity)

    def dataset(self, identity: str) -> xr.Dataset:
        """Return everything kept of a finished network's result, labelled as by :func:`recurrent_memory.run`.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        The result, without the parts that were not kept.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        return labelled(*self.read_all(identity), self.file(identity, RESULT))

    def network(self, identity: str, like: TrainedNetwork) -> TrainedNetwork:
        """Return a finished network whose weights are kept.

        Parameters
        ----------
        identity
            Identity of the network.
        like
            A network of the same experiment, such as the initial one.

        Returns
        -------
        The trained network.

        Raises
        ------
        InputError
            If there are no weights, or the file is truncated or damaged.
        """
        _, arrays = self.read_all(identity)
        return with_weights(like, arrays, self.file(identity, RESULT), WEIGHT)

    def fail(self, identity: str, failure: Failure) -> None:
        """Record why a network has no result.

        Parameters
        ----------
        identity
            Identity of the network.
        failure
            What happened.
        """
        about = failure._asdict()
        text = json.dumps({**about, "checksum": digest(json.dumps(about))}, indent=1) + "\n"
        write_atomically(self._made(identity, FAILURE), text)

    def discard(self, identity: str) -> None:
        """Delete the result or the failure of a network, because its user wants it to be trained again.

        Parameters
        ----------
        identity
            Identity of the network.
        """
        for path in (self.file(identity, ending) for ending in (RESULT, FAILURE)):
            if path.is_dir() and not path.is_symlink():
                self._set_aside(path)  # not ours
            else:
                path.unlink(missing_ok=True)

    def set_aside(self, identity: str) -> Path:
        """Move the damaged result or failure of a network out of the way, so that it is trained again.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        Where the file is now; nothing is deleted.
        """
        ending = RESULT if self.is_finished(identity) else FAILURE
        return self._set_aside(self.file(identity, ending))

    def set_work_aside(self, identity: str) -> Path:
        """Move the damaged run folder of an unfinished network out of the way, so that it starts again.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        Where the folder is now; nothing is deleted.
        """
        return self._set_aside(self.work(identity).path)

    def _set_aside(self, path: Path) -> Path:
        folder = make_folder(self.path / "damaged")
        aside = folder / path.name
        for number in itertools.count(1):
            if not aside.exists():
                break
            aside = folder / f"{path.stem}-{number}{path.suffix}"
        path.rename(aside)
        return aside

    def _made(self, identity: str, ending: str) -> Path:
        path = self.file(identity, ending)
        make_folder(path.parent)
        return path


@contextlib.contextmanager
def _advised_for_a_sweep(path: Path) -> Iterator[None]:
    """Replace the advice on a damaged file: here, deleting its folder would delete other networks too."""
    try:
        yield
    except DamagedResultError as error:
        what = first_line(error)
        raise DamagedResultError(f"{what}\n`recurrent-memory sweep run` trains it again.") from None


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes in JSON's types: a result read from a file has arrays in place of lists."""
    arrays = np.generic | np.ndarray
    return {str(name): value.tolist() if isinstance(value, arrays) else value for name, value in attrs.items()}


def _signed(about: Mapping[str, Any]) -> dict[str, str]:
    text = json.dumps(about, ensure_ascii=False)
    return {"about": text, "about_checksum": digest(text)}
