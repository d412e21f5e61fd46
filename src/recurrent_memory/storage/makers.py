"""Which process made a file, and whether it is still alive."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

TOKEN_FIELDS = 4
"""Parts of a `token`, joined by hyphens."""


def this_process() -> dict[str, Any]:
    """Return what identifies this process among all that share a file system.

    Returns
    -------
    ``machine``: host and its last start; ``namespace`` and ``time_namespace``: within which process numbers and times
    of start mean something; ``process``: the number; ``started``: the time of start, in ticks since the machine's.

    Examples
    --------
    >>> lives_here(this_process())
    True
    """
    return {
        "machine": f"{platform.node()} {_text('/proc/sys/kernel/random/boot_id') or psutil.boot_time()}",
        "namespace": _link("/proc/self/ns/pid"),  # the same number may be another process in a container
        "time_namespace": _link("/proc/self/ns/time"),  # and the same process seem to have started at another time
        "process": os.getpid(),
        "started": _started(os.getpid()),
    }


def lives_here(maker: Mapping[str, Any]) -> bool | None:
    """Return whether a process is alive on this machine; None if nobody here can know.

    Parameters
    ----------
    maker
        What :func:`this_process` returned there; fields may be missing.

    Returns
    -------
    None for a process of another host, of an earlier start of this one, of another namespace, or if a field is missing.
    """
    here, process, started = this_process(), maker.get("process"), maker.get("started")
    if any(maker.get(name) != here[name] for name in ("machine", "namespace", "time_namespace")):
        return None
    if not isinstance(process, int) or isinstance(process, bool) or not isinstance(started, float):
        return None
    return _lives(process, started)


def token() -> str:
    """Return a text for names of temporary files, which says who made them; each call returns another one."""
    me = this_process()
    started = str(me["started"]).replace(".", "_")  # a dot would begin the ending of the file's name
    return f"{_place(me)}-{me['process']}-{started}-{uuid.uuid4().hex[:8]}"


def is_left_over(name: str) -> bool:
    """Return whether the maker of a temporary file, whose name ends with a token, is known to be dead.

    Parameters
    ----------
    name
        Name of the file, without what comes after the token.
    """
    fields = name.split("-")[-TOKEN_FIELDS:]
    try:
        place, process, started = fields[0], int(fields[1]), float(fields[2].replace("_", "."))
    except (ValueError, IndexError):
        return False
    return place == _place(this_process()) and _lives(process, started) is False


def _lives(process: int, started: float) -> bool | None:
    if not _exists(process):
        return False
    found = _started(process)
    return None if found is None else found == started


def _place(process: Mapping[str, Any]) -> str:
    """Return a short text for where process numbers mean the same."""
    text = " ".join(str(process[name]) for name in ("machine", "namespace", "time_namespace"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _exists(process: int) -> bool:
    """Return whether there is a process of this number that has not ended, be it another user's."""
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    try:
        return psutil.Process(process).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _started(process: int) -> float | None:
    """Return when a process began; None if that cannot be seen."""
    try:
        # In ticks since the machine began: psutil's time of day moves when the clock is set.
        return float(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        pass
    try:
        return float(psutil.Process(process).create_time())
    except psutil.Error:
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
