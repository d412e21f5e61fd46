"""What commands that train do with their process: react to signals, and keep compiled programs for the next one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import click

from ..errors import InterruptedRunError


@contextlib.contextmanager
def interruptible(advice: str = "") -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether to stop, and leave with the signal's exit code if that stopped the work.

    Parameters
    ----------
    advice
        What to say after what was interrupted, such as how to go on.
    """
    caught = _catch_signals()
    try:
        yield lambda: bool(caught)
    except InterruptedRunError as error:
        click.echo(f"{error} {advice}".rstrip(), err=True)
        sys.exit(128 + caught[0])


def _catch_signals() -> list[int]:
    """Note the first SIGINT, SIGTERM, SIGUSR2 or SIGHUP in the list returned; a second one ends the process at once.

    SIGUSR2 is what Slurm is asked to send before the time of a job is over. SIGHUP says that the terminal is gone, more
    than once: all but the first are ignored, and the first too if it was ignored before, as under nohup.
    """
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        if number == signal.SIGHUP:
            signal.signal(number, signal.SIG_IGN)
            _leave_terminal()
        else:
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, note)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, note)
    return caught


def _leave_terminal() -> None:
    """Send output nowhere if the terminal is gone: writing to it is an error from then on."""
    for output in (1, 2):
        try:
            os.write(output, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)


def cache_compiled_programs() -> None:
    """Keep compiled programs between runs, so that the second start takes no time to compile."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "recurrent-memory" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
