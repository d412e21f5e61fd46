"""Reading HDF5 files whose bytes nobody vouches for, first in a process of its own.

On a damaged file, the HDF5 library can crash, or go round in circles for ever, and no exception tells. So another
process reads it first; it stays for the next file, and is replaced if it was lost.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading

from . import bounds

SECONDS, BYTES_PER_SECOND = 4, 5_000_000
"""Seconds of computing that reading may take, plus one for so many bytes of the file."""
WALL_PER_SECOND = 10
"""On a machine that is busy, reading may take so much longer."""


class NoAnswerError(RuntimeError):
    """Nothing is known about a file, which may be whole."""


class _Reader:
    """The other process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(bounds.__file__)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            process_group=0,  # Ctrl-C is not for it
        )  # fmt: skip

    def check(self, data: bytes, most: int) -> str | None:
        """Return what is wrong with a file, or None."""
        sent, answers = self.process.stdin, self.process.stdout
        assert sent is not None
        assert answers is not None
        seconds = SECONDS + len(data) // BYTES_PER_SECOND
        with contextlib.suppress(BrokenPipeError):
            sent.write(bounds.REQUEST.pack(len(data), most, seconds))
            sent.write(data)
            sent.flush()
        has_answer = select.poll()  # `select` itself takes only the first 1,024 open files of a process
        has_answer.register(answers, select.POLLIN)
        if not has_answer.poll(1000 * seconds * WALL_PER_SECOND):
            raise NoAnswerError(f"no answer within {seconds * WALL_PER_SECOND} s, perhaps because the machine is busy")
        line = answers.readline()
        if line:
            wrong = json.loads(line)
            if wrong == bounds.NO_MEMORY:
                raise NoAnswerError(bounds.NO_MEMORY)
            return None if wrong is None else str(wrong)
        code = self.process.wait()
        if code == -signal.SIGXCPU:
            return f"reading it takes more than {seconds} s"
        if code >= 0 or code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
            raise NoAnswerError("the process that was to read it has ended, perhaps for want of memory")
        return f"the HDF5 library crashes on it, with signal {-code}"

    def end(self) -> None:
        """End the process, unless it belongs to the process of which this one is a copy."""
        if self.owner != os.getpid():
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent is lost
                    pipe.close()


_reader: _Reader | None = None
_one_at_a_time = threading.Lock()


def check_apart(data: bytes, most: int) -> None:
    """Raise an error for an HDF5 file that cannot be read whole, or not within bounds; nothing can crash or hang.

    Parameters
    ----------
    data
        The file.
    most
        Bytes to which it may unpack.

    Raises
    ------
    ValueError
        If it cannot be read: see also :func:`~.bounds.check_contents`.
    NoAnswerError
        If the other process could not be started, or was ended from outside: that says nothing of the file.
    """
    global _reader
    with _one_at_a_time:
        try:
            if _reader is None or _reader.owner != os.getpid() or _reader.process.poll() is not None:
                _end()
                _reader = _Reader()
            wrong = _reader.check(data, most)
        except OSError as error:
            _end()
            raise NoAnswerError(f"no process to read it can be had: {error.strerror or error}") from None
        except BaseException:  # a half request, or an answer that nobody has read
            _end()
            raise
    if wrong is not None:
        raise ValueError(wrong)


@atexit.register
def _end() -> None:
    global _reader
    if _reader is not None:
        _reader.end()
        _reader = None
