"""Several networks in one call of ``train``; ``--version``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from recurrent_memory import figures
from recurrent_memory import kernel as compiled
from recurrent_memory.cli.options import Numbers, Several
from recurrent_memory.runs.run import run
from recurrent_memory.sweeps.file.axes import values_of
from small import contents, small_experiment, words

GRID = ("--seeds", "1:3", "--lambda0", "0.5,0.9")


def without(name: str) -> list[str]:
    """Return the command-line words of the small experiment, without one option."""
    given = words(small_experiment())
    place = given.index(name)
    return given[:place] + given[place + 2 :]


@pytest.mark.thorough
def test_ranges_are_as_many_networks_each_in_its_folder(command: Any, tmp_path: Path) -> None:
    given = [w for w in without("--seed") if w != "--lambda0" and w != "0.98"]
    done = command("train", *given, *GRID, "--out", tmp_path / "grid")
    assert done.code == 0, done.err
    assert "4 networks in 1 group of equal shape" in done.err
    assert "network 4: finished" in done.err
    names = [f"lambda0={value:g},seed={seed}" for value in (0.5, 0.9) for seed in (1, 2)]
    assert sorted(path.name for path in (tmp_path / "grid").iterdir()) == sorted(names)
    rows = [line for line in done.out.splitlines() if "finished" in line]
    assert [row.split()[1:4:2] for row in rows] == [["0.5", "1"], ["0.5", "2"], ["0.9", "1"], ["0.9", "2"]]
    alone = run(small_experiment(lambda0=0.9, seed=2))
    with xr.open_dataset(tmp_path / "grid" / names[-1] / "result.nc") as found:
        assert float(found["fractional_loss"]) == float(alone["fractional_loss"])
        assert f"{float(alone['fractional_loss']):.3f}" in rows[-1]
    before = contents(tmp_path / "grid")
    again = command("train", *given, *GRID, "--out", tmp_path / "grid")
    assert (again.code, again.out) == (0, done.out)
    assert contents(tmp_path / "grid") == before


def test_divergence_shows_in_the_table_and_the_exit_code(command: Any, tmp_path: Path) -> None:
    given = [w for w in words(small_experiment()) if w not in ("--lambda0", "0.98")]
    done = command("train", *given, "--lambda0", "0.9,1e30", "--out", tmp_path / "grid")
    assert done.code == 3
    assert "diverged" in done.out
    assert (tmp_path / "grid" / "lambda0=0.9" / "result.nc").is_file()
    assert "Traceback" not in done.err


@pytest.mark.thorough
def test_numbers_that_differ_late_are_networks_of_their_own(command: Any, tmp_path: Path) -> None:
    given = [w for w in without("--seed") if w not in ("--lambda0", "0.98")]
    ranges = ("--seeds", "1000000:1000002", "--lambda0", "0.9,0.9000000000000001")
    done = command("train", *given, *ranges, "--out", tmp_path / "grid")
    assert done.code == 0, done.err
    names = [f"lambda0={value},seed={seed}" for value in ("0.9", "0.9000000000000001") for seed in (1000000, 1000001)]
    assert sorted(path.name for path in (tmp_path / "grid").iterdir()) == sorted(names)


@pytest.mark.thorough
def test_a_format_that_is_given_draws_the_pictures_of_all(command: Any, tmp_path: Path) -> None:
    done = command("train", *without("--seed"), "--seeds", "1:3", "--format", "svg", "--out", tmp_path / "grid")
    assert done.code == 0, done.err
    for seed in (1, 2):
        drawn = {
            path.name for path in (tmp_path / "grid" / f"seed={seed}").iterdir() if path.suffix in (".svg", ".png")
        }
        assert drawn == {f"{name}.svg" for name in figures.PICTURES}


def test_the_same_network_twice_is_refused(command: Any, tmp_path: Path) -> None:
    done = command("train", "--seeds", "3,3", "--out", tmp_path / "grid")
    assert done.code == 2
    assert "named twice" in done.err
    assert not (tmp_path / "grid").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [("3", 3), ("0:4", (0, 1, 2, 3)), ("5,2", (5, 2)), ("0:20:3", (0, 10, 20)), ("7:8", (7,))],
)
def test_what_ranges_mean(given: str, expected: Any) -> None:
    found = Numbers(int).convert(given, None, None)
    assert found == expected
    assert isinstance(found, Several) == isinstance(expected, tuple)


def test_ranges_are_the_numbers_that_a_sweep_has() -> None:
    found = Numbers(float).convert("0.8:0.98:10", None, None)
    assert list(found) == [0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98]
    assert list(found) == values_of("lambda0", {"linspace": [0.8, 0.98, 10]})


@pytest.mark.parametrize(
    ("given", "fragments"),
    [
        (("--seeds", "0:x"), ("--seeds", "0:x", "0:20")),
        (("--seeds", "4:4"), ("0 values", "from 1")),
        (("--seeds", "0:2", "--seed", "3"), ("--seed", "--seeds")),
        (("--lambda0", "0.9:0.98"), ("0.9:0.98", "0.9:0.98:5")),
        (("--lambda0", "0.9:0.98:0"), ("0 values",)),
        (("--lambda0", "0.9:0.98:1000000000"), ("too many values",)),
        (("--lambda0", "0.9:inf:3"), ("0.9:inf:3", "0.9:0.98:5")),
        (("--n-hidden", "3,0"), ("n_hidden", "0")),
        (("--seeds", "0:3", "--rho", "-1"), ("rho", "-1")),
    ],
)
def test_bad_ranges_are_one_short_message(command: Any, given: tuple[str, ...], fragments: tuple[str, ...]) -> None:
    done = command("train", *given)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert all(fragment in done.err for fragment in fragments), done.err
    assert not list(Path.cwd().iterdir())


def test_versions_say_which_code_runs_the_networks(command: Any) -> None:
    assert command("--version").out.startswith("recurrent-memory ")
    done = command("--version", "--verbose")
    assert done.code == 0
    assert compiled.description() in done.out
    assert "jaxlib" in done.out


def test_without_a_command_it_explains_itself(command: Any) -> None:
    done = command()
    assert done.code == 2
    assert "Examples:" in done.err
