"""Something else than a file where a store has a file, and than a folder where it has a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from recurrent_memory.errors import DamagedResultError, FileError, UnreadableFileError
from recurrent_memory.runs.claims import Claims
from recurrent_memory.sweeps import Failure, Network, Store, execute, identity, look
from recurrent_memory.sweeps.store.layout import shard
from small import small_experiment

NAME, OTHER = "0123456789abcdef0123", "f" * 20
Make = Callable[[Path], None]


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store in which one network has failed."""
    made = Store(tmp_path / "store")
    made.prepare()
    made.fail(OTHER, Failure("error", "not trained", None, {}))
    return made


def place(store: Store, name: str, make: Make) -> Path:
    path = store.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    return path


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, link_to_nothing, link_to_itself])
def test_what_is_no_file_is_no_result(store: Store, make: Make, ending: str) -> None:
    path = place(store, f"networks/{shard(NAME)}/{NAME}{ending}", make)
    seen = look(store, [NAME, OTHER])
    assert (seen.finished, seen.failed) == ((1, 1) if ending == ".safetensors" else (0, 2))
    assert store.has(NAME)
    if path.is_symlink():  # perhaps to a disk that is away
        with pytest.raises(UnreadableFileError, match=r"cannot be read: (it is a link|Too many levels)"):
            store.verify(NAME)
        assert path.is_symlink()
        return
    with pytest.raises(DamagedResultError, match=r"it is not a file, but a (folder|named pipe)"):
        store.verify(NAME)
    assert store.set_aside(NAME).parent == store.path / "damaged"
    assert not store.has(NAME)


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, link_to_nothing])
@pytest.mark.parametrize("top", ["networks", "claims", "damaged", "log"])
def test_what_should_be_a_folder_is_named(tmp_path: Path, top: str, make: Make) -> None:
    store = Store(tmp_path / "store")
    path = place(store, top if top in ("damaged", "log") else f"{top}/{shard(NAME)}", make)
    (store.path / "store.json").write_text('{"format": "recurrent-memory sweep 1"}')

    def use() -> None:
        store.prepare()
        Claims(store.claim_path).acquire(NAME)
        store.fail(NAME, Failure("error", "not trained", None, {}))
        store.set_aside(NAME)

    with pytest.raises(FileError, match=f"{path} is in the way: there should be a folder. Move it elsewhere."):
        use()
    assert look(store, [NAME]).left <= 1
    assert os.path.lexists(path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, link_to_nothing, link_to_itself])
def test_a_log_that_is_no_file_stops_nobody(store: Store, make: Make) -> None:
    place(store, "log/other.jsonl", make)
    assert look(store, [NAME, OTHER]).failed == 1


def test_what_is_no_file_is_moved_aside_and_trained_again(tmp_path: Path) -> None:
    experiment = small_experiment()
    network = Network(experiment, {"seed": 0}, identity(experiment))
    store, said = Store(tmp_path / "store"), list[str]()
    store.prepare()
    thesis = store.file(network.identity, ".safetensors") / "thesis.tex"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("all of it")
    os.mkfifo(store.path / "log" / "other.jsonl")
    place(store, f"work/{shard(network.identity)}/{network.identity}", os.mkfifo)
    assert execute([network], store, ["curves"], on_message=said.append).finished == 1
    assert sum("It was moved to " in line for line in said) == 2
    (moved,) = (store.path / "damaged").rglob("thesis.tex")
    assert moved.read_text() == "all of it"
    store.verify(network.identity)
