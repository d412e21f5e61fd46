"""Logs of the workers: one file per worker, to which it appends a line of JSON for each event."""

from __future__ import annotations

import datetime
import json
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
        A name that no other worker has.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{platform.node()}-{worker}.jsonl"
        self._lock = threading.Lock()

    def add(
        self, event: Literal["started", "finished", "failed", "given up", "damaged"], identity: str, **more: Any
    ) -> None:
        """Append a line."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, "network": identity, **more})
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def recent(folder: Path, seconds: float) -> Iterator[Event]:
    """Yield the events of the last seconds, as far as they lie near the ends of the logs."""
    now = time.time()
    for path in folder.glob("*.jsonl") if folder.is_dir() else ():
        about = path.stat()
        if now - about.st_mtime > seconds:
            continue
        with path.open("rb") as file:
            file.seek(max(0, about.st_size - TAIL))
            lines = file.read().splitlines()
        for line in lines:
            try:
                noted = json.loads(line)
                when = datetime.datetime.fromisoformat(noted["time"]).timestamp()
            except (ValueError, TypeError, KeyError):
                continue  # an incomplete line: cut off by TAIL, or by the death of its writer
            if now - when <= seconds:
                yield Event(when, noted["event"])
