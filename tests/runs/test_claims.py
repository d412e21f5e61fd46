"""Claims of networks: one owner at a time, and none after its death."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recurrent_memory.runs import claims
from recurrent_memory.runs.claims import Claims
from recurrent_memory.storage import makers


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def owner(folder: Path, clock: Any = None, **times: float) -> Claims:
    return Claims(lambda identity: folder / identity[0] / f"{identity}.json", clock=clock or Clock(), **times)


def elsewhere(path: Path, **changes: Any) -> None:
    """Make a claim look as if another machine had made it."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "machine": "far away", **changes}))


def test_one_gets_it_and_gives_it_back(tmp_path: Path) -> None:
    first, second = owner(tmp_path), owner(tmp_path)
    assert first.acquire("abc")
    assert not second.acquire("abc")
    assert not first.is_lost("abc")
    assert second.is_lost("abc")
    second.release("abc")  # not its own
    assert not second.acquire("abc")
    first.release("abc")
    assert second.acquire("abc")
    second.release("abc")
    assert not list((tmp_path / "a").iterdir())


def test_leaving_gives_everything_back(tmp_path: Path) -> None:
    with owner(tmp_path) as held:
        assert held.acquire("abc")
    assert not list((tmp_path / "a").iterdir())


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    owners = [owner(tmp_path) for _ in range(8)]
    for number in range(30):
        got: list[Claims] = []
        barrier = threading.Barrier(len(owners))

        def try_to(one: Claims, name: str = f"n{number}", got: list[Claims] = got, barrier: Any = barrier) -> None:
            barrier.wait()
            if one.acquire(name):
                got.append(one)

        threads = [threading.Thread(target=try_to, args=(one,)) for one in owners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1


DIE = """
import sys
from pathlib import Path
sys.path[:0] = ["tests/runs"]
from test_claims import owner
assert owner(Path(sys.argv[1])).acquire("abc")
print("claimed", flush=True)
sys.stdin.read()
"""


def test_the_claim_of_a_killed_process_is_taken_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DIE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"claimed\n"
        assert not owner(tmp_path).acquire("abc")
        process.kill()
        process.wait()
        assert owner(tmp_path).acquire("abc")


def test_another_process_of_the_same_number_is_not_the_owner(tmp_path: Path) -> None:
    assert owner(tmp_path).acquire("abc")
    path = tmp_path / "a" / "abc.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "started": 1.0}))
    assert owner(tmp_path).acquire("abc")


def test_a_claim_of_another_machine_is_dead_after_a_lease_without_a_heartbeat(tmp_path: Path) -> None:
    clock = Clock()
    assert owner(tmp_path).acquire("abc")
    elsewhere(tmp_path / "a" / "abc.json")
    other = owner(tmp_path, clock, lease=60.0)
    assert not other.acquire("abc")
    clock.now = 50.0
    assert not other.acquire("abc")
    elsewhere(tmp_path / "a" / "abc.json", beat=2)
    for clock.now in (70.0, 100.0, 130.0):
        assert not other.acquire("abc"), clock.now
    clock.now = 131.0
    assert other.acquire("abc")


def test_a_damaged_claim_is_dead_after_a_lease(tmp_path: Path) -> None:
    clock = Clock()
    other = owner(tmp_path, clock, lease=60.0)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "abc.json").write_bytes(b"\xff{")
    assert not other.acquire("abc")
    clock.now = 61.0
    assert other.acquire("abc")


@pytest.mark.parametrize(
    "changes",
    [{"process": None}, {"process": "7"}, {"process": -7}, {"started": None}, {"restart": "1", "machine": ""}],
)
def test_a_claim_without_an_owner_is_dead_after_a_lease(
    tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert owner(tmp_path).acquire("abc")
    path = tmp_path / "a" / "abc.json"
    said = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in said.items() if value is not None}))
    clock = Clock()
    other = owner(tmp_path, clock, lease=60.0)
    if changes != {"process": -7}:  # there is no such process, which is known at once
        assert not other.acquire("abc")
        assert claims.is_alive(path)
        clock.now = 61.0
    assert other.acquire("abc")


def test_owners_are_described_in_words(tmp_path: Path) -> None:
    one = owner(tmp_path)
    assert one.owner("abc") is None
    assert one.acquire("abc")
    assert one.owner("abc") == f"{platform.node()}, process {os.getpid()}"
    (tmp_path / "a" / "abc.json").write_text('{"process": 7}')
    assert one.owner("abc") == "damaged claim"


def test_a_requeued_job_takes_its_own_claims_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert owner(tmp_path).acquire("abc")
    elsewhere(tmp_path / "a" / "abc.json")
    assert not owner(tmp_path).acquire("abc")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert owner(tmp_path).acquire("abc")


def test_whoever_was_stopped_for_long_notices_that_it_lost(tmp_path: Path) -> None:
    slow = owner(tmp_path, lease=60.0)
    assert slow.acquire("abc")
    slow._beat_once("abc")
    assert not slow.is_lost("abc")
    (tmp_path / "a" / "abc.json").unlink()
    other = owner(tmp_path)
    assert other.acquire("abc")
    slow._beat_once("abc")
    assert slow.is_lost("abc")
    assert not slow.acquire("abc")
    other._beat_once("abc")
    assert not other.is_lost("abc")


def test_a_claim_that_nobody_took_is_its_owners_however_long_that_was_stopped(tmp_path: Path) -> None:
    clock = Clock()
    slow = owner(tmp_path, clock, lease=60.0)
    assert slow.acquire("abc")
    clock.now = 1e6
    os.utime(tmp_path / "a" / "abc.json", (0, 0))
    assert not owner(tmp_path, clock, lease=60.0).acquire("abc")
    slow._beat_once("abc")
    assert not slow.is_lost("abc")
    assert not slow.acquire("abc")  # by another thread of the same worker


def test_a_claim_lost_from_memory_is_claimed_again_by_its_owner(tmp_path: Path) -> None:
    one = owner(tmp_path)
    assert one.acquire("abc")
    one._held.clear()
    assert not owner(tmp_path).acquire("abc")
    assert one.acquire("abc")


def test_a_claim_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    one = owner(tmp_path)
    assert one.acquire("abc")
    (tmp_path / "a" / "abc.json").unlink()
    one._beat_once("abc")
    assert not one.is_lost("abc")
    assert not owner(tmp_path).acquire("abc")


def test_a_claim_that_could_not_be_given_back_dies_with_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with owner(tmp_path) as one:
        assert one.acquire("abc")
        monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.undo()
    assert (tmp_path / "a" / "abc.json").exists()
    assert owner(tmp_path).acquire("abc")  # of the same process, which is alive


def test_a_beat_that_was_stopped_half_way_does_not_overwrite_the_claim_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other, path = owner(tmp_path), owner(tmp_path), tmp_path / "a" / "abc.json"
    assert slow.acquire("abc")
    text = slow._text

    def stopped() -> bytes:
        path.unlink()
        assert other.acquire("abc")
        return text()

    monkeypatch.setattr(slow, "_text", stopped)
    slow._beat_once("abc")
    assert json.loads(path.read_text())["worker"] == other.worker
    slow._beat_once("abc")
    assert slow.is_lost("abc")


@pytest.mark.parametrize("name", ["namespace", "time_namespace", "machine"])
def test_of_another_namespace_only_the_beats_count(tmp_path: Path, name: str) -> None:
    clock = Clock()
    one, other = owner(tmp_path), owner(tmp_path, clock, lease=60.0)
    assert one.acquire("abc")
    path = tmp_path / "a" / "abc.json"
    # The number is that of no process here, and the times of start cannot be compared.
    path.write_text(json.dumps({**json.loads(path.read_text()), name: "another", "process": 2**22 + 1, "started": 1.0}))
    assert not other.acquire("abc")
    clock.now = 59.0
    assert not other.acquire("abc")
    one._beat_once("abc")
    clock.now = 100.0
    assert not other.acquire("abc")


IN_ANOTHER_TIME = ["unshare", "--time", "--fork", "--boottime", "100000", "--monotonic", "100000"]


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*IN_ANOTHER_TIME, "true"], capture_output=True).returncode != 0,
    reason="no time namespaces can be made here",
)
def test_an_owner_seen_from_another_time_namespace_keeps_its_claim(tmp_path: Path) -> None:
    one = owner(tmp_path)
    assert one.acquire("abc")
    looks = "import sys; sys.path[:0] = ['tests/runs']; from pathlib import Path; from test_claims import owner; "
    command = f"{looks}print(owner(Path(sys.argv[1])).acquire('abc'))"
    found = subprocess.run(
        [*IN_ANOTHER_TIME, sys.executable, "-c", command, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert found.stdout == "False\n"
    one.release("abc")


def test_another_users_process_that_cannot_be_looked_at_keeps_its_claim_while_it_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    other = owner(tmp_path, clock, lease=60.0)
    assert owner(tmp_path).acquire("abc")
    path = tmp_path / "a" / "abc.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "process": os.getppid()}))
    monkeypatch.setattr(makers, "_exists", lambda process: True)
    started = makers._started
    monkeypatch.setattr(makers, "_started", lambda process: started(process) if process == os.getpid() else None)
    assert not other.acquire("abc")
    clock.now = 61.0
    assert other.acquire("abc")


def test_claims_beat(tmp_path: Path) -> None:
    path = tmp_path / "a" / "abc.json"
    with owner(tmp_path, time.monotonic, beat=0.01) as held:
        assert held.acquire("abc")
        before = json.loads(path.read_text())["beat"]
        for _ in range(1000):
            if json.loads(path.read_text())["beat"] > before + 2:
                break
            time.sleep(0.01)
        assert json.loads(path.read_text())["beat"] > before + 2
        assert not held.is_lost("abc")


def test_of_two_who_find_a_claim_dead_one_takes_it(tmp_path: Path) -> None:
    assert owner(tmp_path).acquire("abc")
    path = tmp_path / "a" / "abc.json"
    dead = path.read_text().replace(str(os.getpid()), "0")
    path.write_text(dead)
    faster = owner(tmp_path)
    assert faster.acquire("abc")
    assert not claims._remove_if_still(path, dead)  # the slower one had read it before
    assert json.loads(path.read_text())["worker"] == faster.worker
    assert [p.name for p in path.parent.iterdir()] == ["abc.json"]


def test_no_beat_brings_back_a_claim_that_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    with owner(tmp_path, beat=0.01) as held:
        assert held.acquire("abc")
        rewrite = held._rewrite

        def slowly(path: Path) -> bool:
            begun.set()
            go_on.wait(20)
            return rewrite(path)

        monkeypatch.setattr(held, "_rewrite", slowly)
        assert begun.wait(20)
        releasing = threading.Thread(target=held.release, args=("abc",))
        releasing.start()
        releasing.join(0.2)
        go_on.set()
        releasing.join(20)
    assert not list((tmp_path / "a").iterdir())
