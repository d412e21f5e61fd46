"""Invalid input: exit code 2, a short message that names the mistake, and no file touched."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurrent_memory import storage
from recurrent_memory.cli.main import _explain
from small import contents, small_experiment, words

SHORT_RESPONSE = ("--task-option", "resp_dur=6")

BAD_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # What is given, and what the message has to name.
    "unknown task": (("--task", "de9"), ("'de9'", "de1 (0)")),
    "task code of another condition": (("--task", "5"), ("VDE-1", "variable_delay")),
    "negative task code": (("--task", "-1"), ("'-1'",)),
    "unknown model": (("--model", "lstm"), ("'lstm'", "relu (0)")),
    "unknown preset": (("--preset", "huge"), ("'huge'", "paper", "quick")),
    "unknown condition": (("--condition", "sometimes"), ("condition", "sometimes", "basic")),
    "unknown option": (("--colour", "red"), ("--colour",)),
    "unknown format": (("--format", "gif"), ("gif", "png")),
    "not a number": (("--n-hidden", "many"), ("many",)),
    "no units": (("--n-hidden", "0"), ("`--n-hidden` = 0", "greater than or equal to 1")),
    "no trials": (("--batch-size", "0"), ("`--batch-size` = 0",)),
    "no test": (("--test-batches", "0"), ("`--test-batches` = 0",)),
    "negative iterations": (("--iterations", "-1"), ("`--iterations` = -1",)),
    "negative seed": (("--seed", "-1"), ("`--seed` = -1",)),
    "large seed": (("--seed", "4294967296"), ("`--seed` = 4294967296",)),
    "lambda0 not a number": (("--lambda0", "nan"), ("`--lambda0` = nan",)),
    "lambda0 infinite": (("--lambda0", "inf"), ("`--lambda0` = inf",)),
    "negative sigma0": (("--sigma0", "-0.1"), ("`--sigma0` = -0.1",)),
    "negative rho": (("--rho", "-1"), ("`--rho` = -1",)),
    "no learning": (("--learning-rate", "0"), ("`--learning-rate` = 0",)),
    "unknown optimizer": (("--optimizer", "adamm"), ("'adamm'", "paper_adam", "adamw")),
    "unknown optimizer option": (("--optimizer", "sgd", "--optimizer-option", "b1=0.9"), ("`b1`", "sgd", "momentum")),
    "optimizer option out of range": (("--optimizer-option", "b1=1.5"), ("`b1` = 1.5", "less than 1")),
    "no norm": (("--gradient-clip-norm", "0"), ("`--gradient-clip-norm` = 0",)),
    "unknown schedule": (("--learning-rate-schedule", "steps"), ("'steps'", "cosine")),
    "warm-up without end": (("--schedule-option", "warmup=1"), ("`warmup` = 1",)),
    "negative duration": (("--task-option", "delay_dur=-5"), ("delay_dur", "-5")),
    "fractional duration": (("--task-option", "delay_dur=2.5"), ("delay_dur", "2.5")),
    "duration in words": (("--task-option", "delay_dur=long"), ("delay_dur", "long")),
    "unknown task option": (("--task-option", "colour=1"), ("`colour`", "delay_dur")),
    "task option without value": (("--task-option", "delay_dur"), ("'delay_dur'", "NAME=VALUE")),
    "unknown model option": (("--model-option", "gamma=1"), ("'gamma'", "gradient_clip")),
    "model option not a number": (("--model-option", "gradient_clip=nan"), ("`--model-option gradient_clip`", "nan")),
    "readout before response": ((*SHORT_RESPONSE, "--readout-step", "-7"), ("-7", "−6 … −1")),
    "readout after the end": (("--readout-step", "0"), ("`--readout-step` = 0",)),
    "snapshots in words": (("--snapshots", "a"), ("`--snapshots` = 'a'", "from 0 to `--iterations` = 25001")),
    "snapshots outside": (("--iterations", "9", "--snapshots", "3,10"), ("`--snapshots` = '3,10'", "from 0 to")),
    "no checkpoints": (("--checkpoint-every", "0"), ("`--checkpoint-every` = 0",)),
    "several at once": (("--n-hidden", "0", "--rho", "-1"), ("`--n-hidden` = 0", "1 more")),
}


def assert_refused(code: int, err: str, naming: tuple[str, ...]) -> None:
    assert code == 2, err
    assert "Traceback" not in err
    assert 1 <= len(err.strip().splitlines()) <= 6, err
    for word in naming:
        assert word in err, f"{word!r} is not in: {err}"


@pytest.mark.parametrize("given", BAD_WORDS)
def test_refuses_bad_words_and_leaves_no_file(given: str, command: Any, tmp_path: Path) -> None:
    options, naming = BAD_WORDS[given]
    before = contents(tmp_path)
    outcome = command("train", *options, "--out", tmp_path / "new")
    assert_refused(outcome.code, outcome.err, naming)
    assert outcome.out == ""
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("given", "naming"),
    [
        (("--task", "de9"), ("'de9'",)),
        (("--out", "/proc/x"), ("/proc/x",)),
    ],
)
def test_refuses_likewise_as_a_process(given: tuple[str, ...], naming: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from recurrent_memory.cli.main import main; main()", "train", *given],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert_refused(done.returncode, done.stderr, naming)
    assert done.stdout == ""
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("words", [("train", "--task", "de1"), ("tasks",), ("show", "nowhere")])
@pytest.mark.parametrize("setting", ["JAX_ENABLE_X64=notabool", "JAX_NUM_CPU_DEVICES=many"])
def test_names_a_setting_of_jax_with_which_it_does_not_start(
    setting: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    name, value = setting.split("=")
    done = subprocess.run(
        [sys.executable, "-m", "recurrent_memory", *words],
        cwd=tmp_path, env={**os.environ, name: value}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert_refused(done.returncode, done.stderr, (setting,))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("platform", ["cuda", "foo"])
def test_names_a_platform_that_jax_has_not_got(platform: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-m", "recurrent_memory", "train", *words(small_experiment())],
        cwd=tmp_path, env={**environment, "JAX_PLATFORMS": platform}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert_refused(done.returncode, done.stderr, ("JAX cannot use this device", "JAX_PLATFORMS"))
    assert contents(tmp_path) == {}


def test_refuses_too_few_addresses_for_the_libraries(tmp_path: Path) -> None:
    given = " ".join(map(shlex.quote, words(small_experiment())))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 1500000; {shlex.quote(sys.executable)} -m recurrent_memory train {given}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert_refused(done.returncode, done.stderr, ("ulimit -v", "1.5 GB"))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("words", [("tasks",), ("train", "--help"), ("sweep", "--help")])
def test_works_without_docstrings(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-OO", "-m", "recurrent_memory", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [("trian",), ("show",), ("show", "nowhere"), ("tasks", "de1")])
def test_refuses_bad_commands(words: tuple[str, ...], command: Any, tmp_path: Path) -> None:
    before = contents(tmp_path)
    outcome = command(*words)
    assert_refused(outcome.code, outcome.err, words[1:] if words != ("show",) else ("RUN",))
    assert contents(tmp_path) == before


def test_refuses_unwritable_folder(command: Any) -> None:
    outcome = command("train", *words(small_experiment()), "--out", "/proc/x")
    assert_refused(outcome.code, outcome.err, ("/proc/x", "cannot be written"))
    assert not Path("/proc/x").exists()


def test_refuses_file_as_folder(command: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    for out in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "below"):
        outcome = command("train", *words(small_experiment()), "--out", out)
        assert_refused(outcome.code, outcome.err, (str(tmp_path / "notes.txt"),))
    assert contents(tmp_path) == before


def test_refuses_folder_with_other_things(command: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "result.nc").write_text("not a run's")
    before = contents(tmp_path)
    for call in (("train", *words(small_experiment()), "--out"), ("show",)):
        outcome = command(*call, tmp_path / "mine")
        assert_refused(outcome.code, outcome.err, (str(tmp_path / "mine"), "not a run folder"))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_refuses_folder_of_another_experiment(state: str, command: Any, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(state)
    before = contents(folder)
    outcome = command("train", *words(small_experiment(n_hidden=9)), "--out", folder)
    assert_refused(outcome.code, outcome.err, (str(folder), "n_hidden = 8 there, 9 here"))
    assert contents(folder) == before


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def flip_bit_of_array(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * 0.8)] ^= 1
    path.write_bytes(content)


def change_shape(path: Path) -> None:
    arrays, notes = storage.load_arrays(path)
    storage.save_arrays(path, {name: np.repeat(array, 2) for name, array in arrays.items()}, notes)


def drop_array(path: Path) -> None:
    arrays, notes = storage.load_arrays(path)
    arrays.pop(next(name for name in arrays if "W_rec" in name))
    storage.save_arrays(path, arrays, notes)


@pytest.mark.parametrize("damage", [truncate, empty, flip_last_bit, flip_bit_of_array, change_shape, drop_array])
def test_refuses_damaged_checkpoint(damage: Callable[[Path], None], command: Any, unfinished: Path) -> None:
    damage(unfinished / "training.checkpoint")
    before = contents(unfinished)
    outcome = command("train", *words(small_experiment()), "--out", unfinished)
    assert_refused(outcome.code, outcome.err, (str(unfinished / "training.checkpoint"),))
    assert contents(unfinished) == before


@pytest.mark.parametrize("damage", [truncate, empty, flip_last_bit])
def test_show_refuses_damaged_checkpoint(damage: Callable[[Path], None], command: Any, unfinished: Path) -> None:
    damage(unfinished / "training.checkpoint")
    before = contents(unfinished)
    outcome = command("show", unfinished)
    assert_refused(outcome.code, outcome.err, (str(unfinished / "training.checkpoint"),))
    assert contents(unfinished) == before


@pytest.mark.parametrize(
    "damage", [truncate, empty, flip_last_bit, flip_bit_of_array, change_shape, drop_array, Path.unlink]
)
@pytest.mark.parametrize("name", ["show", "train"])
def test_refuses_damaged_weights(name: str, damage: Callable[[Path], None], command: Any, finished: Path) -> None:
    damage(finished / "weights.safetensors")
    before = contents(finished)
    outcome = command(*({"show": ["show"], "train": ["train", *words(small_experiment()), "--out"]}[name]), finished)
    assert_refused(outcome.code, outcome.err, (str(finished / "weights.safetensors"),))
    assert outcome.out == ""
    assert contents(finished) == before


@pytest.mark.parametrize("damage", [truncate, empty])
@pytest.mark.parametrize("subcommand", ["show", "train"])
def test_refuses_damaged_result(subcommand: str, damage: Callable[[Path], None], command: Any, finished: Path) -> None:
    damage(finished / "result.nc")
    before = contents(finished)
    given = ("show",) if subcommand == "show" else ("train", *words(small_experiment()), "--out")
    outcome = command(*given, finished)
    assert_refused(outcome.code, outcome.err, (str(finished / "result.nc"),))
    assert outcome.out == ""
    assert contents(finished) == before


@pytest.mark.parametrize("damage", [truncate, empty])
def test_refuses_damaged_description(damage: Callable[[Path], None], command: Any, finished: Path) -> None:
    damage(finished / "experiment.json")
    before = contents(finished)
    for given in (("show",), ("train", *words(small_experiment()), "--out")):
        outcome = command(*given, finished)
        assert_refused(outcome.code, outcome.err, (str(finished / "experiment.json"), "damaged"))
    assert contents(finished) == before


def test_a_device_that_jax_does_not_know_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = "Unable to initialize backend 'tpuu': Backend 'tpuu' is not in the list of known backends: ['cpu', 'tpu']."
    assert _explain(RuntimeError(f"{words} (set JAX_PLATFORMS='' to automatically choose an available backend)")) == 2
    assert (
        capsys.readouterr().err
        == f"Error: JAX cannot use this device: {words}\nUnset JAX_PLATFORMS, or set it to cpu.\n"
    )
    with pytest.raises(RuntimeError, match="other"):
        _explain(RuntimeError("other"))
