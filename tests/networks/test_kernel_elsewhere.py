"""The kernel's arithmetic as compiled for another processor, run in an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KERNEL = HERE.parents[1] / "kernel"


@pytest.mark.parametrize(
    ("compiler", "emulator"),
    [("g++", []), ("aarch64-linux-gnu-g++ -static", ["qemu-aarch64"])],
    ids=["this one", "64-bit Arm"],
)
def test_the_kernel_agrees_with_plain_loops_on(compiler: str, emulator: list[str], tmp_path: Path) -> None:
    command = compiler.split()
    missing = [tool for tool in (command[0], *emulator) if shutil.which(tool) is None]
    if missing:
        assert not os.environ.get("REQUIRE_EMULATOR"), f"{missing} not found"
        pytest.skip(f"{' and '.join(missing)} not installed")
    program = tmp_path / "check"
    sources = [HERE / "kernel_check.cpp", KERNEL / "recurrence.cpp", KERNEL / "counts.cpp"]
    options = ["-std=gnu++17", "-O3", "-Wno-psabi", "-DINSTRUCTION_SET=baseline", "-DLANES=4", f"-I{KERNEL}"]
    subprocess.run([*command, *options, *map(str, sources), "-o", str(program)], check=True)
    done = subprocess.run([*emulator, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:2000] or done.stderr
