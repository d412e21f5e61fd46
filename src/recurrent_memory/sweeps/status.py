"""How far a sweep has come, from its file names alone: no experiment is built and no array is read."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .. import __version__
from ..errors import FileError, UnreadableFileError, plain
from ..runs.claims import is_alive
from ..storage.atomic import write_atomically
from ..storage.paths import expanded
from ..storage.reading import read_bytes
from .file.source import Source, store_of
from .store.layout import RESULTS_VERSION, Layout, digest
from .store.log import recent

WINDOW = 3600.0
"""Seconds of the past from which the speed of a sweep is estimated."""
MOST_KNOWN = 256 * 2**20
"""Bytes of a list of identities that is read: of twelve million networks."""
LONGEST_REASON = 100
"""Number of characters shown of the reason for a failure; its record has all of them."""


class Status(NamedTuple):
    """The number of networks in each state.

    Examples
    --------
    >>> status = Status(100, finished=40, failed=0, running=4, abandoned=0, failures=(), per_hour=20.0)
    >>> status.left, duration(status.seconds_left)
    (60, '3.0 h')
    """

    networks: int
    finished: int
    failed: int
    running: int
    abandoned: int
    """Started by a worker that died; the next worker resumes them."""
    failures: tuple[tuple[str, int], ...]
    """Reasons for failure, one line each, with the number of networks; the most frequent first."""
    per_hour: float | None
    """Networks that finished or failed per hour, over the last hour at most; None if none did."""

    @property
    def left(self) -> int:
        """Networks that have neither finished nor failed."""
        return self.networks - self.finished - self.failed

    @property
    def seconds_left(self) -> float | None:
        """Time until all are done at the present speed; None if nothing is running, or no network has ended yet."""
        if not self.left:
            return 0.0
        return 3600 * self.left / self.per_hour if self.per_hour and self.running else None


def look(store: Layout, identities: Sequence[str]) -> Status:
    """Count the networks of a sweep in each state.

    Parameters
    ----------
    store
        Store with the results.
    identities
        Identities of all networks of the sweep.

    Returns
    -------
    The counts, the reasons for failures, and the speed.

    Examples
    --------
    >>> look(Layout("no/such/folder"), ["a1", "b2"]).left
    2
    """
    known = set(identities)
    finished, failed = (of_all & known for of_all in store.ended())
    claimed = (store.claimed() & known) - finished - failed
    alive = sum(is_alive(store.claim_path(identity)) for identity in claimed)
    reasons: Counter[str] = Counter()
    for identity in failed:
        try:
            failure = store.failure(identity)
            reasons[_in_a_line(f"{failure.kind}: {failure.message}")] += 1
        except UnreadableFileError:
            reasons["record that cannot be read"] += 1
        except FileError:
            reasons["damaged record"] += 1
    return Status(
        networks=len(known),
        finished=len(finished),
        failed=len(failed),
        running=alive,
        abandoned=len(claimed) - alive,
        failures=tuple(reasons.most_common()),
        per_hour=_per_hour(store.path / "log"),
    )


def _in_a_line(reason: str) -> str:
    line, *more = reason.splitlines() or [""]
    line = plain(line[: 2 * LONGEST_REASON], 10 * LONGEST_REASON, 1)
    if len(line) > LONGEST_REASON or more:
        line = line[: LONGEST_REASON - 2].rstrip() + " …"
    return line


def _per_hour(logs: Path) -> float | None:
    """Return the number of networks that finished or failed per hour, over the last hour at most."""
    happened = list(recent(logs, WINDOW))
    ended = sum(event.kind in ("finished", "failed") for event in happened)
    if not ended:
        return None
    return 3600 * ended / max(1.0, time.time() - min(event.time for event in happened))


def identities(path: Path, overrides: Sequence[str] = (), imports: Sequence[Path] = ()) -> tuple[Layout, list[str]]:
    """Return the store of a sweep and the identities of its networks, which the store keeps once they are computed.

    Parameters
    ----------
    path, overrides, imports
        See :func:`recurrent_memory.sweeps.load`.

    Returns
    -------
    The store, and the identities in the order of the networks.

    Raises
    ------
    InputError
        If the file does not describe a sweep, or the store cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "sweep.toml"
    >>> _ = path.write_text("experiment.task = 'de1'\\naxes.seed = [0, 1]")
    >>> store, names = identities(path)
    >>> len(names)
    2
    """
    path = expanded(path)
    source = Source.read(path)
    content = source.content()
    if not isinstance(content.get("store", ""), str):
        content = {}  # `load` below explains the mistake
    with source.at("store"):
        store = Layout(store_of(path, content))
    store.check()
    code = [file.digest for file in source.files(content, imports)]
    made_of = [source.text, *overrides, *code, RESULTS_VERSION, __version__]
    known = store.path / "known" / f"{digest(json.dumps(made_of))[:20]}.txt"
    with contextlib.suppress(OSError, ValueError):  # missing or damaged: compute them again
        checksum, _, text = read_bytes(known, most=MOST_KNOWN).decode().partition("\n")
        if checksum == digest(text):
            return store, text.split()
    from .file.read import load
    from .grid import networks

    found = [network.identity for network in networks(load(path, overrides, imports))]
    if store.path.exists():
        with contextlib.suppress(OSError):  # they can be computed again
            known.parent.mkdir(exist_ok=True)
            text = "\n".join(found)
            write_atomically(known, f"{digest(text)}\n{text}")
    return store, found


def duration(seconds: float) -> str:
    """Write a duration in a suitable unit.

    Parameters
    ----------
    seconds
        The duration (s).

    Returns
    -------
    The duration with its unit.

    Examples
    --------
    >>> duration(30.0), duration(600.0), duration(7200.0)
    ('30 s', '10 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
