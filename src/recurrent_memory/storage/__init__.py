"""Files that are whole or not there, and never execute: atomic writes, arrays as safetensors, data sets as NetCDF.

The names are loaded on first use: whoever only writes a text needs neither JAX nor xarray.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
