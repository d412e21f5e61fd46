"""Signals, for the commands that train."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import click

from ..errors import InterruptedRunError
from . import signals, streams


@contextlib.contextmanager
def interruptible(advice: str = "") -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a signal has come; if the work stops for it, exit with the signal's code.

    Parameters
    ----------
    advice
        Printed after the error's own message, for example how to resume.
    """
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        signals.second(number)

    signals.handle(note)
    streams.output_is_not_essential()
    try:
        yield lambda: bool(caught)
    except InterruptedRunError as error:
        click.echo(f"{error} {advice}".rstrip(), err=True)
        sys.exit(128 + caught[0] if caught else 1)
    finally:
        signals.leave_on_signals()
    if caught:  # when there was nothing left to stop
        sys.exit(128 + caught[0])
