"""Sweeps: many networks that one file names, a store that keeps them, and whoever trains them.

The names are loaded on first use: the status of a sweep is looked at often, and needs none of what trains it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
