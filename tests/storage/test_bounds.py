"""Files of gigabytes, most of which were never written, are refused before they fill the memory."""

from __future__ import annotations

import io
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from scipy.io import savemat

from recurrent_memory import storage
from recurrent_memory.compat import load_mat
from recurrent_memory.errors import InputError
from recurrent_memory.storage.bounds import used
from recurrent_memory.storage.reading import check_holes, read_json
from recurrent_memory.sweeps import Failure, Store, load

LONG = 2**33
MOST_SECONDS, MOST_MEMORY = 10.0, 2**30
Make = Callable[[Path], object]


def nothing(path: Path) -> None:
    path.touch()


def signature(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 100)


def dataset(path: Path) -> None:
    """An HDF5 file with an array of 8 GB, of which nothing was ever written."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((LONG // 8,))
        h5py.h5d.create(file.id, b"activity", h5py.h5t.NATIVE_DOUBLE, space, how)


def arrays(path: Path) -> None:
    about = {"W_rec": {"dtype": "F64", "shape": [LONG // 8], "data_offsets": [0, LONG]}}
    header = json.dumps({**about, "__metadata__": {"notes": "{}"}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + LONG)


def long_header(path: Path) -> None:
    path.write_bytes((90_000_000).to_bytes(8, "little") + b"{")


def matlab(path: Path) -> None:
    savemat(path, {"hidResps": np.ones(3)})


def read_failure(path: Path) -> None:
    store = Store(path.parent / "store")
    store.fail("0" * 20, Failure("error", "", None, {}))
    path.rename(store.file("0" * 20, ".json"))
    store.failure("0" * 20)


@pytest.mark.parametrize(
    ("make", "read"),
    [
        *((make, storage.load_dataset) for make in (nothing, signature, dataset)),
        *((make, storage.load_arrays) for make in (nothing, arrays, long_header)),
        *((make, storage.load_notes) for make in (nothing, long_header)),
        *((make, load_mat) for make in (nothing, matlab, dataset)),
        *((nothing, read) for read in (read_json, load, read_failure)),
    ],
)
def test_a_file_that_is_mostly_a_hole_is_refused(make: Make, read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "long"
    make(path)
    if path.stat().st_size < LONG:
        os.truncate(path, LONG)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(InputError, match="damaged"):
        read(path)
    assert time.monotonic() - started < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY


def test_what_follows_the_end_of_a_result_is_not_read(tmp_path: Path) -> None:
    path, kept = tmp_path / "result.nc", xr.Dataset({"loss": ("iteration", np.arange(2000.0))})
    storage.save_dataset(path, kept)
    content = path.read_bytes()
    of_hdf5 = used(content[:64])
    assert 0 < len(content) - of_hdf5 < 100  # what says that it is as it was written
    whole = h5py.File(io.BytesIO(content[:of_hdf5]))
    assert list(whole["loss"]) == list(range(2000))
    os.truncate(path, LONG)
    xr.testing.assert_equal(storage.load_dataset(path), kept)


def test_a_grid_of_many_texts_beside_long_curves_is_no_damage(tmp_path: Path) -> None:
    """Each text might be as long as the file; together they are short."""
    rng = np.random.default_rng(0)
    texts = np.full((2, 5, 20, 15), "finished", object)
    kept = xr.Dataset({"status": (("task", "lambda0", "sigma0", "seed"), texts), "loss": ("x", rng.random(250_000))})
    storage.save_dataset(tmp_path / "sweep.nc", kept)
    xr.testing.assert_equal(storage.load_dataset(tmp_path / "sweep.nc"), kept)


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
def test_the_end_is_found_in_all_versions_of_the_format(libver: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w", libver=libver) as file:
        file["a"] = np.arange(99)
    content = (tmp_path / "file.h5").read_bytes()
    assert used(content[:64]) == len(content)


def test_holes_that_memory_can_take_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.seek(2**28)
        file.write(b"x" * 2**20)
    check_holes(path)
