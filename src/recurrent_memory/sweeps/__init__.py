"""Sweeps: many networks described by one file, a store for their results, and what trains them, here or on a cluster.

Names are loaded on first use, because the status of a sweep is looked up often and does not need the training code.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
