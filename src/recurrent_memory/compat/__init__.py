"""The published scripts' codes, flags, file names, files and numbers.

The names are loaded on first use, so that the scripts' ``--help`` imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .matfile import load_mat, save_mat
    from .scripts import SCRIPTS, Script
    from .sequentiality import compute_SI

__all__ = ["SCRIPTS", "Script", "compute_SI", "load_mat", "save_mat"]

_HOME = {
    "SCRIPTS": "scripts",
    "Script": "scripts",
    "compute_SI": "sequentiality",
    "load_mat": "matfile",
    "save_mat": "matfile",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
