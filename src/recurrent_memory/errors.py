"""All exceptions of the package, and the suggestion at the end of an error about a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """The user's input cannot be used; the message says which, what is allowed, and what to do."""


class DamagedResultError(InputError):
    """The file of a finished network is truncated or damaged."""


class FolderInUseError(InputError):
    """Another process is training in the folder."""


class DivergedError(RuntimeError):
    """The loss is no longer finite; the state before the step that broke it is saved.

    Parameters
    ----------
    message
        What the user reads.
    experiment
        The :class:`Experiment` that diverged; in a curriculum, the stage in which it did.
    history
        Training up to that step, a :class:`recurrent_memory.evaluation.History`.
    """

    def __init__(self, message: str, experiment: Any, history: Any) -> None:
        super().__init__(message)
        self.experiment = experiment
        self.history = history


class InterruptedRunError(RuntimeError):
    """Training was stopped before its end; its state is saved."""


class StuckError(RuntimeError):
    """Submitting the rest of a sweep again would not help, or is not wanted."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known names closest to this one, or with all of them if none is close.

    Parameters
    ----------
    name
        The name that the user gave.
    known
        The names that exist.

    Returns
    -------
    The sentence, with a space before it.

    Examples
    --------
    >>> suggestion("lamda0", ["lambda0", "sigma0"])
    ' Do you mean lambda0?'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=2)
    return f" Do you mean {' or '.join(close)}?" if close else f" Known: {', '.join(known) or 'none'}."
