"""Files are whole or not there."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from safetensors import SafetensorError

from recurrent_memory import storage
from recurrent_memory.errors import InputError
from recurrent_memory.runs.run import run
from small import contents, small_experiment

ARRAYS = {"b": np.arange(6.0).reshape(2, 3), "a": np.array(3, np.int32), "c": np.ones(2, np.float32)}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        storage.write_atomically(path, half)
    assert contents(tmp_path) == {"file.txt": b"old"}
    storage.write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert contents(tmp_path) == {"file.txt": b"new"}


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_the_old_file(failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "arrays.safetensors"
    storage.save_arrays(path, ARRAYS, {})
    before = contents(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failing, full)
    with pytest.raises(OSError, match="No space left"):
        storage.save_arrays(path, {"b": np.zeros(1000)}, {})
    monkeypatch.undo()
    assert contents(tmp_path) == before


def test_arrays_come_back_as_they_were_and_equal_contents_give_equal_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    storage.save_arrays(one, ARRAYS, {"x": "1", "y": "λ"})
    storage.save_arrays(other, dict(reversed(ARRAYS.items())), {"y": "λ", "x": "1"})
    assert one.read_bytes() == other.read_bytes()
    arrays, notes = storage.load_arrays(one)
    assert notes == {"x": "1", "y": "λ"}
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_every_flipped_bit_of_the_arrays_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "arrays"
    storage.save_arrays(path, ARRAYS, {})
    whole = path.read_bytes()
    size = sum(array.nbytes for array in ARRAYS.values())
    for place in range(len(whole) - size, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"damaged: its contents do not match its checksum"):
            storage.load_arrays(path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "arrays"
    storage.save_arrays(path, ARRAYS, {})
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged or truncated"):
            storage.load_arrays(path)


@pytest.mark.parametrize("size", [1, 2000])  # one number is stored as it is, many are compressed
def test_a_flipped_bit_of_a_dataset_is_noticed(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.nc"
    storage.save_dataset(path, xr.Dataset({"x": ("a", np.random.default_rng(0).normal(size=size))}))
    with h5py.File(path) as file:
        stored = file["x"].id
        if size == 1:
            start, length = stored.get_offset(), stored.get_storage_size()
        else:
            chunk = stored.get_chunk_info(0)
            start, length = chunk.byte_offset, chunk.size
    whole = path.read_bytes()
    for place in range(start, start + length, 1 + length // 50):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            storage.load_dataset(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for load in (storage.load_arrays, storage.load_dataset):
        with pytest.raises(InputError, match="There is no file"):
            load(tmp_path / "nothing")


def test_dataset_comes_back_identical(tmp_path: Path) -> None:
    dataset = xr.Dataset({"x": (("a", "b"), np.random.default_rng(0).normal(size=(50, 40)))}, attrs={"λ": 1.5})
    storage.save_dataset(tmp_path / "x.nc", dataset)
    assert storage.load_dataset(tmp_path / "x.nc").identical(dataset)


def test_pytrees_keep_names_and_refuse_other_shapes(tmp_path: Path) -> None:
    tree = {"w": jnp.ones((2, 3)), "b": jnp.zeros(3)}
    arrays = storage.flatten(tree, "net.")
    assert set(arrays) == {"net.w", "net.b"}
    back = storage.unflatten(tree, arrays, tmp_path, "net.")
    np.testing.assert_array_equal(back["w"], tree["w"])
    with pytest.raises(InputError, match=r"'net\.w' is float32"):
        storage.unflatten(tree, arrays | {"net.w": np.ones((3, 2), np.float32)}, tmp_path, "net.")
    with pytest.raises(InputError, match=r"has no array 'net\.b'"):
        storage.unflatten(tree, {"net.w": arrays["net.w"]}, tmp_path, "net.")


@pytest.mark.usefixtures("x64")
def test_double_precision_stays_double(tmp_path: Path) -> None:
    result = run(small_experiment(iterations=2), tmp_path / "run")
    kept = storage.load_dataset(tmp_path / "run" / "result.nc")
    assert kept.identical(result)
    for name in ("activity", "outputs", "recurrent_weights", "training_loss"):
        assert kept[name].dtype == np.float64, name
    assert kept.attrs["precision"] == "float64"
    arrays, _ = storage.load_arrays(tmp_path / "run" / "weights.safetensors")
    assert {str(array.dtype) for array in arrays.values()} == {"float64"}


def test_a_full_disk_is_told_as_such_by_all_that_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("recurrent_memory.storage.arrays.save_file", full)
    with pytest.raises(OSError, match="No space left on device") as told:
        storage.save_arrays(tmp_path / "a.safetensors", {"a": np.zeros(3)}, {})
    assert told.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


INTO_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
import h5netcdf, numpy as np, xarray as xr
from recurrent_memory import storage

def add(file, check):
    with h5netcdf.File(file, "r+") as opened:
        for number in range(20):
            opened.create_variable(f"more{number}", ("x",), float)[...] = np.random.default_rng(number).random(1000)
            check()

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    storage.save_dataset(Path(sys.argv[1]), xr.Dataset({"a": ("x", np.arange(1000.0))}), add)
    print("saved")
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.parametrize("room", [1000, 60_000, 10**6])
def test_a_disk_that_becomes_full_does_not_take_the_process_down(room: int, tmp_path: Path) -> None:
    """HDF5 on its own ends in a segmentation fault then."""
    path = tmp_path / "found.nc"
    done = subprocess.run(
        [sys.executable, "-c", INTO_LITTLE_ROOM, str(path), str(room)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    if room == 10**6:
        assert done.stdout == "saved\n"
        assert len(xr.open_dataset(path)["more19"]) == 1000
    else:
        assert done.stdout == f"{errno.EFBIG} {path}\n"
        assert not list(tmp_path.iterdir())
