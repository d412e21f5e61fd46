"""Files that are complete or absent, and never execute: atomic writes, arrays as safetensors, data sets as NetCDF.

Names are loaded on first use, because a program that only writes text needs neither JAX nor xarray.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
