"""The compiled kernel (``kernel/``): whether it can be used here, and its calls from JAX.

Installation builds the kernel, for CPUs only, if it finds a C++ compiler. Every caller has a path without the kernel,
with the same numbers up to rounding.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax

SWITCH = "RECURRENT_MEMORY_KERNEL"
"""Environment variable that turns the kernel off if its value is "off"."""

HANDLERS = ("forward", "backward", "draw")
"""Functions of the kernel that XLA calls."""


def _load() -> tuple[Any, str]:
    """Return the kernel, registered with XLA, and an empty text; or None and the reason why it cannot be used."""
    try:
        kernel = importlib.import_module("._kernel", __package__)
    except ImportError:  # installed without a compiler, or for another machine
        return None, "no compiled kernel: none was built when the package was installed"
    # Check before registering: JAX may postpone registration until it starts, and a handler of another version then
    # breaks JAX itself. A kernel that was built before versions were recorded has none.
    mismatch = _mismatch(getattr(kernel, "interface", None), _interface_of_jaxlib())
    if mismatch:
        return None, mismatch
    for name in HANDLERS:
        jax.ffi.register_ffi_target(f"recurrent_memory_{name}", getattr(kernel, name), platform="cpu")
    return kernel, ""


def _mismatch(built_for: tuple[int, int] | None, offered: tuple[int, int] | None) -> str:
    """Return why a kernel does not fit the installed jaxlib; empty if it fits.

    XLA runs handlers built for its own version of the interface (major, minor) or for an earlier minor version.
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
    """Say how recurrences and spike counts are computed here and, if not by the kernel, why."""
    if _kernel is None:
        return f"XLA ({_why_not})"
    if os.environ.get(SWITCH) == "off":
        return f"XLA (compiled kernel turned off by {SWITCH})"
    if jax.default_backend() != "cpu":
        return f"XLA (compiled kernel is for CPUs, this is {jax.default_backend()})"
    return f"compiled kernel ({instruction_set()}) for built-in models in float32 and for spikes, XLA for the rest"


def limit_threads(number: int) -> None:
    """Limit the threads of each call of the kernel; 0: XLA's own limit. The numbers do not depend on it."""
    if _kernel is not None:
        _kernel.set_thread_limit(number)


def call(name: str, results: Any, *arguments: Any, vmap_method: str, **attributes: Any) -> Any:
    """Call a function of the kernel; see :func:`jax.ffi.ffi_call`."""
    return jax.ffi.ffi_call(f"recurrent_memory_{name}", results, vmap_method=vmap_method)(*arguments, **attributes)


class Cell(NamedTuple):
    """What has to be known of one of the kernel's cells to call it; see ``kernel/recurrence.hpp``."""

    blocks: int
    """Recurrent inputs of a unit."""
    deltas: int
    """Gradients of a unit's inputs: one for each block, and one more if that of the last block's drive differs."""
    kept: int
    """Numbers of a unit that the reverse pass needs besides activity."""
    marks: bool
    """Whether activity is -0.0 if the pre-activation was below 0."""


def cell(name: str) -> Cell:
    """Return what has to be known of one of the kernel's cells."""
    return Cell(*_kernel.cells[name])


def padded(n_units: int) -> int:
    """Return the number of units after rows of them are padded to whole vectors."""
    return -(-n_units // int(_kernel.vector_width)) * int(_kernel.vector_width)


def panel_starts(n_units: int) -> list[int]:
    """Return the first unit of each panel into which the kernel packs `n_units` units, followed by `n_units`."""
    return list(_kernel.panels(n_units))


def panel_width() -> int:
    """Return the number of columns of a panel."""
    return int(_kernel.panel_width)
