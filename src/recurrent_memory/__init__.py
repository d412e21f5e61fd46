"""Train recurrent networks on short-term memory tasks and measure how sequentially they remember.

The public names are loaded on first use, so that ``import recurrent_memory`` costs almost nothing.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import analysis, compat, evaluation, figures, networks, tasks, training
    from .ensembles import run_many
    from .experiment import Experiment
    from .runner import run
    from .settings import InputError

__all__ = [
    "Experiment",
    "InputError",
    "analysis",
    "compat",
    "evaluation",
    "figures",
    "networks",
    "run",
    "run_many",
    "tasks",
    "training",
]

__version__ = metadata.version("recurrent-memory")

_HOME = {"Experiment": "experiment", "run": "runner", "run_many": "ensembles", "InputError": "settings"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_HOME.get(name, name)}", __name__)
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
