"""The commands for single runs: finished, interrupted and diverged."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import recurrent_memory as rm
from small import contents, small_experiment, words

CALL = [sys.executable, "-c", "from recurrent_memory.cli.main import main; main()"]


def test_train_writes_result_weights_and_pictures(command: Any, tmp_path: Path) -> None:
    given = ("train", *words(small_experiment()), "--out", tmp_path / "run")
    first = command(*given)
    assert first.code == 0, first.err
    for line in ("sequentiality index", "fractional loss", "test loss", "as published", "files:"):
        assert line in first.out
    for line in (
        r"active units in a trial  .* of \d+ .* of \d+ ",
        r"active units in the average over trials .* of \d+ .* of \d+ ",
        r"\nfractional loss = \(test loss − observer's loss\) / observer's loss = \([\d.]+ − [\d.]+\) / [\d.]+\n",
        r"\nactive: mean activity above 0\.1, in each trial ",
    ):
        assert re.search(line, first.out), line
    below = first.out.partition("└")[2].splitlines()[1:]
    assert all(len(line) <= 100 for line in below if not line.startswith(("note:", "files:")))
    assert "training 12/12" in first.err
    assert "testing 2/2" in first.err
    found = contents(tmp_path / "run")
    assert {"result.nc", "weights.safetensors", "experiment.json", "run.log", "timing.json"} <= set(found)
    assert "training.checkpoint" not in found
    pictures = [name for name in found if name.endswith(".png")]
    assert "learning_curve.png" in pictures
    assert len(pictures) >= 4
    for picture in pictures:
        content = found[picture]
        assert content is not None
        assert content.startswith(b"\x89PNG")

    # Once more: the same summary, and nothing trained again.
    results = {name: found[name] for name in ("result.nc", "weights.safetensors", "run.log", "timing.json")}
    written = (tmp_path / "run" / "result.nc").stat().st_mtime_ns
    again = command(*given)
    assert (again.code, again.out) == (0, first.out)
    assert {name: contents(tmp_path / "run")[name] for name in results} == results
    assert (tmp_path / "run" / "result.nc").stat().st_mtime_ns == written
    assert set(contents(tmp_path / "run")) == set(found)

    # The same from `show`.
    shown = command("show", tmp_path / "run")
    assert (shown.code, shown.out) == (0, first.out)


@pytest.mark.thorough
def test_train_takes_an_optimizer_and_its_options(command: Any, tmp_path: Path) -> None:
    given = ["--optimizer", "adamw", "--optimizer-option", "weight_decay=1e-4", "--gradient-clip-norm", "1"]
    given += ["--learning-rate-schedule", "cosine", "--schedule-option", "warmup=0.1", "--schedule-option", "end=0.2"]
    outcome = command("train", *words(small_experiment()), *given, "--out", tmp_path / "run")
    # `words` gives the defaults first; the last one of an option counts.
    assert outcome.code == 0, outcome.err
    described = json.loads((tmp_path / "run" / "experiment.json").read_text())["experiment"]
    assert (described["optimizer"], described["optimizer_options"]) == ("adamw", {"weight_decay": 1e-4})
    assert (described["learning_rate_schedule"], described["gradient_clip_norm"]) == ("cosine", 1.0)
    assert described["schedule_options"] == {"warmup": 0.1, "end": 0.2}


@pytest.mark.thorough
def test_train_resumes_an_interrupted_run(command: Any, unfinished: Path, finished: Path) -> None:
    outcome = command("train", *words(small_experiment()), "--out", unfinished)
    assert outcome.code == 0, outcome.err
    assert "going on from iteration " in outcome.err
    assert "going on from iteration 0 " not in outcome.err
    assert "training 12/12" in outcome.err
    with xr.open_dataset(unfinished / "result.nc") as resumed, xr.open_dataset(finished / "result.nc") as whole:
        assert resumed.identical(whole)


def test_train_makes_a_folder_below_runs(command: Any, tmp_path: Path) -> None:
    outcome = command("train", *words(small_experiment(iterations=2, seed=3)))
    assert outcome.code == 0, outcome.err
    (folder,) = (tmp_path / "working_folder" / "runs").iterdir()
    assert folder.name.endswith("-de1-relu-n8-seed3")
    assert (folder / "result.nc").is_file()
    assert f"runs/{folder.name}" in outcome.out


@pytest.mark.thorough
def test_train_draws_the_formats_asked_for(command: Any, tmp_path: Path) -> None:
    given = words(small_experiment(iterations=2))
    outcome = command("train", *given, "--out", tmp_path / "run", "--format", "svg", "--format", "pdf")
    assert outcome.code == 0, outcome.err
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"learning_curve.svg", "learning_curve.pdf"} <= names
    assert "learning_curve.png" not in names


def test_show_of_a_finished_run(command: Any, finished: Path) -> None:
    outcome = command("show", finished)
    assert outcome.code == 0, outcome.err
    assert "sequentiality index" in outcome.out
    assert (finished / "learning_curve.png").is_file()


def test_show_of_an_unfinished_run(command: Any, unfinished: Path) -> None:
    before = contents(unfinished)
    outcome = command("show", unfinished)
    assert outcome.code == 0, outcome.err
    assert "not finished, " in outcome.out
    assert " of 12 iterations saved" in outcome.out
    assert "fractional loss" in outcome.out
    after = contents(unfinished)
    assert set(after) - set(before) == {"learning_curve.png"}
    assert {name: after[name] for name in before} == before


def test_show_of_a_run_without_checkpoint(command: Any, unfinished: Path) -> None:
    (unfinished / "training.checkpoint").unlink()
    outcome = command("show", unfinished)
    assert outcome.code == 0, outcome.err
    assert "0 of 12 iterations saved" in outcome.out


def test_tasks_lists_every_task(command: Any) -> None:
    outcome = command("tasks")
    assert outcome.code == 0, outcome.err
    for name in ("de1", "de2", "cd1", "cd2", "comp", "2afc", "gde", "sine"):
        assert name in outcome.out
    assert "25 stimulus + 100 delay + 25 response" in outcome.out


def test_tasks_lists_every_model_with_its_options(command: Any) -> None:
    outcome = command("tasks")
    for part in ("relu", "fast_weights", "gamma", "leaky", "fraction_excitatory", "a number > 0 and < 1, or none"):
        assert part in outcome.out


def test_train_help_states_defaults_and_ranges(command: Any) -> None:
    outcome = command("train", "--help")
    assert outcome.code == 0
    for part in ("--n-hidden", "default 500", "--lambda0", "default 0.98", "--task-option NAME=VALUE", "≥ 1"):
        assert part in outcome.out


def test_a_clone_that_is_not_installed_says_that_its_version_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_installed)
    assert rm.__version__ == "unknown"


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    look = (
        "import sys, atexit\n"
        "heavy = {'jax', 'pydantic', 'numpy', 'matplotlib', 'xarray', 'rich'}\n"
        "atexit.register(lambda: print('imported:', sorted(heavy & set(sys.modules))))\n"
        "from recurrent_memory.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", look, *words], capture_output=True, text=True, timeout=60, check=True)
    assert "recurrent-memory" in done.stdout
    assert "imported: []" in done.stdout


def test_nothing_of_a_result_is_imported_before_the_first_iteration() -> None:
    look = (
        "import sys\n"
        "import recurrent_memory as rm\n"
        "experiment = rm.Experiment(task='DE-1', n_hidden=4, batch_size=2, iterations=3)\n"
        "try: rm.run(experiment, should_stop=lambda: True, checkpoint_every=1)\n"
        "except RuntimeError as error: print(error)\n"
        "print('imported:', sorted({'matplotlib', 'xarray', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=120, check=True)
    assert "Stopped after iteration 1 of 3" in done.stdout
    assert "imported: []" in done.stdout


def test_divergence_is_exit_code_3_and_keeps_the_state(command: Any, tmp_path: Path) -> None:
    experiment = small_experiment(lambda0=5.0, task_options={"delay_dur": 100})
    outcome = command("train", *words(experiment), "--out", tmp_path / "run")
    assert outcome.code == 3
    assert "Traceback" not in outcome.err
    assert "diverged" in outcome.err
    assert "lambda0 (now 5)" in outcome.err
    assert str(tmp_path / "run" / "training.checkpoint") in outcome.err
    assert (tmp_path / "run" / "training.checkpoint").is_file()
    assert not (tmp_path / "run" / "result.nc").exists()
    # The same command comes to the same end, and the state can be shown.
    assert command("train", *words(experiment), "--out", tmp_path / "run").code == 3
    assert command("show", tmp_path / "run").code == 0


def test_full_disk_is_a_short_message(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "run"))

    monkeypatch.setattr("recurrent_memory.storage.arrays.save_file", full)
    outcome = command("train", *words(small_experiment()), "--out", tmp_path / "run")
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert command("train", *words(small_experiment()), "--out", tmp_path / "run").code == 0


@pytest.mark.usefixtures("hangup_ends_children")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.sampled(2)
def test_a_signal_saves_and_the_same_command_resumes(tmp_path: Path, command: Any, number: int) -> None:
    experiment = small_experiment(iterations=30_000)
    process = subprocess.Popen(
        [*CALL, "train", *words(experiment), "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    try:
        deadline = time.monotonic() + 90
        checkpoint = tmp_path / "run" / "training.checkpoint"
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number, err
    assert "Stopped after iteration" in err
    assert str(tmp_path / "run") in err
    assert "Traceback" not in err
    assert out == ""
    shown = command("show", tmp_path / "run")
    assert shown.code == 0
    assert "not finished" in shown.out
    shutil.rmtree(tmp_path / "run")


@pytest.mark.usefixtures("hangup_ends_children")
@pytest.mark.thorough
def test_a_terminal_that_is_closed_costs_no_state(tmp_path: Path, command: Any) -> None:
    """Nothing can be written to it any more, and SIGHUP comes twice: from the shell, and when the shell ends."""
    ours, terminal = os.openpty()
    process = subprocess.Popen(
        [*CALL, "train", *words(small_experiment(iterations=30_000)), "--out", str(tmp_path / "run")],
        stderr=terminal,
        stdout=terminal,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TERM": "xterm"},
    )
    try:
        deadline = time.monotonic() + 90
        checkpoint = tmp_path / "run" / "training.checkpoint"
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.05)[0]:
                os.read(ours, 65_536)
        os.close(ours)
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        process.wait(timeout=60)
    finally:
        process.kill()
        os.close(terminal)
    assert process.returncode == 128 + signal.SIGHUP
    assert "not finished" in command("show", tmp_path / "run").out


@pytest.mark.thorough
def test_nohup_is_kept(command: Any, tmp_path: Path) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert command("train", *words(small_experiment()), "--out", tmp_path / "run").code == 0
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.thorough
def test_show_tests_a_network_of_the_bank(command: Any) -> None:
    shown = command("show", "bank:2afc-persistent", "-o", "pictures")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("2AFC, basic, relu: N = 100, λ0 = 0.96, σ0 = 0, ρ = 0, seed 0, 3001 iterations")
    assert Path("pictures/average_heatmap.png").exists()
    assert len(list(Path().iterdir())) == 1


def test_an_unknown_network_of_the_bank_is_refused_with_the_nearest(command: Any) -> None:
    wrong = command("show", "bank:2afc-persistant")
    assert (wrong.code, wrong.out) == (2, "")
    assert "Do you mean bank:2afc-persistent" in wrong.err


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("recurrent-memory show bank : 2afc-s", "2afc-sequential"),  # bash takes a colon for a word
        ("recurrent-memory tr", "train"),
        ("recurrent-memory train --condition te", "tethered"),
        ("recurrent-memory train --model gr", "gru"),
        ("recurrent-memory train --task vd", "vde1"),
        ("recurrent-memory train --task comp", "comp"),
        ("recurrent-memory train --optimizer rm", "rmsprop"),
        ("recurrent-memory train --learning-rate-schedule exp", "exponential"),
        ("recurrent-memory analyse bank : 2afc-s", "2afc-sequential"),
    ],
)
@pytest.mark.sampled(3)
def test_tab_completes_names(words: str, completed: str) -> None:
    environment = os.environ | {
        "_RECURRENT_MEMORY_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    command = [sys.executable, "-m", "recurrent_memory"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split() == [f"plain,{completed}"]
