"""The exceptions of the package, and the suggestion at the end of an error about a name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

MOST_LETTERS, MOST_LINES = 1000, 6
"""Length of a line, and number of lines, of a text that is shown."""
_UNSEEN = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\ufffb]"
)
"""Characters that control a terminal or the direction of writing, or that cannot be written at all."""


def plain(text: object, letters: int = MOST_LETTERS, lines: int = MOST_LINES) -> str:
    """Return a text that may come from anyone's file as it can be shown on a terminal or in a picture.

    Parameters
    ----------
    text
        The text, or anything that has one.
    letters
        Largest number of characters of a line; the middle of a longer one is left out.
    lines
        Largest number of lines; those before the last are left out.

    Returns
    -------
    The text, with escapes in place of control characters.

    Examples
    --------
    >>> plain("DE-1\\x1b[31m"), plain("a" * 100, letters=9)
    ('DE-1\\\\x1b[31m', 'aaaaa … a')
    """
    rows = [_cut(_UNSEEN.sub(_escape, row), letters) for row in str(text).split("\n", 1000)]
    if len(rows) > lines:
        rows = [*rows[: lines - 2], "…", rows[-1]] if lines > 2 else rows[:lines]
    return "\n".join(rows)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _cut(row: str, letters: int) -> str:
    if len(row) <= letters:
        return row
    end = (letters - 3) // 4  # which often says what to do
    return f"{row[: letters - 3 - end]} … {row[len(row) - end :]}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message.

    Parameters
    ----------
    error
        The error.

    Returns
    -------
    The line as `plain` text; the type of an error without a message.

    Examples
    --------
    >>> first_line(OSError("No space left.\\nTry again.")), first_line(MemoryError())
    ('No space left.', 'MemoryError')
    """
    return plain(str(error).strip() or type(error).__name__, lines=1)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Parameters
    ----------
    number
        The number.
    noun
        The noun, whose plural has an s.

    Returns
    -------
    Both.

    Examples
    --------
    >>> counted(1, "network"), counted(3, "network")
    ('1 network', '3 networks')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


class InputError(ValueError):
    """The user's input cannot be used; the message says what is wrong, what is allowed, and what to do.

    Parameters
    ----------
    message
        The message; it is shown as :func:`plain` text, because it may repeat what is in a file.
    for_command
        What the command line says instead, if the message gives advice about Python; None: the same.

    Examples
    --------
    >>> from recurrent_memory import Experiment
    >>> try:
    ...     Experiment(task="de1", readout="softmax")
    ... except InputError as error:
    ...     print(str(error).partition(":")[0])
    `readout` = 'softmax' is not allowed
    """

    def __init__(self, message: object = "", *, for_command: str | None = None) -> None:
        super().__init__(plain(message))
        self.for_command = str(self) if for_command is None else plain(for_command)


class FileError(InputError):
    """A file cannot be used: it is missing, unreadable, damaged, or in use. No network is to blame for it.

    Examples
    --------
    >>> from recurrent_memory.sweeps import Store
    >>> try:
    ...     Store("sweep").read("a1b2")
    ... except FileError as error:
    ...     print(str(error).partition(" sweep")[0])
    There is no file
    """


class UnreadableFileError(FileError):
    """The operating system does not let a file be read, for example for lack of permission; it may be intact.

    Examples
    --------
    >>> from recurrent_memory.sweeps import Store
    >>> store = Store("sweep")
    >>> file = store.file("a1b2", ".safetensors")
    >>> file.parent.mkdir(parents=True)
    >>> file.symlink_to(file.name)
    >>> try:
    ...     store.read("a1b2")
    ... except UnreadableFileError as error:
    ...     print(str(error).partition(" cannot")[2])
     be read: Too many levels of symbolic links. It was left as it is.
    """


class DamagedResultError(FileError):
    """A file was read, and is truncated, does not match its checksum, or is not what it should be.

    Examples
    --------
    >>> from recurrent_memory.sweeps import Store
    >>> store = Store("sweep")
    >>> file = store.file("a1b2", ".safetensors")
    >>> file.parent.mkdir(parents=True)
    >>> file.touch()
    >>> try:
    ...     store.read("a1b2")
    ... except DamagedResultError as error:
    ...     print(str(error).splitlines()[-1])
    `recurrent-memory sweep run` trains it again.
    """


class FolderInUseError(FileError):
    """Another process is training in the folder.

    Examples
    --------
    >>> from recurrent_memory import Experiment
    >>> from recurrent_memory.runs.folder import RunFolder, folder_claims
    >>> experiment, folder = Experiment(task="de1"), RunFolder("run")
    >>> with folder_claims() as ours, folder_claims() as theirs:
    ...     folder.claim_for(experiment, theirs)
    ...     try:
    ...         folder.claim_for(experiment, ours)
    ...     except FolderInUseError as error:
    ...         print(str(error).partition(" (")[0])
    Another process is training in run
    """


class DivergedError(RuntimeError):
    """The loss is no longer finite; the state before the step that made it so is saved.

    Parameters
    ----------
    message
        Message for the user.
    experiment
        The :class:`Experiment` that diverged; in a curriculum, the stage in which it did.
    history
        Training up to that step, a :class:`recurrent_memory.evaluation.History`.

    Examples
    --------
    >>> from recurrent_memory import Experiment
    >>> from recurrent_memory.evaluation import History
    >>> error = DivergedError("Training diverged.", Experiment(task="de1", lambda0=1.5), History.empty())
    >>> error.experiment.lambda0, len(error.history)
    (1.5, 0)
    """

    def __init__(self, message: str, experiment: Any, history: Any) -> None:
        super().__init__(message)
        self.experiment = experiment
        self.history = history


class InterruptedRunError(RuntimeError):
    """Training was stopped before its end; its state is saved.

    Examples
    --------
    >>> import recurrent_memory as rm
    >>> try:
    ...     rm.run_many([rm.Experiment(task="de1")], should_stop=lambda: True)
    ... except InterruptedRunError as error:
    ...     print(error)
    Stopped with 0 of 1 network finished.
    """


class RefusedError(InputError):
    """A cluster's scheduler refuses jobs, and waiting alone will not change that.

    Parameters
    ----------
    message
        Message for the user.
    for_good
        Whether the scheduler's words say so; otherwise a few more tries are worth it.

    Examples
    --------
    >>> error = RefusedError("Slurm refuses: Invalid qos specification.", for_good=True)
    >>> isinstance(error, InputError), error.for_good
    (True, True)
    """

    def __init__(self, message: str, *, for_good: bool) -> None:
        super().__init__(message)
        self.for_good = for_good


class StuckError(RuntimeError):
    """Submitting the rest of a sweep to the cluster again would not help, or the user does not want it.

    Examples
    --------
    >>> try:
    ...     raise StuckError("Cancelled, with 2 networks left.")
    ... except StuckError as error:
    ...     print(error)
    Cancelled, with 2 networks left.
    """


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known names closest to this one, or with all of them if none is close.

    Parameters
    ----------
    name
        Name that the user gave.
    known
        Names that exist.

    Returns
    -------
    The sentence, with a space before it.

    Examples
    --------
    >>> suggestion("lamda0", ["lambda0", "sigma0"])
    ' Do you mean lambda0?'
    """
    known = list(known)
    return nearest(name, known) or f" Known: {', '.join(known) or 'none'}."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known names closest to this one, as `suggestion`; empty if none is close.

    Parameters
    ----------
    name
        Name that the user gave.
    known
        Names that exist.

    Returns
    -------
    The sentence, with a space before it.

    Examples
    --------
    >>> nearest("lamda0", ["lambda0", "sigma0"]), nearest("zebra", ["lambda0", "sigma0"])
    (' Do you mean lambda0?', '')
    """
    close = difflib.get_close_matches(name, list(known), n=2)
    return f" Do you mean {' or '.join(close)}?" if close else ""
