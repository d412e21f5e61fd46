"""Sweeps: many networks that one file names, a store that keeps them, and whoever trains them."""

from .claims import Claims
from .collect import collect, table
from .estimate import Estimate, duration, estimate
from .grid import RESULTS_VERSION, Expansion, Network, Sweep, expand, identity, networks, select
from .reading import load
from .replay import replay
from .store import Failure, Part, Record, Store
from .templates import template
from .workers import SweepProgress, execute

__all__ = [
    "RESULTS_VERSION",
    "Claims",
    "Estimate",
    "Expansion",
    "Failure",
    "Network",
    "Part",
    "Record",
    "Store",
    "Sweep",
    "SweepProgress",
    "collect",
    "duration",
    "estimate",
    "execute",
    "expand",
    "identity",
    "load",
    "networks",
    "replay",
    "select",
    "table",
    "template",
]
