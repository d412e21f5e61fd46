"""The folder of a sweep and what its file names say, without heavy imports."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...errors import DamagedResultError, InputError
from ...storage.atomic import remove_if_left_over, remove_left_over
from ...storage.paths import expanded
from ...storage.reading import read_json

FORMAT = "recurrent-memory sweep 1"
DESCRIPTION = "store.json"
RESULTS_VERSION = 1
"""Part of every identity. Raise it if experiments have other results than before, so that old ones do not count."""
RESULT, FAILURE = ".safetensors", ".json"
MOST_RECORD = 2**20
"""Bytes of a record of failure that is read; ours take a few hundred."""


FAILURES = ("diverged", "out of memory", "error")
"""Ways in which a network can fail."""


class Failure(NamedTuple):
    """Why a network has no result.

    Examples
    --------
    >>> Failure("diverged", "The loss is not finite.", iteration=120, where={"host": "node7"}).kind
    'diverged'
    """

    kind: Literal["diverged", "out of memory", "error"]
    message: str
    iteration: int | None
    """Iteration of the failure, if known."""
    where: dict[str, Any]
    """Host and device."""


class Layout:
    """The folder of a sweep, read by its file names alone.

    ``networks`` holds results (``.safetensors``) and failures (``.json``), ``claims`` who is training which network,
    ``work`` the run folders of unfinished networks, ``log`` a file of events for each worker, ``known`` the identities
    of a sweep's networks, which take long to compute, ``damaged`` what was found damaged and is trained again.

    Parameters
    ----------
    path
        The folder; it need not exist yet. ``~`` and environment variables are replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = expanded(path)
        self._networks = str(self.path / "networks")

    def check(self) -> None:
        """Raise an error for a folder that is not a store of this version; it need not exist yet.

        Raises
        ------
        InputError
            If the folder holds something else, or is of another version.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError(f"{self.path} is a file: give the name of a folder as `store`.")
        description = self.path / DESCRIPTION
        others = [name for name in os.listdir(self.path) if not name.startswith(".")]
        if not description.exists():
            if others:
                raise InputError(f"{self.path} is not empty and not a sweep's store: give another `store`.")
            return
        try:
            found = read_json(description, most=MOST_RECORD)["format"]
        except (DamagedResultError, KeyError, TypeError):
            raise DamagedResultError(f"{description} is damaged: restore it, or give another `store`.") from None
        if found != FORMAT:
            raise InputError(
                f"{self.path} is of another version ({found!r}; this one reads {FORMAT!r}).\n"
                "Use the version of the package that made it, or give another `store`."
            )

    def ended(self) -> tuple[set[str], set[str]]:
        """Return the identities of the networks that have a result, and of those that failed and have none."""
        finished, failed = set(), set()
        for name in names(self.path / "networks"):
            if name.endswith(RESULT):
                finished.add(name.removesuffix(RESULT))
            elif name.endswith(FAILURE):
                failed.add(name.removesuffix(FAILURE))
        return finished, failed - finished

    def finished(self) -> set[str]:
        """Return the identities of the networks that have a result."""
        return self.ended()[0]

    def failed(self) -> set[str]:
        """Return the identities of the networks that failed and have no result."""
        return self.ended()[1]

    def claimed(self) -> set[str]:
        """Return the identities of the networks that a worker is training, or was training when it died."""
        return {name.removesuffix(".json") for name in names(self.path / "claims")}

    def is_finished(self, identity: str) -> bool:
        """Return whether a network has a result, be it a link to a disk that is away."""
        return os.path.lexists(self.file(identity, RESULT))

    def has_failed(self, identity: str) -> bool:
        """Return whether a network has a record of failure."""
        return os.path.lexists(self.file(identity, FAILURE))

    def has(self, identity: str) -> bool:
        """Return whether a network has ended, with a result or a failure."""
        return self.is_finished(identity) or self.has_failed(identity)

    def claim_path(self, identity: str) -> Path:
        """Return the path of the claim on a network."""
        return self.path / "claims" / shard(identity) / f"{identity}.json"

    def failure(self, identity: str) -> Failure:
        """Return why a network has no result.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        The failure.

        Raises
        ------
        FileError
            If the record is missing or cannot be read; a :class:`DamagedResultError` if it is damaged.
        """
        path = self.file(identity, FAILURE)
        about = read_json(path, most=MOST_RECORD)
        try:
            checksum = about.pop("checksum")
            failure = Failure(**about)
        except (TypeError, AttributeError, LookupError):
            raise DamagedResultError(f"{path} is damaged: it does not say why the network failed.") from None
        is_whole = (
            checksum == digest(json.dumps(about))
            and failure.kind in FAILURES
            and isinstance(failure.message, str)
            and isinstance(failure.iteration, int | None)
            and isinstance(failure.where, dict)
        )
        if not is_whole:
            raise DamagedResultError(f"{path} is damaged: its contents do not match its checksum.")
        return failure

    def remove_left_over(self) -> None:
        """Remove temporary files of killed processes, but for those that :meth:`ended` removes."""
        for folder in (self.path, self.path / "known"):
            remove_left_over(folder)
        self.claimed()  # which looks at all of them

    def file(self, identity: str, ending: str) -> Path:
        """Return the path of the result or the failure of a network."""
        return Path(f"{self._networks}/{shard(identity)}/{identity}{ending}")  # half of the time of joining paths


def shard(identity: str) -> str:
    """Return the subfolder of a network, one of 4,096: 4 million networks are then fewer than 1,000 in each."""
    return f"{identity[0]}/{identity[1:3]}"


def digest(text: str) -> str:
    """Return the checksum of a text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def names(folder: Path) -> Iterator[str]:
    """Yield the names of all files in a folder's shards, without temporary files, which begin with a dot.

    Temporary files of killed processes are removed on the way, as far as that is allowed.
    """
    for top in _entries(folder):
        for shard in _entries(top.path):
            for entry in _entries(shard.path):
                if not entry.name.startswith("."):
                    yield entry.name
                else:
                    remove_if_left_over(entry)


def _entries(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return []
        raise
