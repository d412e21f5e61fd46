"""Where the commands for sweeps write: no file of the user is lost, and mistakes are reported before any work."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from recurrent_memory.cli.display import Display

SWEEP = '[experiment]\npreset = "quick"\ntask = "de1"\niterations = 10\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP)
    return path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["collect", "FILE", "-o", "FILE"], "must end in .nc"),
        (["collect", "FILE", "-o", "found"], "must end in .nc"),
        (["collect", "FILE", "-o", "nowhere/found.nc"], "There is no folder"),
        (["collect", "FILE", "-o", "folder.nc"], "folder.nc is a folder"),
        (["collect", "FILE", "-o", 300 * "a" + ".nc"], "File name too long"),
        (["collect", "FILE", "-o", "found.nc", "--csv", "found.nc"], "must end in .csv"),
        (["collect", "FILE", "-o", "found.nc", "--csv", "nowhere/found.csv"], "There is no folder"),
        (["collect", "FILE", "-o", "found.nc", "--parquet", "found.csv"], "must end in .parquet"),
        (["export-sbatch", "FILE", "-o", "FILE"], "the sweep's own file"),
        (["export-sbatch", "FILE", "-o", "notes.txt"], "not a script"),
        (["export-sbatch", "FILE", "-o", "nowhere/sweep.sh"], "There is no folder"),
        (["init", "nowhere/sweep.toml"], "There is no folder"),
        (["init", "folder.nc"], "folder.nc is a folder"),
        (["init", "FILE"], "already exists"),
    ],
)
def test_no_file_is_written_where_it_does_not_belong(words: list[str], told: str, command: Any, file: Path) -> None:
    Path("notes.txt").write_text("precious")
    Path("folder.nc").mkdir()
    before = sorted(Path.cwd().iterdir())
    done = command("sweep", *(str(file) if word == "FILE" else word for word in words))
    assert done.code == 2
    assert told in done.err
    assert len(done.err.splitlines()) == 1
    assert (file.read_text(), Path("notes.txt").read_text()) == (SWEEP, "precious")
    assert sorted(Path.cwd().iterdir()) == before


def test_a_script_can_be_written_again(command: Any, file: Path) -> None:
    for _ in range(2):
        assert command("sweep", "export-sbatch", file, "-o", "sweep.sh").code == 0
    assert Path("sweep.sh").read_text().startswith("#!")


@pytest.mark.parametrize(
    ("store", "told"),
    [(r"a\u0000b", "null byte"), (300 * "a", "File name too long"), ("~nobody-of-that-name/a", "home directory")],
)
@pytest.mark.parametrize("name", ["plan", "status", "run"])
def test_an_impossible_store_is_refused(name: str, store: str, told: str, command: Any, file: Path) -> None:
    file.write_text(f'store = "{store}"\n{SWEEP}')
    done = command("sweep", name, file)
    assert done.code == 2
    assert told in done.err
    assert "line 1" in done.err
    assert "`store` = " in done.err


def test_a_store_can_be_in_the_home_folder(
    command: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file.write_text(f'store = "~/results"\n{SWEEP}')
    assert f"results in {tmp_path / 'home' / 'results'}" in command("sweep", "plan", file).out


def test_commands_that_are_advised_can_be_pasted_into_a_shell(command: Any, file: Path) -> None:
    told = command("sweep", "status", file.rename(file.parent / "my sweep.toml"), "--set", "n_hidden=5").out
    assert f"recurrent-memory sweep run '{file.parent}/my sweep.toml' --set n_hidden=5" in told


def test_a_terminated_command_leaves_no_half_file(command: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told_to_end(*_: Any, **__: Any) -> bytes:
        assert list(Path.cwd().glob(".found*")), "nothing is being written yet"
        os.kill(os.getpid(), signal.SIGTERM)
        return b""

    monkeypatch.setattr(xr.Dataset, "to_netcdf", told_to_end)
    assert command("sweep", "collect", file, "-o", "found.nc").code == 143
    assert not list(Path.cwd().iterdir())


def test_messages_with_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        display.message("[/x] and [red]")
    assert capsys.readouterr().err == "[/x] and [red]\n"
