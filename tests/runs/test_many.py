"""Many networks in one call give what each gives alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import recurrent_memory as rm
from recurrent_memory import kernel as compiled
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs import resources
from recurrent_memory.runs.many import ManyProgress, run_many
from recurrent_memory.runs.pool import plan
from recurrent_memory.runs.resources import result_bytes
from recurrent_memory.runs.run import run
from recurrent_memory.runs.start import fresh_state, trainer
from recurrent_memory.training import Member
from small import small_experiment, stops_after

MANY = [
    small_experiment(seed=1),
    small_experiment(seed=2, lambda0=0.8, sigma0=0.5, rho=1e-4, learning_rate=1e-3, activity_penalty=0.1),
    small_experiment(seed=3, condition="variable_delay", task_options={"delays": (3, 10)}),
    small_experiment(seed=4, iterations=7),
    small_experiment(seed=5, task="2afc", curriculum=("cd1", "2afc")),
]


@pytest.fixture(scope="module")
def alone() -> list[xr.Dataset]:
    return [run(experiment) for experiment in MANY]


@pytest.fixture(scope="module")
def alone_in_double_precision() -> list[xr.Dataset]:
    with jax.enable_x64(True):
        return [run(experiment) for experiment in MANY]


def close(one: xr.Dataset, other: xr.Dataset) -> None:
    """Compare results in double precision: in single, Adam makes whole steps of a rounding error near 0."""
    assert set(one) == set(other)
    for name in ("training_loss", "recurrent_weights", "outputs", "fractional_loss", "sequentiality_index_exact"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)
    assert one.attrs == other.attrs


@pytest.mark.parametrize("at_once", [None, 1, 3])
@pytest.mark.sampled(3)
def test_on_threads_each_is_what_it_is_alone_bit_for_bit(at_once: int | None, alone: list[xr.Dataset]) -> None:
    order = np.random.default_rng(at_once or 0).permutation(len(MANY))
    found = run_many([MANY[i] for i in order], at_once=at_once, batched=False)
    for place, i in enumerate(order):
        xr.testing.assert_identical(found[place], alone[i])


@pytest.mark.thorough
def test_batched_each_is_what_it_is_alone_but_for_rounding(
    x64: None, alone_in_double_precision: list[xr.Dataset]
) -> None:
    for found, expected in zip(run_many(MANY, batched=True), alone_in_double_precision, strict=True):
        close(found, expected)


@pytest.mark.thorough
def test_batched_in_parts_and_other_company_is_the_same(x64: None, alone_in_double_precision: list[xr.Dataset]) -> None:
    numbers = [3, 0]
    for found, number in zip(run_many([MANY[i] for i in numbers], batched=True, at_once=1), numbers, strict=True):
        close(found, alone_in_double_precision[number])


def test_a_network_that_diverges_does_not_disturb_the_others(alone: list[xr.Dataset]) -> None:
    one, broken, other = run_many([MANY[0], small_experiment(seed=9, lambda0=1e30), MANY[1]], batched=False)
    assert broken.attrs["status"] == "diverged"
    xr.testing.assert_identical(one, alone[0])
    xr.testing.assert_identical(other, alone[1])


def test_a_network_that_diverges_does_not_disturb_the_others_in_its_batch(
    x64: None, alone_in_double_precision: list[xr.Dataset]
) -> None:
    wild = small_experiment(seed=9, lambda0=1e300)
    lines: list[str] = []
    one, broken, other = run_many([MANY[0], wild, MANY[1]], batched=True, on_message=lines.append)
    assert broken.attrs["status"] == "diverged"
    assert "fractional_loss" not in broken
    assert broken.sizes["iteration"] < wild.iterations
    assert any("diverged" in line for line in lines)
    for found, expected in zip((one, other), alone_in_double_precision, strict=False):
        assert found.attrs["status"] == "finished"
        close(found, expected)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.sampled(2)
def test_interrupted_it_goes_on_to_the_same_end(
    batched: bool, tmp_path: Path, alone: list[xr.Dataset], alone_in_double_precision: list[xr.Dataset]
) -> None:
    with jax.enable_x64(batched):
        check_interrupted(batched, tmp_path, alone_in_double_precision if batched else alone)


def check_interrupted(batched: bool, tmp_path: Path, alone: list[xr.Dataset]) -> None:
    numbers = [0, 1, 4]
    experiments, folders = [MANY[i] for i in numbers], [tmp_path / str(i) for i in numbers]
    for calls in (1, 4):
        with pytest.raises(InterruptedRunError, match="of 3 networks finished"):
            run_many(
                experiments, folders, batched=batched, checkpoint_every=2, should_stop=stops_after(calls), at_once=2
            )
    seen: list[ManyProgress] = []
    found = run_many(experiments, folders, batched=batched, on_progress=seen.append)
    assert seen[-1] == ManyProgress(3, 3, 0, 4 * 12, 4 * 12)
    assert all(now.done <= now.total for now in seen)
    for number, result in zip(numbers, found, strict=True):
        close(result, alone[number])
    again = run_many(experiments, folders, batched=batched)
    for one, other in zip(found, again, strict=True):
        xr.testing.assert_identical(one.load(), other.load())


def test_results_in_folders_are_left_there(tmp_path: Path, alone: list[xr.Dataset]) -> None:
    (found,) = run_many(MANY[:1], [tmp_path / "run"], batched=False)
    assert not found["activity"].variable._in_memory
    xr.testing.assert_identical(found.load(), alone[0])
    assert result_bytes(MANY[0]) == pytest.approx(alone[0].nbytes, rel=0.5)


def test_results_that_would_not_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "SHARE_OF_MEMORY", 1e-9)
    with pytest.raises(InputError, match=r"5 networks take about .* of memory are free. Give `folders`"):
        run_many(MANY)


def test_an_error_on_the_way_stops_the_others_and_is_raised() -> None:
    def full_disk(now: ManyProgress) -> None:
        if now.done:
            raise OSError(28, "No space left on device")

    many = [small_experiment(seed=seed, iterations=100_000) for seed in range(4)]
    with pytest.raises(OSError, match="No space left"):
        run_many(many, on_progress=full_disk, batched=False)


def test_threads_of_the_kernel_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    monkeypatch.setattr(compiled, "limit_threads", limits.append)
    monkeypatch.setattr(resources, "cores", lambda: 4)
    run_many([small_experiment(seed=i, iterations=1, test_batches=1) for i in range(3)], at_once=2, batched=False)
    assert limits == [2, 2, 4, 4, 0]


def test_the_plan_groups_what_shares_a_program_and_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 3)
    made = plan(MANY)
    assert made.groups == ((0, 1, 3), (2,), (4,))
    assert (made.at_once, made.batched) == (3, False)
    assert str(made).startswith("5 networks in 3 groups of equal shape, 3 at once, each on a core of its own; about")
    assert plan(MANY, batched=True).at_once == 3
    assert plan(MANY[:2], batched=True).at_once == 2
    monkeypatch.setattr(resources, "free_memory", lambda **_: 2.6 * made.bytes_each)
    assert plan(MANY).at_once == 2
    assert plan(MANY[:1], batched=True).groups == ((0,),)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"folders": ["a"]}, "2 experiments and 1 folders"),
        ({"folders": ["a", "./a"]}, "named twice"),
        ({"at_once": 0}, "`at_once` = 0"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    given: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        run_many(MANY[:2], **given)
    assert not list(tmp_path.iterdir())


def test_nothing_to_do() -> None:
    assert rm.run_many([]) == []


def members(experiments: list[Experiment]) -> list[Member]:
    return [Member(trainer(e, e.make_task()), fresh_state(e)) for e in experiments]


SHARDED = """
import sys; sys.path[:0] = ["tests", "tests/runs"]
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 3)
jax.config.update("jax_enable_x64", True)
from test_many import MANY, members
from recurrent_memory.training import Ensemble
assert jax.local_device_count() == 3
group = [MANY[i] for i in (0, 1, 3, 0)]
ends = []
for devices in (jax.local_devices()[:1], jax.local_devices()[:2], None):
    ensemble = Ensemble(members(group), devices)
    chunks, _ = ensemble.advance(6)
    ends.append([(chunk.losses, ensemble.member(i).state.network.cell.W_rec) for i, chunk in enumerate(chunks)])
for other in ends[1:]:
    for (losses, weights), (expected, of_weights) in zip(other, ends[0], strict=True):
        np.testing.assert_allclose(losses, expected, rtol=1e-9)
        np.testing.assert_allclose(weights, of_weights, rtol=1e-7, atol=1e-12)
"""


@pytest.mark.thorough
def test_sharded_over_several_devices_is_the_same() -> None:
    subprocess.run([sys.executable, "-c", SHARDED], check=True, timeout=300)
