"""What a store keeps, and what it notices."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.errors import DamagedResultError, FileError, InputError
from recurrent_memory.sweeps import Failure, Store
from recurrent_memory.sweeps.store.layout import DESCRIPTION, shard

IDENTITY = "0123456789abcdef0123"
RESULT = xr.Dataset(
    {
        "loss": ((), 0.5, {"units": "radians"}),
        "delay_loss": ("delay", [0.1, 0.2]),
        "training_loss": ("iteration", np.arange(5.0)),
        "activity": (("trial", "time", "unit"), np.ones((2, 3, 4))),
    },
    coords={"delay": [10, 20], "time": np.arange(3)},
    attrs={"jax_version": "1.2", "status": "finished"},
)
WEIGHTS = {"W_out": np.arange(4.0, dtype=np.float32)}


def keep(store: Store, identity: str = IDENTITY, parts: tuple[Any, ...] = ("curves", "weights")) -> bool:
    return store.publish(identity, {"task": "de1"}, RESULT, WEIGHTS, parts, {"host": "here"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.prepare()
    return made


def test_a_result_comes_back_with_what_was_asked_to_be_kept(store: Store) -> None:
    assert keep(store)
    assert (store.finished(), store.failed(), store.has(IDENTITY)) == ({IDENTITY}, set(), True)
    record = store.read(IDENTITY)
    assert record.experiment == {"task": "de1"}
    assert record.measures == {"loss": 0.5, "delay_loss": [0.1, 0.2]}
    assert record.attrs["loss"] == {"units": "radians"}
    assert record.dims["delay_loss"] == ["delay"]
    assert record.coords["delay"] == [10, 20]
    assert record.attributes == {"jax_version": "1.2", "status": "finished"}
    assert record.provenance == {"host": "here"}
    arrays = store.read_all(IDENTITY)[1]
    assert set(arrays) == {"data.training_loss", "weights.W_out"}
    np.testing.assert_array_equal(arrays["data.training_loss"], np.arange(5.0))
    keep(store, "f" * 20, ("activity",))
    assert "data.activity" in store.read_all("f" * 20)[1]
    assert "data.training_loss" not in store.read_all("f" * 20)[1]


def test_the_first_result_stays(store: Store) -> None:
    assert keep(store)
    before = store.read(IDENTITY)
    assert not store.publish(IDENTITY, {"task": "other"}, RESULT, WEIGHTS, (), {})
    assert store.read(IDENTITY) == before
    names = [name for _, _, files in os.walk(store.path / "networks") for name in files]
    assert names == [f"{IDENTITY}.safetensors"]


def test_failures_are_kept_and_forgotten(store: Store) -> None:
    failure = Failure("diverged", "the loss is not finite", 12, {"host": "here"})
    store.fail(IDENTITY, failure)
    assert (store.finished(), store.failed(), store.has(IDENTITY)) == (set(), {IDENTITY}, True)
    assert store.failure(IDENTITY) == failure
    store.discard(IDENTITY)
    assert not store.has(IDENTITY)
    with pytest.raises(FileError, match="no file"):
        store.failure(IDENTITY)


def test_a_damaged_failure_is_noticed(store: Store) -> None:
    failure = Failure("error", "ValueError: first line\nsecond – line", None, {"host": "here"})
    store.fail(IDENTITY, failure)
    store.verify(IDENTITY)
    path = store.file(IDENTITY, ".json")
    whole = path.read_bytes()
    damaged = [whole[:size] for size in range(len(whole) - 1)]
    damaged += [whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in range(len(whole))]
    damaged += [b"[]", b"5", b"\xff", b"{}", b'{"kind": 5, "message": "", "iteration": null, "where": {}}']
    for content in damaged:
        path.write_bytes(content)
        for read in (store.failure, store.verify):
            with pytest.raises(DamagedResultError, match="damaged"):
                read(IDENTITY)


def test_every_truncation_and_every_flipped_byte_is_noticed(store: Store) -> None:
    keep(store)
    (path,) = (store.path / "networks").rglob("*.safetensors")
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            store.read(IDENTITY)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(InputError):
            store.read_all(IDENTITY)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    Store(tmp_path / "new").check()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file: give the name of a folder"):
        Store(tmp_path / "file").prepare()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty and not a sweep's store"):
        Store(tmp_path / "full").prepare()
    made = Store(tmp_path / "old")
    made.prepare()
    (made.path / DESCRIPTION).write_text('{"format": "recurrent-memory sweep 0"}')
    with pytest.raises(InputError, match=r"of another version \('recurrent-memory sweep 0'"):
        made.prepare()
    (made.path / DESCRIPTION).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        made.prepare()


def test_folders_stay_small(store: Store) -> None:
    """A synthetic store: of a hundred thousand identities no folder gets a thousand."""
    from collections import Counter
    from hashlib import sha256

    shards = Counter(shard(sha256(str(i).encode()).hexdigest()) for i in range(100_000))
    assert max(shards.values()) < 100
    assert len({name.split("/")[0] for name in shards}) == 16
