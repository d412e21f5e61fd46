"""Sweeps: many networks from one file that says which values to combine."""

from .grid import RESULTS_VERSION, Expansion, Network, Sweep, expand, identity, networks
from .reading import load
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
