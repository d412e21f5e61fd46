"""Paths with ``~`` and variables mean what a shell makes of them, in arguments, options, files and Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recurrent_memory.cli.paths import PATH
from recurrent_memory.errors import InputError
from recurrent_memory.own_code import OwnFile
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.storage.paths import expanded
from recurrent_memory.sweeps import Store, load
from recurrent_memory.sweeps.file.source import store_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    monkeypatch.setenv("OF_HOME", "~/x")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)
    (tmp_path / "$UNSET").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "{home}"),
        ("~/runs", "{home}/runs"),
        ("$HOME/runs", "{home}/runs"),
        ("${SCRATCH}/a$SCRATCH", "/scratch/me/a/scratch/me"),
        ("$OF_HOME/y", "{home}/x/y"),
        ("$UNSET/new", "$UNSET/new"),  # a folder of that name exists
        ("5$", "5$"),
        ("a~/b", "a~/b"),
        ("$", "$"),
        ("$1", "$1"),
        ("", "."),
        ("/a/b", "/a/b"),
    ],
)
def test_paths_are_meant_as_in_a_shell(written: str, meant: str, home: Path) -> None:
    assert str(expanded(written)) == meant.format(home=home)


PLACES: list[Callable[[str], object]] = [
    expanded,
    RunFolder,
    Store,
    lambda path: store_of(Path("s.toml"), {"store": path}),
    lambda path: PATH.convert(path, None, None),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", ["${UNSET}/runs", "a/$UNSET", "$EMPTY/runs", "~nobody-of-that-name/a"])
def test_what_cannot_be_meant_is_refused(written: str, place: Callable[[str], object]) -> None:
    with pytest.raises(
        InputError, match=r"is not allowed: (the variable (UNSET|EMPTY) is not set|there is no such user)"
    ):
        place(written)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", ["x" * 256, "ä" * 128 + "/a", "a/" * 2100, "~/" + "\x1b" * 300])
def test_names_that_no_file_can_have_are_refused(written: str, place: Callable[[str], object]) -> None:
    message = (
        r"is not allowed(:| \(File name too long\):) (give at most 255 bytes for a name|it has control characters)"
    )
    with pytest.raises(InputError, match=message) as caught:
        place(written)
    assert "\x1b" not in str(caught.value)


def test_every_place_takes_them(home: Path) -> None:
    assert RunFolder("~/run").path == home / "run"
    assert Store("$HOME/store").path == home / "store"
    assert PATH.convert("~/run", None, None) == home / "run"
    home.mkdir()
    (home / "my.py").write_text("")
    assert OwnFile.read("$HOME/my.py").path == home / "my.py"
    (home / "s.toml").write_text('store = "$SCRATCH/sweep"\nimport = ["~/my.py"]\nexperiment.task = "de1"\n')
    sweep = load(Path("~/s.toml"), imports=[Path("$HOME/my.py")])
    assert sweep.store == Path("/scratch/me/sweep")
    assert [file.path for file in sweep.source.imports] == [home / "my.py"]
