"""A file operation that fails loses nothing: whichever it is, however often it fails, and whatever the error.

After each fault no finished result is lost or changed, no file under its final name is half written, the message names
the file and the cause, and the next start without the fault comes to the undisturbed result (`driver.py`). Each case
takes a third of a second, so the default run tries a few of them, other ones for each scenario.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
COMPILER = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
EVERY = {"run": 190, "resume": 190, "read": 9, "sweep": 997}
"""One case of so many is tried in the default run."""

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="the library that makes calls fail needs a C compiler"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the library is preloaded as on Linux"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "inject.so"
    assert COMPILER is not None
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", path, HERE / "inject.c", "-ldl"], check=True)
    return path


def disturb(library: Path, scenario: str, folder: Path, every: int, first: int = 0) -> dict[str, Any]:
    env = {**os.environ, "LD_PRELOAD": str(library), "JAX_PLATFORMS": "cpu"}
    words = [library, scenario, folder, every, first]
    done = subprocess.run(
        [sys.executable, HERE / "driver.py", *map(str, words)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("scenario", ["run", "sweep"])
@pytest.mark.thorough
def test_some_calls_that_fail_lose_nothing(scenario: str, library: Path, tmp_path: Path) -> None:
    found = disturb(library, scenario, tmp_path / "files", EVERY[scenario], first=5)
    assert found["tried"] >= 5
    assert not found["wrong"]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", EVERY)
def test_no_call_that_fails_loses_anything(scenario: str, library: Path, tmp_path: Path) -> None:
    found = disturb(library, scenario, tmp_path / "files", every=1)
    assert found["tried"] >= 50
    assert {kind for kind, count in found["counts"].items() if count} >= {"open", "read"}
    assert not found["wrong"]


def test_a_fault_that_loses_something_is_found(library: Path, tmp_path: Path) -> None:
    # A first write that says that it is done and is not: the driver has to notice.
    found = disturb(library, "careless", tmp_path / "files", every=1)
    assert any("is not whole" in text or "differs" in text for texts in found["wrong"].values() for text in texts)
