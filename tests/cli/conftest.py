"""Calls of the command line in this process, and run folders to call it on."""

from __future__ import annotations

import functools
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import Outcome, call
from recurrent_memory.errors import InterruptedRunError
from recurrent_memory.runs.run import run
from small import small_experiment, stops_after

Command = Callable[..., Outcome]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Command]:
    """Return a function that calls ``recurrent-memory`` with its words, in an empty working folder."""
    folder = tmp_path / "working_folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in caught}

    yield functools.partial(call, monkeypatch, capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def hangup_ends_children() -> Iterator[None]:
    """Let a process started here react to SIGHUP even if this one ignores it, as `nohup pytest` does.

    A process inherits that a signal is ignored, but not a handler: this one's does nothing.
    """
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    run(small_experiment(), folder)
    return folder


@pytest.fixture(scope="session")
def unfinished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unfinished"
    with pytest.raises(InterruptedRunError):
        run(small_experiment(), folder, should_stop=stops_after(2), checkpoint_every=4)
    return folder


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> Path:
    """A folder of the small experiment, finished."""
    return Path(shutil.copytree(finished_once, tmp_path / "finished"))


@pytest.fixture
def unfinished(unfinished_once: Path, tmp_path: Path) -> Path:
    """A folder of the small experiment, cut off after some iterations."""
    return Path(shutil.copytree(unfinished_once, tmp_path / "unfinished"))
