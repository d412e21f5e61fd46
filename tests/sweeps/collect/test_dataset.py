"""One labelled data set of a sweep, whatever its networks have in common."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import recurrent_memory as rm
from recurrent_memory import storage
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import FOLLOWING
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.session import Watch
from recurrent_memory.runs.testing import recorded
from recurrent_memory.sweeps import (
    Failure,
    Network,
    Part,
    Store,
    Sweep,
    collect,
    collect_to,
    execute,
    expand,
    identity,
    networks,
    replay,
    select,
    table,
)
from recurrent_memory.sweeps.store.layout import RESULT
from small import small_experiment, stops_after

CURVES: tuple[Part, ...] = ("curves",)
SMALL = {name: value for name, value in small_experiment() if name not in ("task", "seed", "curriculum", *FOLLOWING)}


def sweep_of(*axes: dict[str, tuple[Any, ...]], **more: Any) -> Sweep:
    base = {name: value for name, value in SMALL.items() if not any(name in axis for axis in axes)}
    return Sweep(experiment={**base, "test_batches": 3} | more, axes=axes)


def made_up(of: Sequence[Network], store: Store) -> None:
    """Publish results that say which network they are of."""
    store.prepare()
    for number, network in enumerate(of):
        result = xr.Dataset({"fractional_loss": ((), number / 10, {"units": "1"}), "solved": ((), number < 5)})
        described = network.experiment.model_dump(mode="json")
        store.publish(network.identity, described, result, {}, (), {"host": f"h{number}", "training_seconds": 1.5})


def test_complete_grids_have_their_axes_as_dimensions(tmp_path: Path) -> None:
    sweep = sweep_of({"lambda0": (0.8, 0.9)}, {"seed": (3, 1, 2)}, task="de1")
    every, store = networks(sweep), Store(tmp_path / "store")
    made_up(every, store)
    found = collect(every, store)
    assert dict(found["fractional_loss"].sizes) == {"lambda0": 2, "seed": 3}
    assert found["fractional_loss"].attrs["units"] == "1"
    assert list(found["seed"].values) == [3, 1, 2]
    for number, network in enumerate(every):
        of = found.sel(network.point)
        assert float(of["fractional_loss"]) == number / 10
        assert (str(of["host"].values), float(of["training_seconds"])) == (f"h{number}", 1.5)
        assert str(of["identity"].values) == network.identity
    assert found["n_hidden"].item() == SMALL["n_hidden"]  # shared fields are coordinates as well
    assert "self-connection" in found["lambda0"].attrs["long_name"]
    assert set(rm.Experiment.model_fields) <= set(found.coords)


def test_what_is_zipped_goes_along_one_dimension(tmp_path: Path) -> None:
    sweep = sweep_of({"batch_size": (10, 20), "learning_rate": (1e-3, 2e-3)}, {"seed": (0, 1)}, task="de1")
    every, store = networks(sweep), Store(tmp_path / "store")
    made_up(every, store)
    found = collect(every, store)
    assert dict(found["fractional_loss"].sizes) == {"batch_size": 2, "seed": 2}
    assert found["learning_rate"].dims == ("batch_size",)
    assert list(found["learning_rate"].values) == [1e-3, 2e-3]


def test_settings_that_are_lists_can_be_axes(tmp_path: Path) -> None:
    axes = {"task_options.delays": ([2, 3], [1, 2, 4])}, {"seed": (0, 1)}
    every, store = networks(sweep_of(*axes, task="vde1", condition="variable_delay")), Store(tmp_path / "store")
    made_up(every, store)
    found = collect(every, store)
    assert dict(found["fractional_loss"].sizes) == {"task_options.delays": 2, "seed": 2}
    assert list(found["task_options.delays"].values) == ["[2, 3]", "[1, 2, 4]"]


def test_incomplete_grids_have_a_row_for_each_network(tmp_path: Path) -> None:
    sweep = sweep_of({"task": ("de1", "cd1")}, {"lambda0": (0.8, 0.9)})
    sweep = Sweep(experiment=sweep.experiment, axes=sweep.axes, exclude=("task == 'cd1' and lambda0 > 0.85",))
    every, store = networks(sweep), Store(tmp_path / "store")
    made_up(every, store)
    found = collect(every, store)
    assert dict(found["fractional_loss"].sizes) == {"network": 3}
    assert list(found["task"].values) == ["de1", "de1", "cd1"]
    assert list(found["lambda0"].values) == [0.8, 0.9, 0.8]


def test_the_status_says_what_is_missing(tmp_path: Path) -> None:
    every, store = networks(sweep_of({"seed": tuple(range(5))}, task="de1")), Store(tmp_path / "store")
    made_up(every[:2], store)
    store.fail(every[2].identity, Failure("diverged", "not finite", 7, {}))
    (damaged,) = (store.path / "networks").rglob(f"{every[1].identity}*")
    damaged.write_bytes(damaged.read_bytes()[:40])
    lines: list[str] = []
    found = collect(every, store, on_message=lines.append)
    assert list(found["status"].values) == ["finished", "damaged", "diverged", "left", "left"]
    assert list(found["fractional_loss"].isnull().values) == [False, True, True, True, True]
    assert list(found["solved"].values[:1]) == [1.0]
    assert list(found["host"].values) == ["h0", "", "", "", ""]
    assert len(lines) == 1
    assert "damaged" in lines[0]
    storage.save_dataset(tmp_path / "found.nc", found)
    with xr.open_dataset(tmp_path / "found.nc") as opened:
        assert list(opened["status"].values) == list(found["status"].values)
        np.testing.assert_array_equal(opened["fractional_loss"], found["fractional_loss"])
    assert set(collect(every, Store(tmp_path / "nothing"))["status"].values) == {"left"}


def test_networks_after_one_that_does_not_agree_keep_their_own_labels(tmp_path: Path) -> None:
    every, store = networks(sweep_of({"seed": tuple(range(4))}, task="de1")), Store(tmp_path / "store")
    store.prepare()
    for network, dim, labels in zip(
        every, ("place", "else", "place", "place"), ([1, 2], [1, 2], [2, 3], [1, 2]), strict=True
    ):
        result = xr.Dataset({"own": (dim, [10.0 * label for label in labels])}, coords={dim: labels})
        store.publish(network.identity, network.experiment.model_dump(mode="json"), result, {}, (), {"host": "here"})
    lines: list[str] = []
    found = collect(every, store, on_message=lines.append)
    assert list(found["status"].values) == ["finished", "damaged", "finished", "finished"]
    assert len(lines) == 1
    nan = np.nan
    values = found["own"].sel(place=[1, 2, 3]).values
    np.testing.assert_array_equal(values, [[10, 20, nan], [nan, nan, nan], [nan, 20, 30], [10, 20, nan]])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Network], Store]:
    """Networks with measures of different dimensions: delays that vary in two ways, and a curriculum."""
    options = small_experiment().task_options
    shared = {**SMALL, "test_batches": 3}
    found: list[Network] = []
    for changes in (
        {"task": "de1"},
        {"task": "de1", "condition": "variable_delay", "task_options": {**options, "delays": (2, 6, 10)}},
        {"task": "de1", "condition": "variable_delay", "task_options": {**options, "delays": (4, 10)}},
        {"curriculum": ("cd1", "de1")},
    ):
        experiment = rm.Experiment(**{**shared, **changes})
        found.append(Network(experiment, {}, identity(experiment)))
    store = Store(tmp_path_factory.mktemp("mixed") / "store")
    execute(found, store, ("curves", "weights"))
    return found, store


def test_measures_with_dimensions_of_their_own_are_aligned(mixed: tuple[list[Network], Store]) -> None:
    every, store = mixed
    found = collect(every, store)
    assert set(found["status"].values) == {"finished"}
    by_delay = found["delay_fractional_loss"]
    assert by_delay.dims == (found["status"].dims[0], "delay")
    for number, network in enumerate(every):
        own = store.dataset(network.identity)
        row = by_delay.isel({by_delay.dims[0]: number})
        if "delay" not in own.dims:
            assert bool(row.isnull().all())
            continue
        np.testing.assert_array_equal(row.sel(delay=own["delay"].values), own["delay_fractional_loss"])
        assert int(row.notnull().sum()) == int(own["delay_fractional_loss"].notnull().sum())
    assert list(found["stage_task"].isel({by_delay.dims[0]: -1}).values) == ["cd1", "de1"]


@pytest.mark.thorough
def test_a_replayed_network_is_the_run_it_would_have_been(mixed: tuple[list[Network], Store], tmp_path: Path) -> None:
    every, store = mixed
    for number, network in enumerate(every):
        lines: list[str] = []
        place = RunFolder(tmp_path / str(number))
        assert replay(network, store, place)
        assert not lines
        whole = rm.run(network.experiment)
        again = storage.load_dataset(place / "result.nc")
        xr.testing.assert_identical(again, storage_round_trip(whole, tmp_path / f"{number}.nc"))
        assert replay(network, store, place.path)  # a finished one is left as it is
        xr.testing.assert_equal(
            recorded(network.experiment, store.network(network.identity, place_network(network)))["activity"],
            whole["activity"],
        )


def test_a_network_without_weights_is_trained_again(tmp_path: Path) -> None:
    (network,) = networks(sweep_of({"seed": (5,)}, task="de1"))
    store, place = Store(tmp_path / "store"), RunFolder(tmp_path / "run")
    execute([network], store, ())
    with pytest.raises(InterruptedRunError) as stopped:
        replay(network, store, place, Watch(should_stop=stops_after(1)))
    assert str(stopped.value) == f"Stopped; the state is kept in {place.path}."
    assert not replay(network, store, place)
    assert place.finished


def place_network(network: Network) -> Any:
    from recurrent_memory.runs.start import initial_network

    return initial_network(network.experiment)


@pytest.mark.thorough
def test_curves_and_activity_are_written_one_network_at_a_time(tmp_path: Path) -> None:
    sweep = sweep_of({"iterations": (8, 12)}, {"seed": (0, 1, 2)}, task="de1")
    every, store = networks(sweep), Store(tmp_path / "store")
    execute(every[:-1], store, ("curves", "activity"))
    path, told = tmp_path / "sweep.nc", []
    made = collect_to(path, every, store, ["curves", "activity"], on_progress=lambda *now: told.append(now))
    assert made == ({"finished": 5, "left": 1}, {"iterations": 2, "seed": 3})
    measures = collect(every, store)
    assert told[-1] == (12, 12)
    found = storage.load_dataset(path)
    xr.testing.assert_identical(
        found[list(measures)].drop_vars(set(found.coords) - set(measures.coords), errors="ignore"), measures
    )
    assert found["training_loss"].dims == ("iterations", "seed", "iteration")
    assert found["training_loss"].attrs == store.dataset(every[0].identity)["training_loss"].attrs
    assert list(found["iteration"].values) == list(range(12))
    for network in every[:-1]:
        own, of = store.dataset(network.identity), found.sel(network.point)
        n = network.experiment.iterations
        for name in ("training_loss", "training_fractional_loss", "activity", "mask"):
            filled = of[name].dropna("iteration") if "iteration" in of[name].dims else of[name]
            np.testing.assert_array_equal(filled.values, own[name].values)
        assert of["training_loss"].isnull().sum() == 12 - n
        assert of["epoch"].values.tolist() == own["epoch"].values.tolist()
    missing = found.sel(every[-1].point)
    assert (str(missing["status"].values), bool(missing["training_loss"].notnull().any())) == ("left", False)


def test_networks_are_aligned_by_the_labels_of_their_arrays(tmp_path: Path) -> None:
    every, store = networks(sweep_of({"seed": (0, 1, 2)}, task="de1")), Store(tmp_path / "store")
    store.prepare()
    for network, steps in zip(every, ([4, 2], [3], [2, 3]), strict=True):
        unit = "steps" if len(steps) == 2 else "ms"
        of_step = ("some_iteration", np.array(steps) * 1.5, {"units": unit, "long_name": "curve"})
        result = xr.Dataset({"curve": of_step}, {"some_iteration": steps})
        store.publish(network.identity, network.experiment.model_dump(mode="json"), result, {}, CURVES, {})
    collect_to(tmp_path / "sweep.nc", every, store, ["curves"])
    found = storage.load_dataset(tmp_path / "sweep.nc")["curve"]
    assert found["some_iteration"].values.tolist() == [2, 3, 4]
    np.testing.assert_array_equal(found, [[3, np.nan, 6], [np.nan, 4.5, np.nan], [3, 4.5, np.nan]])
    assert found.attrs == {"long_name": "curve"}


def test_damaged_arrays_are_reported_and_left_out(tmp_path: Path) -> None:
    every, store = networks(sweep_of({"seed": (0, 1)}, task="de1")), Store(tmp_path / "store")
    execute(every, store, CURVES)
    file = store.file(every[1].identity, RESULT)
    content = bytearray(file.read_bytes())
    content[-100] ^= 1  # in the arrays, which come last
    file.write_bytes(content)
    told: list[str] = []
    made = collect_to(tmp_path / "sweep.nc", every, store, ["curves"], on_message=told.append)
    (line,) = told
    assert f"{file} is damaged" in line
    found = storage.load_dataset(tmp_path / "sweep.nc")
    assert found["status"].values.tolist() == ["finished", "damaged"]
    assert made.statuses == {"finished": 1, "damaged": 1}
    assert found["training_loss"].notnull().sum("iteration").values.tolist() == [len(found["iteration"]), 0]
    with pytest.raises(InputError, match=r"weights cannot be collected"):
        collect_to(tmp_path / "other.nc", every, store, ["weights"])


def test_parts_that_networks_have_not_kept_are_reported(tmp_path: Path) -> None:
    every, store = networks(sweep_of({"seed": (0, 1)}, task="de1")), Store(tmp_path / "store")
    execute(every[:1], store, CURVES)
    execute(every[1:], store, ())
    told: list[str] = []
    collect_to(str(tmp_path / "sweep.nc"), every, store, ["curves", "activity"], on_message=told.append)
    assert [line.partition(" finished")[0] for line in told] == ["activity: 2 of 2", "curves: 1 of 2"]
    with pytest.raises(InputError, match=r"no networks"):
        collect([], store)


def storage_round_trip(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    storage.save_dataset(path, dataset)
    return storage.load_dataset(path)


def test_the_table_has_a_row_for_each_network_and_the_fields_first(tmp_path: Path) -> None:
    sweep = sweep_of({"lambda0": (0.8, 0.9)}, {"seed": (0, 1)}, task="de1")
    every, store = networks(sweep), Store(tmp_path / "store")
    made_up(every, store)
    frame = table(collect(every, store))
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 4
    assert list(frame.columns[:2]) == ["lambda0", "seed"]
    assert list(frame["fractional_loss"]) == [0.0, 0.1, 0.2, 0.3]
    assert list(frame["task"]) == ["de1"] * 4
    assert not any(math.isnan(value) for value in frame["training_seconds"])


def test_networks_are_selected_by_a_condition() -> None:
    sweep = sweep_of({"task": ("de1", "cd1")}, {"lambda0": (0.8, 0.9)}, {"seed": (0, 1)})
    every = expand(sweep).networks
    chosen = select(sweep, every, 'task == "DE-1" and lambda0 > 0.85')
    assert [network.point for network in chosen] == [
        {"task": "de1", "lambda0": 0.9, "seed": 0},
        {"task": "de1", "lambda0": 0.9, "seed": 1},
    ]
    assert select(sweep, every, f"n_hidden == {SMALL['n_hidden']}") == list(every)  # a value that all share
    with pytest.raises(InputError, match="no value is given to `sigma`"):
        select(sweep, every, "sigma == 0")


def test_one_experiment_is_in_memory_at_a_time(tmp_path: Path) -> None:
    """An experiment takes kilobytes: those of 100,000 networks would not fit where their measures do."""
    every = networks(Sweep(experiment={"task": "de1"}, axes=({"seed": tuple(range(40))},)))
    built: list[weakref.ref[Any]] = []
    most = []

    class Watched(Sequence[Network]):
        def __len__(self) -> int:
            return len(every)

        def __getitem__(self, at: Any) -> Any:
            network = every[at]
            built.append(weakref.ref(network.experiment))
            most.append(sum(of() is not None for of in built))
            return network

    assert collect(Watched(), Store(tmp_path)).sizes == {"seed": 40}
    assert max(most) <= 4
