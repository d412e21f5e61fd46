"""The numbers in a MATLAB file, whatever state the file is in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DamagedResultError, InputError, plain
from ..runs.resources import free_memory
from ..storage.reading import check_holes
from . import matchild

MEMORY, MEMORY_PER_BYTE = 2**30, 12
"""Bytes that reading may take, plus so many for each byte of the file; published files have up to 200 MB."""
SECONDS, BYTES_PER_SECOND = 8, 5_000_000
"""Seconds of computing that reading may take, plus one for so many bytes of the file."""
WALL_PER_SECOND = 10
"""On a machine that is busy, reading may take so much longer."""


class MatFile(NamedTuple):
    """What is in a MATLAB file.

    Examples
    --------
    >>> MatFile(Path("basic.mat"), {"SI": ""}, {"SI": np.array([[3.2]])}).number("SI")
    3.2
    """

    path: Path
    kinds: dict[str, str]
    """All variables, and for those that were asked for what is wrong with them; "" if they are numbers."""
    arrays: dict[str, Any]
    """Numbers of each variable that was asked for; of a cell array, a list of those of its cells."""

    def need(self, name: str) -> Any:
        """Return the numbers of a variable.

        Raises
        ------
        InputError
            If there are none.
        """
        if self.kinds.get(name):
            raise InputError(f"{self.path}: {name} must hold real numbers, but is {self.kinds[name]}.")
        if name not in self.arrays:
            raise InputError(f"{self.path} has no {name}.")
        return self.arrays[name]

    def list(self, name: str) -> list[np.ndarray]:
        """Return the numbers of each cell of a variable, or of all of it if it is no cell array."""
        found = self.need(name)
        return found if isinstance(found, list) else [found]

    def number(self, name: str) -> float:
        """Return a variable that is a single number.

        Raises
        ------
        InputError
            If it is anything else.
        """
        found = np.ravel(self.need(name)) if not isinstance(self.need(name), list) else np.zeros(0)
        if found.size != 1:
            raise InputError(f"{self.path}: {name} must be one number.")
        return float(found[0])


def read_mat(path: Path, wanted: Sequence[str]) -> MatFile:
    """Read some variables of a MATLAB file of version 4 to 7.3, in a process of its own.

    Parameters
    ----------
    path
        The file.
    wanted
        Names of the variables.

    Returns
    -------
    The variables that it has.

    Raises
    ------
    FileError
        If it is missing or unreadable, or (as DamagedResultError) no MATLAB file, or needs too much memory or time.
    """
    check_holes(path)
    size = path.stat().st_size
    # The half of what there is: this process takes the arrays from the other one.
    memory = max(MEMORY, min(MEMORY + MEMORY_PER_BYTE * size, free_memory() // 2))
    seconds = SECONDS + size // BYTES_PER_SECOND
    # Apart from this package, and in one thread, whose stack counts as memory.
    command = [sys.executable, "-I", str(matchild.__file__), str(path.absolute()), str(memory), str(seconds), *wanted]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(
                command, stdout=out, stderr=subprocess.PIPE, timeout=seconds * WALL_PER_SECOND, check=False,
                env=environment, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise _damaged(path, "reading it does not end") from None
        if done.returncode:
            raise _damaged(path, _reason(done.returncode, done.stderr.decode(errors="replace"), memory, seconds))
        out.seek(0)
        with np.load(out, allow_pickle=False) as found:
            kinds = json.loads(str(found["__about__"]))
            arrays: dict[str, Any] = {}
            for key in sorted(found.files):
                name, slash, _ = key.partition("/")
                if slash:
                    arrays.setdefault(name, []).append(found[key])
                elif name != "__about__":
                    arrays[name] = found[key]
    return MatFile(path, {**kinds}, arrays)


def _damaged(path: Path, reason: str) -> DamagedResultError:
    return DamagedResultError(
        f"{path} is not a MATLAB file, or damaged ({reason}).\nRestore it from a copy, or save it again."
    )


def _reason(code: int, said: str, memory: int, seconds: int) -> str:
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        return f"reading it takes more than {seconds} s"
    if code < 0:
        return f"SciPy crashes on it, with signal {-code}"
    if "MemoryError" in said:
        return f"reading it takes more than {memory / 2**30:.1f} GB"
    line = (said.strip().splitlines() or ["for no reason given"])[-1]
    return plain(line.partition(": ")[2] or line, 150, 1)
