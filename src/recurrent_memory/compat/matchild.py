"""Read a MATLAB file in a process of its own, because SciPy and HDF5 can crash on a damaged one.

Run as a script, with the file and the limits on memory (bytes) and time (seconds of computing) as arguments. It imports
nothing of this package, and writes an NPZ archive to standard output: the arrays, as ``NAME`` or (the cells of a cell
array) ``NAME/NUMBER``, and ``__about__``, JSON with the kind of each variable.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

KINDS = {"b": "Boolean", "c": "complex", "U": "text", "S": "text", "V": "a structure"}


def main() -> None:
    """Read the file, within the limits."""
    path, memory, seconds, *wanted = sys.argv[1:]
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    except (ImportError, ValueError, OSError):
        pass  # not possible here
    import numpy as np

    with open(path, "rb") as file:
        is_hdf5 = b"\x89HDF\r\n\x1a\n" in file.read(520)
    about, arrays = (_hdf5 if is_hdf5 else _matlab5)(Path(path), wanted)
    out = os.fdopen(os.dup(1), "wb")
    np.savez(out, __about__=np.array(json.dumps(about)), **arrays)
    out.close()


def _matlab5(path: Path, wanted: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    from scipy.io import loadmat, whosmat

    about = {name: kind for name, _, kind in whosmat(path)}
    content = loadmat(path, variable_names=[name for name in wanted if name in about])
    arrays: dict[str, Any] = {}
    for name in wanted:
        if name in content:
            # SciPy returns logical arrays as whole numbers.
            about[name] = "Boolean" if about[name] == "logical" else _put(arrays, name, content[name])
    return about, arrays


def _hdf5(path: Path, wanted: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Read a file of version 7.3, whose arrays have their axes in the opposite order."""
    import h5py
    import numpy as np

    about: dict[str, str] = {}
    arrays: dict[str, Any] = {}
    with h5py.File(path, "r", locking=False) as file:

        def read(item: Any) -> Any:
            kind = _text(item.attrs.get("MATLAB_class", b""))
            if not isinstance(item, h5py.Dataset):
                return np.zeros(1, "V1")
            if "MATLAB_empty" in item.attrs:
                return np.zeros(0)
            if kind == "char":
                return np.array("text")
            if item.dtype.names == ("real", "imag"):
                return np.zeros(1, complex)
            if h5py.check_ref_dtype(item.dtype) is not None:
                cells = np.empty(item.shape[::-1], object)
                for place, reference in np.ndenumerate(item[()].T):
                    cells[place] = read(file[reference]) if reference else np.zeros(0)
                return cells
            values = item[()].T
            return values.astype(bool) if kind == "logical" else values

        for name in file:
            if isinstance(file.get(name, getlink=True), h5py.HardLink) and not name.startswith("#"):
                about[name] = "unknown"
                item = file[name]
                if name in wanted and not (isinstance(item, h5py.Dataset) and (item.is_virtual or item.external)):
                    about[name] = _put(arrays, name, read(item))
    return about, arrays


def _put(arrays: dict[str, Any], name: str, found: Any) -> str:
    """Add an array, or the arrays of a cell array, and return the kind of the variable; "" if it is numbers."""
    import numpy as np

    cells = found.ravel() if getattr(found, "dtype", np.dtype(float)).kind == "O" else None
    for number, value in enumerate([found] if cells is None else cells):
        values = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
        if values.dtype.kind not in "iuf":
            return KINDS.get(values.dtype.kind, "nested cells")
        if not values.size:
            return "empty"
        arrays[name if cells is None else f"{name}/{number:08}"] = values
    return "empty" if cells is not None and not len(cells) else ""


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
