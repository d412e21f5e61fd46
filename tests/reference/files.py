"""The files of a folder of reference numbers, and which of them this version can run."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recurrent_memory import tasks
from recurrent_memory.settings import InputError

DATA = Path(__file__).parent / "data"
"""Our own copy of reference numbers."""

CONDITIONS = {
    "basic": "",
    "tethered": "",  # it differs from basic in two numbers that the files hold
    "dynamic": "the dynamic condition is not part of this version yet",
    "vardelay": "the variable-delay condition is not part of this version yet",
}
"""Conditions that occur in file names, each with why it cannot be run (if so)."""

_NAMES = re.compile(
    r"(?P<kind>task)_(?P<condition>[a-z]+)_(?P<task>[A-Za-z0-9]+)"
    r"|(?P<kind2>train|clip)_(?P<condition2>[a-z]+)_(?P<task2>[A-Za-z0-9]+)_model(?P<model>\d+)(?:_(?P<variant>\w+))?"
)


@dataclass(frozen=True)
class ReferenceFile:
    """A file and what its name says; ``kind`` is empty for a name that says nothing."""

    path: Path
    kind: str
    condition: str = ""
    task: str = ""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return _read(self.path)

    @property
    def meta(self) -> dict[str, Any]:
        """Settings stored with the numbers; empty where there are none."""
        meta: dict[str, Any] = json.loads(str(self.arrays["meta"])) if "meta" in self.arrays else {}
        return meta

    @property
    def cannot_run(self) -> str:
        """Why this version cannot run the file; empty where it can."""
        if not self.kind:
            return f"{self.path.name}: unknown file name, nothing to compare it with"
        if self.kind == "small_runs":
            return f"{self.path.name}: statistics of training runs that take minutes, not numbers to match"
        reason = CONDITIONS.get(self.condition, f"unknown condition {self.condition!r}") if self.condition else ""
        if not reason and self.task:
            try:
                tasks.make(self.task)
            except InputError as error:
                reason = str(error)
        return f"{self.path.name}: {reason}" if reason else ""


def reference_files(folder: Path) -> list[ReferenceFile]:
    """Return the files in a folder, by name; none where there is no folder."""
    paths = sorted(p for p in folder.glob("*") if p.suffix in (".npz", ".json"))
    return [_classify(path) for path in paths]


def _classify(path: Path) -> ReferenceFile:
    for name, suffix in (("sequentiality", ".npz"), ("fractional_loss", ".npz"), ("small_runs", ".json")):
        if path.name == name + suffix:
            return ReferenceFile(path, name)
    match = _NAMES.fullmatch(path.stem) if path.suffix == ".npz" else None
    if match is None:
        return ReferenceFile(path, "")
    part = match.groupdict()
    kind, condition, task = (part[key] or part[key + "2"] for key in ("kind", "condition", "task"))
    return ReferenceFile(path, kind, condition, task)


@functools.lru_cache(maxsize=8)
def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
