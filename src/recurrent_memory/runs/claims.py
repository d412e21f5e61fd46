"""Who is training what: claims that die with their owner.

A claim is a file. It is made by a hard link, which exactly one of several workers gets, and its owner rewrites it every
few seconds (a beat). One rule decides whether the owner of a claim is alive:

1. A claim that names this worker is this worker's own, however long the process was stopped.
2. If the claim was made on this machine since its last start, in the same namespaces of processes and of time, the
   operating system knows: the owner is alive if and only if a process with its number and its time of start exists. A
   worker of this very process that has ended is dead.
3. If an earlier start of the same cluster job made the claim, its owner is dead.
4. Of all others (another host, another container, an unreadable claim), only the file tells: an owner is dead if its
   claim has not beaten for `LEASE` seconds of the watcher's own clock. At the first look, the age of the claim is the
   difference between two dates of its file system. No clock is ever compared with another.

A beat writes into the file that it has opened, so an owner that was stopped during a beat cannot overwrite the claim of
a worker that has taken over: that one has made a new file. The owner notices at its next beat, and gives up the
network. If it had finished in between, one of two equal results is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import DamagedResultError, FileError, UnreadableFileError, plain
from ..storage.atomic import create
from ..storage.makers import lives_here, this_process, token
from ..storage.paths import make_folder
from ..storage.reading import read_bytes
from .resources import current_job

BEAT = 10.0
"""Seconds between two beats of a claim."""
LEASE = 120.0
"""Seconds without a beat after which a claim of another machine is dead."""
MOST_BYTES = 65_536
"""Of a claim that is read; ours take 600."""
LONGEST_OWNER = 80
"""Characters of an owner's name in a message."""

_FIELDS: dict[str, type] = {"worker": str, "beat": int, "host": str, "process": int, "job": str, "restart": int}
"""Types of what a claim says."""
_WORKERS: weakref.WeakSet[Claims] = weakref.WeakSet()
"""The workers of this process."""


class Claims:
    """The claims that a process holds; a context manager that renews them and gives them back on leaving.

    Parameters
    ----------
    path_of
        Returns the path of the claim on a network, given the network's identity.
    beat, lease
        Seconds; see `BEAT` and `LEASE`.
    clock
        A clock that never goes back (s).

    Examples
    --------
    >>> def path_of(identity):
    ...     return Path("claims") / f"{identity}.json"
    >>> with Claims(path_of) as ours, Claims(path_of) as theirs:
    ...     ours.acquire("a1b2"), theirs.acquire("a1b2")
    (True, False)
    """

    def __init__(
        self,
        path_of: Callable[[str], Path],
        *,
        beat: float = BEAT,
        lease: float = LEASE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path_of, self.beat, self.lease, self.clock = path_of, beat, lease, clock
        self.worker = uuid.uuid4().hex
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._at_files = threading.Lock()  # so that no beat writes a claim again that is being given back
        self._held: set[str] = set()
        self.orphans: set[str] = set()
        """Networks that were taken over from an owner that died."""
        self._count = 0
        self._seen: dict[str, tuple[str, float]] = {}  # claims of others: content, and when it was first read
        self._thread = threading.Thread(target=self._keep_beating, name="claims", daemon=True)
        _WORKERS.add(self)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for identity in list(self._held):
            self.release(identity)
        _WORKERS.discard(self)

    def acquire(self, identity: str) -> bool:
        """Claim a network, unless somebody who is alive has claimed it.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        Whether it is ours now. False if it was ours before: one thread of this worker is already training it.

        Raises
        ------
        OSError
            If the claim cannot be written; an :class:`UnreadableFileError` if it cannot be read.
        """
        path = self.path_of(identity)
        make_folder(path.parent)
        with self._at_files:
            if not self.is_lost(identity):
                return False
            found = _read(path)
            # A claim of ours that is not among those held was lost from memory, or could not be removed.
            if found is None or not self._is_ours(found):
                if found is not None and not (self._is_dead(identity, found) and _remove_if_still(path, found)):
                    return False
                if not create(path, self._text()):
                    return False
                if found is not None:
                    self.orphans.add(identity)
            with self._lock:
                self._held.add(identity)
        return True

    def release(self, identity: str) -> None:
        """Give a network back; a claim that cannot be removed dies with this worker.

        Parameters
        ----------
        identity
            Identity of the network.
        """
        with self._lock:
            if identity not in self._held:
                return
            self._held.discard(identity)
        path = self.path_of(identity)
        with self._at_files, contextlib.suppress(OSError, UnreadableFileError):
            found = _read(path)
            if found is not None and self._is_ours(found):
                path.unlink(missing_ok=True)

    def owner(self, identity: str) -> str | None:
        """Say who has claimed a network.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        Host and process, for a message; None if nobody has claimed it.
        """
        found = _read(self.path_of(identity))
        if found is None:
            return None
        owner = _parsed(found)
        if not {"host", "process"} <= set(owner):
            return "damaged claim"
        return plain(f"{owner['host']}, process {owner['process']}", LONGEST_OWNER, 1)

    def is_lost(self, identity: str) -> bool:
        """Return whether a network that this process has claimed is no longer ours.

        Parameters
        ----------
        identity
            Identity of the network.

        Returns
        -------
        Whether the claim has been lost, or given back.
        """
        with self._lock:
            return identity not in self._held

    def _keep_beating(self) -> None:
        while not self._stop.wait(self.beat):
            for identity in list(self._held):
                # A full disk, or a file system that is away: the next beat may do.
                with contextlib.suppress(OSError):
                    self._beat_once(identity)

    def _beat_once(self, identity: str) -> None:
        with self._at_files:
            if self.is_lost(identity):
                return  # given back in the meantime
            if not self._rewrite(self.path_of(identity)):
                with self._lock:
                    self._held.discard(identity)

    def _rewrite(self, path: Path) -> bool:
        """Rewrite our claim; return whether it still is ours."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            # Somebody removed it, or is about to take it: of two who make it now, one gets it.
            return create(path, self._text())
        with os.fdopen(handle, "r+b", buffering=0) as file:
            if not self._is_ours(file.read(MOST_BYTES).decode(errors="replace")):
                return False
            file.seek(0)
            file.write(self._text())
        return True

    def _text(self) -> bytes:
        with self._lock:
            self._count += 1
            claim = json.dumps({"worker": self.worker, "beat": self._count, **_whereabouts()})
        # Of the same length at every beat, so that a rewritten claim has no rest of the earlier one.
        return claim.ljust(len(claim) + 20 - len(str(self._count))).encode() + b"\n"

    def _is_ours(self, claim: str) -> bool:
        return bool(_parsed(claim).get("worker") == self.worker)

    def _is_dead(self, identity: str, claim: str) -> bool:
        owner, here = _parsed(claim), _whereabouts()
        lives_here = _lives_here(owner, here)
        if lives_here is not None:
            return not lives_here
        restart = owner.get("restart")
        if here["job"] and owner.get("job") == here["job"] and isinstance(restart, int) and restart < here["restart"]:
            return True  # an earlier start of the same cluster job
        known, since = self._seen.get(identity, (None, 0.0))
        if known != claim:
            self._seen[identity] = (claim, self.clock())
            return _silent_for(self.path_of(identity)) > self.lease
        return self.clock() - since > self.lease


def is_alive(path: Path, lease: float = LEASE) -> bool:
    """Return whether a claim looks alive, for display; one from another machine is judged by this machine's clock."""
    claim = _read(path)
    if claim is None:
        return False
    lives_here = _lives_here(_parsed(claim), _whereabouts())
    if lives_here is not None:
        return lives_here
    try:
        return time.time() - path.stat().st_mtime < lease
    except OSError:
        return False


def _lives_here(owner: dict[str, Any], here: dict[str, Any]) -> bool | None:
    """Return whether the owner of a claim is alive on this machine; None if nobody here can know."""
    if all(owner.get(name) == here[name] for name in this_process()):
        return any(worker.worker == owner.get("worker") for worker in list(_WORKERS))
    return lives_here(owner)


def _silent_for(path: Path) -> float:
    """Return the seconds since a claim was written, by the clock of its file system alone; 0 if unknown."""
    try:
        with tempfile.TemporaryFile(dir=path.parent, prefix=".") as now:
            return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> str | None:
    try:
        return read_bytes(path, head=MOST_BYTES).decode(errors="replace")
    except DamagedResultError:
        return ""  # a folder or a named pipe
    except UnreadableFileError:
        raise
    except FileError:
        return None


def _parsed(claim: str) -> dict[str, Any]:
    try:
        parsed = json.loads(claim)
    except (ValueError, RecursionError):
        return {}  # damaged: nobody's, and dead once it has been looked at for long enough
    if not isinstance(parsed, dict):
        return {}
    return parsed if all(isinstance(parsed.get(name, kind()), kind) for name, kind in _FIELDS.items()) else {}


def _remove_if_still(path: Path, claim: str) -> bool:
    """Remove a dead claim, unless it is another one by now: two may find the same claim dead at the same time."""
    aside = path.with_name(f".{path.stem.lstrip('.')}-{token()}{path.suffix}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False  # the other process was faster
    taken = _read(aside)
    if taken != claim:
        # The other one had already made a claim of its own, or was alive: it gets it back, unless a third one was
        # faster, which it notices at the next beat.
        if taken is not None:
            create(path, taken.encode())
        aside.unlink(missing_ok=True)
        return False
    if not aside.is_dir():  # a folder stays there, hidden: it is not ours
        aside.unlink(missing_ok=True)
    return True


def _whereabouts() -> dict[str, Any]:
    job = current_job()
    return {
        "host": platform.node(),
        **this_process(),
        "job": "" if job is None else job.id,
        "restart": 0 if job is None else job.restart,
    }
