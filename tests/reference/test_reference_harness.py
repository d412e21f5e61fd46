"""The comparison itself: every file has cases, a wrong number is found, and nothing is left out in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

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
