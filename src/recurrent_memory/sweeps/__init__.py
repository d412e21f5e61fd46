"""Sweeps: many networks described by one file, a store for their results, and whatever trains them.

Names are loaded on first use, because the status of a sweep is asked for often and needs nothing that trains.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
