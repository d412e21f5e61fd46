"""The kernel's arithmetic as compiled for another processor, run in an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from recurrent_memory import kernel as compiled

HERE = Path(__file__).parent
KERNEL = HERE.parents[1] / "kernel"


@pytest.mark.parametrize(
    ("compiler", "lanes", "emulator"),
    [
        ("g++", 4, []),
        ("g++ -mavx2 -mfma", 8, []),
        ("aarch64-linux-gnu-g++ -static", 4, ["qemu-aarch64"]),
    ],
    ids=["this one", "this one with AVX2", "64-bit Arm"],
)
@pytest.mark.thorough
def test_the_kernel_agrees_with_plain_loops_on(compiler: str, lanes: int, emulator: list[str], tmp_path: Path) -> None:
    command = compiler.split()
    if "-mavx2" in command and compiled.instruction_set() not in ("avx2", "avx512"):
        pytest.skip("this machine has no AVX2")
    missing = [tool for tool in (command[0], *emulator) if shutil.which(tool) is None]
    if missing:
        assert not os.environ.get("REQUIRE_EMULATOR"), f"{missing} not found"
        pytest.skip(f"{' and '.join(missing)} not installed")
    program = tmp_path / "check"
    sources = [HERE / "kernel_check.cpp", KERNEL / "recurrence.cpp", KERNEL / "counts.cpp"]
    # Unoptimized, it compiles in half the time; in the emulator, optimized code takes less time in all.
    optimized = "-O1" if emulator else "-O0"
    options = ["-std=gnu++17", optimized, "-Wno-psabi", "-DINSTRUCTION_SET=baseline", f"-DLANES={lanes}", f"-I{KERNEL}"]
    subprocess.run([*command, *options, *map(str, sources), "-o", str(program)], check=True)
    done = subprocess.run([*emulator, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:2000] or done.stderr
