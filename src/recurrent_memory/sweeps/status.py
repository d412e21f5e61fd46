"""How a sweep stands, told from the names of its files: no network is described, no array read."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ..storage.atomic import write_atomically
from .file.source import Source, store_of
from .store.claims import is_alive
from .store.layout import RESULTS_VERSION, Layout, digest
from .store.log import recent

WINDOW = 3600.0
"""Seconds of the past that tell how fast a sweep goes."""
LONGEST_REASON = 100
"""Characters of the reason of a failure that are shown; its record has all of them."""


class Status(NamedTuple):
    """How many networks are in which state."""

    networks: int
    finished: int
    failed: int
    running: int
    abandoned: int
    """Begun by a worker that died; the next one goes on with them."""
    failures: tuple[tuple[str, int], ...]
    """Reasons, in a line each, and the number of networks that each stopped; the most frequent first."""
    per_hour: float | None
    """Networks that came to their end in the last hour, or since the first one did; None where none has."""

    @property
    def left(self) -> int:
        """Networks that have not come to their end."""
        return self.networks - self.finished - self.failed

    @property
    def seconds_left(self) -> float | None:
        """Time until all are done, if it goes on like this; None where nobody works, or no network has ended yet."""
        if not self.left:
            return 0.0
        return 3600 * self.left / self.per_hour if self.per_hour and self.running else None


def look(store: Layout, identities: Sequence[str]) -> Status:
    """Return how a sweep stands.

    Parameters
    ----------
    store
        Where its results are.
    identities
        Of all its networks.
    """
    known = set(identities)
    finished, failed = (of_all & known for of_all in store.ended())
    claimed = (store.claimed() & known) - finished - failed
    alive = sum(is_alive(store.claim_path(identity)) for identity in claimed)
    reasons: Counter[str] = Counter()
    for identity in failed:
        failure = store.failure(identity)
        reasons["damaged record" if failure is None else _in_a_line(f"{failure.kind}: {failure.message}")] += 1
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
    line, *more = reason.splitlines()
    if len(line) > LONGEST_REASON or more:
        line = line[: LONGEST_REASON - 2].rstrip() + " …"
    return line


def _per_hour(logs: Path) -> float | None:
    """Return the rate at which networks come to their end."""
    happened = list(recent(logs, WINDOW))
    ended = sum(event.kind in ("finished", "failed") for event in happened)
    if not ended:
        return None
    return 3600 * ended / max(1.0, time.time() - min(event.time for event in happened))


def identities(path: Path, overrides: Sequence[str] = (), imports: Sequence[Path] = ()) -> tuple[Layout, list[str]]:
    """Return the store of a sweep, and the identities of its networks, which are kept there once they are known.

    Parameters
    ----------
    path, overrides, imports
        See :func:`recurrent_memory.sweeps.load`.

    Raises
    ------
    InputError
        Where the file is no sweep, or the store cannot be used.
    """
    source = Source.read(path)
    content = source.content()
    if not isinstance(content.get("store", ""), str):
        content = {}  # reading all of the file says what is wrong
    with source.at("store"):
        store = Layout(store_of(path, content))
    store.check()
    code = [file.digest for file in source.files(content, imports)]
    made_of = [source.text, *overrides, *code, RESULTS_VERSION, metadata.version("recurrent-memory")]
    known = store.path / "known" / f"{digest(json.dumps(made_of))[:20]}.txt"
    with contextlib.suppress(OSError, ValueError):  # damaged: they are told again
        checksum, _, text = known.read_text(encoding="utf-8").partition("\n")
        if checksum == digest(text):
            return store, text.split()
    from .file.read import load
    from .grid import networks

    found = [network.identity for network in networks(load(path, overrides, imports))]
    if store.path.exists():
        with contextlib.suppress(OSError):  # it can be told again
            known.parent.mkdir(exist_ok=True)
            text = "\n".join(found)
            write_atomically(known, lambda temporary: temporary.write_text(f"{digest(text)}\n{text}"))
    return store, found


def duration(seconds: float) -> str:
    """Return a time in words, in the unit that fits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
