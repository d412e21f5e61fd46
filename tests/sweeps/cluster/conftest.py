"""A working folder with a sweep's file, and stand-ins for Slurm's commands."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import Outcome, call
from recurrent_memory.cli.signals import ENDING

TEXT = """\
[experiment]
preset = "quick"
task = "de1"
n_hidden = 100
[axes]
seed = { range = [0, 40] }
"""

STAND_INS = {
    "srun": "",
    "scontrol": """[ "$1" = release ] && echo "$2" >> released; echo 'MaxArraySize            = 16'""",
    "squeue": "cat queue 2>/dev/null",
    "scancel": 'echo "$@" >> cancelled',
    "sbatch": "echo 'sbatch: error: invalid partition specified: nowhere' >&2; exit 1",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a sweep's file, and commands that say what Slurm's would."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, body in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("sweep.toml").write_text(TEXT)
    return Path.cwd()


@pytest.fixture
def command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Outcome]]:
    """Return a function that calls ``recurrent-memory sweep`` with its words."""
    handlers = {number: signal.getsignal(number) for number in ENDING}
    yield functools.partial(call, monkeypatch, capsys, "sweep")
    for number, handler in handlers.items():
        signal.signal(number, handler)
