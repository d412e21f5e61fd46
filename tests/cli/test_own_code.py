"""Own tasks and cells on the command line: ``--import FILE.py``, and ``import`` in a sweep's file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from own import OPTIONS, forget, my_lab, write
from small import SMALL

__all__ = ["my_lab"]

SHORT = [
    *("--task", "half", "--n-hidden", 8, "--batch-size", 4, "--iterations", 12, "--test-batches", 2),
    *(word for name, value in OPTIONS.items() for word in ("--task-option", f"{name}={value}")),
]
SWEEP = f"""\
[experiment]
task = "half"
task_options = {{ {", ".join(f"{name} = {value}" for name, value in OPTIONS.items())} }}
{chr(10).join(f"{name} = {value}" for name, value in SMALL.items())}
[axes]
model = ["relu", "scaled"]
seed = [0, 1]
"""


@pytest.fixture
def sweep(my_lab: Path, tmp_path: Path) -> Path:
    """A sweep's file that imports the file beside it."""
    path = my_lab.parent / "s.toml"
    path.write_text(f'import = ["my_lab.py"]\n{SWEEP}')
    return path


@pytest.mark.thorough
def test_train_and_show_with_an_own_task_and_cell(
    command: Any, my_lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("train", "--model", "scaled", *SHORT, "--out", tmp_path / "run")
    outcome = command(*given)
    assert outcome.code == 2
    assert "There is no task 'half'" in outcome.err
    outcome = command(*given, "--import", my_lab)
    assert outcome.code == 0, outcome.err
    assert "Half, basic, scaled" in outcome.out
    forget(monkeypatch)  # as in another process
    assert command("show", tmp_path / "run").code == 2
    forget(monkeypatch)
    shown = command("show", tmp_path / "run", "--import", my_lab)
    assert (shown.code, shown.out) == (0, outcome.out)


def test_tasks_lists_own_tasks(command: Any, my_lab: Path) -> None:
    outcome = command("tasks", "--import", my_lab)
    assert outcome.code == 0, outcome.err
    assert "one of two halves" in outcome.out


def test_a_run_of_changed_code_is_refused(command: Any, my_lab: Path, tmp_path: Path) -> None:
    given = ("train", "--import", my_lab, *SHORT, "--out", tmp_path / "run")
    assert command(*given).code == 0
    assert command(*given).code == 0
    write(my_lab.parent, rate=0.1)
    outcome = command(*given)
    assert outcome.code == 2
    assert "my_lab.py, or code that it uses, has changed since" in outcome.err
    assert "Give a new folder" in outcome.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--import", "missing.py"), "There is no file missing.py"),
        (("tasks", "--import", "bad.py"), "bad.py, line 2: ZeroDivisionError: division by zero"),
        (("show", "run", "--import", "notes.txt"), "must end in .py"),
        (("sweep", "plan", "s.toml", "--import", "bad.py"), "bad.py, line 2: ZeroDivisionError"),
        (("sweep", "status", "s.toml", "--import", "missing.py"), "There is no file missing.py"),
        (("sweep", "plan", "names.toml"), "names.toml, line 2: There is no file missing.py"),
        (("sweep", "status", "names.toml"), "names.toml, line 2: There is no file missing.py"),
        (("sweep", "plan", "words.toml"), "words.toml, line 1: `import` = 'my_lab.py' is not allowed: write a list"),
        (("sweep", "plan", "code.toml"), "'code' is not a field of an experiment"),
        (("sweep", "plan", "s.toml", "--set", "code=abc"), "'code' is not a field of an experiment"),
    ],
)
def test_mistakes_are_reported_in_one_message(words: tuple[str, ...], told: str, command: Any) -> None:
    for name, text in {
        "bad.py": "x = 1\nx / 0\n",
        "notes.txt": "",
        "s.toml": '[experiment]\ntask = "de1"\n',
        "names.toml": '# mine\nimport = ["missing.py"]\n[experiment]\ntask = "de1"\n',
        "words.toml": 'import = "my_lab.py"\n[experiment]\ntask = "de1"\n',
        "code.toml": '[experiment]\ntask = "de1"\ncode = "abc"\n',
    }.items():
        Path(name).write_text(text)
    outcome = command(*words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Error: ")
    assert told in outcome.err
    assert len(outcome.err.splitlines()) <= 4


@pytest.mark.thorough
def test_a_sweep_from_the_file_to_the_data_set(
    command: Any, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "4 networks" in command("sweep", "plan", sweep).out
    done = command("sweep", "run", sweep)
    assert (done.code, "4 of 4 networks finished" in done.out) == (0, True), done.err
    for _ in range(2):  # the second time the identities are known, and nothing is imported
        forget(monkeypatch)
        assert "4 of 4 networks done" in command("sweep", "status", sweep).out
    forget(monkeypatch)
    assert command("sweep", "collect", sweep, "-o", tmp_path / "s.nc").code == 0
    with xr.open_dataset(tmp_path / "s.nc") as found:
        assert found.sizes["model"] == 2
        assert np.isfinite(found["test_loss"]).all()
    forget(monkeypatch)
    where = "model == 'scaled' and seed == 1"
    again = command("sweep", "replay", sweep, "--where", where, "-o", tmp_path / "again")
    assert again.code == 0, again.err
    assert "Half, basic, scaled" in again.out

    # Changed code: nothing old counts, and what is trained goes beside it.
    write(sweep.parent, rate=0.1)
    assert "0 of 4 networks done" in command("sweep", "status", sweep).out
    assert "0 done, 4 left" in command("sweep", "plan", sweep).out
    assert "4 of 4 networks finished" in command("sweep", "run", sweep).out
    write(sweep.parent, rate=0.5)
    assert "4 of 4 networks done" in command("sweep", "status", sweep).out


def test_a_sweep_whose_code_is_named_beside_its_file(command: Any, my_lab: Path) -> None:
    Path("s.toml").write_text(SWEEP)
    assert "There is no task 'half'" in command("sweep", "plan", "s.toml").err
    assert "4 networks" in command("sweep", "plan", "s.toml", "--import", my_lab).out
    told = command("sweep", "status", "s.toml", "--import", my_lab, "--set", "rho=0.1").out
    assert f"`recurrent-memory sweep run s.toml --set rho=0.1 --import {my_lab}` resumes it" in told
    script = command("sweep", "export-sbatch", "s.toml", "--import", my_lab).out
    assert f"--import {my_lab} --part" in script


@pytest.mark.thorough
def test_a_script_that_changes_a_task_never_gets_an_old_result(my_lab: Path, tmp_path: Path) -> None:
    # As in a notebook or a script: the file is the same, and what differs comes from the command line.
    script = tmp_path / "script.py"
    text = my_lab.read_text().replace("RATE = 0.5", "import sys\nRATE = float(sys.argv[1])")
    values = {"task": "half", "task_options": OPTIONS, **SMALL}
    script.write_text(
        f"{text}\nimport recurrent_memory as rm\n"
        f"print(float(rm.run(rm.Experiment(**{values!r}), {str(tmp_path / 'run')!r}).test_loss))\n"
    )

    def call(rate: float) -> Any:
        return subprocess.run([sys.executable, script, str(rate)], capture_output=True, text=True)

    first, again, other = call(0.5), call(0.5), call(0.1)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert first.stdout == again.stdout
    assert other.returncode != 0
    assert "script.py, or code that it uses, has changed since" in other.stderr
