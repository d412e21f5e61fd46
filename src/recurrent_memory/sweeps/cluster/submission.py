"""The folder of a submission, and how networks are shared out among jobs, whatever the scheduler."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...storage.atomic import write_atomically
from ..file.sweep import Sweep
from ..store.store import Store

SWEEP, CHUNKS, DESCRIPTION = "sweep.toml", "chunks.json", "submission.json"
"""Files of a submission: the sweep as it was then, networks of each job, and the rest; the last is written last."""
IMPORTS = "imports"
"""Folder of a submission with the Python files that the sweep imports, as they were then."""
SECONDS_TO_START = 60.0
"""Until the first network of a job trains: loading the libraries from a shared file system, and compiling."""


class Submission:
    """The folder of one submission: the sweep as it was then, what each job trains, and what the jobs write.

    Each has a folder and names of jobs that no other ever had: numbers of jobs are not enough, as they begin anew
    where Slurm's state is lost.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def _described(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.folder / DESCRIPTION)
        return found

    @functools.cached_property
    def chunks(self) -> list[list[str]]:
        """Identities of the networks of each job."""
        found: list[list[str]] = read_json(self.folder / CHUNKS)
        return found

    def arrays(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, number of the first job, and number of jobs of each job array."""
        first = 0
        for number, size in enumerate(self._described["arrays"]):
            yield f"{self._described['name']}-{number}", first, size
            first += size

    def name_of(self, chunk: int) -> str:
        """Return the name of the job array that a job belongs to."""
        return next(name for name, first, size in self.arrays() if first <= chunk < first + size)

    def mark_cancelled(self) -> None:
        """Let it be known that the user does not want these jobs any more."""
        (self.folder / "cancelled").touch()

    @property
    def cancelled(self) -> bool:
        """Whether the user does not want these jobs any more."""
        return (self.folder / "cancelled").exists()


class Submitted(NamedTuple):
    """What the scheduler took."""

    submission: Submission
    ids: list[str]
    """Numbers of the job arrays."""
    networks: int
    jobs: int
    refusal: str
    """What the scheduler said if it took some job arrays and not the next, as above a limit; otherwise empty."""


def submissions(store: Store, cluster: str) -> list[Submission]:
    """Return all submissions of a store to a cluster, the oldest first."""
    return [Submission(path.parent) for path in sorted((store.path / cluster).glob(f"*/{DESCRIPTION}"))]


def write(
    folder: Path, sweep: Sweep, chunks: Sequence[Sequence[str]], name: str, arrays: Sequence[int], request: Any
) -> None:
    """Write the files of a submission into its folder.

    Parameters
    ----------
    folder
        The folder of the submission; it exists.
    sweep
        The sweep, of which the jobs get a copy with the Python files that it imports.
    chunks
        Identities of the networks of each job.
    name, arrays
        What the names of the job arrays begin with, and the number of jobs of each.
    request
        What each job gets.
    """
    source = sweep.source
    # A folder for each, since two files may have the same name.
    imports = {f"{IMPORTS}/{i}/{file.path.name}": file.content for i, file in enumerate(source.imports)}
    for path, content in imports.items():
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(content)
    described = {
        "name": name,
        "arrays": list(arrays),
        "overrides": list(dict.fromkeys(source.overrides.values())),
        "imports": list(imports),
        "request": request.model_dump(mode="json"),
    }
    texts = {SWEEP: source.text, CHUNKS: json.dumps(chunks), DESCRIPTION: json.dumps(described, indent=1)}
    for path, text in texts.items():
        write_atomically(folder / path, _writer(text))


def read_json(path: Path) -> Any:
    """Return what one of a submission's files says."""
    return json.loads(path.read_text(encoding="utf-8"))


def _writer(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text, encoding="utf-8")


def cut(seconds: Sequence[float], request: Any) -> list[int]:
    """Return how many networks each job trains, in their order.

    Parameters
    ----------
    seconds
        Of a core, for each network.
    request
        What each job gets: `per_job` or None, `cpus`, `minutes`, and the seconds `signal_delay` before its end at which
        it is told to save its state and to leave.
    """
    if request.per_job is not None:
        whole, rest = divmod(len(seconds), request.per_job)
        return [request.per_job] * whole + [rest] * (rest > 0)
    asked = 60.0 * request.minutes
    available = request.cpus * max(asked / 2, asked - request.signal_delay - SECONDS_TO_START)
    sizes, used = [0], 0.0
    for needed in seconds:
        # A network for each core costs no more time than one.
        if sizes[-1] >= request.cpus and used + needed > available:
            sizes.append(0)
            used = 0.0
        sizes[-1] += 1
        used += needed
    return sizes


def split(jobs: int, largest: int) -> list[int]:
    """Return sizes of as few job arrays as the scheduler allows, as equal as they can be."""
    number = -(-jobs // largest)
    return [jobs // number + (i < jobs % number) for i in range(number)]


def short_name(file: Path) -> str:
    """Return what of a file's name can be part of the name of a job."""
    return re.sub(r"[^A-Za-z0-9_-]", "", file.stem)[:20] or "sweep"
