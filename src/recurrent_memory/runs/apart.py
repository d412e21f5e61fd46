"""A network during which a worker died, which must not take one worker after the other with it.

A process that is killed for the memory it takes, or by a fault in a library, cannot say so. So the network on which a
worker died is trained next in a child process: if that dies as well, the network has failed, and the worker goes on.

Not every network can be trained in a child process, and some deaths take both processes. So deaths are counted in the
network's run folder: those in a row between which no more of its training was saved. If it has got further,
or its process has outlived the worker, the death had another reason, such as a machine that was switched off. A death
after the end of training is not counted at all: what is left is to store the result.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import jax

from ..errors import FileError, FolderInUseError, InputError, InterruptedRunError
from ..experiment import Experiment
from ..own_code import import_file, imported_files
from ..storage.atomic import write_atomically
from ..storage.reading import read_json
from .folder import RunFolder
from .resources import estimated_bytes
from .run import run
from .session import Watch

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_SAVE = 60.0
"""How long a child that is to stop may take to save its state."""
ASKED_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that others send; a process of which one is the end has not died of its network."""
MOST_WORDS = 500
"""Characters kept of what a child that died wrote last."""


DEATHS = "deaths.json"
"""File of a run folder with the number of workers that died in a row, and the iterations that were saved by then."""
ALONE_AFTER, MOST_DEATHS = 2, 3
"""After so many deaths in a row a network has a worker for itself, and after so many it has failed."""


def deaths(place: RunFolder) -> int:
    """Return how many workers in a row died while they trained the network of a run folder."""
    return _noted(place)[0]


def note_death(experiment: Experiment, place: RunFolder) -> int:
    """Count the death of a worker that was training an experiment in its folder, unless the run is finished.

    Parameters
    ----------
    experiment, place
        The experiment and its run folder.

    Returns
    -------
    The number of deaths in a row, with this one.
    """
    if place.finished:
        (place / DEATHS).unlink(missing_ok=True)
        return 0
    try:
        saved = training_saved(place)
    except FileError:
        saved = Saved(0, 0)
    before, then = _noted(place)
    number = before + 1 if saved == then else 1
    place.describe(experiment)
    write_atomically(place / DEATHS, json.dumps({"deaths": number, **saved._asdict()}))
    return number


class Saved(NamedTuple):
    """How much of the training of a network is saved."""

    tasks: int
    """Tasks that are finished, of those before the last."""
    iterations: int
    """Iterations in checkpoints."""


def training_saved(place: RunFolder) -> Saved:
    """Return what is saved in a run folder and in those of the tasks before.

    Raises
    ------
    FileError
        If a checkpoint is damaged or cannot be read.
    """
    tasks = iterations = 0
    while place.path.is_dir():
        tasks += place.finished
        iterations += len(place.load_history())
        place = place.before
    return Saved(tasks, iterations)


def too_many_deaths(experiment: Experiment, place: RunFolder) -> str:
    """Return the reason for the failure of a network during which too many workers died."""
    number, (_, saved) = _noted(place)
    needed = estimated_bytes(experiment) / 1e9
    return (
        f"{number} workers in a row died while they trained this network, and saved nothing after iteration {saved}: "
        f"for lack of memory (it needs about {needed:.1f} GB, an estimate), or by a fault in a library. If they were "
        "killed for another reason, let it be trained again."
    )


def _noted(place: RunFolder) -> tuple[int, Saved]:
    """Return the number of deaths in a row, and what was saved before the last."""
    try:
        noted = read_json(place / DEATHS)
        found = [noted[name] for name in ("deaths", *Saved._fields)]
    except (FileError, TypeError, LookupError):
        found = []
    if not found or any(type(number) is not int for number in found):
        return 0, Saved(0, 0)
    return found[0], Saved(*found[1:])


def can_run_apart(experiment: Experiment) -> bool:
    """Return whether another process can run an experiment: not if its code is in a notebook, or on an accelerator."""
    names = {path.name for path in imported_files()}
    return jax.default_backend() == "cpu" and names >= {Path(name).name for name in experiment.own_files}


def run_apart(experiment: Experiment, place: RunFolder, watch: Watch) -> None:
    """Run an experiment in its folder, in a process of its own.

    Parameters
    ----------
    experiment
        What to do.
    place
        Its run folder, in which the result is afterwards, unless the experiment has an error of its own; then it is met
        again by whoever goes on from the folder.
    watch
        Is asked whether to stop.

    Raises
    ------
    InterruptedRunError
        If the watch says to stop.
    MemoryError
        If the process was killed, as for lack of memory.
    RuntimeError
        If it died in another way.
    """
    if place.finished:  # by a process that outlived its worker: whoever goes on from the folder finds the result
        return
    place.describe(experiment)
    done = len(place.load_history())
    how = f"going on from iteration {done} of {experiment.iterations}" if done else "starting"
    watch.on_message(f"{how}, in a process of its own")
    command = [sys.executable, "-m", __name__, str(place.path), str(os.getpid()), *map(str, imported_files())]
    in_double_precision = str(int(jax.config.jax_enable_x64))  # type: ignore[attr-defined]
    environment = {**os.environ, "JAX_ENABLE_X64": in_double_precision, "JAX_PLATFORMS": "cpu"}
    while True:
        code, words = _call(command, environment, watch)
        if 0 <= code < 128:
            return
        if _signal_of(code) not in ASKED_TO_END:
            raise _death(experiment, code, words)
        # Signalled before it could listen, as all processes of a job are when it is cancelled: no fault of the network.


def _call(command: Sequence[str], environment: Mapping[str, str], watch: Watch) -> tuple[int, str]:
    """Run a command until it ends or the watch says to stop; return its exit code and its last words."""
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
        try:
            while child.poll() is None:
                if watch.should_stop():
                    raise InterruptedRunError("Stopped; the state is saved.")
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            _stop(child)
        words.seek(max(0, words.tell() - MOST_WORDS))
        return child.returncode, words.read().decode(errors="replace").strip()


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(SECONDS_TO_SAVE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _signal_of(code: int) -> int:
    """Return the signal that an exit code stands for."""
    return -code if code < 0 else code - 128


def _death(experiment: Experiment, code: int, words: str) -> Exception:
    """Return the error about a process that died."""
    number = _signal_of(code)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    said = f" Its last words: {words.splitlines()[-1]}" if words else ""
    what = f"a worker died while it trained this network, and so did a process of its own ({name}).{said}"
    if number == signal.SIGKILL:
        needed = f"it needs about {estimated_bytes(experiment) / 1e9:.1f} GB (estimate)"
        return MemoryError(f"{what} Most often that is for lack of memory; {needed}.")
    return RuntimeError(what)


def main(folder: str, parent: int, files: Sequence[str]) -> None:
    """Run the experiment of a folder, until it is done, or told to stop, or the parent is gone."""
    place, told = RunFolder(folder), list[int]()

    def note(number: int, _: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    _offer_to_be_killed_first()
    for file in files:
        with contextlib.suppress(InputError):  # files that this experiment does not need may be gone or edited by now
            import_file(Path(file))
    experiment = place.experiment()

    def should_stop() -> bool:
        if os.getppid() == parent:
            return bool(told)
        with contextlib.suppress(OSError):  # this network is not what the parent died of
            (place / DEATHS).unlink(missing_ok=True)
        return True

    while not should_stop():
        try:
            run(experiment, folder, should_stop=should_stop)
            return
        except FolderInUseError:  # the child of a worker that has died, which is about to notice
            time.sleep(SECONDS_BETWEEN_LOOKS)
        except InterruptedRunError:
            return


def _offer_to_be_killed_first() -> None:
    """Have the system choose this process, not its parent, if memory runs out."""
    with contextlib.suppress(OSError):  # not on this system
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
