"""The folder of a submission, and how networks are divided among jobs, for any scheduler."""

from __future__ import annotations

import functools
import itertools
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import DamagedResultError, FileError
from ...storage.atomic import remove_left_over, write_atomically
from ...storage.reading import read_json
from ..file.sweep import Sweep
from ..store.store import Store

SWEEP, CHUNKS, DESCRIPTION = "sweep.toml", "chunks.json", "submission.json"
"""Files of a submission: a copy of the sweep, the networks of each job, and the rest, which is written last."""
IMPORTS = "imports"
"""Folder of a submission with copies of the Python files that the sweep imports."""
_TOKEN = re.compile(r"[0-9a-f]{8}")
SECONDS_TO_START = 60.0
"""Time until a job trains its first network: loading libraries from a shared file system, and compiling."""


class Submission:
    """The folder of one submission: a copy of the sweep, the networks of each job, and the jobs' output.

    Each submission has a unique folder and unique job names. Job numbers would not be enough: they start again if Slurm
    loses its state.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def described(self) -> dict[str, Any]:
        """The description that `write` wrote: ``name``, ``arrays``, ``overrides`` and ``imports``.

        Raises
        ------
        FileError
            If it is damaged or unreadable.
        """
        found = {"overrides": [], "imports": []} | _table(read_json(self.folder / DESCRIPTION))
        is_whole = (
            isinstance(found.get("name"), str)
            and isinstance(found.get("arrays"), list)
            and all(type(size) is int and size > 0 for size in found["arrays"])
            and all(_are_texts(found[name]) for name in ("overrides", "imports"))
        )
        if not is_whole:
            raise _damaged(self.folder / DESCRIPTION)
        return found

    @functools.cached_property
    def chunks(self) -> list[list[str]]:
        """Identities of the networks of each job.

        Raises
        ------
        FileError
            If their file is damaged or unreadable.
        """
        found = read_json(self.folder / CHUNKS)
        if not (isinstance(found, list) and all(map(_are_texts, found))):
            raise _damaged(self.folder / CHUNKS)
        return found

    @property
    def fault(self) -> str:
        """What is wrong with the files that say which jobs there are; empty if nothing is."""
        try:
            needed, found = sum(self.described["arrays"]), len(self.chunks)
            return "" if needed == found else str(_damaged(self.folder / CHUNKS))
        except FileError as error:
            return str(error)

    def arrays(self) -> dict[str, range]:
        """Return the numbers of the jobs of each job array, by its name.

        Of a damaged submission, the names begin with anything (``*``): their end is in the folder's name, and unique.
        """
        try:
            name, sizes = self.described["name"], self.described["arrays"]
        except FileError:
            token = self.folder.name.rpartition("-")[2]
            name, sizes = f"*-{token}", []
            while _TOKEN.fullmatch(token) and (array := self.folder / f"array{len(sizes)}").is_dir():
                sizes.append(len(list(array.glob("chunk*.pkl"))))
        ends = itertools.accumulate(sizes)
        return {f"{name}-{i}": range(end - sizes[i], end) for i, end in enumerate(ends)}

    def networks(self, job: int) -> list[str]:
        """Return the identities of the networks of a job; none if that is not known (see `fault`)."""
        try:
            return self.chunks[job] if job < len(self.chunks) else []
        except FileError:
            return []

    def mark_cancelled(self) -> None:
        """Record that the user no longer wants these jobs."""
        (self.folder / "cancelled").touch()

    @property
    def cancelled(self) -> bool:
        """Whether the user no longer wants these jobs."""
        return (self.folder / "cancelled").exists()


class Submitted(NamedTuple):
    """What the scheduler accepted."""

    submission: Submission
    ids: list[str]
    """Numbers of the job arrays."""
    networks: int
    jobs: int
    refusal: str
    """The scheduler's reason if it accepted some job arrays and not the next, such as a limit; otherwise empty."""


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
        Beginning of the names of the job arrays, and the number of jobs in each.
    request
        What each job gets.
    """
    for earlier in folder.parent.iterdir():
        remove_left_over(earlier)
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
        write_atomically(folder / path, text)


def _damaged(path: Path) -> DamagedResultError:
    return DamagedResultError(f"{path} is damaged: it does not describe jobs.")


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _are_texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def cut(seconds: Sequence[float], request: Any) -> list[int]:
    """Divide networks among jobs.

    Parameters
    ----------
    seconds
        Core seconds that each network takes.
    request
        What each job gets: `per_job` or None, `cpus`, `minutes`, and `signal_delay`, the seconds before its end at
        which it is signalled to save its state and exit.

    Returns
    -------
    Number of networks of each job, in order.
    """
    if request.per_job is not None:
        whole, rest = divmod(len(seconds), request.per_job)
        return [request.per_job] * whole + [rest] * (rest > 0)
    asked = 60.0 * request.minutes
    available = request.cpus * max(asked / 2, asked - request.signal_delay - SECONDS_TO_START)
    sizes, used = [0], 0.0
    for needed in seconds:
        # One network per core takes no longer than a single one.
        if sizes[-1] >= request.cpus and used + needed > available:
            sizes.append(0)
            used = 0.0
        sizes[-1] += 1
        used += needed
    return sizes


def split(jobs: int, largest: int) -> list[int]:
    """Return the sizes of as few job arrays as the scheduler allows, as equal as possible."""
    number = -(-jobs // largest)
    return [jobs // number + (i < jobs % number) for i in range(number)]


def command_of_jobs(sweep: Sweep, file: Path) -> list[str]:
    """Return the command by which a job of any cluster trains networks of a sweep.

    Parameters
    ----------
    sweep, file
        The sweep, and the file it was read from.

    Returns
    -------
    The words, unquoted; a job adds ``--part I/N`` to train part I of N.
    """
    command = [sys.executable, "-m", "recurrent_memory", "sweep", "run", str(file.absolute())]
    command += [word for words in dict.fromkeys(sweep.source.overrides.values()) for word in ("--set", words)]
    return command + [word for own in sweep.source.imports for word in ("--import", str(own.path.absolute()))]


def short_name(file: Path) -> str:
    """Return the part of a file's name that a job's name can contain."""
    return re.sub(r"[^A-Za-z0-9_-]", "", file.stem)[:20] or "sweep"
