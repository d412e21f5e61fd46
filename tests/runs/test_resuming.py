"""A run that was cut off comes to the same result bit for bit as one that was not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from recurrent_memory import storage
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.folder import CHECKPOINT, RunFolder
from recurrent_memory.runs.run import run
from recurrent_memory.runs.session import Progress
from small import contents, small_experiment, stops_after, words

RUN = """
import sys
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.run import run
import json
run(Experiment(**json.loads(sys.argv[1])), sys.argv[2], checkpoint_every=int(sys.argv[3]))
"""


def same_results(one: Path, other: Path) -> bool:
    """Whether two finished runs agree in every bit of the numbers and of the weights file."""
    with xr.open_dataset(one / "result.nc") as a, xr.open_dataset(other / "result.nc") as b:
        identical = a.identical(b)
    return identical and (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("changes", [{}, {"model": "gru", "task": "cd1", "stop_at": -10.0}])
@pytest.mark.sampled(2)
def test_interrupted_several_times_ends_the_same(changes: dict[str, object], tmp_path: Path) -> None:
    experiment = small_experiment(iterations=40, **changes)
    whole = run(experiment, tmp_path / "whole")
    cut = tmp_path / "cut"
    done = []
    for every in (3, 7, 4, 11):
        with pytest.raises(InterruptedRunError, match=f"of 40.*--out {cut}"):
            run(experiment, cut, should_stop=stops_after(2), checkpoint_every=every)
        assert not (cut / "result.nc").exists()
        log = (cut / "run.log").read_text()
        done.append(max(map(int, re.findall(r"going on from iteration (\d+)", log)), default=0))
    assert done[0] == 0
    assert 0 < done[1] < done[2] < done[3] < 40
    resumed = run(experiment, cut)
    assert resumed.identical(whole)
    assert same_results(tmp_path / "whole", cut)
    assert not (cut / "training.checkpoint").exists()


def test_a_checkpoint_of_an_older_version_is_refused(tmp_path: Path) -> None:
    experiment, folder = small_experiment(iterations=40), tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        run(experiment, folder, should_stop=stops_after(2), checkpoint_every=3)
    arrays, metadata = storage.load_arrays(folder / CHECKPOINT)
    storage.save_arrays(folder / CHECKPOINT, {n: a for n, a in arrays.items() if n != "history.mispaired"}, metadata)
    with pytest.raises(InputError, match=r"of another version .* its history lacks mispaired"):
        run(experiment, folder)


def test_a_run_without_folder_gives_the_same(tmp_path: Path) -> None:
    experiment = small_experiment()
    assert run(experiment).identical(run(experiment, tmp_path / "run"))


def test_interrupted_in_the_test_ends_the_same(tmp_path: Path) -> None:
    experiment = small_experiment()
    phases: list[str] = []

    def note(now: Progress) -> None:
        phases.append(now.phase)

    with pytest.raises(InterruptedRunError):
        run(experiment, tmp_path / "cut", on_progress=note, should_stop=lambda: phases[-1] == "testing")
    assert not (tmp_path / "cut" / "result.nc").exists()
    resumed = run(experiment, tmp_path / "cut")
    assert resumed.identical(run(experiment))
    assert f"going on from iteration {experiment.iterations} of" in (tmp_path / "cut" / "run.log").read_text()


def test_a_finished_run_is_read_and_not_touched(tmp_path: Path) -> None:
    first = run(small_experiment(), tmp_path / "run")
    before = contents(tmp_path)
    assert run(small_experiment(), tmp_path / "run").identical(first)
    assert contents(tmp_path) == before


def kill_until_done(experiment: Experiment, folder: Path, *, kills: int, pause: float) -> list[int]:
    """Train in processes that are killed in the middle; return the iterations from which they went on."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder.parent / "xla")}
    command = [sys.executable, "-c", RUN, experiment.model_dump_json(), str(folder), "10"]
    checkpoint = folder / "training.checkpoint"
    for _ in range(kills):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 120
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                    time.sleep(pause)
                    break
                time.sleep(0.002)
        finally:
            process.kill()
            process.wait()
        if process.returncode != -signal.SIGKILL:
            break
    subprocess.run(command, env=environment, check=True, timeout=300)
    return [int(n) for n in re.findall(r"going on from iteration (\d+)", (folder / "run.log").read_text())]


@pytest.mark.thorough
def test_killed_process_ends_the_same(tmp_path: Path) -> None:
    experiment = small_experiment(iterations=600)
    went_on = kill_until_done(experiment, tmp_path / "killed", kills=2, pause=0.01)
    assert went_on
    assert all(0 < n < 600 for n in went_on), went_on
    run(experiment, tmp_path / "whole", checkpoint_every=10)
    assert same_results(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["relu", "fast_weights", "orthogonal", "gru"])
def test_process_killed_many_times_ends_the_same(model: str, tmp_path: Path) -> None:
    experiment = small_experiment(iterations=4_000, model=model, n_hidden=20, batch_size=8)
    went_on = kill_until_done(experiment, tmp_path / "killed", kills=10, pause=0.3)
    assert len(went_on) >= 3
    assert all(0 < n < 4_000 for n in went_on), went_on
    assert went_on == sorted(went_on)
    run(experiment, tmp_path / "whole")
    assert same_results(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_kills_every_few_seconds_cost_little(tmp_path: Path) -> None:
    """Computing time apart from the restarts is at most 1.5 times the undisturbed one."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "xla")}

    def start(experiment: Experiment, folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "recurrent_memory", "train", *words(experiment), "--out", str(folder)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def seconds(experiment: Experiment, folder: Path, kill_after: float | None = None) -> tuple[float, int]:
        began, kills = time.monotonic(), 0
        while True:
            process = start(experiment, folder)
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            else:
                assert process.returncode == 0
                return time.monotonic() - began, kills

    experiment = Experiment(task="de1", n_hidden=100, iterations=1500, test_batches=25)
    nothing = experiment.replace(iterations=1)
    seconds(nothing, tmp_path / "cache")
    restart, _ = seconds(nothing, tmp_path / "restart")
    whole, _ = seconds(experiment, tmp_path / "whole")
    killed, kills = seconds(experiment, tmp_path / "killed", kill_after=restart + 3)
    assert kills >= 3
    assert same_results(tmp_path / "whole", tmp_path / "killed")
    assert killed - kills * restart <= 1.5 * whole, (killed, kills, restart, whole)


@pytest.mark.parametrize("condition", ["finished", "interrupted", "result gone", "state copied"])
@pytest.mark.sampled(2)
def test_more_iterations_go_on_with_a_run(tmp_path: Path, condition: str) -> None:
    """Whatever the last process was doing when it ended."""
    short, long = (small_experiment(iterations=n, seed=5) for n in (20, 33))
    whole = run(long, tmp_path / "whole")
    place = RunFolder(tmp_path / "cut")
    if condition == "interrupted":
        with pytest.raises(InterruptedRunError):
            run(short, place.path, should_stop=stops_after(3))
    else:
        first = run(short, place.path)
    if condition in ("result gone", "state copied"):
        (place / "training.checkpoint").write_bytes((place / "final.checkpoint").read_bytes())
    if condition == "result gone":
        (place / "result.nc").unlink()
    lines: list[str] = []
    xr.testing.assert_identical(run(long, place.path, on_message=lines.append), whole)
    assert "going on from iteration" in lines[0]
    of_first = {"result-20.nc", "weights-20.safetensors"} if condition in ("finished", "state copied") else set()
    assert contents(place.path).keys() == contents(tmp_path / "whole").keys() | of_first
    if of_first:  # what was finished is kept
        xr.testing.assert_identical(storage.load_dataset(place / "result-20.nc"), first)
    assert place.experiment() == long
    with pytest.raises(InputError, match="holds another experiment"):  # fewer
        run(short, place.path)


@pytest.mark.parametrize(
    "changes",
    [{"learning_rate_schedule": "cosine"}, {"task": "cd1", "curriculum": ("de1", "cd1")}, {"learning_rate": 1e-3}],
)
@pytest.mark.sampled(3)
def test_more_iterations_that_would_change_earlier_ones_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    longer = small_experiment(**changes).replace(iterations=20)
    before = small_experiment() if "learning_rate" in changes else small_experiment(**changes)
    run(before, tmp_path / "run")
    found = contents(tmp_path)
    with pytest.raises(InputError, match="holds another experiment"):
        run(longer, tmp_path / "run")
    assert contents(tmp_path) == found
