"""Measures of activity: of any (trial, time, unit) array, independent of tasks and training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
