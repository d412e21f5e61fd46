"""The compiled kernel (``kernel/``): whether it can be used here, and calls of it from JAX.

Installation builds the kernel if there is a C++ compiler, for CPUs only. Every caller has a path without it, with the
same numbers up to rounding.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import jax

_kernel: Any
try:
    _kernel = importlib.import_module("._kernel", __package__)
except ImportError:  # installed without a compiler, or for another machine
    _kernel = None

SWITCH = "RECURRENT_MEMORY_KERNEL"
"""Environment variable that turns the kernel off if its value is "off"."""

if _kernel is not None:
    for _name in ("forward", "backward", "draw"):
        jax.ffi.register_ffi_target(f"recurrent_memory_{_name}", getattr(_kernel, _name), platform="cpu")


def is_usable() -> bool:
    """Return whether programs compiled now may call the kernel."""
    return _kernel is not None and os.environ.get(SWITCH) != "off" and jax.default_backend() == "cpu"


def instruction_set() -> str | None:
    """Return the instruction set that the kernel uses on this machine; None if there is no kernel."""
    return None if _kernel is None else str(_kernel.instruction_set)


def description() -> str:
    """Return in words how recurrences and spike counts are computed here, and why if not by the kernel."""
    if _kernel is None:
        return "XLA (no compiled kernel: none was built when the package was installed)"
    if os.environ.get(SWITCH) == "off":
        return f"XLA (compiled kernel turned off by {SWITCH})"
    if jax.default_backend() != "cpu":
        return f"XLA (compiled kernel is for CPUs, this is {jax.default_backend()})"
    return f"compiled kernel ({instruction_set()}) for relu and orthogonal in float32 and for spikes, XLA for the rest"


def limit_threads(number: int) -> None:
    """Limit the threads of each call; 0 for no limit but XLA's. The numbers do not depend on it."""
    if _kernel is not None:
        _kernel.set_thread_limit(number)


def call(name: str, results: Any, *arguments: Any, vmap_method: str, **attributes: Any) -> Any:
    """Call a function of the kernel; see :func:`jax.ffi.ffi_call`."""
    return jax.ffi.ffi_call(f"recurrent_memory_{name}", results, vmap_method=vmap_method)(*arguments, **attributes)


def panel_starts(n_units: int) -> list[int]:
    """Return the first unit of each panel into which the kernel packs so many units, followed by their number."""
    return list(_kernel.panels(n_units))


def panel_width() -> int:
    """Return the number of columns of a panel."""
    return int(_kernel.panel_width)
