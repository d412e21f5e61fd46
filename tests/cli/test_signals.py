"""Signals from a command's first moment on, at any other, and when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from small import small_experiment, words

STARTED = (
    "import recurrent_memory.cli.main as it; it.signals.leave_on_signals(); print('started', flush=True); it.main()"
)
"""Until our first line runs, Python answers Ctrl-C with a traceback, which is nothing that a package can change."""
LONG = ["train", *words(small_experiment(iterations=30_000)), "--out", "run"]
ENDED = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGUSR2: 140}
HEAVY = {"click", "enum", "importlib.metadata", "jax", "lazy_loader", "numpy", "pydantic", "typing"}

pytestmark = pytest.mark.usefixtures("hangup_ends_children")


def interrupted(command: list[str], number: int, after: float, folder: Path) -> tuple[int, str]:
    """Return the exit code and the last output of a command that gets a signal some seconds after its start."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(after)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, err


def check(command: list[str], number: signal.Signals, after: float, folder: Path) -> None:
    code, err = interrupted(command, number, after, folder)
    assert code in (ENDED[number], -number), err  # the latter in Python's last moment
    assert "Traceback" not in err
    assert "ignored" not in err


@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGINT, 0.0),
        (signal.SIGINT, 0.03),
        (signal.SIGTERM, 0.1),
        (signal.SIGINT, 0.2),
        (signal.SIGHUP, 0.4),
        (signal.SIGUSR2, 0.0),
    ],
)
def test_a_signal_ends_a_command_that_loads_libraries(number: signal.Signals, after: float, tmp_path: Path) -> None:
    check(LONG, number, after, tmp_path)
    assert not list(tmp_path.rglob(".*-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize(
    "command", [LONG, ["tasks"], ["sweep", "run", "s.toml"], ["sweep", "status", "s.toml"], ["show", "run"]], ids=str
)
def test_a_signal_ends_any_command_at_any_time(
    command: list[str], number: signal.Signals, after: float, finished: Path, tmp_path: Path
) -> None:
    finished.rename(tmp_path / ("run" if command[0] == "show" else "other"))
    (tmp_path / "s.toml").write_text(
        "experiment = { task = 'de1', n_hidden = 10, iterations = 30_000 }\naxes.seed = { range = [0, 4] }"
    )
    code, err = interrupted(command, number, after, tmp_path)
    # Short commands end by themselves.
    assert code in (ENDED[number], -number) or (code == 0 and after >= 1 and command[0] != "train"), err
    assert "Traceback" not in err
    assert "ignored" not in err


def test_nothing_heavy_is_loaded_before_signals_are_handled() -> None:
    code = f"import sys, recurrent_memory.cli.main; print({HEAVY} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path}; {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("class A:\n  def __del__(self): os.kill(os.getpid(), 15)\nA(); print('lives')", 143),
        ("try: os.kill(os.getpid(), 15)\nexcept Exception: print('lives')", 143),
        ("signals.let_go(); os.kill(os.getpid(), 15); print('lives')", -15),
        ("import signal; signal.signal(1, signal.SIG_IGN); signals.leave_on_signals(); os.kill(os.getpid(), 1)", 0),
    ],
)
def test_a_signal_cannot_be_swallowed(then: str, expected: int) -> None:
    code = f"import os\nfrom recurrent_memory.cli import signals\nsignals.leave_on_signals()\n{then}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (expected, "", "")
