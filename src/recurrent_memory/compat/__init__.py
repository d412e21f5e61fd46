"""The published scripts: their codes, flags, file names, output files and numbers.

Names are loaded on first use, so that the scripts' ``--help`` imports nothing heavy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
