"""The examples run, do what they say, and stay as short as they promise."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def output_of(name: str, folder: Path) -> str:
    """Run an example as a user does, in a folder of its own, with warnings as errors; return what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir())
    return done.stdout


@pytest.mark.thorough
def test_own_cell_learns(tmp_path: Path) -> None:
    printed = output_of("own_cell.py", tmp_path)
    found = re.search(r"leaky_tanh: loss ([\d.]+) before training, ([\d.]+) after", printed)
    assert found, printed
    before, after = map(float, found.groups())
    assert after < before
    assert re.search(r"sequentiality index -?[\d.]+ nats", printed)


@pytest.mark.thorough
def test_own_task_is_learned(tmp_path: Path) -> None:
    printed = output_of("own_task.py", tmp_path)
    found = re.search(r"which-half: cross-entropy ([\d.]+) nats", printed)
    assert found, printed
    assert float(found.group(1)) < 0.6


@pytest.mark.parametrize("name", ["own_cell.py", "own_task.py"])
def test_definition_is_short(name: str) -> None:
    source = (EXAMPLES / name).read_text()
    (definition,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    assert definition.end_lineno is not None
    lines = source.splitlines()[definition.lineno - 1 : definition.end_lineno]
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(code) < 30
