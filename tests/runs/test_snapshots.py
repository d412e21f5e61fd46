"""Weights and measures during training are those of a training that ends there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import Experiment
from recurrent_memory.loading import load
from recurrent_memory.runs.further import train
from recurrent_memory.runs.many import run_many
from recurrent_memory.runs.run import run
from recurrent_memory.runs.start import initial_network
from recurrent_memory.sweeps import Part, Store, Sweep, collect, execute, networks
from small import SMALL, small_experiment, stops_after

NUMBERS = (0, 5, 12)
PARTS: tuple[Part, ...] = ("weights",)


def with_snapshots(**changes: Any) -> Experiment:
    return small_experiment(snapshots=NUMBERS, **changes)


@pytest.fixture(scope="module")
def undisturbed() -> xr.Dataset:
    return run(with_snapshots())


def test_each_is_the_network_of_a_training_that_ends_there(undisturbed: xr.Dataset) -> None:
    assert undisturbed["snapshot"].values.tolist() == list(NUMBERS)
    first = initial_network(with_snapshots()).cell.recurrent_weights()
    np.testing.assert_array_equal(undisturbed["snapshot_W_rec"].sel(snapshot=0), first)
    for number in NUMBERS[1:]:
        alone, snapshot = run(small_experiment(iterations=number)), undisturbed.sel(snapshot=number)
        np.testing.assert_array_equal(snapshot["snapshot_W_rec"], alone["recurrent_weights"])
        for name in ("fractional_loss", "fractional_loss_exact", "test_loss", "sequentiality_index", "n_active_units"):
            assert snapshot[f"snapshot_{name}"].item() == alone[name].item(), name
            assert snapshot[f"snapshot_{name}"].attrs["long_name"] == alone[name].attrs["long_name"]


def test_they_change_nothing_else(undisturbed: xr.Dataset) -> None:
    without = run(small_experiment())
    rest = undisturbed[[*without.data_vars]].drop_vars("snapshot", errors="ignore")
    xr.testing.assert_identical(rest.drop_attrs(deep=False), without.drop_attrs(deep=False))


@pytest.mark.parametrize("after", [1, 4, 7])
@pytest.mark.sampled(3)
def test_an_interrupted_run_keeps_them(after: int, undisturbed: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(with_snapshots(), tmp_path / "run", should_stop=stops_after(after), checkpoint_every=2)
    assert run(with_snapshots(), tmp_path / "run").identical(undisturbed)


@pytest.mark.thorough
def test_networks_in_one_program_keep_theirs(undisturbed: xr.Dataset) -> None:
    (found, _) = run_many([with_snapshots(), with_snapshots(seed=3)], batched=True)
    assert found["snapshot"].equals(undisturbed["snapshot"])
    np.testing.assert_allclose(found["snapshot_W_rec"], undisturbed["snapshot_W_rec"], atol=1e-2)


def test_they_can_be_loaded(undisturbed: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(with_snapshots(), tmp_path / "run", should_stop=stops_after(7), checkpoint_every=2)
    assert load(tmp_path / "run", snapshot=0).iterations_done == 0  # while training goes on
    run(with_snapshots(), tmp_path / "run")
    for number in NUMBERS:
        net = load(tmp_path / "run", snapshot=number)
        assert net.iterations_done == number
        np.testing.assert_array_equal(net.weights["W_in"], undisturbed["snapshot_W_in"].sel(snapshot=number))
    assert net.test().fractional_loss == undisturbed["fractional_loss"]
    assert train(load(tmp_path / "run", snapshot=5), iterations=2).iterations_done == 7
    with pytest.raises(InputError, match="has no snapshot after 4 iterations; it has: 0, 5, 12"):
        load(tmp_path / "run", snapshot=4)
    with pytest.raises(InputError, match="`snapshot` = True is not a number of iterations"):
        load(tmp_path / "run", snapshot=True)


def test_a_snapshot_after_the_last_iteration_is_the_result(undisturbed: xr.Dataset) -> None:
    last = undisturbed.sel(snapshot=12)
    numbers = [str(name) for name in undisturbed.data_vars if f"snapshot_{name}" in undisturbed.data_vars]
    assert {"fractional_loss", "sequentiality_index"} <= {*numbers}
    assert "snapshot_iterations_done" not in undisturbed
    for name in numbers:
        np.testing.assert_array_equal(last[f"snapshot_{name}"], undisturbed[name])


def test_those_after_the_end_of_training_do_not_exist() -> None:
    early = run(small_experiment(iterations=300, stop_at=1e6, snapshots=(100, 300)))
    assert early["snapshot"].values.tolist() == [100]


def test_a_sweep_collects_them(tmp_path: Path) -> None:
    options = small_experiment().task_options
    settings = {**SMALL, "task": "de1", "task_options": options, "snapshots": [5, 12]}
    every, store = networks(Sweep(experiment=settings, axes=({"seed": (0, 1)},))), Store(tmp_path / "store")
    assert execute(every, store, PARTS).finished == 2
    found = collect(every, store)
    assert found["snapshot_sequentiality_index"].dims == ("seed", "snapshot")
    alone = run(small_experiment(snapshots=(5, 12), seed=1))
    of_one = found.sel(seed=1)
    for name in ("snapshot_sequentiality_index", "snapshot_fractional_loss"):
        np.testing.assert_array_equal(of_one[name], alone[name])
    record = store.read_all(every[1].identity)
    assert any(name.endswith("snapshot_W_rec") for name in record[1])
    file = tmp_path / "sweep.toml"
    values = "\n".join(f"{name} = {value!r}" for name, value in settings.items() if name != "task_options")
    inner = "\n".join(f"{name} = {value}" for name, value in options.items())
    file.write_text(
        f'store = "store"\n[experiment]\n{values}\n[experiment.task_options]\n{inner}\n[axes]\nseed = [0, 1]\n'
    )
    net = load(file, "seed == 1", snapshot=5)
    np.testing.assert_array_equal(net.weights["W_in"], alone["snapshot_W_in"].sel(snapshot=5))
    assert net.iterations_done == 5
    with pytest.raises(InputError, match=r"seed = 1 of .* has no snapshot after 6 iterations; it has: 5, 12"):
        load(file, "seed == 1", snapshot=6)


@pytest.mark.parametrize("snapshots", [(13,), (-1,), (0.5,), ("late",)])
def test_numbers_outside_the_training_are_refused(snapshots: Any) -> None:
    with pytest.raises(InputError, match="`snapshots"):
        small_experiment(snapshots=snapshots)


def test_their_order_does_not_count() -> None:
    assert small_experiment(snapshots=[5, 0, 5]) == small_experiment(snapshots=(0, 5))
