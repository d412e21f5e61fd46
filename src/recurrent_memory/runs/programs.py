"""Compiled programs: kept on disk between processes, and released from memory when there are too many."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import tempfile
from pathlib import Path

MOST_BYTES = 500_000_000
"""Size of the folder of compiled programs above which those that were not used for longest are removed."""

MOST_MAPS = 11_000
"""Number of memory maps of this process above which compiled programs are released; Linux allows 65,530."""


def keep_on_disk() -> None:
    """Have JAX keep compiled programs on disk, so that only the first process that needs one compiles it.

    They are in ``recurrent-memory`` in the user's folder of caches, which holds at most :data:`MOST_BYTES` of them. If
    JAX has been given a folder of its own (``JAX_COMPILATION_CACHE_DIR``), it stays; with
    ``JAX_ENABLE_COMPILATION_CACHE=false``, no program is kept. Afterwards JAX keeps everything there that this
    process compiles.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is not None or not jax.config.jax_enable_compilation_cache:  # type: ignore[attr-defined]
        return
    folder = _folder()
    if folder is None:
        return
    _remove_least_used(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Everything: a run needs thirty programs, most of which take 20 ms to compile.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _folder() -> Path | None:
    """Return the folder of compiled programs, if there is a home folder and it can be written to."""
    # A relative folder is no setting, says the standard of these variables.
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        root = (caches if caches.is_absolute() else Path.home() / ".cache") / "recurrent-memory"
        folder = root / f"programs-{_kind_of_processor()}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):
        return None


def _kind_of_processor() -> str:
    """Return a name for what this processor can do: a program may crash on another kind, and a home may be shared."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    able = next((line for line in lines if line.lower().startswith(("flags", "features"))), platform.processor())
    return f"{platform.machine()}-{hashlib.sha256(able.encode()).hexdigest()[:8]}"


def _remove_least_used(folder: Path) -> None:
    """Remove files until three quarters of :data:`MOST_BYTES` are left, if there are more than that many bytes."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # others may be removing files, too
        found = [(entry, entry.stat()) for entry in entries if entry.is_file(follow_symlinks=False)]
        left = sum(stat.st_size for _, stat in found)
        if left <= MOST_BYTES:
            return
        for entry, stat in sorted(found, key=lambda one: max(one[1].st_atime, one[1].st_mtime)):
            if left <= MOST_BYTES * 3 // 4:
                break
            with contextlib.suppress(OSError):
                os.unlink(entry)
            left -= stat.st_size


def release_from_memory(most_maps: int = MOST_MAPS) -> None:
    """Release all compiled programs if this process has more memory maps than `most_maps`.

    Each shape of network leaves about 600 maps and 37 MB of programs in the process. Recompiling the programs that do
    not depend on the shape takes about 2 s, so programs are released not after each shape but after twenty or so, at a
    cost of 2 %. A program that is running keeps its maps.
    """
    if _memory_maps() > most_maps:
        import jax

        jax.clear_caches()
        # The C library keeps freed memory unless it is asked to return it.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _memory_maps() -> int:
    """Return the number of memory maps of this process; 0 if the system does not say."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0
