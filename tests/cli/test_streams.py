"""Terminals of any encoding, readers that go away, and full devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recurrent_memory.cli import streams
from recurrent_memory.figures import drawing_library
from small import small_experiment, words

CALL = [sys.executable, "-m", "recurrent_memory"]
SIGNS = "λ0 = 0.98 × 3 … █░ é ☃ \\udce9"
SPEAK = f"""
import sys
from recurrent_memory.cli import streams
streams.prepare()
print("{SIGNS}")
print("{SIGNS}", file=sys.stderr)
sys.exit(streams.checked(0))
"""


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "λ0 = 0.98 × 3 … █░ é ☃ \\xe9"),
        ("latin-1", "lambda0 = 0.98 × 3 ... #. é \\u2603 \\xe9"),
        ("ascii", "lambda0 = 0.98 x 3 ... #. \\xe9 \\u2603 \\xe9"),
        ("ascii:strict", "lambda0 = 0.98 x 3 ... #. \\xe9 \\u2603 \\xe9"),
        ("cp1252", "lambda0 = 0.98 × 3 … #. é \\u2603 \\xe9"),
    ],
)
def test_signs_that_a_terminal_lacks_are_spelled(encoding: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAK], env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=True
    )
    assert {text.decode(encoding.partition(":")[0]).rstrip() for text in (done.stdout, done.stderr)} == {expected}


@pytest.mark.parametrize(
    ("terminal", "encoding", "command"),
    [
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1", ["--help"]),
        ({"PYTHONIOENCODING": "ascii"}, "ascii", ["train", "--help"]),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii", ["--help"]),
        ({"LC_ALL": "POSIX"}, "utf-8", ["--help"]),
        ({"PYTHONIOENCODING": "ascii"}, "ascii", ["show", "λ"]),
    ],
)
@pytest.mark.sampled(3)
def test_help_and_errors_in_any_encoding(terminal: dict[str, str], encoding: str, command: list[str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    done = subprocess.run([*CALL, *command], env=env | terminal, capture_output=True, check=False)
    assert done.returncode == (0 if "--help" in command else 2), done.stderr
    (done.stdout + done.stderr).decode(encoding)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("redirected", "code", "told"),
    [
        (">/dev/full", 1, "Error: standard output could not be written: No space left on device.\n"),
        ("2>/dev/full", 0, ""),
        (">/dev/full 2>/dev/full", 1, ""),
        ("| true", 0, ""),
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
    ],
)
def test_a_lost_output_is_said_where_there_is_somebody_to_hear_it(redirected: str, code: int, told: str) -> None:
    line = f"set -o pipefail; {subprocess.list2cmdline([*CALL, '--help'])} {redirected}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, told)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_training_needs_no_reader(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CALL, "train", *words(small_experiment()), "--out", tmp_path / "run"],
            stdout=full,
            stderr=full,
            check=False,
        )
    assert done.returncode == 0
    assert (tmp_path / "run" / "result.nc").exists()


@pytest.mark.thorough
def test_pictures_need_neither_a_home_nor_a_window(finished: Path, tmp_path: Path) -> None:
    """Nor the backend of the notebook that has started the command."""
    odd = {
        "HOME": str(tmp_path / "no" / "home"), "MPLBACKEND": "module://matplotlib_of_elsewhere.backend",
        "PYTHONIOENCODING": "latin-1", "TMPDIR": str(tmp_path),
    }  # fmt: skip
    (tmp_path / "no").touch()  # so that nobody, not even root, can make the home folder
    without = {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "JAX_COMPILATION_CACHE_DIR"}
    env = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run([*CALL, "show", finished], env=env | odd, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "lambda0 = 0.98" in done.stdout.decode("latin-1")
    assert (finished / "learning_curve.png").exists()


@pytest.mark.parametrize(
    ("backend", "own", "expected"),
    [
        ("module://elsewhere", False, "module://elsewhere"),
        ("nonsense", False, "automatic"),
        (None, False, "automatic"),
        ("svg", False, "svg"),
        ("svg", True, "pdf"),
    ],
)
def test_a_session_keeps_its_backend(backend: str | None, own: bool, expected: str) -> None:
    code = f"""
import os, runpy
before = os.environ.get("MPLBACKEND")
if {own}:
    import matplotlib
    matplotlib.rcParams["backend"] = "pdf"
runpy.run_path({drawing_library.__file__!r})
import matplotlib
assert os.environ.get("MPLBACKEND") == before
found = dict.__getitem__(matplotlib.rcParams, "backend")
print(found if isinstance(found, str) else "automatic")
"""
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    env |= {} if backend is None else {"MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.strip()) == ("", expected)


def test_nobody_is_told_for_ever(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.toml").write_text("experiment.task = 'de1'")
    monkeypatch.setattr(streams, "is_lost", lambda: True)
    assert command("sweep", "status", tmp_path / "s.toml", "--watch").out.count("0 of 1 network done") == 1


@pytest.mark.parametrize("columns", ["0", "00", ""])
def test_a_terminal_that_is_said_to_have_no_columns_shows_everything(columns: str) -> None:
    speak = (
        "from recurrent_memory.cli import streams\nstreams.prepare()\n"
        "from rich.console import Console\nConsole().print('all is said')\nsys.exit(streams.checked(0))\n"
    )
    env = {**os.environ, "COLUMNS": columns}
    done = subprocess.run([sys.executable, "-c", f"import sys\n{speak}"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all is said\n", "")
