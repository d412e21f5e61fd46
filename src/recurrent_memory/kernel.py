"""The compiled kernel (``kernel/``): whether it can be used here, and calls of it from JAX.

Installation builds the kernel if there is a C++ compiler, for CPUs only. Every caller has a path without it, with the
same numbers up to rounding.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
from pathlib import Path
from typing import Any

import jax

SWITCH = "RECURRENT_MEMORY_KERNEL"
"""Environment variable that turns the kernel off if its value is "off"."""

HANDLERS = ("forward", "backward", "draw")
"""Functions of the kernel that XLA calls."""


def _load() -> tuple[Any, str]:
    """Return the kernel, registered with XLA, and an empty text; or None, and why it cannot be used."""
    try:
        kernel = importlib.import_module("._kernel", __package__)
    except ImportError:  # installed without a compiler, or for another machine
        return None, "no compiled kernel: none was built when the package was installed"
    # Look before registering: JAX may put off what it is given until it starts, and a handler that does not fit then
    # breaks JAX itself. A kernel from before version numbers were kept has none.
    mismatch = _mismatch(getattr(kernel, "interface", None), _interface_of_jaxlib())
    if mismatch:
        return None, mismatch
    for name in HANDLERS:
        jax.ffi.register_ffi_target(f"recurrent_memory_{name}", getattr(kernel, name), platform="cpu")
    return kernel, ""


def _mismatch(built_for: tuple[int, int] | None, offered: tuple[int, int] | None) -> str:
    """Return why a kernel does not fit the jaxlib that runs; empty if it fits.

    XLA runs handlers that were built for its own version of the interface (major, minor) or for an earlier minor one.
    """
    if built_for is not None and offered is not None and built_for[0] == offered[0] and built_for[1] <= offered[1]:
        return ""
    words = [
        f"version {version[0]}.{version[1]}" if version else "an unknown version" for version in (built_for, offered)
    ]
    return (
        f"the compiled kernel was built for {words[0]} of XLA's interface and jaxlib {_jaxlib_version()} offers "
        f"{words[1]}: install the package again"
    )


def _interface_of_jaxlib() -> tuple[int, int] | None:
    """Return the version of XLA's interface for compiled functions that jaxlib has; None if it does not say."""
    try:
        header = (Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h").read_text(encoding="utf-8")
    except OSError:
        return None
    major, minor = (re.search(rf"^#define XLA_FFI_API_{part} (\d+)", header, re.M) for part in ("MAJOR", "MINOR"))
    return (int(major[1]), int(minor[1])) if major and minor else None


def _jaxlib_version() -> str:
    return importlib.metadata.version("jaxlib")


_kernel, _why_not = _load()


def is_usable() -> bool:
    """Return whether programs compiled now may call the kernel."""
    return _kernel is not None and os.environ.get(SWITCH) != "off" and jax.default_backend() == "cpu"


def instruction_set() -> str | None:
    """Return the instruction set that the kernel uses on this machine; None if there is no kernel."""
    return None if _kernel is None else str(_kernel.instruction_set)


def description() -> str:
    """Return in words how recurrences and spike counts are computed here, and why if not by the kernel."""
    if _kernel is None:
        return f"XLA ({_why_not})"
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
