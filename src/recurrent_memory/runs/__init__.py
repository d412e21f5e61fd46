"""Running experiments to their results: stages, checkpoints, many networks at a time, files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
