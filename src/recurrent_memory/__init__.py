"""Train recurrent networks on short-term memory tasks and measure how sequentially they remember.

The public names are those of ``__init__.pyi``. They are loaded on first use, so that the import itself takes no time.
"""

from importlib import metadata

import lazy_loader

__version__ = metadata.version("recurrent-memory")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
