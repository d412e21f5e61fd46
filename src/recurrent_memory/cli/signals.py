"""Signals from a command's first moment on: it ends with the signal's exit code, and never with a traceback."""

from __future__ import annotations

# What `signal` wraps: importing that takes as long as all else until signals are handled.
import _signal as signal  # type: ignore[import-not-found]
import os
import sys
from collections.abc import Callable
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP)
"""Our jobs ask Slurm for SIGUSR2 shortly before their time is over. SIGHUP means that the terminal is gone."""


class _Left(SystemExit):
    """Raised where a signal came, so that a file that is being written is removed on the way out."""


def handle(handler: Callable[[int, FrameType | None], None]) -> None:
    """Set the handler of all signals that end a command; SIGHUP stays ignored, as under nohup."""
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def leave_on_signals() -> None:
    """End on a signal; commands that train note it instead, and save their state first."""
    handle(_leave)
    sys.unraisablehook = _leave_all_the_same


def let_go() -> None:
    """Give signals their default action back, now that Python ends: an exception would become a traceback."""
    if sys.unraisablehook is _leave_all_the_same:
        sys.unraisablehook = sys.__unraisablehook__
    for number in ENDING:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def second(number: int) -> None:
    """Let a second signal end the process at once; a second SIGHUP, which the shell sends as it ends, is ignored."""
    signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    second(number)
    if _is_importing(frame):
        # Libraries that load crash on an exception, or swallow it, and nothing has been done yet.
        os._exit(128 + number)
    raise _Left(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _leave_all_the_same(about: sys.UnraisableHookArgs) -> None:
    """End the process where an exception would be lost, as in callbacks of C code and of the garbage collector."""
    if isinstance(about.exc_value, _Left) and isinstance(about.exc_value.code, int):
        os._exit(about.exc_value.code)
    sys.__unraisablehook__(about)
