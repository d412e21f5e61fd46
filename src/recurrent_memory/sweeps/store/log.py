"""Logs of the workers: each appends a line of JSON per event to a file of its own."""

from __future__ import annotations

import datetime
import json
import platform
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...storage.atomic import append_line

TAIL = 65_536
"""Number of bytes read from the end of a log."""


class Event(NamedTuple):
    """A line of a log."""

    time: float
    """Seconds since 1970."""
    kind: str


class Log:
    """The log of one worker.

    Parameters
    ----------
    folder
        Folder of all logs.
    worker
        Unique name of the worker.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{platform.node()}-{worker}.jsonl"
        self._lock = threading.Lock()

    def add(
        self, event: Literal["started", "finished", "failed", "given up", "damaged"], identity: str, **more: Any
    ) -> None:
        """Append an event."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, "network": identity, **more})
        with self._lock:
            append_line(self._path, line)


def recent(folder: Path, seconds: float) -> Iterator[Event]:
    """Yield the events of the last seconds that lie in the last `TAIL` bytes of each log."""
    now = time.time()
    for path in folder.glob("*.jsonl") if folder.is_dir() else ():
        for line in _last_lines(path, now - seconds):
            try:
                noted = json.loads(line)
                when = datetime.datetime.fromisoformat(noted["time"]).timestamp()
                kind = noted["event"]
            except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
                continue  # an incomplete line: cut by `TAIL`, or its writer died
            if now - when <= seconds and isinstance(kind, str):
                yield Event(when, kind)


def _last_lines(path: Path, since: float) -> list[bytes]:
    """Return the last lines of a log; none of one that is older, is no file (a named pipe), or cannot be read."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_mtime < since:
            return []
        with path.open("rb") as file:
            file.seek(max(0, about.st_size - TAIL))
            return file.read(TAIL).splitlines()
    except OSError:
        return []  # a log only tells the speed
