"""oneDNN's own recurrent primitive as a side: the fastest dense competitor on CPUs that we know of."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_suffix(".cpp")
FLOATS = np.ctypeslib.ndpointer(dtype=np.float32, flags="C_CONTIGUOUS")


class NotBuiltError(RuntimeError):
    """There is no compiler, or no oneDNN."""


class Primitive:
    """The primitive on the trials and weights of a network; see onednn.cpp.

    Parameters
    ----------
    inputs
        Spike counts, (step, trial, neuron).
    W_in, W_rec
        Weights, (input neuron, unit) and (unit before, unit after).
    """

    def __init__(self, inputs: np.ndarray, W_in: np.ndarray, W_rec: np.ndarray) -> None:
        steps, trials, neurons = inputs.shape
        self._library = _library()
        arrays = [np.ascontiguousarray(a, np.float32) for a in (inputs, W_in, W_rec)]
        self._it = self._library.make(steps, trials, neurons, len(W_rec), *arrays)
        if not self._it:
            raise NotBuiltError("oneDNN has no such primitive for this processor")
        shape = (steps, trials, len(W_rec))
        self.activity = self._array("activity", shape)
        self.gradient_of_activity = self._array("gradient_of_activity", shape)
        self.gradient_of_recurrent_weights = self._array("gradient_of_recurrent_weights", W_rec.shape)
        self.forward: Callable[[], None] = functools.partial(self._library.forward, self._it)
        self.backward: Callable[[], None] = functools.partial(self._library.backward, self._it)

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.ctypeslib.as_array(getattr(self._library, name)(self._it), shape)


@functools.cache
def _library() -> Any:
    """Return onednn.cpp as a library, built for this process."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        raise NotBuiltError("there is no C++ compiler")
    # Where wheels put headers and libraries; Debian's are found without being told.
    headers, libraries = (Path(sys.prefix) / place for place in ("include", "lib"))
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "onednn.so"
        command = [compiler, "-O2", "-std=c++17", "-shared", "-fPIC", str(SOURCE), "-o", str(built)]
        command += [f"-I{headers}", f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-ldnnl"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotBuiltError("oneDNN with its headers is not installed (Debian: libdnnl-dev)")
        library = ctypes.CDLL(str(built))
    library.make.argtypes = [ctypes.c_int] * 4 + [FLOATS] * 3
    library.make.restype = ctypes.c_void_p
    for name in ("forward", "backward"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = None
    for name in ("activity", "gradient_of_activity", "gradient_of_recurrent_weights"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.POINTER(ctypes.c_float)
    library.version.restype = ctypes.c_char_p
    return library


def version() -> str:
    """Return oneDNN's version."""
    text: bytes = _library().version()
    return text.decode()
