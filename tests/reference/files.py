"""The files of a folder of reference numbers, and which of them this version can run."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recurrent_memory.errors import InputError
from recurrent_memory.experiment import Experiment
from recurrent_memory.networks import find_model
from recurrent_memory.tasks import AbstractTask

DATA = Path(__file__).parent / "data"
"""Our own copy of reference numbers."""

CONDITIONS = {"basic": "basic", "tethered": "tethered", "dynamic": "dynamic", "vardelay": "variable_delay"}
"""Conditions that occur in file names, and our names for them."""

_NAMES = re.compile(
    r"(?P<kind>task)_(?P<condition>[a-z]+)_(?P<task>[A-Za-z0-9]+)"
    r"|(?P<kind2>train|clip|trajectory)_(?P<condition2>[a-z]+)_(?P<task2>[A-Za-z0-9]+)"
    r"_model(?P<model>\d+)(?:_(?P<variant>\w+))?"
)


@functools.cache
def _made(task: str, condition: str, **settings: Any) -> tuple[Experiment, AbstractTask]:
    """Make an experiment and its task, once for the hundreds of tests that need them."""
    experiment = Experiment(task=task, condition=condition, task_options=settings)
    return experiment, experiment.make_task()


@dataclass(frozen=True)
class ReferenceFile:
    """A file and what its name says; ``kind`` is empty for a name that says nothing."""

    path: Path
    kind: str
    condition: str = ""
    task: str = ""
    model: str = ""
    """Number of the model in the basic script."""

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

    def experiment(self, **settings: Any) -> Experiment:
        """Return our experiment on the file's task in its condition.

        The basic script's VDE-1 has variable delays without being called so.
        """
        return self._made(**settings)[0]

    def make_task(self, **settings: Any) -> AbstractTask:
        """Return the file's task in its condition."""
        return self._made(**settings)[1]

    def _made(self, **settings: Any) -> tuple[Experiment, AbstractTask]:
        condition = "variable_delay" if self.task == "VDE1" else CONDITIONS[self.condition]
        return _made(self.task, condition, **settings)

    @property
    def cannot_run(self) -> str:
        """Why this version cannot run the file; empty where it can."""
        if not self.kind:
            return f"{self.path.name}: unknown file name, nothing to compare it with"
        if self.kind == "small_runs":
            return f"{self.path.name}: statistics of training runs that take minutes, not numbers to match"
        reason = ""
        if self.condition and self.condition not in CONDITIONS:
            reason = f"unknown condition {self.condition!r}"
        elif self.task:
            try:
                self.experiment()
                if self.model:
                    find_model(self.model)
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
    return ReferenceFile(path, kind, condition, task, part["model"] or "")


@functools.lru_cache(maxsize=2)  # the trials of one trajectory take 150 MB
def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
