"""What holds for each way to run: one thread for NumPy, and callbacks and times that can be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import recurrent_memory as rm
from recurrent_memory.errors import DamagedResultError, UnreadableFileError
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.sweeps import Network, Store, execute, identity
from small import small_experiment


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_one_thread_while_networks_run(tmp_path: Path) -> None:
    seen: list[set[int]] = []
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        every = [small_experiment(seed=seed) for seed in (1, 2, 3)]
        rm.run(every[0], on_progress=lambda _: seen.append(blas_threads()))
        rm.run_many(every, on_progress=lambda _: seen.append(blas_threads()))
        networks = [Network(experiment, {}, identity(experiment)) for experiment in every]
        execute(networks, Store(tmp_path), (), on_progress=lambda _: seen.append(blas_threads()))
        assert len(seen) > 10
        assert all(threads == {1} for threads in seen)
        assert blas_threads() == {2}


WRONG: list[tuple[str, dict[str, Any]]] = [
    *(
        (way, wrong)
        for way in ("run", "run_many", "execute")
        for wrong in ({"on_progress": 5}, {"on_message": "print"}, {"should_stop": True})
    ),
    *((way, {"checkpoint_every": wrong}) for way in ("run", "run_many") for wrong in (0, "5", 2.5, True)),
    *((way, {"checkpoint_after": wrong}) for way in ("run_many", "execute") for wrong in (-1.0, "60", float("nan"))),
    *((way, wrong) for way in ("run_many", "execute") for wrong in ({"at_once": 2.5}, {"batched": "yes"})),
    *(("sequentiality_index", wrong) for wrong in ({"min_rate": "0.1"}, {"n_bins": 2.5}, {"window": "5"})),
]


def test_what_cannot_be_used_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """In a process of its own, in which types are not checked, as they are in tests."""
    code = f"""
import sys; sys.path[:0] = ["tests"]
import numpy as np
import recurrent_memory as rm
from recurrent_memory.sweeps import Network, Store, execute, identity
from small import small_experiment
experiment, nan = small_experiment(), float("nan")
ways = {{
    "run": lambda **wrong: rm.run(experiment, **wrong),
    "run_many": lambda **wrong: rm.run_many([experiment], **wrong),
    "execute": lambda **wrong: execute([Network(experiment, {{}}, identity(experiment))], Store("store"), (), **wrong),
    "sequentiality_index": lambda **wrong: rm.analysis.sequentiality_index(np.ones((2, 30, 3)), **wrong),
}}
for way, wrong in {WRONG}:
    try:
        print(ways[way](**wrong))
    except rm.InputError as error:
        assert f"`{{list(wrong)[0]}}`" in str(error), error
        print("refused")
"""
    code = code.replace('"store"', repr(str(tmp_path)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n") == ["refused"] * len(WRONG) + [""], done.stderr


def a_folder(path: Path) -> None:
    path.mkdir()


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [a_folder, os.mkfifo, a_link_to_nothing])
def test_what_is_no_result_is_not_trained_over(make: Callable[[Path], None], tmp_path: Path) -> None:
    experiment, place = small_experiment(), RunFolder(tmp_path / "run")
    place.describe(experiment)
    make(place / "result.nc")
    with pytest.raises((DamagedResultError, UnreadableFileError), match=r"result.nc"):
        rm.run(experiment, place.path)
