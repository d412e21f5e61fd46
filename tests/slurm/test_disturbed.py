"""Whole sweeps on a Slurm that is disturbed all the time, or too short of time."""

from __future__ import annotations

import datetime
import functools
import random
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from recurrent_memory.sweeps.cluster.slurm import Request, finish, queued

from .cluster import Cluster, call
from .sweeps import CHECKPOINT_AFTER, Case, until

pytestmark = pytest.mark.slurm

NETWORKS, DISTURBANCES = 40, 24
# Nodes seldom: it takes half a minute until they are back.
WAYS = ("scancel", "requeue", "controller killed", "node killed", "daemon killed", *2 * ("scancel", "requeue"))


def test_a_sweep_is_finished_however_often_it_is_disturbed(
    cluster: Cluster, case: Callable[[int, float], Case]
) -> None:
    sweep = case(NETWORKS, 2.5)
    disturber = Disturber(cluster, sweep)
    disturber.start()
    try:
        told: list[str] = []
        finish(
            sweep.networks,
            sweep.sweep,
            sweep.store,
            Request(time="10", per_job=5),
            on_message=told.append,
            look_every=0.5,
            checkpoint_after=CHECKPOINT_AFTER,
        )
    finally:
        disturber.stop()
    assert disturber.error is None
    assert sum(line.startswith("submitted") for line in told) >= 2
    assert set(disturber.done) == set(WAYS)
    sweep.check()
    for event in sweep.events():
        if event["event"] == "started" and event["how"].startswith("starting"):
            seen = disturber.checkpoints.get(event["network"])
            assert seen is None or event["time"] <= seen, f"{event} came after a checkpoint of {seen}"
    assert sweep.went_on() >= 2  # or the disturbances have hit nothing


class Disturber(threading.Thread):
    """Ends jobs in one way after the other, and notes which networks had a checkpoint, and since when."""

    def __init__(self, cluster: Cluster, case: Case) -> None:
        super().__init__(daemon=True)
        self.cluster, self.case = cluster, case
        self.done: list[str] = []
        self.checkpoints: dict[str, str] = {}
        self.error: BaseException | None = None
        self._chance = random.Random(3)
        self._stop_now = threading.Event()

    def stop(self) -> None:
        self._stop_now.set()
        self.join()

    def run(self) -> None:
        try:
            while len(self.done) < DISTURBANCES and not self._stop_now.is_set():
                self._look(self._chance.uniform(1, 5))
                # On a busy machine, jobs would otherwise be ended before they have anything to go on from, and a
                # network whose worker dies three times without having saved anything new is a failure.
                self._look(60, enough=functools.partial(self._saved_since, time.time()))
                self._disturb()
        except BaseException as error:
            self.error = error

    def _saved_since(self, moment: float) -> bool:
        return any(time_of > moment for time_of in self.case.saved().values())

    def _look(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stop_now.is_set() and not enough():
            for identity in self.case.saved():
                now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")  # as logs tell the time
                self.checkpoints.setdefault(identity, now)
            time.sleep(0.2)

    def _disturb(self) -> None:
        self.cluster.resume_drained()
        running = [job for job in queued(self.case.store) if job.state == "RUNNING"]
        if not running:
            return
        victim = self._chance.choice(running)
        how = WAYS[len(self.done) % len(WAYS)]
        if how == "controller killed":
            self.cluster.kill_controller()
            self._look(4)
            self.cluster.start_controller()
        elif how in ("scancel", "requeue"):
            words = ["scancel", victim.id] if how == "scancel" else ["scontrol", "requeue", victim.id]
            subprocess.run(words, capture_output=True)  # it may have ended by itself
        else:
            node = call("squeue", "--noheader", "-j", victim.id, "-o", "%N").strip()
            if node not in self.cluster.nodes:
                return
            self.cluster.kill_node(node, with_jobs=how == "node killed")
            self._look(10)
            self.cluster.start_node(node)
            until(60, lambda: self.cluster.is_up(node))
        self.done.append(how)


def test_a_network_that_needs_more_time_than_a_job_has_is_trained_in_several(
    cluster: Cluster, case: Callable[[int, float], Case]
) -> None:
    # Slurm looks at times twice a minute, and warns a job of two minutes 60 to 90 s after its start: a slow machine has
    # trained for a while by then, and none has trained for 100 s.
    sweep = case(1, 100)
    finish(sweep.networks, sweep.sweep, sweep.store, Request(time="2"), look_every=0.5, checkpoint_after=10.0)
    assert sweep.went_on() >= 1
    sweep.check_ends()
