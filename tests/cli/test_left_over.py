"""The next start removes the temporary files of processes that were killed, and nobody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recurrent_memory.errors import InterruptedRunError
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.run import run
from recurrent_memory.storage.makers import token
from recurrent_memory.sweeps import Store, execute
from recurrent_memory.sweeps.cluster import submission
from recurrent_memory.sweeps.cluster.slurm import Request
from recurrent_memory.sweeps.file.read import load
from small import small_experiment

KILLED = """
import os, signal, sys
from pathlib import Path
from recurrent_memory.storage.atomic import create, write_atomically

def write(first, *others):
    Path(first).parent.mkdir(parents=True, exist_ok=True)
    go_on = lambda temporary: write(*others) if others else os.kill(os.getpid(), signal.SIGKILL)
    write_atomically(Path(first), go_on)

write(*sys.argv[1:])
"""
"""Writes one file while it writes the one before, and is killed in the last."""


def hidden(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name not in (".claim", ".lock")}


def leave_in(folder: Path, *names: str) -> set[str]:
    """Leave temporary files of a killed process; return the names of files that are somebody else's."""
    command = [sys.executable, "-c", KILLED, *(str(folder / name) for name in names)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(hidden(folder)) == len(names)
    _, _, started, unique = token().split("-")
    others = [
        f".result-{token()}.nc",  # of a living process: this one
        f".result-0123456789ab-1-{started}-{unique}.nc",  # of another machine
        ".notes-2026-11-26-draft.txt",
        ".result.nc",
        ".-",
    ]
    for name in others:
        (folder / name).touch()
    return set(others)


def test_of_a_run(tmp_path: Path) -> None:
    RunFolder(tmp_path).describe(small_experiment())
    theirs = leave_in(tmp_path, "result.nc", "training.checkpoint", "weights.safetensors", "before/final.checkpoint")
    with pytest.raises(InterruptedRunError):
        run(small_experiment(), tmp_path, should_stop=lambda: True)
    assert hidden(tmp_path) == theirs


def test_of_a_sweep(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text("experiment.task = 'de1'\naxes.seed = [0]")
    folder = tmp_path / "sweep"
    places = (
        *("networks/a/bc/abc.safetensors", "networks/a/bc/abd.json", "claims/a/bc/abc.json", "known/x.txt"),
        *("store.json", "slurm/20260101-000000-abcdef01/sweep.toml"),
    )
    theirs = leave_in(folder, *places)
    (folder / "store.json").write_text(json.dumps({"format": "recurrent-memory sweep 1"}))
    execute([], Store(folder), [])
    assert {name for name in hidden(folder) if not name.startswith("slurm")} == theirs
    new = folder / "slurm" / "new"
    new.mkdir()
    sweep = load(file)
    submission.write(new, sweep, [["a"]], "name", [1], Request())
    assert hidden(folder) == theirs
    assert os.listdir(folder / "networks" / "a" / "bc") == []
