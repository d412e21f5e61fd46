"""The comparison itself: every file has cases, a wrong number is found, and nothing is left out in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.random as jr
import numpy as np
import pytest
from numpy.typing import ArrayLike

from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.start import fresh_state, trainer

from .cases import PRECISIONS, cases, deviation
from .files import DATA, reference_files

TASKS = ("2AFC", "CD1", "CD2", "COMP", "DE1", "DE2", "VDE1", "GDE", "SINE")


def saved(folder: Path, name: str, **arrays: ArrayLike) -> None:
    np.savez(folder / name, allow_pickle=False, **{key: np.asarray(value) for key, value in arrays.items()})


def test_every_file_of_ours_is_compared_in_both_precisions() -> None:
    files = reference_files(DATA)
    assert {f.task for f in files if f.kind == "task"} == set(TASKS)
    assert {f.task for f in files if f.kind == "train"} == set(TASKS) - {"VDE1"}
    for file in files:
        compared = [case for case in cases([file]) if not case.reason]
        if file.kind == "small_runs":
            assert not compared
            continue
        quantities = [{case.quantity for case in compared if case.precision == p} for p in PRECISIONS]
        assert len(quantities[0]) >= 3, file.name
        assert quantities[0] - quantities[1] <= {"loss0"}, file.name
        assert quantities[1] <= quantities[0], file.name


def test_case_ids_are_unique_and_name_file_quantity_and_precision() -> None:
    ids = [case.id for case in cases(reference_files(DATA))]
    assert len(set(ids)) == len(ids)
    assert "train_basic_DE1_model0-grad0_W_rec-float64" in ids


@pytest.mark.parametrize("kind", ["train", "clip"])
def test_every_parameter_is_compared(kind: str) -> None:
    for file in (f for f in reference_files(DATA) if f.kind == kind):
        compared = {case.quantity for case in cases([file]) if not case.reason}
        prefixes = ("grad0_", "final_") if kind == "train" else ("grad0_", "joint_grad0_", "gradnoclip_")
        for parameter in file.meta["param_order"]:
            assert {prefix + parameter for prefix in prefixes} <= compared, file.name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("surprise.npz", "unknown file name"),
        ("trajectory_basic_DE1_model9.npz", "9"),
        ("train_basic_DE1.npz", "unknown file name"),
        ("task_dynamic_SINE.npz", "no stimulus whose range"),
        ("task_strange_DE1.npz", "unknown condition 'strange'"),
        ("task_basic_XYZ.npz", "no task"),
    ],
)
def test_a_file_that_cannot_be_run_is_skipped_with_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    saved(tmp_path, name, rates=0)
    (case,) = cases(reference_files(tmp_path))
    assert name in case.reason
    assert reason in case.reason


def test_an_unknown_array_is_skipped_with_a_reason(tmp_path: Path) -> None:
    saved(tmp_path, "sequentiality.npz", names=np.array([], dtype=str), surprise=0)
    (case,) = cases(reference_files(tmp_path))
    assert "unknown array 'surprise'" in case.reason


@pytest.mark.parametrize("quantity", ["rates", "phi", "optimal", "target", "s"])
def test_a_wrong_number_is_found(tmp_path: Path, quantity: str) -> None:
    with np.load(DATA / "task_basic_COMP.npz") as stored:
        arrays = {name: stored[name].astype(float) for name in stored.files}
    arrays[quantity].flat[-1] += 1e-8 * np.abs(arrays[quantity]).max()
    saved(tmp_path, "task_basic_COMP.npz", **arrays)
    (case,) = (
        case for case in cases(reference_files(tmp_path)) if (case.quantity, case.precision) == (quantity, "float64")
    )
    assert any(check.deviation > check.allowed for check in case.checks())


STEPS, CHECKPOINTS = 5, (0, 1, 5)


def trajectory_of_ours(task_name: str, condition: str, model: str) -> dict[str, np.ndarray]:
    """Train a small network in double precision by the package's own loop, and write down what a file would hold."""
    with jax.enable_x64(True):
        experiment = Experiment(
            task=task_name, condition=condition, model=model, n_hidden=10, batch_size=6, separate_clipping=True
        )
        task = experiment.make_task()
        training, state = trainer(experiment, task), fresh_state(experiment)
        arrays: dict[str, Any] = {"checkpoints": np.array(CHECKPOINTS)}
        arrays |= in_published_order(state.network, 0)
        rows: dict[str, list[Any]] = {
            name: [] for name in ("X", "S", "mask", "observer", "loss", "prediction_after_step")
        }
        for step in range(STEPS):
            trials = task.sample(jr.fold_in(training.key, step), experiment.batch_size)
            state, chunk = training.advance(state, 1)
            outputs, _ = state.network(trials.inputs, trials.mask if task.skips_steps else None)
            rows["X"].append(np.asarray(trials.inputs).astype(np.uint8))
            rows["S"].append(np.asarray(trials.targets)[:, 0, 0])
            rows["mask"].append(np.asarray(trials.mask))
            rows["observer"].append(np.asarray(task.ideal_observer(trials)).reshape(-1))
            rows["loss"].append(float(chunk.losses[0]))
            rows["prediction_after_step"].append(np.asarray(outputs)[:, experiment.readout_step, 0])
            if step + 1 in CHECKPOINTS:
                arrays |= in_published_order(state.network, step + 1)
        if not task.skips_steps:
            del rows["mask"]
        return arrays | {name: np.array(values) for name, values in rows.items()}


def in_published_order(network: Any, step: int) -> dict[str, np.ndarray]:
    """Return a network's parameters by number; the GRU's gates are update, reset, candidate there, not as here."""
    cell = network.cell
    if cell.model != "gru":
        names = ("W_in", "b_in", "W_rec", "b_rec")
        return {f"{name}_{step}": np.asarray(getattr(cell, name)) for name in names} | {
            f"W_out_{step}": np.asarray(network.W_out),
            f"b_out_{step}": np.asarray(network.b_out),
        }
    n_hidden = len(cell.W_rec)
    blocks = [slice(start * n_hidden, (start + 1) * n_hidden) for start in (1, 0, 2)]
    arrays = [array[..., block] for block in blocks for array in (cell.W_in, cell.W_rec, cell.b_in)]
    return {f"p{i}_{step}": np.asarray(a) for i, a in enumerate([*arrays, network.W_out, network.b_out])}


OWN_TRAJECTORIES = {
    "trajectory_basic_DE1_model3": ("DE1", "basic", "gru"),
    "trajectory_tethered_2AFC_model2": ("2AFC", "tethered", "orthogonal"),
    "trajectory_vardelay_COMP_model0": ("COMP", "variable_delay", "relu"),
    "trajectory_basic_DE1_model1": ("DE1", "basic", "fast_weights"),
}


@pytest.mark.parametrize("name", OWN_TRAJECTORIES)
@pytest.mark.thorough
def test_a_trajectory_of_any_model_and_task_is_read_and_followed(tmp_path: Path, name: str) -> None:
    arrays = trajectory_of_ours(*OWN_TRAJECTORIES[name])
    saved(tmp_path, f"{name}.npz", **arrays)
    found = cases(reference_files(tmp_path))
    assert not [case.reason for case in found if case.reason]
    in_double = {case.quantity: case for case in found if case.precision == "float64"}
    assert len(in_double) == 3 + (11 if "model3" in name else 6)
    wrong = {
        quantity: str(check)
        for quantity, case in in_double.items()
        for check in case.checks()
        if not check.deviation <= check.allowed
    }
    assert not wrong


@pytest.mark.thorough
def test_a_wrong_number_on_a_trajectory_is_found(tmp_path: Path) -> None:
    arrays = trajectory_of_ours("DE1", "basic", "gru")
    for quantity, array in {"W_hid_u": "p1_5", "b_c": "p8_5", "loss": "loss", "observer": "observer"}.items():
        changed = {name: values.copy() for name, values in arrays.items()}
        changed[array].flat[-1] += 1e-8 * np.abs(changed[array]).max()
        (tmp_path / quantity).mkdir()
        saved(tmp_path / quantity, "trajectory_basic_DE1_model3.npz", **changed)
        in_double = [case for case in cases(reference_files(tmp_path / quantity)) if case.precision == "float64"]
        found = {case.quantity for case in in_double if any(check.deviation > check.allowed for check in case.checks())}
        assert found == {quantity}


def test_undefined_numbers_must_agree_in_place_and_kind() -> None:
    assert deviation([np.nan, 1.0, np.inf], [np.nan, 1.0, np.inf]) == 0
    assert deviation([1.0, np.nan], [np.nan, 1.0]) == np.inf
    assert deviation([-np.inf], [np.inf]) == np.inf
    assert deviation([np.nan], [1.0]) == np.inf


def pytest_with(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        str(Path(__file__).parent),
        *arguments,
    ]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.thorough
def test_the_option_compares_with_another_folder(tmp_path: Path) -> None:
    (tmp_path / "task_basic_DE1.npz").symlink_to(DATA / "task_basic_DE1.npz")
    saved(tmp_path, "rates.npz", x=0)
    done = pytest_with("--reference-data", str(tmp_path), "-k", "published_code and rates", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[task_basic_DE1-rates-float32] PASSED" in done.stdout
    assert "SKIPPED" in done.stdout
    assert "rates.npz: unknown file name" in done.stdout
    assert "train_basic" not in done.stdout


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_folder_without_files_is_a_usage_error(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "missing" if what == "missing" else tmp_path
    done = pytest_with("--reference-data", str(folder))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--reference-data: there is no" in done.stderr
    assert str(folder) in done.stderr
