"""Sweeps: many networks from one file that says which values to combine."""

from .grid import RESULTS_VERSION, Expansion, Network, Sweep, expand, identity, load, networks
from .templates import template

__all__ = [
    "RESULTS_VERSION",
    "Expansion",
    "Network",
    "Sweep",
    "expand",
    "identity",
    "load",
    "networks",
    "template",
]
