"""``recurrent-memory sweep``: what a user types, from the file to the data set."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recurrent_memory.cli.display import Display
from recurrent_memory.sweeps import Failure, Store, SweepProgress, load, networks, template

FILE = """\
[experiment]
task = "de1"
n_hidden = 8
batch_size = 4
iterations = 12
test_batches = 2
task_options = { stim_dur = 5, delay_dur = 10, resp_dur = 6, n_neurons = 10 }
[axes]
lambda0 = [0.8, 1e30]
seed = { range = [0, 2] }
"""


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of which two networks have finished and two have diverged."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "s.toml").write_text(FILE)
    done = subprocess.run(
        [sys.executable, "-m", "recurrent_memory", "sweep", "run", folder / "s.toml"], capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "2 of 4 networks finished, 2 failed" in done.stdout
    assert "lambda0 = 1e+30, seed = 1: diverged" in done.stderr
    return folder


@pytest.fixture
def file(trained_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_once, tmp_path / "trained")) / "s.toml"


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_init_writes_a_file_that_can_be_planned(command: Any, tmp_path: Path, preset: Any) -> None:
    path = tmp_path / "new.toml"
    assert command("sweep", "init", path, "--preset", preset).code == 0
    assert path.read_text() == template(preset)
    outcome = command("sweep", "plan", path)
    assert outcome.code == 0
    number = len(networks(load(path)))
    assert f"{number} networks" in outcome.out
    for told in ("0 done", "shapes", "cores here", "GB of memory", "GB on disk", "estimates"):
        assert told in outcome.out
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new.toml", "working_folder"]  # nothing is begun
    again = command("sweep", "init", path)
    assert again.code == 2
    assert "already exists" in again.err


def test_status_counts_finished_and_failed_networks(command: Any, file: Path) -> None:
    outcome = command("sweep", "status", file)
    assert outcome.code == 0
    assert "4 of 4 networks done" in outcome.out
    assert "finished 2, failed 2, running 0, waiting 0" in outcome.out
    assert "2 × diverged: the loss of iteration 0 is not finite" in outcome.out
    outcome = command("sweep", "status", file, "--set", "learning_rate=0.001")  # another sweep in the same store
    assert "finished 0, failed 0, running 0, waiting 4" in outcome.out
    assert "no worker is training it" in outcome.out


@pytest.mark.parametrize("damage", [b"", b"no such networks", b"\xff", None])
def test_damaged_notes_of_the_networks_are_made_anew(command: Any, file: Path, damage: bytes | None) -> None:
    before = command("sweep", "status", file)
    (known,) = (file.parent / "s" / "known").iterdir()
    whole = known.read_bytes()
    known.write_bytes(whole[:-21] if damage is None else damage)  # without the last network
    assert command("sweep", "status", file) == before
    assert known.read_bytes() == whole


def test_status_shows_one_short_line_of_each_reason(command: Any, file: Path) -> None:
    store = Store(file.parent / "s")
    for identity, message in zip(sorted(store.failed()), ("first\nsecond", "long " * 100), strict=True):
        store.fail(identity, Failure("error", message, None, {}))
    lines = command("sweep", "status", file).out.splitlines()
    assert "  1 × error: first …" in lines
    assert "second" not in lines
    assert max(len(line) for line in lines if line.startswith("  1 ×")) < 120


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (SweepProgress(4, 3, 0, 1, 3.9 / 4), "networks 3/4  3 finished"),
        (SweepProgress(49, 1, 0, 0, 1 / 49), "networks 1/49  1 finished"),  # 1 / 49 * 49 is less than 1
        (SweepProgress(4, 4, 0, 0, 1.0), "networks 4/4  4 finished"),
    ],
)
def test_no_network_is_counted_before_its_end(
    capsys: pytest.CaptureFixture[str], now: SweepProgress, told: str
) -> None:
    display = Display()
    display.update_sweep(now)
    display.last_line = -math.inf
    display.update_sweep(now)
    assert told in capsys.readouterr().err


def test_status_needs_neither_jax_nor_a_description_of_networks(command: Any, file: Path) -> None:
    assert command("sweep", "status", file).code == 0  # notes the identities
    look = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('imported:', sorted({'jax', 'xarray', 'pandas'} & set(sys.modules))))\n"
        "from recurrent_memory.cli.main import main; main()"
    )
    words = [sys.executable, "-c", look, "sweep", "status", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "finished 2" in done.stdout
    assert "imported: []" in done.stdout


def test_what_failed_is_retried(command: Any, file: Path) -> None:
    assert "2 networks will be trained again" in command("sweep", "retry", file, "--failed").out
    assert "finished 2, failed 0, running 0, waiting 2" in command("sweep", "status", file).out
    assert "1 network will be" in command("sweep", "retry", file, "--where", "lambda0 < 1 and seed == 1").out
    outcome = command("sweep", "run", file)
    assert outcome.code == 3
    assert "networks 4/4  2 finished, 2 failed" in outcome.err
    assert command("sweep", "retry", file).code == 2


def test_values_added_later_are_trained_alone(command: Any, file: Path) -> None:
    file.write_text(file.read_text().replace("[0.8, 1e30]", "[0.8, 0.9]"))
    outcome = command("sweep", "run", file)
    assert outcome.code == 0
    assert "2 networks in 1 group" in outcome.err
    assert "4 of 4 networks finished, 0 failed" in outcome.out


def test_collect_makes_a_data_set_and_tables(command: Any, file: Path, tmp_path: Path) -> None:
    out, csv = tmp_path / "s.nc", tmp_path / "s.csv"
    outcome = command("sweep", "collect", file, "-o", out, "--csv", csv)
    assert outcome.code == 0
    assert "2 finished, 2 diverged; over lambda0 2 × seed 2" in outcome.out
    with xr.open_dataset(out) as found:
        assert found["fractional_loss"].dims == ("lambda0", "seed")
        assert list(found["status"].values.ravel()) == ["finished", "finished", "diverged", "diverged"]
        assert int(found["fractional_loss"].notnull().sum()) == 2
    frame = pd.read_csv(csv)
    assert list(frame.columns[:2]) == ["lambda0", "seed"]
    assert len(frame) == 4
    outcome = command("sweep", "collect", file, "-o", tmp_path / "nowhere" / "s.nc")
    assert outcome.code == 2
    assert "There is no folder" in outcome.err


def test_a_table_as_parquet(command: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("sweep", "collect", file, "-o", tmp_path / "s.nc", "--parquet", tmp_path / "s.parquet")
    assert command(*words).code == 0
    assert list(pd.read_parquet(tmp_path / "s.parquet").columns[:2]) == ["lambda0", "seed"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = command(*words)
    assert outcome.code == 2
    assert "pip install pyarrow" in outcome.err


def test_replay_makes_run_folders(command: Any, file: Path, tmp_path: Path) -> None:
    outcome = command("sweep", "replay", file, "--where", "lambda0 < 1 and seed == 1", "-o", tmp_path / "again")
    assert outcome.code == 0
    place = tmp_path / "again" / "lambda0=0.8,seed=1"
    assert {"result.nc", "weights.safetensors", "activity_heatmap.png"} <= {path.name for path in place.iterdir()}
    assert "fractional loss" in outcome.out
    assert command("show", place).code == 0
    outcome = command("sweep", "replay", file, "--where", "seed == 7")
    assert outcome.code == 2
    assert "holds for no network" in outcome.err


@pytest.mark.thorough
def test_replay_of_a_network_that_diverges_is_a_line_and_the_others_are_made(
    command: Any, file: Path, tmp_path: Path
) -> None:
    file.write_text(file.read_text().replace("[0.8, 1e30]", "[1e30, 0.8]"))
    outcome = command("sweep", "replay", file, "--where", "seed == 0", "-o", tmp_path / "again")
    assert outcome.code == 3
    (line,) = [line for line in outcome.err.splitlines() if "diverged" in line]
    assert line.startswith("lambda0=1e+30,seed=0: Training diverged: the loss of iteration 0 is not finite")
    assert (tmp_path / "again" / "lambda0=0.8,seed=0" / "result.nc").is_file()


@pytest.mark.thorough
def test_replay_of_a_damaged_network_is_a_line_and_the_others_are_made(
    command: Any, file: Path, tmp_path: Path
) -> None:
    sweep = load(file)
    damaged = Store(sweep.store).file(networks(sweep)[0].identity, ".safetensors")
    damaged.write_bytes(damaged.read_bytes()[:-10])
    outcome = command("sweep", "replay", file, "--where", "lambda0 < 1", "-o", tmp_path / "again")
    assert outcome.code == 2
    assert f"lambda0=0.8,seed=0: {damaged} is damaged" in outcome.err
    assert f"`recurrent-memory sweep run {file}` trains the damaged ones again" in outcome.err
    assert "delete" not in outcome.err
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["lambda0=0.8,seed=1"]


@pytest.mark.thorough
def test_replay_of_a_network_with_many_axes_is_named_by_its_identity(command: Any, file: Path, tmp_path: Path) -> None:
    values = {"n_hidden": 8, "batch_size": 4, "iterations": 12, "test_batches": 2, "lambda0": 0.8, "seed": 0}
    more = {"activity_penalty": 1e-4, "learning_rate": 5e-4, "sigma0": 0.125, "rho": 1.25e-7, "readout_step": -1}
    options = {"stim_dur": 5, "delay_dur": 10, "resp_dur": 6, "n_neurons": 10}
    axes = values | more | {f'"task_options.{name}"': value for name, value in options.items()}
    lines = "".join(f"{name} = [{value}]\n" for name, value in axes.items())
    file.write_text(f'[experiment]\ntask = "de1"\n[axes]\n{lines}')
    (network,) = networks(load(file))
    outcome = command("sweep", "replay", file, "--where", "seed == 0", "-o", tmp_path / "again")
    assert outcome.code == 0
    assert [path.name for path in (tmp_path / "again").iterdir()] == [network.identity]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "none.toml"], "There is no file none.toml"),
        (["run", "s.toml", "--set", "lambda0=high"], "override 'lambda0=high'"),
        (["run", "s.toml", "--set", "colour=1"], "'colour' is not a field of an experiment"),
        (["run", "s.toml", "--at-once", "0"], "0 is not in the range x>=1"),
        (["retry", "s.toml", "--where", "sigma == 0"], "no value is given to `sigma`"),
        (["collect", "s.toml"], "Missing option '-o'"),
    ],
)
def test_mistakes_are_one_short_message(
    command: Any, file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(file.parent)
    before = sorted(path for path in file.parent.rglob("*"))
    outcome = command("sweep", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert sorted(path for path in file.parent.rglob("*")) == before


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), put=st.text(max_size=3) | st.sampled_from("[]{}=\"'#\n"))
def test_any_file_is_planned_or_refused_in_one_message(command: Any, tmp_path: Path, place: int, put: str) -> None:
    path = tmp_path / "any.toml"
    path.write_text(FILE[:place] + put + FILE[place + 1 :], encoding="utf-8")
    outcome = command("sweep", "plan", path)
    assert outcome.code in (0, 2)
    if outcome.code == 2:
        assert outcome.err.startswith("Error: ")
        assert len(outcome.err.splitlines()) <= 5
    assert not [entry for entry in tmp_path.iterdir() if entry.name not in ("any.toml", "working_folder")]


def test_a_store_that_cannot_be_written_to_is_reported_before_anything_starts(command: Any, tmp_path: Path) -> None:
    """Tested below /proc, because root can write anywhere but to kernel file systems and read-only mounts."""
    path = tmp_path / "s.toml"
    path.write_text(f'store = "/proc/sweep"\n{FILE}')
    outcome = command("sweep", "run", path)
    assert outcome.code == 2
    assert "/proc/sweep cannot be written to" in outcome.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small file system, which takes root")
def test_a_disk_that_is_full_or_read_only_keeps_what_is_finished(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    path = tmp_path / "s.toml"
    text = FILE.replace("[0.8, 1e30]", "[0.8]").replace("[0, 2]", "[0, 20]")
    path.write_text(f'store = "{disk}/store"\n{text}')
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=240k", "none", disk], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        words = [sys.executable, "-m", "recurrent_memory", "sweep", "run", str(path)]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        store = Store(disk / "store")
        finished = store.finished()
        assert 0 < len(finished) < 20
        for identity in finished:
            store.read_all(identity)
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert finished < store.finished()
        assert len(store.finished()) == 20
        assert not [entry for entry in (disk / "store" / "networks").rglob(".*")]

        # What cannot be written to can still be looked at, and is told before anything starts.
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        (path.parent / "more.toml").write_text(path.read_text().replace("[0, 20]", "[0, 21]"))
        words[-1] = str(path.parent / "more.toml")
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 2
        assert "store cannot be written to (Read-only file system)" in done.stderr
        for looking in (["status"], ["collect", "-o", str(tmp_path / "s.nc")]):
            words[4:5] = looking[:1]
            done = subprocess.run([*words, *looking[1:]], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert "20 finished" in done.stdout or "finished 20" in done.stdout
    finally:
        subprocess.run(["umount", disk], check=True)
