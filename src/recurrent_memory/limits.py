"""What containers, clusters and the system itself let this process have: cores and bytes.

A container's limits do not show in the numbers that the host gives: a plan for the host's memory ends, inside a smaller
limit, with a process that is killed without a word.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

UNLIMITED = 2**60
"""Bytes above which a limit is none: version 1 of cgroups writes such a number."""


class Memory(NamedTuple):
    """The memory that this process may use."""

    total: int
    """Bytes, if nothing else used any."""
    free: int
    """Bytes that are free now."""


def memory(root: Path = Path("/")) -> Memory:
    """Return the memory that this process may use: of the machine, and within the limits of its control groups.

    Parameters
    ----------
    root
        Where the system's files are, for tests.
    """
    machine = psutil.virtual_memory()
    found = [Memory(int(machine.total), int(machine.available)), *_of_groups(root)]
    if (soft := addresses()) is not None:
        found.append(Memory(soft, soft - psutil.Process().memory_info().vms))
    return Memory(min(of.total for of in found), max(0, min(of.free for of in found)))


def addresses() -> int | None:
    """Return the bytes of addresses that this process may use (``ulimit -v``), or None if there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def beyond(needed: int, total: int) -> str:
    """Return the words for bytes that are needed, and those that there are."""
    return f"about {needed / 1e9:,.1f} GB (estimate), but this machine has {total / 1e9:,.1f} GB"


def cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use: those it is bound to, within the quotas of its control groups.

    Parameters
    ----------
    root
        Where the system's files are, for tests.
    """
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        bound = os.cpu_count() or 1
    quotas = [math.ceil(quota / period) for quota, period in _quotas(root) if quota > 0 and period > 0]
    return max(1, min([bound, *quotas]))


def _of_groups(root: Path) -> Iterator[Memory]:
    """Yield the limits of the control groups that this process is in, and of those around them."""
    for folder in _folders(root, "memory"):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            total, in_use = _number(folder / limit), _number(folder / used)
            if total is not None and in_use is not None and total < UNLIMITED:
                # What was read from files is given up before anything is killed.
                yield Memory(total, total - max(0, in_use - _entry(folder / "memory.stat", cached)))


def _quotas(root: Path) -> Iterator[tuple[int, int]]:
    for folder in _folders(root, "cpu"):
        words = _text(folder / "cpu.max").split()
        if len(words) == 2 and all(word.isdecimal() for word in words):
            yield int(words[0]), int(words[1])
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota is not None and period is not None:
            yield quota, period


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group under a controller, and of the groups around it.

    A container sees its own group as the root of the tree, whatever path it is told; so folders may be missing.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            bases = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            bases = [root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup" / controller]
        else:
            continue
        inside = Path(path.lstrip("/"))
        for base in bases:
            for group in (inside, *inside.parents):
                if ".." not in group.parts:
                    yield base / group


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.removeprefix("-").isdecimal() else None


def _entry(path: Path, name: str) -> int:
    words = (line.split() for line in _text(path).splitlines())
    return next((int(of[1]) for of in words if len(of) == 2 and of[0] == name and of[1].isdecimal()), 0)
