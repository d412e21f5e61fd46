"""From training to the scorecard, in miniature; and from data that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

from helpers import call
from recurrent_memory import figures, storage, sweeps
from recurrent_memory.errors import InputError
from recurrent_memory.reproduction import run, scales
from recurrent_memory.reproduction.claims import CLAIMS, chosen
from recurrent_memory.reproduction.data import load_networks
from recurrent_memory.reproduction.pictures import picture
from recurrent_memory.reproduction.scorecard import COLUMNS, losses, scorecard
from small import SHORT

TINY = scales.Scale(
    name="tiny",
    about="of a second",
    experiment={
        "n_hidden": 20, "test_batches": 2, "batch_size": 4,
        **{f"task_options.{name}": value for name, value in SHORT.items()},
    },
    iterations=12,
    longer={"comp": 15},
    seeds=2,
    lambda0=(0.94,),
    sigma0=(0.0, 0.1),
    middle=(0.94, 0.1),
)  # fmt: skip
FEW = ("--claims", "1a,2", "--tasks", "comp,2afc")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(scales.SCALES, "tiny", TINY)
    return lambda *words: call(monkeypatch, capsys, "reproduce", *words)


def made(path: Path, seeds: int = 4, **changes: Any) -> xr.Dataset:
    """Write a data set of networks as it is committed."""
    tasks, numbers = np.repeat(["comp", "2afc"], seeds), np.tile(np.arange(seeds), 2)
    rng = np.random.default_rng(0)
    index = (rng.normal(size=2 * seeds) + 5 * (tasks == "comp")).astype(np.float32)
    dataset = xr.Dataset(
        {
            "status": ("network", ["finished"] * 2 * seeds),
            "sequentiality_index": ("network", index),
            "fractional_loss": ("network", np.full(2 * seeds, 0.2, np.float32)),
        },
        coords={"task": ("network", tasks), "seed": ("network", numbers)},
        attrs={"n_hidden": 20},
    ).assign(changes)
    path.parent.mkdir(exist_ok=True)
    storage.save_dataset(path, dataset)
    return dataset


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.thorough
def test_a_miniature_of_the_study(command: Any) -> None:
    """Trained once, judged from the store and from the data set alone with the same scorecard, bit for bit."""
    planned = command("--scale", "tiny", *FEW, "--dry-run")
    assert planned.code == 0, planned.err
    assert "tiny-basic" in planned.out
    assert "8 networks" in planned.out
    assert not list(Path.cwd().iterdir())

    done = command("--scale", "tiny", *FEW, "--out", "study", "--no-pictures")
    assert done.code == 0, done.err
    assert "The claims of Orhan & Ma (2019)" in done.out
    found = load_networks("study/data")
    assert found["finished"].all()
    assert len(found) == 8  # 2 tasks × 2 seeds × 2 σ0
    sweep = sweeps.load("study/tiny-basic.toml")
    store, (first, *_) = sweeps.Store("study/tiny"), sweeps.networks(sweep)
    record = store.read(first.identity).measures
    row = found.set_index("identity").loc[first.identity]
    for name in ("sequentiality_index", "sequentiality_index_exact", "fractional_loss"):
        assert row[name] == pytest.approx(record[name], rel=1e-6, nan_ok=True)
    assert found["sqi"].notna().any()
    assert (found["above_chance"] == found["sequentiality_index"] - found["sequentiality_index_null"]).any()
    with xr.open_dataset("study/data/tiny-basic.nc", engine="h5netcdf") as file:
        assert int(file["n_hidden"]) == 20
        assert "version_jax" in file.attrs
        assert file["report_fractional_loss"].dims == ("network", "report")

    again = command("--from", "study/data", *FEW, "--out", "card", "--no-pictures")
    assert again.code == 0, again.err
    assert again.out.splitlines()[:-1] == done.out.splitlines()[:-1]
    for name, data in contents(Path("card")).items():
        assert data == (Path("study") / name).read_bytes(), name

    elsewhere = command("--scale", "tiny", *FEW, "--from", "study/data", "--out", "other", "--no-pictures")
    assert elsewhere.code == 0, elsewhere.err
    assert not (Path("other") / "tiny").exists(), "known networks are not trained again"


def test_the_same_networks_give_the_same_bytes_in_any_order(command: Any) -> None:
    dataset = made(Path("data") / "made.nc")
    page = Path("page.md")
    page.write_text("# Results\n<!-- scorecard -->\nold\n<!-- end of the scorecard -->\nThe end.\n", encoding="utf-8")
    first = command("--from", "data", "--claims", "1a", "--out", "card", "--page", page)
    assert first.code == 0, first.err
    assert "reproduced" in first.out
    before, text = contents(Path("card")), page.read_text(encoding="utf-8")
    assert set(before) == {"scorecard.csv", "losses.csv", "shares.csv", "scorecard.md", "figures/claim-1a-n20.png"}
    assert text.startswith("# Results\n<!-- scorecard -->\n### N = 20\n")
    assert text.endswith("<!-- end of the scorecard -->\nThe end.\n")
    assert "(card/figures/claim-1a-n20.png)" in text
    assert "old" not in text
    identities = [f"made.nc:{row}" for row in range(8)]
    shuffled = dataset.assign_coords(identity=("network", identities)).isel(network=[5, 1, 7, 0, 2, 6, 4, 3])
    storage.save_dataset(Path("data") / "made.nc", shuffled)
    assert command("--from", "data", "--claims", "1a", "--out", "card", "--page", page).out == first.out
    assert contents(Path("card")) == before
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("columns", "width", "rows"), [(1, 89, 2), (2, 183, 1)])
def test_pictures_fit_the_columns_of_a_journal(columns: int, width: int, rows: int, tmp_path: Path) -> None:
    made(tmp_path / "data" / "own.nc")
    networks = load_networks(tmp_path / "data")
    with figures.journal(columns):
        figure = picture(CLAIMS["1a"], networks, scorecard(networks, chosen(["1a"])))
    assert round(25.4 * figure.get_size_inches()[0]) == width
    assert not figure.get_suptitle()
    assert len({axes.get_position().y0 for axes in figure.axes}) == rows
    sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text()]
    assert 5 <= min(sizes) < max(sizes) == 7


def test_columns_are_described(tmp_path: Path) -> None:
    made(tmp_path / "data" / "made.nc")
    card = scorecard(load_networks(tmp_path / "data"), chosen(["1a", "8"]))
    assert list(card) == list(COLUMNS)
    row = card.query("claim == '1a' and measure == 'sequentiality_index' and selection == 'solved'").iloc[0]
    assert (row["verdict"], row["networks"], row["seeds"], row["comparisons"]) == ("reproduced", 8, 4, 1)
    assert row["low"] < row["effect"] < row["high"]


def test_odd_files(tmp_path: Path) -> None:
    """Grids, infinite and missing measures, failures, a network in two files, settings as attributes."""
    values: dict[str, Any] = {
        "sequentiality_index": ("network", np.array([np.inf, 3, np.nan, 4, 5, 6, 7, 8], np.float32))
    }
    status = np.array(["finished"] * 7 + ["diverged"])
    dataset = made(tmp_path / "data" / "a.nc", **values, status=("network", status))
    found = load_networks(tmp_path / "data")
    assert found["sequentiality_index"].notna().sum() == 5  # not the infinite, missing and diverged ones
    assert found["solved"].sum() == 7
    assert (found["n_hidden"] == 20).all()
    assert set(found["kind"]) == {"relu"}
    over = ("task", "seed")
    grid = xr.Dataset(
        {name: (over, of.values.reshape(2, 4)) for name, of in dataset.data_vars.items()},
        coords={"task": ["comp", "2afc"], "seed": range(4), "identity": (over, np.arange(8).astype(str).reshape(2, 4))},
    )
    (tmp_path / "grids").mkdir()
    for name in ("b", "c"):
        storage.save_dataset(tmp_path / "grids" / f"{name}.nc", grid)
    again = load_networks(tmp_path / "grids")
    assert len(again) == 8
    assert sorted(again["sequentiality_index"].dropna()) == sorted(found["sequentiality_index"].dropna())


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (xr.Dataset({"sqi": ("network", [1.0])}), "it has no `status`"),
        (xr.Dataset({"status": ("network", ["finished"])}), "does not say the `task`"),
        (
            xr.Dataset({"status": ("network", ["finished"]), "sqi": ("network", ["much"])}, attrs={"task": "comp"}),
            "`sqi` does not hold numbers",
        ),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, dataset: xr.Dataset, message: str) -> None:
    storage.save_dataset(tmp_path / "odd.nc", dataset)
    with pytest.raises(InputError, match=message) as caught:
        load_networks(tmp_path)
    assert "odd.nc" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Give --scale small or --scale paper"),
        (("--scale", "small"), "Give --out FOLDER"),
        (("--from", "data", "--dry-run", "--out", "card"), "--dry-run is about training"),
        (("--scale", "tinny", "--out", "card"), "Do you mean tiny?"),
        (("--from", "none", "--out", "card"), "There is no folder none"),
        (("--from", ".", "--out", "card"), "has no data set"),
        (("--from", "data", "--out", "card", "--claims", "17"), "There is no claim '17'"),
        (("--from", "data", "--out", "card", "--tasks", "vde1"), "The study has no task 'vde1'"),
        (("--from", "data", "--out", "card", "--tasks", "sine"), "Of 0 networks none has finished"),
        (("--from", "data", "--out", "card", "--slurm"), "--slurm and --cluster are for training"),
        (("--scale", "tiny", "--out", "card", "--mem", "8G"), "`--mem` needs --slurm"),
        (("--from", "data", "--out", "data/made.nc"), "is a file"),
        (("--from", "data", "--out", "card", "--page", "plain.md"), "has no place for the scorecard"),
    ],
)
def test_bad_input_ends_in_one_message(command: Any, words: tuple[str, ...], message: str) -> None:
    made(Path("data") / "made.nc")
    Path("plain.md").write_text("# No marks\n", encoding="utf-8")
    done = command(*words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not list(Path.cwd().rglob("*.toml"))


def test_networks_that_are_left_are_neither_trained_nor_lost(tmp_path: Path) -> None:
    status = np.array(["finished"] * 3 + ["left"] + ["finished"] * 3 + ["diverged"])
    made(tmp_path / "data" / "made.nc", status=("network", status))
    frame = load_networks(tmp_path / "data")
    row = scorecard(frame, chosen(["1a"])).iloc[0]
    assert (row["trained_high"], row["lost_high"], row["trained_low"], row["lost_low"]) == (3, 0, 4, 1)
    counted = losses(frame)
    assert counted.set_index("task").loc["2afc", ["trained", "finished", "solved"]].tolist() == [4, 3, 3]


def test_a_data_set_keeps_what_an_earlier_one_has_beside_it(tmp_path: Path) -> None:
    """As if the study had first been limited to one task, and then to another one."""
    (first,) = run.sheets(TINY, ["basic"], tmp_path, tasks=["comp"])
    file = run.gather(first, tmp_path)
    assert file is not None
    with_curves = storage.load_dataset(file)
    with_curves["status"] = ("network", ["finished", "finished", "left", "left"])
    with_curves[run.CURVE] = (("network", "report"), np.arange(8, dtype=np.float32).reshape(4, 2))
    with_curves["sqi"] = ("network", np.arange(4, dtype=np.float32))
    storage.save_dataset(file, with_curves)
    (second,) = run.sheets(TINY, ["basic"], tmp_path, tasks=["2afc"])
    assert run.gather(second, tmp_path) == file
    found = storage.load_dataset(file)
    assert found["task"].values.tolist() == ["comp"] * 4 + ["2afc"] * 4
    assert found["status"].values.tolist() == ["finished"] * 2 + ["left"] * 6
    assert found["sqi"].values[:4].tolist() == [0, 1, 2, 3]
    assert np.array_equal(found[run.CURVE][:4], with_curves[run.CURVE])
    assert found[run.CURVE][4:].isnull().all()
    assert len(set(found["identity"].values)) == 8
