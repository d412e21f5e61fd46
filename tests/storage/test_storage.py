"""Files are whole or not there."""

from __future__ import annotations

import errno
import operator
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from safetensors import SafetensorError

from recurrent_memory import storage
from recurrent_memory.errors import FileError, InputError, UnreadableFileError
from recurrent_memory.runs.run import run
from recurrent_memory.storage.atomic import append_line, create
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
            storage.load_notes(path)
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


def test_what_a_user_adds_to_a_file_is_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    storage.save_dataset(path, xr.Dataset({"loss": ("iteration", [1.0, 0.5])}, attrs={"task": "de1", "steps": [0, 21]}))
    with h5py.File(path, "r+") as file:
        file["loss"].attrs["seen"] = "yes"
        file.attrs["note"] = "mine"
    assert storage.load_dataset(path).attrs["note"] == "mine"
    xr.open_dataset(path, engine="h5netcdf").load().assign(own=("unit", [1, 2, 3])).to_netcdf(tmp_path / "again.nc")
    again = storage.load_dataset(tmp_path / "again.nc")
    assert again["own"].values.tolist() == [1, 2, 3]
    xr.Dataset.to_netcdf(xr.open_dataset(path).load().assign(loss=("iteration", [0.1, 0.2])), tmp_path / "other.nc")
    with pytest.raises(InputError, match="do not match its checksum"):
        storage.load_dataset(tmp_path / "other.nc")


def texts(file: h5py.File) -> None:
    file.create_dataset("x", (200_000,), h5py.string_dtype(), compression="gzip", fillvalue="b" * 100_000)


def zeros(file: h5py.File) -> None:
    file.create_dataset("x", (10**6, 10**6), "f4", compression="gzip", chunks=(1000, 1000))


def elsewhere(file: h5py.File) -> None:
    file.create_dataset("x", (1000,), "i1", external=[("/dev/zero", 0, 1000)])


def linked(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("other.nc", "x")


@pytest.mark.parametrize(
    ("make", "message"),
    [(texts, "unpack to"), (zeros, "unpack to"), (elsewhere, "in another file"), (linked, "a link to something else")],
)
def test_files_that_unpack_to_gigabytes_or_need_others_are_refused(
    make: Callable[[h5py.File], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "small.nc"
    with h5py.File(path, "w") as file:
        make(file)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=message):
        storage.load_dataset(path)


def test_an_array_file_longer_than_its_header_says_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "arrays"
    storage.save_arrays(path, ARRAYS, {})
    with path.open("r+b") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(InputError, match="it has 1,099,511,627,776 bytes, more than"):
        storage.load_arrays(path)


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


def test_every_writer_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
@pytest.mark.sampled(3)
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


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_without_hard_links_the_first_file_stays(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no links here")

    monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "file.txt"
    assert storage.write_atomically(path, "first", replace=False)
    assert not storage.write_atomically(path, b"second", replace=False)
    assert create(tmp_path / "claim", b"mine")
    assert not create(tmp_path / "claim", b"mine, too")
    assert contents(tmp_path) == {"claim": b"mine", "file.txt": b"first"}


def test_a_link_whose_answer_was_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def twice(*arguments: Any) -> None:
        link(*arguments)
        link(*arguments)

    monkeypatch.setattr("os.link", twice)
    assert create(tmp_path / "claim", b"mine")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_synced_is_no_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr("os.fsync", only_files)
    assert storage.write_atomically(tmp_path / "file.txt", "new")


def test_a_result_that_another_program_has_open_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    storage.save_dataset(path, xr.Dataset({"fractional_loss": 0.31}))
    with h5py.File(path, "a"):
        other = (
            "import sys; from pathlib import Path; from recurrent_memory.storage import load_dataset, open_dataset; "
        )
        reads = f"{other}print(*[float(of(Path(sys.argv[1])).fractional_loss) for of in (load_dataset, open_dataset)])"
        done = subprocess.run([sys.executable, "-c", reads, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "0.31 0.31\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_said_to_be_none(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "result.nc")
    for read in (storage.load_dataset, storage.load_arrays, storage.load_notes):
        with pytest.raises(FileError, match=r"is not a file, but a|is a folder"):
            read(tmp_path / "result.nc")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_log_that_is_no_file_is_left_out(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "log.txt")
    append_line(tmp_path / "log.txt", "starting")  # a named pipe would wait for a reader
    append_line(tmp_path / "other.txt", "starting")
    assert (tmp_path / "other.txt").read_text() == "starting\n"


ADDED: dict[str, Callable[[h5py.File], object]] = {
    "numbers": lambda file: file.create_dataset("mine", data=np.arange(5)),
    "pairs": lambda file: file.create_dataset("mine", data=np.zeros(3, [("a", "f4"), ("b", "i4")])),
    "complex numbers": lambda file: file.create_dataset("mine", data=np.zeros((2, 2), complex)),
    "text": lambda file: file.create_dataset("mine", data="text"),
    "group": lambda file: file.create_group("mine").create_dataset("x", data=1),
    "loop": lambda file: operator.setitem(file.create_group("mine"), "up", file["/"]),
    "no date": lambda file: file.create_dataset("mine", data=1.0).attrs.update(units="days since 2000-13-45"),
    "no factor": lambda file: file.create_dataset("mine", data=[0, 1]).attrs.update(scale_factor="x"),
    "no fill value": lambda file: file.create_dataset("mine", data=[0, 1]).attrs.update(_FillValue="abc"),
    "units": lambda file: file["loss"].attrs.update(units="seconds"),
}


@pytest.mark.parametrize("add", ADDED.values(), ids=ADDED)
def test_what_another_program_has_added_is_no_damage(add: Callable[[h5py.File], object], tmp_path: Path) -> None:
    """With h5py, which names no dimensions."""
    kept = xr.Dataset(
        {"loss": ("iteration", np.arange(3.0)), "activity": (("trial", "time"), np.ones((2, 4)))},
        {"time": np.arange(4)},
    )
    storage.save_dataset(tmp_path / "result.nc", kept)
    with h5py.File(tmp_path / "result.nc", "r+") as file:
        add(file)
    xr.testing.assert_equal(storage.load_dataset(tmp_path / "result.nc").drop_vars("mine", errors="ignore"), kept)
    with storage.open_dataset(tmp_path / "result.nc") as opened:
        xr.testing.assert_equal(opened.drop_vars("mine", errors="ignore"), kept)


def test_what_is_added_with_attributes_of_no_sense_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    storage.save_dataset(path, xr.Dataset({"loss": ("iteration", np.arange(3.0))}))
    with h5py.File(path, "r+") as file:
        file.create_dataset("mine", data=[0, 1]).attrs["scale_factor"] = "x"
    found = storage.load_dataset(path)["mine"]
    assert found.values.tolist() == [0, 1]
    assert found.attrs["scale_factor"] == "x"


@pytest.mark.parametrize("link", [h5py.SoftLink("/nowhere"), h5py.ExternalLink("other.h5", "/x")])
def test_an_added_link_is_named_and_no_damage(link: Any, tmp_path: Path) -> None:
    path, kept = tmp_path / "result.nc", xr.Dataset({"loss": 0.3})
    storage.save_dataset(path, kept)
    with h5py.File(path, "r+") as file:
        file["mine"] = link
    with pytest.raises(UnreadableFileError, match=r"'mine' is a link to something else[\s\S]*Remove it"):
        storage.load_dataset(path)
    with h5py.File(path, "r+") as file:
        del file["mine"]
    xr.testing.assert_equal(storage.load_dataset(path), kept)
