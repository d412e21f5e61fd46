"""Who is training what: claims that die with whoever made them.

A claim is a file that its owner writes anew every few seconds (a beat). It is made by a hard link, which exactly one of
several gets. Whoever wants a network that is claimed looks whether the owner lives: on the same machine by asking the
operating system, which is immediate; elsewhere by the file, since a claim that has not beaten for `LEASE` seconds is
dead. These are seconds of the watcher's own clock, or, at the first look, of the file system's, which both files are
dated by. No clock is compared with another's, and no lock of a file system is needed.

An owner that was stopped for so long that its claim was taken notices at the next beat, and gives up the network. If it
finished in between, one of two equal results is kept.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from ..storage.atomic import write_atomically
from .resources import current_job

BEAT = 10.0
"""Seconds between two beats of a claim."""
LEASE = 120.0
"""Seconds without a beat after which a claim of another machine is dead."""


class Claims:
    """The claims that a process holds, and its memory of those of others (a context manager: leaving gives them back).

    Parameters
    ----------
    path_of
        Where the claim of a network is kept, by the network's identity.
    beat, lease
        Seconds; see `BEAT` and `LEASE`.
    clock
        A clock that never goes back.
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
        self._held: dict[str, float] = {}  # when each beat last
        self._count = 0
        self._seen: dict[str, tuple[str, float]] = {}  # of others: what was read, and when it was first read
        self._thread = threading.Thread(target=self._keep_beating, name="claims", daemon=True)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for identity in list(self._held):
            self.release(identity)

    def acquire(self, identity: str) -> bool:
        """Claim a network, unless someone who lives has; return whether it is ours now."""
        path = self.path_of(identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _read(path)
        if found is not None:
            if not self._is_dead(identity, found):
                return False
            if not _remove_if_still(path, found):
                return False
        if not self._write(path, replace=False):
            return False
        with self._lock:
            self._held[identity] = self.clock()
        return True

    def release(self, identity: str) -> None:
        """Give a network back."""
        with self._lock:
            if self._held.pop(identity, None) is None:
                return
        path = self.path_of(identity)
        with self._at_files:
            found = _read(path)
            if found is not None and self._is_ours(found):
                path.unlink(missing_ok=True)

    def owner(self, identity: str) -> str | None:
        """Return in words who has claimed a network; None where nobody has."""
        found = _read(self.path_of(identity))
        if found is None:
            return None
        owner = _parsed(found)
        return f"{owner['host']}, process {owner['process']}" if {"host", "process"} <= set(owner) else "damaged claim"

    def is_lost(self, identity: str) -> bool:
        """Return whether a network that was claimed here is not ours any more."""
        with self._lock:
            return identity not in self._held

    def _keep_beating(self) -> None:
        while not self._stop.wait(self.beat):
            for identity, last in list(self._held.items()):
                try:
                    with self._at_files:
                        self._beat_once(identity, last)
                except OSError:  # a full disk or a file system that is away: the next beat may do
                    continue

    def _beat_once(self, identity: str, last: float) -> None:
        path = self.path_of(identity)
        found = _read(path)
        # After a long stop someone may be about to take the claim; writing now could overwrite theirs.
        if self.clock() - last > self.lease / 2 or found is None or not self._is_ours(found):
            with self._lock:
                self._held.pop(identity, None)
            return
        self._write(path, replace=True)
        with self._lock:
            if identity in self._held:
                self._held[identity] = self.clock()

    def _write(self, path: Path, *, replace: bool) -> bool:
        with self._lock:
            self._count += 1
            claim = {"worker": self.worker, "beat": self._count, **_whereabouts()}
        text = json.dumps(claim) + "\n"
        return write_atomically(path, lambda temporary: temporary.write_text(text), replace=replace)

    def _is_ours(self, claim: str) -> bool:
        return bool(_parsed(claim).get("worker") == self.worker)

    def _is_dead(self, identity: str, claim: str) -> bool:
        owner, here = _parsed(claim), _whereabouts()
        lives_here = _lives_here(owner, here)
        if lives_here is not None:
            return not lives_here
        restart = owner.get("restart")
        if here["job"] and owner.get("job") == here["job"] and isinstance(restart, int) and restart < here["restart"]:
            return True  # the same job of a cluster, before it was started again
        known, since = self._seen.get(identity, (None, 0.0))
        if known != claim:
            self._seen[identity] = (claim, self.clock())
            return _silent_for(self.path_of(identity)) > self.lease
        return self.clock() - since > self.lease


def is_alive(path: Path, lease: float = LEASE) -> bool:
    """Return whether a claim looks alive, to show it: of other machines' by the time of day, which may be wrong."""
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
    """Return whether the owner of a claim is a process of this machine that lives; None: elsewhere, or nobody knows."""
    process, started = owner.get("process"), owner.get("started")
    if any(owner.get(name) != here[name] for name in ("machine", "namespace")):
        return None
    if not isinstance(process, int) or not isinstance(started, float):
        return None  # incomplete
    return _started(process) == started


def _silent_for(path: Path) -> float:
    """Return the seconds since a claim was written, by the clock of its file system alone; 0 if that is unknown."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as now:
            return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parsed(claim: str) -> dict[str, Any]:
    try:
        parsed = json.loads(claim)
    except ValueError:
        return {}  # damaged: nobody's, and dead once it has been looked at for long enough
    return parsed if isinstance(parsed, dict) else {}


def _remove_if_still(path: Path, claim: str) -> bool:
    """Remove a dead claim, unless it is another one by now: two may find the same claim dead at the same time."""
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False  # the other one was faster
    taken = _read(aside)
    if taken != claim:
        # The other one had already made a claim of its own: it gets it back.
        with contextlib.suppress(FileExistsError):  # by a third one; the owner notices at the next beat
            os.link(aside, path)
        aside.unlink(missing_ok=True)
        return False
    aside.unlink(missing_ok=True)
    return True


def _whereabouts() -> dict[str, Any]:
    job = current_job()
    return {
        "host": platform.node(),
        "machine": f"{platform.node()} {_text('/proc/sys/kernel/random/boot_id') or psutil.boot_time()}",
        "namespace": _link("/proc/self/ns/pid"),  # the same process number may be another process in a container
        "process": os.getpid(),
        "started": _started(os.getpid()),
        "job": "" if job is None else job.id,
        "restart": 0 if job is None else job.restart,
    }


def _started(process: int) -> float | None:
    """Return when a process began; None where there is none, or it is dead and only not yet buried."""
    try:
        # In ticks since the machine began: psutil's time of day moves when the clock is set.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except (OSError, IndexError):
        pass
    try:
        found = psutil.Process(process)
        return None if found.status() == psutil.STATUS_ZOMBIE else float(found.create_time())
    except (psutil.Error, ValueError):  # no number that a process can have
        return None


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
