"""A compiled kernel fits the jaxlib that runs, or is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recurrent_memory import kernel


def test_the_kernel_is_built_for_the_oldest_interface_that_is_promised() -> None:
    if kernel.instruction_set() is None:
        pytest.skip(kernel.description())
    assert kernel._kernel.interface == (0, 1)  # of jaxlib 0.8.0


@pytest.mark.parametrize("offered", [(0, 1), (0, 2), (0, 12)])
def test_a_later_minor_version_runs_it(offered: tuple[int, int]) -> None:
    assert kernel._mismatch((0, 1), offered) == ""


@pytest.mark.parametrize(
    ("built_for", "offered", "words"),
    [
        ((0, 3), (0, 1), "built for version 0.3 of XLA's interface"),
        ((0, 3), (1, 3), "offers version 1.3"),
        ((1, 0), (0, 9), "built for version 1.0"),
        ((0, 1), None, "offers an unknown version"),
        (None, (0, 1), "built for an unknown version"),
    ],
)
def test_no_other_version_does(built_for: tuple[int, int] | None, offered: tuple[int, int] | None, words: str) -> None:
    reason = kernel._mismatch(built_for, offered)
    assert words in reason
    assert "install the package again" in reason


def test_jaxlib_says_which_interface_it_has() -> None:
    offered = kernel._interface_of_jaxlib()
    assert offered is not None
    assert offered >= (0, 1)


SCRIPT = """
import sys, jax
jax.ffi.include_dir = lambda: sys.argv[1]
from recurrent_memory import kernel
assert not kernel.is_usable()
assert kernel.instruction_set() is None
kernel.limit_threads(1)
print(kernel.description(), float(jax.numpy.ones(3).sum()))
"""


@pytest.mark.skipif(kernel.instruction_set() is None, reason="the package was installed without a compiler")
def test_a_kernel_that_does_not_fit_breaks_nothing(tmp_path: Path) -> None:
    header = tmp_path / "xla" / "ffi" / "api" / "c_api.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define XLA_FFI_API_MAJOR 0\n#define XLA_FFI_API_MINOR 0\n")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "XLA (the compiled kernel was built for version 0.1" in done.stdout
    assert "offers version 0.0" in done.stdout
    assert "3.0" in done.stdout
