"""Data sets and tables written block by block are those that fit into memory, and memory does not grow."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from recurrent_memory import storage
from recurrent_memory.errors import InputError
from recurrent_memory.sweeps import (
    Failure,
    Network,
    Record,
    Store,
    Sweep,
    collect,
    collect_to,
    networks,
    table,
    write_csv,
    write_parquet,
)
from recurrent_memory.sweeps.collect import netcdf as of_streaming
from recurrent_memory.sweeps.collect import tables as of_tables

GRIDS: dict[str, list[dict[str, Any]]] = {
    "axes": [{"task": ("de1", "cd1")}, {"lambda0": (0.8, 0.9, 0.95)}, {"seed": tuple(range(5))}],
    "zip": [{"batch_size": (10, 20, 30), "learning_rate": (1e-3, 2e-3, 4e-3)}, {"stop_at": (None, 0.5)}],
    # What is no number, whole, true or false differs from network to network.
    "incomplete": [
        {"task": ("de1", "cd1")},
        {"separate_clipping": (True, False)},
        {"seed": (3, 1, 2)},
        {"task_options.stim_dur": (20, 25)},
        {"stop_at": (None, 0.5)},
    ],
}


def sweep_of(grid: str) -> Sweep:
    exclude = ("task == 'cd1' and seed == 1",) if grid == "incomplete" else ()
    base = {} if "task" in GRIDS[grid][0] else {"task": "de1"}
    return Sweep(experiment=base, axes=tuple(GRIDS[grid]), exclude=exclude)


def fill(store: Store, every: Sequence[Network]) -> None:
    """Make up results of different measures; some networks have failed, some are left, and one is damaged."""
    store.prepare()
    for number, network in enumerate(every):
        if number % 7 == 3:
            store.fail(network.identity, Failure("diverged", "not finite", 7, {}))
        if number % 7 in (3, 4):
            continue
        delays = [[30, 10], [20], [10, 20]][number % 3]
        unit = "1" if number % 2 else "bit"
        result = xr.Dataset(
            {
                "loss": ((), number / 10, {"units": unit, "long_name": "loss"}),
                "solved": ((), number % 2 == 0),
                "by_delay": ("delay", [number + delay / 100 for delay in delays]),
                "by_epoch": (("delay", "epoch"), [[number + delay, delay] for delay in delays]),
                **({"late": ((), 1.5), "name": ("stage", ["a", "bc"])} if number > 8 else {}),
            },
            {
                "delay": ("delay", delays, {"units": "step", "long_name": str(number % 2)}),
                "epoch": ["delay", "answer"] if number % 2 else ["stimulus", "delay"],
            },
        )
        described = network.experiment.model_dump(mode="json")
        store.publish(network.identity, described, result, {}, (), {"host": f"h{number}", "training_seconds": 1.5})
    (file,) = (store.path / "networks").rglob(f"{every[0].identity}*")
    file.write_bytes(file.read_bytes()[:40])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One store for each grid, filled once."""
    folder = tmp_path_factory.mktemp("stores")
    for grid in GRIDS:
        fill(Store(folder / grid), networks(sweep_of(grid)))
    return {grid: folder / grid for grid in GRIDS}


@pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.sampled(3)
def test_what_is_written_in_blocks_is_what_fits_into_memory(
    grid: str, at_once: int, stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_streaming, "NETWORKS_AT_ONCE", at_once)
    monkeypatch.setattr(of_tables, "NETWORKS_AT_ONCE", at_once)
    every, store = networks(sweep_of(grid)), Store(shutil.copytree(stores[grid], tmp_path / "store"))
    path, told = tmp_path / "sweep.nc", []
    made = collect_to(path, every, store, on_progress=lambda *now: told.append(now))
    whole = collect(every, store)
    assert whole["status"].dims == (("network",) if grid == "incomplete" else tuple(next(iter(a)) for a in GRIDS[grid]))
    assert made.sizes == dict(whole["status"].sizes)
    statuses, counts = np.unique(whole["status"].values.astype(str), return_counts=True)
    assert made.statuses == dict(zip(statuses.tolist(), counts.tolist(), strict=True))
    assert set(statuses) == {"finished", "damaged", "diverged", "left"}
    assert told[-1] == (len(every), len(every))
    found = storage.load_dataset(path)
    xr.testing.assert_identical(found, whole)
    assert {name: of.dtype.kind for name, of in found.coords.items() if of.dtype.kind not in "OU"} == {
        name: of.dtype.kind for name, of in whole.coords.items() if of.dtype.kind not in "OU"
    }
    frame = table(whole)
    write_csv(str(tmp_path / "sweep.csv"), str(path))
    frame.to_csv(tmp_path / "whole.csv", index=False)
    assert (tmp_path / "sweep.csv").read_text() == (tmp_path / "whole.csv").read_text()


@pytest.mark.parametrize("grid", GRIDS)
def test_a_table_is_also_written_as_parquet(
    grid: str, stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_tables, "NETWORKS_AT_ONCE", 4)
    every, store = networks(sweep_of(grid)), Store(shutil.copytree(stores[grid], tmp_path / "store"))
    collect_to(tmp_path / "sweep.nc", every, store)
    write_parquet(tmp_path / "sweep.parquet", tmp_path / "sweep.nc")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "sweep.parquet"), table(collect(every, store)), check_dtype=False
    )


class _AllAlike(Store):
    """A store in which all networks have the same result."""

    record: Record

    def is_finished(self, identity: str) -> bool:
        return True

    def read(self, identity: str) -> Record:
        return self.record


@pytest.mark.thorough
def test_memory_does_not_grow_with_the_number_of_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_streaming, "NETWORKS_AT_ONCE", 100)
    monkeypatch.setattr(of_tables, "NETWORKS_AT_ONCE", 100)
    one, store = networks(sweep_of("axes"))[1:2], _AllAlike(tmp_path / "store")
    fill(Store(store.path), networks(sweep_of("axes"))[:2])
    store.record = Store(store.path).read(one[0].identity)

    def peak(n_seeds: int) -> int:
        lambdas = tuple(np.linspace(0.8, 0.98, 50).tolist())
        axes: Any = {"task": ("de1", "cd1")}, {"lambda0": lambdas}, {"seed": tuple(range(n_seeds))}
        tracemalloc.start()
        try:
            every = networks(Sweep(axes=axes))
            assert len(every) == 100 * n_seeds
            collect_to(tmp_path / "sweep.nc", every, store)
            write_csv(tmp_path / "sweep.csv", tmp_path / "sweep.nc")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # what is kept once, such as compiled expressions
    assert (peak(7) - peak(2)) / 500 < 100  # bytes; a network that is looked at takes more than 1,000


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_table_of_no_file_is_refused(write: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*nothing\.nc"):
        write(tmp_path / "table", tmp_path / "nothing.nc")
    assert not list(tmp_path.iterdir())
