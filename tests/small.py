"""Experiments that take a second, and what a folder holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from recurrent_memory.experiment import Experiment

SHORT = {"stim_dur": 5, "delay_dur": 10, "resp_dur": 6, "n_neurons": 10}
SMALL: dict[str, Any] = {"n_hidden": 8, "batch_size": 4, "iterations": 12, "test_batches": 2}


def small_experiment(**changes: Any) -> Experiment:
    """Return an experiment of a second or less."""
    options = SHORT | changes.pop("task_options", {})
    return Experiment(**{"task": "de1", **SMALL, "task_options": options, **changes})


def words(experiment: Experiment) -> list[str]:
    """Return the experiment as words of the command line."""
    found: list[str] = []
    for name, value in experiment.model_dump().items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            found.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, dict):
            found += [w for n, v in value.items() for w in (flag.removesuffix("s"), f"{n}={v}")]
        elif isinstance(value, list | tuple):
            found += [flag, ",".join(value)] if value else []
        elif value is not None:
            found += [flag, str(value)]
    return found


def stops_after(calls: int) -> Callable[[], bool]:
    """Return a ``should_stop`` that says True once it has been asked this often."""
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= calls

    return should_stop


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder: bytes of each file by its path, None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
