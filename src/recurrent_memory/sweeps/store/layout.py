"""Where a sweep keeps its files, and what their names alone say, without heavy imports."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...errors import InputError

FORMAT = "recurrent-memory sweep 1"
DESCRIPTION = "store.json"
RESULTS_VERSION = 1
"""Part of every identity. Raise it if the results of an experiment change, so that no older result counts."""
RESULT, FAILURE = ".safetensors", ".json"


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
    """The folder of a sweep, as far as its file names say.

    ``networks`` holds results (``.safetensors``) and failures (``.json``), ``claims`` who is training which network,
    ``work`` the run folders of unfinished networks, ``log`` a file of events for each worker, ``known`` the identities
    of a sweep's networks, which take long to compute.

    Parameters
    ----------
    path
        The folder; it need not exist yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def check(self) -> None:
        """Refuse a folder that is not a store of this version; a folder that does not exist yet is fine.

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
            found = json.loads(description.read_text())["format"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{description} is damaged: restore it, or give another `store`.") from None
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
        """Return the identities of the networks that a worker trains, or was training when it died."""
        return {name.removesuffix(".json") for name in names(self.path / "claims")}

    def is_finished(self, identity: str) -> bool:
        """Return whether a network has a result."""
        return self.file(identity, RESULT).exists()

    def has_failed(self, identity: str) -> bool:
        """Return whether a network has a record of failure."""
        return self.file(identity, FAILURE).exists()

    def has(self, identity: str) -> bool:
        """Return whether a network has ended, with a result or a failure."""
        return self.is_finished(identity) or self.has_failed(identity)

    def claim_path(self, identity: str) -> Path:
        """Return the path of the claim on a network, which says who is training it."""
        return self.path / "claims" / shard(identity) / f"{identity}.json"

    def failure(self, identity: str) -> Failure | None:
        """Return why a network has no result; None if that is not known, or the record is damaged."""
        try:
            about = json.loads(self.file(identity, FAILURE).read_text(encoding="utf-8"))
            checksum = about.pop("checksum")
            return Failure(**about) if checksum == digest(json.dumps(about)) else None
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def file(self, identity: str, ending: str) -> Path:
        """Return the path of the result or the failure of a network."""
        return self.path / "networks" / shard(identity) / f"{identity}{ending}"


def shard(identity: str) -> str:
    """Return the subfolder of a network: one of 4,096, to hold fewer than 1,000 of up to 4 million networks."""
    return f"{identity[0]}/{identity[1:3]}"


def digest(text: str) -> str:
    """Return the checksum of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def names(folder: Path) -> Iterator[str]:
    """Yield the names of all files in the shards of a folder, without those being written, which begin with a dot."""
    for top in _entries(folder):
        for shard in _entries(top.path):
            for entry in _entries(shard.path):
                if not entry.name.startswith("."):
                    yield entry.name


def _entries(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
