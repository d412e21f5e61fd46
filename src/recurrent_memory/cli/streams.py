"""Standard output and error that no encoding and no missing reader can stop.

Progress and messages are worth less than what is computed: where nobody reads them any more, a command goes on. Signs
that a terminal cannot show are spelled.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from typing import Any

PLAIN = "plain_ascii"
"""ASCII under a name of its own: click writes UTF-8 to a stream that says "ascii"."""
SPELLED = {
    "λ": "lambda", "σ": "sigma", "ρ": "rho", "τ": "tau", "κ": "kappa", "ε": "epsilon", "−": "-", "–": "-", "×": "x",
    "·": "*", "√": "sqrt ", "…": "...", "≤": "<=", "≥": ">=", "±": "+-", "₁": "1", "₂": "2", "█": "#", "░": ".",
    "“": '"', "”": '"', "‘": "'", "’": "'", "→": "->", "━": "-", "╸": "-", "╺": "-", "•": "-", "∞": "inf",
}  # fmt: skip
"""Signs in our own texts, and what they become in an encoding that lacks them; all others are escaped."""


class _Lasting(io.FileIO):
    """A file descriptor that takes everything, even once nothing can be written to it."""

    failure: OSError | None = None
    """Why something was not written."""
    is_essential = True
    """Whether the command has failed if this was not written; not for one that leaves files with all it says."""

    def write(self, data: Any) -> int:
        if self.failure is None:
            try:
                written = super().write(data)
                if written is None:  # somebody has made it non-blocking, and its reader is slow
                    select.select((), (self,), ())
                return written or 0
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


def prepare() -> None:
    """Make standard output and error last; streams that somebody else has put in their place stay as they are."""
    codecs.register(_plain_ascii)
    codecs.register_error("spelled", _spelled)
    for size in ("COLUMNS", "LINES"):
        # Some programs that start others set these to 0 if they have no terminal; rich then prints nothing at all.
        if os.environ.get(size, "").strip().strip("0") == "":
            os.environ.pop(size, None)
    for descriptor in range(3):
        # A file would otherwise take the number of a stream that was closed, and get what is printed.
        with contextlib.suppress(OSError):
            if _is_closed(descriptor):
                os.open(os.devnull, os.O_RDWR)
    sys.stdout = _lasting(sys.stdout, sys.__stdout__, 1)
    sys.stderr = _lasting(sys.stderr, sys.__stderr__, 2)


def output_is_not_essential() -> None:
    """Say that all that this command prints can be had again, from the files that it leaves."""
    raw = _raw(sys.stdout)
    if raw is not None:
        raw.is_essential = False


def is_lost() -> bool:
    """Return whether nobody reads what this command prints."""
    raw = _raw(sys.stdout)
    return raw is not None and raw.failure is not None


def checked(code: int) -> int:
    """Return the exit code at the end of a command: 1 in place of 0 if its output is lost.

    A reader that went away, such as ``head``, has seen what it wanted.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    raw = _raw(sys.stdout)
    if raw is None or raw.failure is None or raw.failure.errno == errno.EPIPE:
        return code
    told = f"standard output could not be written: {raw.failure.strerror}."
    if not raw.is_essential:
        print(f"note: {told} All that was computed is kept; `show` or the same command prints it.", file=sys.stderr)
        return code
    print(f"Error: {told}", file=sys.stderr)
    return code or 1


def _lasting(stream: Any, original: Any, descriptor: int) -> Any:
    if stream is not original or isinstance(getattr(stream, "buffer", None), _Lasting):
        return stream
    raw = _Lasting(descriptor, "w", closefd=False)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    lasting = io.TextIOWrapper(
        io.BufferedWriter(raw),
        PLAIN if codecs.lookup(encoding).name == "ascii" else encoding,
        errors="spelled",
        line_buffering=descriptor == 2 or getattr(stream, "line_buffering", True),
        write_through=getattr(stream, "write_through", False),
    )
    lasting.mode = "w"  # type: ignore[misc]  # as Python's own have it
    return lasting


def _raw(stream: Any) -> _Lasting | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Lasting) else None


def _is_closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


def _plain_ascii(name: str) -> codecs.CodecInfo | None:
    if name != PLAIN:
        return None
    ascii_ = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_.encode, ascii_.decode, ascii_.streamreader, ascii_.streamwriter, ascii_.incrementalencoder,
        ascii_.incrementaldecoder, name=PLAIN,
    )  # fmt: skip


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(SPELLED.get(sign) or _escaped(sign) for sign in signs), error.end


def _escaped(sign: str) -> str:
    """Return a sign's number; of a byte in a file's name that is no text, which Python keeps as U+DC80 …, the byte."""
    number = ord(sign)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return sign.encode("ascii", "backslashreplace").decode("ascii")
