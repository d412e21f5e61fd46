"""Import Matplotlib, whatever the environment says about its windows and its folders.

Pictures are drawn into files, for which Matplotlib needs neither. A session that has imported Matplotlib already keeps
what it has set.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

BACKEND, FOLDER = "MPLBACKEND", "MPLCONFIGDIR"
IN_HOME = {"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}
"""Where Matplotlib keeps its settings and its list of fonts: variables, and folders in the home folder."""


def _load() -> None:
    if "matplotlib" in sys.modules:
        return
    if FOLDER not in os.environ and not all(_is_writable(variable) for variable in IN_HOME):
        _use_temporary_folder()
    wanted = os.environ.pop(BACKEND, None)
    try:
        import matplotlib as mpl
    finally:
        if wanted is not None:
            os.environ[BACKEND] = wanted
    if wanted:
        # It may belong to another environment, such as that of the notebook that started this process.
        with contextlib.suppress(ValueError, ImportError):
            mpl.rcParams["backend"] = wanted


def _is_writable(variable: str) -> bool:
    """Return whether Matplotlib can write to a folder; otherwise it prints a warning, or fails."""
    try:
        folder = Path(os.environ.get(variable) or Path.home() / IN_HOME[variable]).absolute()
        return os.access(next(path for path in (folder, *folder.parents) if path.exists()), os.W_OK | os.X_OK)
    except (OSError, RuntimeError):  # no home folder
        return False


def _use_temporary_folder() -> None:
    """Use one folder for all processes of a user, because it takes seconds to make the list of fonts."""
    user = getattr(os, "getuid", lambda: 0)()
    folder = os.path.join(tempfile.gettempdir(), f"recurrent-memory-{user}")
    with contextlib.suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.lstat(folder).st_uid == user:
            os.environ[FOLDER] = folder


_load()

# For modules elsewhere: what they import from here, they cannot import too early.
from matplotlib import rc_context as rc_context  # noqa: E402
from matplotlib.axes import Axes as Axes  # noqa: E402
from matplotlib.figure import Figure as Figure  # noqa: E402
