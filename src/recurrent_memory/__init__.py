"""Train recurrent networks on short-term memory tasks and measure how sequentially they remember.

The public names are loaded on first use, so that ``import recurrent_memory`` costs almost nothing.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from .lazy import attach

if TYPE_CHECKING:
    from . import analysis, compat, figures, networks, sweeps, tasks, training
    from .evaluation import fractional_loss as evaluation
    from .runs.many import run_many
    from .experiment import Experiment
    from .runs.run import run
    from .errors import InputError

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
    "sweeps",
    "tasks",
    "training",
]

__version__ = metadata.version("recurrent-memory")

_HOME = {"Experiment": "experiment", "run": "runner", "run_many": "ensembles", "InputError": "settings"}

__getattr__, __dir__ = attach(__name__, __all__, _HOME)
