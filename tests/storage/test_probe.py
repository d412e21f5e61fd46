"""HDF5 files on which the library crashes or never ends, and who reads which files first."""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
import xarray as xr

from recurrent_memory.errors import DamagedResultError, UnreadableFileError
from recurrent_memory.storage import load_dataset, probe, save_dataset

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="needs limits on computing time")


@pytest.fixture(autouse=True)
def no_reader() -> Iterator[None]:
    probe._end()
    yield
    probe._end()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "result.nc"
    save_dataset(path, xr.Dataset({"epoch": ("time", ["stimulus", "delay"]), "loss": 0.31}))
    return path


@pytest.fixture
def endless(whole: Path) -> Path:
    """Return a file in whose heap of texts one says to take 2^64 - 16 bytes: the next begins where it begins."""
    content = bytearray(whole.read_bytes())
    heap = content.index(b"GCOL")
    struct.pack_into("<Q", content, heap + 16 + 8, 2**64 - 16)
    whole.write_bytes(content)
    return whole


def test_what_is_as_it_was_written_is_read_at_once(whole: Path) -> None:
    assert load_dataset(whole).loss == 0.31
    assert probe._reader is None
    with h5py.File(whole, "r+") as file:
        file["note"] = 3
    assert load_dataset(whole).note == 3
    assert probe._reader is not None


def computing_time_of_children() -> float:
    """Return the seconds that all processes have taken which this one has started and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_file_that_never_ends_is_damaged(endless: Path, tmp_path: Path) -> None:
    before = computing_time_of_children()
    with pytest.raises(DamagedResultError, match=r"result\.nc is damaged or not NetCDF \(.*\)"):
        load_dataset(endless)
    assert computing_time_of_children() - before < probe.SECONDS + 3
    changed = tmp_path / "other.nc"
    xr.Dataset({"loss": 0.2}).to_netcdf(changed, engine="h5netcdf")
    assert load_dataset(changed).loss == 0.2


def when_there_is_a_reader(then: Callable[[int], None]) -> threading.Thread:
    def wait() -> None:
        while probe._reader is None:
            time.sleep(0.01)
        time.sleep(0.5)
        then(probe._reader.process.pid)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_crash_of_the_library_is_damage(endless: Path) -> None:
    thread = when_there_is_a_reader(lambda process: os.kill(process, signal.SIGSEGV))
    with pytest.raises(DamagedResultError, match="HDF5 library crashes on it, with signal 11"):
        load_dataset(endless)
    thread.join()


def test_a_reader_that_is_ended_says_nothing_of_the_file(endless: Path) -> None:
    thread = when_there_is_a_reader(lambda process: os.kill(process, signal.SIGKILL))
    with pytest.raises(UnreadableFileError, match=r"cannot be read: .* has ended.* left as it is"):
        load_dataset(endless)
    thread.join()


def test_a_reader_that_cannot_be_started_says_nothing_of_the_file(
    endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(UnreadableFileError, match="cannot be read: no process to read it can be had: No such file"):
        load_dataset(endless)


def test_too_little_memory_says_nothing_of_the_file(tmp_path: Path) -> None:
    small, large = tmp_path / "small.nc", tmp_path / "large.nc"
    xr.Dataset({"loss": 0.2}).to_netcdf(small, engine="h5netcdf")
    array = xr.Dataset({"loss": ("time", np.zeros(8_000_000))})
    array.to_netcdf(large, engine="h5netcdf", encoding={"loss": {"zlib": True}})
    load_dataset(small)
    assert probe._reader is not None
    process = psutil.Process(probe._reader.process.pid)
    most = process.memory_info().vms + 30 * 2**20  # the array takes twice as much
    process.rlimit(psutil.RLIMIT_AS, (most, most))
    with pytest.raises(UnreadableFileError, match="cannot be read: there is not enough memory for it"):
        load_dataset(large)


def test_a_reader_that_was_lost_is_replaced(whole: Path) -> None:
    xr.Dataset({"loss": 0.2}).to_netcdf(whole, engine="h5netcdf")
    assert load_dataset(whole).loss == 0.2
    assert probe._reader is not None
    lost = probe._reader.process
    lost.kill()
    lost.wait()
    assert load_dataset(whole).loss == 0.2
    assert probe._reader.process.pid != lost.pid


def test_threads_take_turns(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.nc" for number in range(12)]
    for number, path in enumerate(paths):
        xr.Dataset({"loss": number}).to_netcdf(path, engine="h5netcdf")
    with ThreadPoolExecutor(4) as threads:
        found = [int(of.loss) for of in threads.map(load_dataset, paths)]
    assert found == list(range(12))
