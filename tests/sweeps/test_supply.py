"""Networks on which workers die, on accelerators and in notebooks, where no process of its own can train them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from recurrent_memory.errors import InterruptedRunError
from recurrent_memory.runs import apart
from recurrent_memory.runs.apart import ALONE_AFTER, MOST_DEATHS, Saved, deaths, note_death, training_saved
from recurrent_memory.runs.claims import Claims
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.pool import Job
from recurrent_memory.runs.run import run
from recurrent_memory.sweeps import Network, Store, execute, identity, supply
from recurrent_memory.sweeps.supply import Asked, Claimed
from small import small_experiment


def small_networks(number: int) -> list[Network]:
    made = [small_experiment(seed=seed) for seed in range(number)]
    return [Network(experiment, {"seed": experiment.seed}, identity(experiment)) for experiment in made]


def left_by_the_dead(store: Store, networks: Sequence[Network]) -> None:
    """Leave claims of a process of this machine that is no more, and no others."""
    store.prepare()
    for path in (store.path / "claims").rglob("*.json"):
        path.unlink()
    with Claims(store.claim_path) as claims:
        for network in networks:
            assert claims.acquire(network.identity)
        said = [store.claim_path(network.identity).read_text() for network in networks]
    for network, text in zip(networks, said, strict=True):
        store.claim_path(network.identity).write_text(json.dumps({**json.loads(text), "process": 2**22 + 1}))


def started(store: Store, networks: Sequence[Network], said: list[str]) -> Claimed:
    """Return the networks as a worker that has just been started hands them out."""
    store.prepare()
    asked = Asked(lambda _: None, said.append, lambda: False, 60.0)
    made = Claimed(networks, store, ["curves"], Claims(store.claim_path), asked)
    made._queues = [deque(networks)]
    return made


def keys(jobs: Sequence[Job]) -> list[object]:
    return [job.key for job in jobs]


@pytest.fixture
def _on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "can_run_apart", lambda experiment: False)


@pytest.mark.usefixtures("_on_an_accelerator")
def test_a_network_that_kills_one_worker_after_the_other_fails(tmp_path: Path) -> None:
    networks, store, said = small_networks(3), Store(tmp_path / "store"), list[str]()
    killer, second, third = (network.identity for network in networks)
    assert keys(started(store, networks, said).take(3)) == [killer, second, third]  # and this worker dies
    for number in range(1, MOST_DEATHS):
        left_by_the_dead(store, networks[: 1 + (number < ALONE_AFTER)])
        worker = started(store, networks, said)
        jobs = worker.take(3)
        assert deaths(store.work(killer)) == number
        assert all(job.apart is None for job in jobs)
        if number < ALONE_AFTER:
            assert keys(jobs) == [killer, second, third]
            continue
        assert keys(jobs) == [killer]
        assert worker._claim(worker._queues[0], 3) == []  # while it is trained, there is no other
    left_by_the_dead(store, networks[:1])
    worker = started(store, networks, said)
    assert keys(worker.take(3)) == [second, third]  # which died with it once
    failure = store.failure(killer)
    assert failure.kind == "error"
    assert "3 workers in a row died while they trained this network" in failure.message
    assert "nothing after iteration 0" in failure.message
    assert worker.progress().failed == 1
    assert not store.work(killer).path.exists()
    assert any("2 workers died while training this network: it is trained beside no other" in line for line in said)


@pytest.mark.usefixtures("_on_an_accelerator")
def test_a_suspect_waits_until_nothing_else_is_trained(tmp_path: Path) -> None:
    networks, store, said = small_networks(3), Store(tmp_path / "store"), list[str]()
    for _ in range(ALONE_AFTER):
        left_by_the_dead(store, networks[1:2])
        worker = started(store, networks, said)
        first, second = worker.take(1)[0], worker.take(1)[0]
        for job in (first, second):
            worker.give_back(job)
    worker = started(store, networks, said)
    jobs = worker.take(3)
    assert keys(jobs) == [networks[0].identity, networks[2].identity]
    assert store.claimed() == {job.key for job in jobs}
    worker.give_back(jobs[0])
    assert worker._claim(worker._queues[0], 3) == []
    worker.give_back(jobs[1])
    assert keys(worker.take(3)) == [networks[1].identity]


def test_so_does_one_that_takes_its_own_process_and_the_worker(tmp_path: Path) -> None:
    networks, store, said = small_networks(1), Store(tmp_path / "store"), list[str]()
    for number in range(1, MOST_DEATHS + 1):
        left_by_the_dead(store, networks)
        jobs = started(store, networks, said).take()
        assert [job.apart is not None for job in jobs] == [True] * (number < MOST_DEATHS)
    assert "workers in a row died" in store.failure(networks[0].identity).message


def test_a_network_that_gets_further_between_deaths_has_not_caused_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, experiment, found = RunFolder(tmp_path / "run"), small_experiment(), list[int]()
    for saved in [(0, 0), (0, 0), (0, 7), (0, 7), (0, 7), (0, 12), (1, 0), (1, 0)]:  # tasks, iterations
        monkeypatch.setattr(apart, "training_saved", lambda _, saved=saved: Saved(*saved))
        found.append(note_death(experiment, place))
    assert found == [1, 2, 1, 2, 3, 1, 1, 2]
    place.check_free_for(experiment)
    whole = {"deaths": 9, "tasks": 0, "iterations": 0}
    for damaged in (
        "",
        "[]",
        '{"deaths": 9}',
        *(json.dumps({**whole, name: odd}) for name in whole for odd in (True, "9")),
    ):
        (place / apart.DEATHS).write_text(damaged)
        assert deaths(place) == 0


def test_finished_tasks_are_progress(tmp_path: Path) -> None:
    experiment, place = small_experiment(curriculum=["comp", "de1"]), RunFolder(tmp_path / "run")
    assert training_saved(place) == (0, 0)
    with pytest.raises(InterruptedRunError):
        run(experiment, place.path, should_stop=lambda: place.before.finished)
    tasks, iterations = training_saved(place)
    assert (tasks, iterations < experiment.iterations) == (1, True)


def test_workers_that_die_before_they_have_stored_a_result_do_not_make_it_a_failure(tmp_path: Path) -> None:
    networks, store, said = small_networks(1), Store(tmp_path / "store"), list[str]()
    identity = networks[0].identity
    left_by_the_dead(store, networks)
    assert started(store, networks, said).take()[0].apart is not None
    run(networks[0].experiment, store.work(identity).path)
    for _ in range(MOST_DEATHS + 1):
        left_by_the_dead(store, networks)
        jobs = started(store, networks, said).take()
        assert keys(jobs) == [identity]
        assert deaths(store.work(identity)) == 0
    left_by_the_dead(store, networks)
    execute(networks, store, ["curves"])
    np.testing.assert_array_equal(
        store.dataset(identity)["training_loss"], run(networks[0].experiment)["training_loss"]
    )


def test_a_process_that_outlives_its_worker_did_not_kill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = RunFolder(tmp_path / "run")
    assert note_death(small_experiment(), place) == 1
    monkeypatch.setattr(apart, "_offer_to_be_killed_first", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    apart.main(str(place.path), 2**22 + 1, [])
    assert deaths(place) == 0
    assert not place.finished
