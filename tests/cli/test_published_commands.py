"""The published commands, as a reader of the paper types them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from helpers import Outcome
from recurrent_memory import tasks
from recurrent_memory.cli import published, report
from recurrent_memory.compat.codes import MODELS
from recurrent_memory.compat.scripts import SCRIPTS, PriorTraining
from recurrent_memory.errors import InputError

ROOT = Path(__file__).parents[2]
ALL = [
    (script, task, model)
    for script, models in MODELS.items()
    for model in range(len(models))
    for task in sorted(
        tasks.find(name).code or 0
        for name in {*tasks.names(SCRIPTS[script].condition_of_task), *(["vde1"] if script == "basic" else [])}
        if tasks.find(name).code is not None
    )
]
"""Script, task, model: every combination there is."""
SOME = {
    (script, tasks_of[2 * model % len(tasks_of)], model)
    for script, models in MODELS.items()
    for model in range(len(models))
    if (tasks_of := [task for s, task, m in ALL if (s, m) == (script, model)])
}
"""Each script with each of its models."""

Script = Callable[..., Outcome]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Script]:
    """Return a function that is called like a script."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def call(name: str, *words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", [f"run_{name}_expts.py", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            published.run_script(name)
        assert isinstance(done.value.code, int)
        return Outcome(done.value.code, *capsys.readouterr())

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("name", "task", "model"),
    [pytest.param(*c, marks=() if c in SOME else pytest.mark.slow) for c in ALL],
)
@pytest.mark.sampled(6)
def test_every_combination_runs_and_writes_its_file(
    name: str, task: int, model: int, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "draw", lambda *_, **__: [])  # pictures are tested elsewhere
    sizes = ("--n_hidden", 6, "--n_iter", 2, "--n_test", 1)
    done = script(name, "--task", task, "--model", model, "--sigma_val", 0.01, *sizes, "--out", tmp_path)
    assert done.code == 0, done.err
    first, last = done.out.splitlines()
    assert first.startswith("Batch #0; ")
    assert ("Absolute loss" in first) == (name != "vardelay")
    assert last.startswith("Test data; Fractional loss: ")
    stem = f"{name}_sigma0.010000_lambda0.980000_rho0.000000_model{model}_task{task}"
    content = loadmat(tmp_path / f"{stem}.mat")
    measure = "frac_rmse" if name == "vardelay" else "infloss"
    assert content["hidResps"].shape == (50, 150, 6)
    assert content["inpResps"].shape[:2] == (50, 150)
    assert content["all_params_list"].size == (11 if MODELS[name][model] == "gru" else 6)
    assert f"{content[f'{measure}_test'].item():.6f}" == last.rpartition(" ")[2]
    assert f"{content[f'{measure}_vec'].item():.6f}" == first.rpartition(" ")[2]
    assert (tmp_path / stem / "result.nc").is_file()


def test_the_same_command_again_prints_the_end_and_imports_give_a_result(script: Script, tmp_path: Path) -> None:
    words = ("--task", "de-1", "--n_hidden", 6, "--n_iter", 2, "--n_test", 1, "--out", tmp_path, "--seed", 4)
    first = script("basic", *words)
    again = script("basic", *words)
    assert again.code == first.code == 0
    assert again.out.splitlines()[-1] == first.out.splitlines()[-1]
    stem = "basic_sigma0.000000_lambda0.980000_rho0.000000_model0_task0"
    assert (tmp_path / stem / "average_heatmap.png").is_file()


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--task", 9), ("'9'", "de1 (0)")),
        (("--model", 4), ("'4'", "3 gru")),
        (("--task", 5, "--as-published"), ("VDE-1", "six values")),
        (("--lambda_val", "nan"), ("lambda0", "nan")),
        (("--sigma_val", -1), ("sigma0", "0")),
        (("--n_iter", -5), ("iterations", "-5")),
        (("--out", __file__), ("is a file",)),
    ],
)
def test_bad_input_is_one_short_message(
    words: tuple[object, ...],
    fragments: tuple[str, ...],
    script: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = script("basic", *words)
    assert done.code == 2
    assert 1 <= len(done.err.strip().splitlines()) <= 6
    assert "Traceback" not in done.err
    assert all(fragment in done.err for fragment in fragments), done.err
    assert not list(tmp_path.iterdir())


def test_an_output_file_from_elsewhere_is_not_overwritten(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "basic_sigma0.000000_lambda0.980000_rho0.000000_model0_task0.mat"
    file.write_bytes(b"the paper's own")
    done = script("basic", "--out", tmp_path)
    assert done.code == 2
    assert "already exists" in done.err
    assert file.read_bytes() == b"the paper's own"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", MODELS)
def test_the_script_at_the_root_says_what_codes_mean(name: str) -> None:
    command = [sys.executable, str(ROOT / f"run_{name}_expts.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    words = " ".join(done.stdout.split())
    for code, model in enumerate(MODELS[name]):
        assert f"{code} {model}" in words
    assert "8 COMP" in words


@pytest.mark.slow
def test_octave_reads_the_file(script: Script, tmp_path: Path) -> None:
    octave = shutil.which("octave-cli") or shutil.which("octave")
    if octave is None:
        pytest.skip("Octave is not installed (Debian: apt-get install octave)")
    assert script("basic", "--n_hidden", 6, "--n_iter", 2, "--n_test", 1, "--out", tmp_path).code == 0
    (file,) = tmp_path.glob("*.mat")
    content = loadmat(file)
    code = (
        f"load('{file}');"
        "printf('%d ', size(hidResps), size(inpResps), numel(all_params_list), iscell(all_params_list));"
        "printf('%.17g ', infloss_test, sum(hidResps(:)), all_params_list{3}(2, 2));"
    )
    done = subprocess.run([octave, "--eval", code], capture_output=True, text=True, check=True, timeout=120)
    numbers = [float(word) for word in done.stdout.split()]
    assert numbers[:8] == [50, 150, 6, 50, 150, 50, 6, 1]
    assert numbers[8] == content["infloss_test"].item()
    assert numbers[9] == pytest.approx(float(content["hidResps"].sum(dtype=np.float64)), rel=1e-5)
    assert numbers[10] == float(content["all_params_list"].ravel()[2][1, 1])


ORDERS = {
    "cd1_har12": ("cd1", "2afc"),
    "har12_cd1": ("2afc", "cd1"),
    "har12_comp": ("2afc", "comp"),
    "comp_har12": ("comp", "2afc"),
}


@pytest.mark.parametrize(
    "order", ["cd1_har12", *(pytest.param(name, marks=pytest.mark.slow) for name in list(ORDERS)[1:])]
)
@pytest.mark.thorough
def test_two_tasks_one_after_the_other(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job index comes from the environment, as a cluster's array sets it."""
    monkeypatch.setattr(report, "draw", lambda *_, **__: [])
    monkeypatch.setenv("jobidx", "23")
    words = ("--n_hidden", 6, "--n_iter", 2, "--n_test", 1, "--out", tmp_path, "--as-published")
    monkeypatch.setattr(sys, "argv", ["script", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        published.run_multitask(*ORDERS[order])
    lines = capsys.readouterr().out.splitlines()
    assert done.value.code == 0
    assert lines[0].startswith("(First task) Batch #0; X-ent: ")
    assert lines[1].startswith("(Second task) Batch #0; X-ent: ")
    content = loadmat(tmp_path / f"6jobidx23_model0_{order}_everything.mat")
    assert lines[2] == f"Test data; Fractional loss: {content['infloss_test_second'].item():.6f}"
    assert lines[3] == f"Mean SI {content['SI'].item():f}"
    assert content["SI"].item() == 0 or content["infloss_test_second"].item() < 0.5
    for name in ("infloss_test_first", "infloss_vec_first", "infloss_vec_second"):
        assert content[name].size == 1


def test_the_grid_of_jobs_is_the_published_one() -> None:
    jobs = [PriorTraining("cd1", "2afc", index).experiment(n_hidden=400, seed=index) for index in range(1, 101)]
    lambdas, sigmas = np.array([(job.lambda0, job.sigma0 / 20) for job in jobs]).T
    np.testing.assert_allclose(lambdas[:10], np.linspace(0.8, 0.98, 10))
    np.testing.assert_allclose(sigmas[::10], np.linspace(0, 0.018, 10), atol=1e-12)
    assert len(set(zip(lambdas, sigmas.round(9), strict=True))) == 100
    with pytest.raises(InputError, match="from 1 to 100"):
        PriorTraining("cd1", "2afc", 101).experiment()


@pytest.mark.parametrize("file", sorted((ROOT / "multitask").glob("*.py")), ids=lambda path: path.stem)
def test_multitask_scripts_need_a_job_index(file: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "jobidx"}
    for words, code, fragment in (((), 2, "jobidx"), (("--jobidx", "0"), 2, "1<=x<=100"), (("--help",), 0, "")):
        command = [sys.executable, str(file), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=environment, cwd=tmp_path
        )
        assert done.returncode == code
        assert fragment in done.stderr
    assert {"cd1": "CD", "har": "2afc", "com": "comp"}[file.stem.split("_")[2][:3]].lower() in done.stdout.lower()
    assert not list(tmp_path.iterdir())
