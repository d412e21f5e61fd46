"""Sweeps are trained to the end whatever dies, and no network twice."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from recurrent_memory.errors import InterruptedRunError, UnreadableFileError
from recurrent_memory.runs import pool
from recurrent_memory.runs.session import train_in_lockstep
from recurrent_memory.storage import reading
from recurrent_memory.sweeps import Claims, Network, Part, Store, SweepProgress, collect, execute, identity
from recurrent_memory.sweeps.store.layout import Failure
from small import contents, small_experiment, stops_after

workers = sys.modules["recurrent_memory.sweeps.supply"]

PARTS: tuple[Part, ...] = ("curves", "weights")


def small_networks(number: int, **changes: Any) -> list[Network]:
    return [
        Network(experiment, {"seed": seed}, identity(experiment))
        for seed in range(number)
        for experiment in [small_experiment(seed=seed, **changes)]
    ]


def events(store: Store) -> list[dict[str, Any]]:
    lines = [line for path in (store.path / "log").iterdir() for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def measures(networks: list[Network], store: Store) -> xr.Dataset:
    found = collect(networks, store)
    return found.drop_vars(
        [name for name in ("host", "device", "training_seconds", "testing_seconds") if name in found]
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("undisturbed") / "store")
    execute(small_networks(4), store, PARTS)
    return store


def test_a_sweep_is_trained_and_then_there_is_nothing_left_to_do(undisturbed: Store) -> None:
    networks = small_networks(4)
    assert undisturbed.finished() == {network.identity for network in networks}
    assert undisturbed.claimed() == set()
    assert not any((undisturbed.path / "work").rglob("*.nc"))
    before = events(undisturbed)
    assert Counter(event["event"] for event in before) == {"started": 4, "finished": 4}
    seen: list[SweepProgress] = []
    assert execute(networks, undisturbed, PARTS, on_progress=seen.append) == SweepProgress(4, 4, 0, 0, 1.0)
    assert events(undisturbed) == before
    found = collect(networks, undisturbed)
    assert found["fractional_loss"].dims == ("seed",)
    assert set(found["status"].values) == {"finished"}
    assert found["fractional_loss"].notnull().all()


def test_what_is_added_later_is_trained_alone(undisturbed: Store) -> None:
    networks = small_networks(5)
    assert execute(networks, undisturbed, PARTS).finished == 5
    trained = [event["network"] for event in events(undisturbed) if event["event"] == "finished"]
    assert sorted(trained) == sorted(network.identity for network in networks)


def test_interrupted_it_goes_on_to_the_same_data(tmp_path: Path, undisturbed: Store) -> None:
    networks, store = small_networks(4), Store(tmp_path / "store")
    for calls in (3, 5, 7):
        with pytest.raises(InterruptedRunError, match="of 4 networks done"):
            execute(networks, store, PARTS, should_stop=stops_after(calls), checkpoint_after=0.0)
    execute(networks, store, PARTS)
    xr.testing.assert_identical(measures(networks, store), measures(networks, undisturbed))
    assert Counter(event["event"] for event in events(store))["finished"] == 4


def test_a_network_that_fails_is_recorded_and_the_others_go_on(
    tmp_path: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = small_experiment(lambda0=1e30)
    networks = [*small_networks(3), Network(wild, {"seed": 99}, identity(wild))]
    store = Store(tmp_path / "store")
    ended = execute(networks, store, PARTS)
    assert (ended.finished, ended.failed) == (3, 1)
    failure = store.failure(networks[-1].identity)
    assert failure is not None
    assert (failure.kind, failure.iteration) == ("diverged", 0)
    assert "not finite" in failure.message
    found = collect(networks, store)
    assert list(found["status"].values) == ["finished", "finished", "finished", "diverged"]
    assert list(found["fractional_loss"].isnull().values) == [False, False, False, True]
    good = measures(networks[:3], store)
    xr.testing.assert_identical(good, measures(networks[:3], undisturbed))

    def breaks(*_: Any) -> Any:
        raise MemoryError("too large")

    monkeypatch.setattr(pool, "run_stages", breaks)
    store = Store(tmp_path / "other")
    assert execute(networks[:1], store, PARTS).failed == 1
    failure = store.failure(networks[0].identity)
    assert failure is not None
    assert failure.kind == "out of memory"


def test_a_damaged_checkpoint_is_trained_again(tmp_path: Path, undisturbed: Store) -> None:
    networks, store = small_networks(1), Store(tmp_path / "store")
    with pytest.raises(InterruptedRunError):
        execute(networks, store, PARTS, should_stop=stops_after(4), checkpoint_after=0.0)
    (checkpoint,) = (store.path / "work").rglob("training.checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    lines: list[str] = []
    execute(networks, store, PARTS, on_message=lines.append)
    assert any("damaged" in line and "It is trained again" in line for line in lines)
    xr.testing.assert_identical(measures(networks, store), measures(networks, undisturbed))


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_result_is_reported_and_trained_again(tmp_path: Path, undisturbed: Store, cut: bool) -> None:
    networks, store = small_networks(2), Store(tmp_path / "store")
    execute(networks, store, PARTS)
    (path,) = (store.path / "networks").rglob(f"{networks[1].identity}.*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-50] if cut else whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:])
    lines: list[str] = []
    ended = execute(networks, store, PARTS, on_message=lines.append)
    assert (ended.finished, ended.failed) == (2, 0)
    assert sum("seed = 1" in line and "damaged" in line and "It is trained again" in line for line in lines) == 1
    assert Counter(event["event"] for event in events(store)) == {"started": 3, "finished": 3, "damaged": 1}
    store.read_all(networks[1].identity)
    xr.testing.assert_identical(measures(networks, store), measures(networks, undisturbed))


def test_what_is_discarded_meanwhile_is_trained_again(
    tmp_path: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = small_networks(2)
    store = Store(shutil.copytree(undisturbed.path, tmp_path / "store"))
    (store.path / "log").rename(tmp_path / "log")
    verify = Store.verify

    def verified_while_the_user_discards_it(self: Store, identity: str) -> None:
        verify(self, identity)
        if not any((store.path / "log").iterdir()):
            store.discard(identity)

    monkeypatch.setattr(Store, "verify", verified_while_the_user_discards_it)
    store.discard(networks[1].identity)
    store.fail(networks[1].identity, Failure("diverged", "", 1, {}))
    assert execute(networks, store, PARTS) == SweepProgress(2, 2, 0, 0, 1.0)
    assert Counter(event["event"] for event in events(store)) == {"started": 2, "finished": 2}


def test_a_damaged_failure_is_reported_and_trained_again(tmp_path: Path) -> None:
    networks, store = small_networks(2), Store(tmp_path / "store")
    execute(networks[:1], store, PARTS)
    path = store.file(networks[1].identity, ".json")
    path.parent.mkdir(parents=True)
    path.write_text('{"kind": "diverg')
    lines: list[str] = []
    ended = execute(networks, store, PARTS, on_message=lines.append)
    assert (ended.finished, ended.failed) == (2, 0)
    assert sum("seed = 1" in line and "damaged" in line and "It is trained again" in line for line in lines) == 1
    assert not path.exists()


def test_what_is_damaged_is_moved_aside_and_never_deleted(tmp_path: Path) -> None:
    networks, store = small_networks(1), Store(tmp_path / "store")
    execute(networks, store, PARTS)
    path, found = store.file(networks[0].identity, ".safetensors"), []
    for number in range(2):
        path.write_bytes(b"damaged %d" % number)
        execute(networks, store, PARTS)
        store.verify(networks[0].identity)
        found.append(b"damaged %d" % number)
    assert sorted(path.read_bytes() for path in (store.path / "damaged").iterdir()) == found


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO, errno.EAGAIN])
@pytest.mark.parametrize("call", ["open", "read"])
def test_what_cannot_be_read_is_left_as_it_is(
    number: int, call: str, tmp_path: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    shutil.copytree(undisturbed.path, store.path)
    networks = small_networks(2)
    before, name = contents(store.path / "networks"), f"{networks[1].identity}.safetensors"
    if call == "open":
        opened = os.open

        def refuse(path: Any, *rest: Any) -> int:
            if str(path).endswith(name):
                raise OSError(number, os.strerror(number), str(path))
            return opened(path, *rest)

        monkeypatch.setattr("os.open", refuse)
    else:
        read = reading._read

        def fail(file: Any, size: int) -> bytes:
            if os.readlink(f"/proc/self/fd/{file.fileno()}").endswith(name):
                raise OSError(number, os.strerror(number))
            return read(file, size)

        monkeypatch.setattr(reading, "_read", fail)
    with pytest.raises(UnreadableFileError, match=rf"{name} cannot be read: {os.strerror(number)}"):
        execute(networks, store, PARTS)
    monkeypatch.undo()
    assert contents(store.path / "networks") == before
    assert execute(networks, store, PARTS).finished == 2


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.sampled(2)
def test_waiting_for_others_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batched: bool) -> None:
    monkeypatch.setattr(workers, "SECONDS_BETWEEN_LOOKS", 0.1)
    networks, store = small_networks(2), Store(tmp_path / "store")
    store.prepare()
    for number, network in enumerate(networks):
        path = store.claim_path(network.identity)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"host": f"far{number}", "process": 7, "machine": "far away"}))
    lines: list[str] = []
    claims = Claims(store.claim_path, lease=1.0)
    assert execute(networks, store, PARTS, on_message=lines.append, claims=claims, batched=batched).finished == 2
    (line,) = (line for line in lines if "waiting" in line)
    assert "(far0, process 7; far1, process 7)" in line
    assert "after 1 s without a sign of life" in line


def test_progress_is_whole_only_when_all_have_ended(tmp_path: Path) -> None:
    seen: list[SweepProgress] = []
    execute(small_networks(3), Store(tmp_path / "store"), PARTS, on_progress=seen.append)
    assert {now.done for now in seen if now.finished == 3} == {1.0}
    assert all(now.done < 1 for now in seen if now.finished < 3)
    assert all(now.finished + now.running <= 3 for now in seen)


def test_batched_it_comes_to_the_same_up_to_rounding(tmp_path: Path, undisturbed: Store) -> None:
    wild = small_experiment(lambda0=1e30)
    networks = [*small_networks(4), Network(wild, {"seed": 99}, identity(wild))]
    store = Store(tmp_path / "store")
    with pytest.raises(InterruptedRunError, match="of 5 networks done"):
        execute(networks, store, PARTS, batched=True, should_stop=stops_after(4), checkpoint_after=0.0)
    ended = execute(networks, store, PARTS, batched=True)
    assert (ended.finished, ended.failed) == (4, 1)
    failure = store.failure(networks[-1].identity)
    assert failure is not None
    assert (failure.kind, failure.iteration) == ("diverged", 0)
    batched, alone = (measures(networks[:4], kept) for kept in (store, undisturbed))
    xr.testing.assert_allclose(batched, alone, rtol=1e-3)


def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, store = small_networks(4), Store(tmp_path / "store")
    sizes: list[int] = []

    def small_memory(sessions: Any) -> Any:
        sizes.append(len(sessions))
        if len(sessions) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return train_in_lockstep(sessions)

    monkeypatch.setattr(pool, "train_in_lockstep", small_memory)
    assert execute(networks, store, PARTS, batched=True).finished == 4
    assert sizes == [4, 2, 2]


def test_a_full_disk_stops_the_sweep_and_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, store = small_networks(3), Store(tmp_path / "store")
    publish, times = Store.publish, []

    def full(self: Store, *given: Any) -> bool:
        times.append(1)
        if len(times) > 1:
            raise OSError(28, "No space left on device")
        return publish(self, *given)

    monkeypatch.setattr(Store, "publish", full)
    with pytest.raises(OSError, match="No space left"):
        execute(networks, store, PARTS, at_once=1)
    assert len(store.finished()) == 1
    assert store.claimed() == set()
    monkeypatch.undo()
    ended = execute(networks, store, PARTS, on_message=print)
    assert ended.finished == 3


@pytest.mark.parametrize("workers_at_once", [2, 4])
def test_workers_at_once_share_the_work(tmp_path: Path, undisturbed: Store, workers_at_once: int) -> None:
    networks, store = small_networks(4), Store(tmp_path / "store")
    ended: list[SweepProgress] = []
    threads = [
        threading.Thread(target=lambda: ended.append(execute(networks, store, PARTS, at_once=1)))
        for _ in range(workers_at_once)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [now.finished for now in ended] == [4] * workers_at_once
    counted = Counter((event["event"], event["network"]) for event in events(store))
    assert set(counted.values()) == {1}
    xr.testing.assert_identical(measures(networks, store), measures(networks, undisturbed))


def test_a_clock_that_jumps_does_no_harm(tmp_path: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, store = small_networks(4), Store(tmp_path / "store")
    chance, real = random.Random(0), time.time
    monkeypatch.setattr(time, "time", lambda: real() + chance.choice([-1e6, 0, 1e6]))
    claims = Claims(store.claim_path, beat=0.01)
    assert execute(networks, store, PARTS, claims=claims).finished == 4
    xr.testing.assert_identical(measures(networks, store), measures(networks, undisturbed))
    counted = Counter((event["event"], event["network"]) for event in events(store))
    assert set(counted.values()) == {1}


WORKER = """
import sys
sys.path[:0] = ["tests", "tests/sweeps"]
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[3])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
from test_execute import *
store = Store(sys.argv[1])
claims = Claims(store.claim_path, beat=0.3, lease=LEASE)
networks = small_networks(int(sys.argv[2]), iterations=int(sys.argv[4]))
execute(networks, store, PARTS, checkpoint_after=0.05, claims=claims)
"""
LEASE = 2.0
"""Seconds without a beat after which a worker that seems to be of another machine counts as dead."""
OF_ANOTHER_MACHINE = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh"]
"""Begins a command that sees another name of the machine: its claims are those of a stranger."""


def in_training(store: Store, worker: int) -> set[str]:
    """Return the networks that a process is training, and has saved a state of."""
    found = set()
    for path in (store.path / "claims").rglob("[0-9a-f]*.json"):
        try:
            claim = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if claim["process"] == worker and (store.work(path.stem) / "training.checkpoint").exists():
            found.add(path.stem)
    return found - store.finished()


SECONDS_TO_START = 120
"""Until a worker trains, on a machine that does much else: whoever is killed before has lost nothing."""


def disturbed(store: Store, n_networks: int, kills: int, cache: Path, iterations: int) -> tuple[int, set[str]]:
    """Run workers, and kill or stop them at random moments until the sweep is finished.

    Every fourth is stopped for longer than a lease before it dies, and goes on for a while. If root runs the tests, one
    of the two workers seems to be of another machine, so that its networks are taken while it is stopped. Returns how
    many died, and the networks that one of them was training.
    """
    can_pretend = (
        shutil.which("unshare") is not None
        and subprocess.run([*OF_ANOTHER_MACHINE, "true"], check=False).returncode == 0
    )
    chance, killed, hit = random.Random(1), 0, set[str]()
    command = [sys.executable, "-c", WORKER, str(store.path), str(n_networks), str(cache), str(iterations)]
    workers: list[subprocess.Popen[bytes]] = []
    while len(store.finished()) < n_networks:
        workers = [worker for worker in workers if worker.poll() is None]
        while len(workers) < 2:
            of_another = can_pretend and not any(worker.args[0] == "unshare" for worker in workers)  # type: ignore[index]
            workers.append(subprocess.Popen([*(OF_ANOTHER_MACHINE if of_another else ()), *command]))
        if killed == kills:
            time.sleep(0.5)
            continue
        # Now and then whoever is training what has not been hit yet, so that no network is spared; and whoever is
        # training at all unless workers die well ahead of the sweep, so that all die before it is finished.
        spared = hit if killed % 4 == 1 and len(hit | store.finished()) < n_networks else None
        behind = (len(store.finished()) + 4) * kills > killed * n_networks
        until = time.monotonic() + chance.uniform(0.5, 4) + (SECONDS_TO_START if behind or spared is not None else 0)
        while time.monotonic() < until and len(store.finished()) < n_networks:
            training = set.union(*(in_training(store, worker.pid) for worker in workers))
            if (behind and training) or (spared is not None and training - spared):
                break
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.3))
        victim = max(workers, key=lambda worker: (len(in_training(store, worker.pid) - hit), chance.random()))
        victims = in_training(store, victim.pid)
        if killed % 4 == 0:
            victim.send_signal(signal.SIGSTOP)
            time.sleep(1.5 * LEASE)
            victim.send_signal(signal.SIGCONT)
            time.sleep(chance.uniform(0, 1))
            victims = in_training(store, victim.pid)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        hit |= victims - store.finished()
        killed += 1
    for worker in workers:
        assert worker.wait(120) in (0, -signal.SIGKILL)
    return killed, hit


def check_disturbed(folder: Path, n_networks: int, kills: int, iterations: int) -> tuple[int, int]:
    """Return how many workers were killed, and how many networks were hit in mid-training."""
    networks = small_networks(n_networks, iterations=iterations)
    store, whole = Store(folder / "store"), Store(folder / "whole")
    killed, hit = disturbed(store, n_networks, kills, folder / "cache", iterations)
    execute(networks, whole, PARTS)
    xr.testing.assert_identical(measures(networks, store), measures(networks, whole))
    by_network: dict[str, list[str]] = {network.identity: [] for network in networks}
    for event in sorted(events(store), key=lambda event: event["time"]):
        # A process that is killed may hold the lock of a folder for a moment after it counts as dead: whoever takes
        # the network then gives it up, and it is taken again.
        if event["event"] != "given up":
            by_network[event["network"]].append(event["event"] if event["event"] != "started" else event["how"])
    for identity_, history in by_network.items():
        assert Counter(history)["finished"] == 1
        resumed = ["going on" in how for how in history[:-1]]
        assert resumed == sorted(resumed)  # once there is a state, nobody begins from the start
        if identity_ in hit:
            assert any(resumed)
    assert store.claimed() == set()
    assert not list(store.path.rglob("*.checkpoint"))
    return killed, len(hit)


@pytest.mark.thorough
def test_killed_workers_lose_nothing(tmp_path: Path) -> None:
    killed, hit = check_disturbed(tmp_path, n_networks=4, kills=3, iterations=8000)
    assert killed >= 2  # all may be finished before the third
    assert hit >= 1


@pytest.mark.slow
def test_workers_killed_a_hundred_times_lose_nothing(tmp_path: Path) -> None:
    killed, hit = check_disturbed(tmp_path, n_networks=40, kills=100, iterations=40_000)
    assert killed == 100
    assert hit >= 36  # in mid-training; which of them is chance: a fast network may slip through between two kills
