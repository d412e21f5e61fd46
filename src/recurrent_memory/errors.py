"""Every exception of the package, and the suggestion that an error about a name ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Something the user gave cannot be used; the message says what, what is allowed, and what to do."""


class DamagedResultError(InputError):
    """The file of a finished network is truncated or damaged."""


class FolderInUseError(InputError):
    """Another process is training in the folder."""


class DivergedError(RuntimeError):
    """The loss is no longer finite; the state before the step that broke it is saved.

    Parameters
    ----------
    message
        What the user is told.
    experiment
        The :class:`Experiment` that diverged; in a curriculum, the stage in which it happened.
    history
        The training up to that step, a :class:`recurrent_memory.evaluation.History`.
    """

    def __init__(self, message: str, experiment: Any, history: Any) -> None:
        super().__init__(message)
        self.experiment = experiment
        self.history = history


class InterruptedRunError(RuntimeError):
    """Training was asked to stop before its end; its state is saved."""


class StuckError(RuntimeError):
    """Submitting the rest of a sweep again would be of no use, or is not wanted."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known names closest to this one, or all of them if none is close.

    Parameters
    ----------
    name
        What was given.
    known
        What could have been meant.

    Examples
    --------
    >>> suggestion("lamda0", ["lambda0", "sigma0"])
    ' Do you mean lambda0?'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=2)
    return f" Do you mean {' or '.join(close)}?" if close else f" Known: {', '.join(known) or 'none'}."
