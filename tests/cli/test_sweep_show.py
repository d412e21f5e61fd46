"""``recurrent-memory sweep show``, of finished and unfinished sweeps and with invalid options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from recurrent_memory.sweeps import Failure, Store, load, networks
from small import contents

FILE = """
[experiment]
n_hidden = 20
[axes]
task = ["de1", "comp"]
lambda0 = [0.8, 0.9]
sigma0 = [0.0, 0.1]
seed = [0, 1]
"""


def make(folder: Path, text: str = FILE, *, finished: int = 16, failed: int = 0) -> Path:
    """Return the file of a sweep whose first networks have made-up results, and whose next ones have failed."""
    file = folder / "sweep.toml"
    file.write_text(text)
    sweep = load(file)
    store = Store(sweep.store)
    store.prepare()
    for number, network in enumerate(networks(sweep)):
        if number < finished:
            loss = 0.1 + 0.5 * network.experiment.sigma0 + 0.01 * network.experiment.seed
            measures = {
                "sequentiality_index": ((), 3 + network.experiment.lambda0, {"units": "nats"}),
                "fractional_loss": ((), loss),
                "solved": ((), loss < 0.5),
                "delay_loss": ("delay", [0.1, 0.2]),
            }
            result = xr.Dataset(measures, coords={"delay": [10, 20]})
            store.publish(network.identity, network.experiment.model_dump(), result, {}, (), {"host": "here"})
        elif number < finished + failed:
            store.fail(network.identity, Failure("diverged", "the loss is not finite", 3, {}))
    return file


def test_pictures_of_a_finished_sweep(command: Any, tmp_path: Path) -> None:
    outcome = command("sweep", "show", make(tmp_path))
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "sweep" / "pictures"
    names = [
        f"{m}_{kind}.png" for m in ("sequentiality_index", "fractional_loss", "solved") for kind in ("map", "lines")
    ]
    assert outcome.out.split() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())


def test_pictures_of_an_unfinished_sweep_with_an_incomplete_grid(command: Any, tmp_path: Path) -> None:
    exclude = "[[exclude]]\nwhere = \"task == 'comp' and lambda0 > 0.85\"\n"
    file = make(tmp_path, FILE + exclude, finished=5, failed=2)
    outcome = command(
        "sweep", "show", file, "-o", tmp_path / "new" / "folder", "--format", "svg", "--measure", "solved"
    )
    assert outcome.code == 0, outcome.err
    drawn = (tmp_path / "new" / "folder" / "solved_map.svg", tmp_path / "new" / "folder" / "solved_lines.svg")
    assert outcome.out.split() == [str(path) for path in drawn]
    assert not (tmp_path / "sweep" / "pictures").exists()


def test_what_is_asked_for_is_drawn(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def picture(dataset: xr.Dataset, *given: Any, **named: Any) -> Any:
        from matplotlib.figure import Figure

        drawn.append((dataset.sizes["lambda0"], *given, named))
        return Figure()

    monkeypatch.setattr("recurrent_memory.figures.measure_map", picture)
    monkeypatch.setattr("recurrent_memory.figures.measure_lines", picture)
    words = ("--measure", "fractional_loss", "--x", "seed", "--y", "sigma0", "--by", "task", "--solved-only")
    outcome = command("sweep", "show", make(tmp_path), *words, "--where", "lambda0 > 0.85")
    assert outcome.code == 0, outcome.err
    named = {"solved_only": True, "about": "sweep.toml where lambda0 > 0.85"}
    assert drawn == [(1, "fractional_loss", "seed", "sigma0", ("task",), named)] * 2


def test_before_any_network_has_finished(command: Any, tmp_path: Path) -> None:
    outcome = command("sweep", "show", make(tmp_path, finished=0, failed=1))
    assert outcome.code == 0
    assert "no network has finished yet (15 left, 1 diverged)" in outcome.out
    assert not (tmp_path / "sweep" / "pictures").exists()
    (tmp_path / "new.toml").write_text(FILE)
    assert "(16 left)" in command("sweep", "show", tmp_path / "new.toml").out
    assert not (tmp_path / "new").exists()


def test_if_only_one_number_varies_there_are_only_lines(command: Any, tmp_path: Path) -> None:
    outcome = command("sweep", "show", make(tmp_path, FILE.replace("[0.0, 0.1]", "[0.0]")), "--measure", "solved")
    assert [Path(path).name for path in outcome.out.split()] == ["solved_lines.png"]


@pytest.mark.parametrize(
    ("given", "naming"),
    [
        (("--measure", "sequentality_index"), ("'sequentality_index'", "mean sequentiality_index?")),
        (("--measure", "delay_loss"), ("'delay_loss'", "Known: ", "sequentiality_index")),
        (("--x", "lambda"), ("'lambda'", "task, lambda0, sigma0, seed")),
        (("--y", "identity"), ("'identity'",)),
        (("--by", "fractional_loss"), ("'fractional_loss'", "is not a field")),
        (("--x", "task", "--by", "task"), ("'task'", "twice")),
        (("--where", "lambda0 > 2"), ("'lambda0 > 2'", "holds for no network")),
        (("--where", "colour == 1"), ("`colour`", "lambda0")),
        (("--format", "gif"), ("gif", "png")),
        (("--out", "sweep.toml"), ("sweep.toml", "another --out")),
        (("--set", "lambda0"), ("lambda0",)),
    ],
)
def test_refuses_what_cannot_be_drawn(
    given: tuple[str, ...], naming: tuple[str, ...], command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    outcome = command("sweep", "show", file, *given)
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert len(outcome.err.strip().splitlines()) <= 4
    for word in naming:
        assert word in outcome.err
    assert contents(tmp_path) == before
