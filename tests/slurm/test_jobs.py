"""Each way in which a job of a sweep comes to an end, on a real Slurm."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recurrent_memory.errors import StuckError
from recurrent_memory.sweeps.cluster.slurm import Request, cancel, finish, preview, queued, submit, without_jobs

from .cluster import Cluster, call
from .sweeps import CHECKPOINT_AFTER, Case, until

pytestmark = pytest.mark.slurm

Make = Callable[[int, float], Case]

SHORT, LONG = 0, 10
"""Seconds that a network trains for; long ones are disturbed after their first checkpoint, so in mid-training."""


def submitted(case: Case, **request: Any) -> str:
    """Submit a sweep, and return the number of its job array."""
    found = submit(
        case.networks, case.sweep, case.store, Request(time="5", **request), checkpoint_after=CHECKPOINT_AFTER
    )
    assert not found.refusal
    return found.ids[0]


def finished(case: Case, **request: Any) -> list[str]:
    """Let a sweep be finished by as many submissions as it takes, and return what was told."""
    told: list[str] = []
    finish(
        case.networks,
        case.sweep,
        case.store,
        Request(time="5", **request),
        on_message=told.append,
        look_every=0.5,
        checkpoint_after=CHECKPOINT_AFTER,
    )
    return told


def trains(case: Case) -> Callable[[], object]:
    """Return whether there is a checkpoint of each network, as a question."""
    return lambda: len(case.saved()) == len(case.networks)


def restarts(job: str) -> int:
    return int(call("scontrol", "show", "job", job).split("Restarts=")[1].split()[0])


def test_more_jobs_than_an_array_may_have_are_several_arrays(cluster: Cluster, case: Make) -> None:
    sweep = case(14, SHORT)
    request = Request(time="5", per_job=2, array_limit=3)
    shown = preview(sweep.networks, sweep.sweep, sweep.store, request)
    assert not sweep.store.path.exists()
    found = submit(sweep.networks, sweep.sweep, sweep.store, request)
    assert (found.jobs, len(found.ids), found.networks) == (7, 2, 14)
    scripts = sorted(found.submission.folder.rglob("*_submission.sh"))
    # What was shown is what was submitted, but for the name that is made anew each time.
    for before, script in zip(shown, scripts, strict=True):
        after = script.read_text()
        name = found.submission.folder.name
        old = before.split("/slurm/")[1].split("/array")[0]
        assert after == before.replace(old, name).replace(old[-8:], name[-8:])
    assert "--array=0-3%3" in shown[0]
    assert "--array=0-2%3" in shown[1]
    jobs = queued(sweep.store)
    assert sorted(job.chunk for job in jobs) == list(range(7))
    assert without_jobs(sweep.networks, jobs) == []
    until(120, sweep.done)
    sweep.check()


def test_before_the_time_is_over_states_are_saved_and_the_job_is_requeued(cluster: Cluster, case: Make) -> None:
    sweep = case(1, LONG)
    job = submitted(sweep)
    until(60, trains(sweep))
    call("scancel", "--signal=USR2", job)
    until(90, sweep.done)
    assert (sweep.went_on(), restarts(job)) == (1, 1)
    sweep.check()


@pytest.mark.parametrize("how", ["scancel", "requeue", "preempted", "node killed", "daemon killed"])
def test_however_a_job_ends_nothing_is_lost(cluster: Cluster, case: Make, how: str) -> None:
    sweep = case(2, LONG)
    job = submitted(sweep, per_job=2, cpus=2, slurm_option=("nodelist=n2",) if "killed" in how else ())
    until(60, trains(sweep))
    urgent = None
    if how == "scancel":
        call("scancel", job)
    elif how == "requeue":
        call("scontrol", "requeue", job)
    elif how == "preempted":
        words = ("-p", "urgent", "-N", "2", "-c", "2", "-o", "/dev/null", "--wrap", "sleep 5", "--parsable")
        urgent = call("sbatch", *words).strip()
    else:
        cluster.kill_node("n2", with_jobs=how == "node killed")
        until(40, lambda: not cluster.is_up("n2"))
        cluster.start_node("n2")
        until(40, lambda: cluster.is_up("n2"))
    told = finished(sweep, per_job=2, cpus=2)
    assert len(sweep.events()) >= 4
    if how != "daemon killed":  # in which case the networks go on by themselves
        assert sweep.went_on() >= 1, told
    starts = [event["how"] for event in sweep.events() if event["event"] == "started"]
    assert sum("starting" in how for how in starts) == 2
    sweep.check()
    if urgent:
        call("scancel", urgent)


def test_a_job_that_never_gets_further_is_not_submitted_for_ever(cluster: Cluster, case: Make) -> None:
    sweep = case(1, LONG)
    with pytest.raises(
        StuckError, match=r"1 network left, and 3 submissions have brought none of them further"
    ) as caught:
        finished(sweep, mem="60M")
    folder = Path(str(caught.value).split("See ")[1].split(" for why ")[0])
    assert any("memory" in path.read_text() for path in folder.rglob("*.out"))


def test_what_slurm_refuses_is_reported_and_leaves_nothing(cluster: Cluster, case: Make) -> None:
    sweep = case(1, SHORT)
    with pytest.raises(ValueError, match=r"Slurm refuses: .*invalid partition"):
        submitted(sweep, partition="nowhere")
    with pytest.raises(ValueError, match=r"Slurm refuses: .*unrecognized option '--no-such-thing"):
        submitted(sweep, slurm_option=("no-such-thing=1",))
    assert list((sweep.store.path / "slurm").iterdir()) == []


def test_cancel_ends_only_the_jobs_of_the_sweep_and_the_commands_that_follow_them(cluster: Cluster, case: Make) -> None:
    sweep = case(5, 40 * LONG)
    stranger = call("sbatch", "--parsable", "-c", "1", "-o", "/dev/null", "--wrap", "sleep 100").strip()
    ended: list[BaseException] = []

    def follow() -> None:
        try:
            finished(sweep, per_job=1)
        except BaseException as error:
            ended.append(error)

    follower = threading.Thread(target=follow)
    follower.start()
    until(90, lambda: len(sweep.saved()) >= 2)
    jobs = cancel(sweep.store)
    assert len(jobs) == 5
    follower.join(60)
    assert str(ended[0]) == "Cancelled, with 5 networks left."
    assert call("squeue", "--noheader", "-o", "%i").split() == [stranger]
    call("scancel", stranger)
    assert cancel(sweep.store) == []


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that calls ``recurrent-memory`` as a user does."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "recurrent_memory", *words]
        return subprocess.run(whole, capture_output=True, text=True, timeout=300)

    return run


def test_the_command_stays_until_nothing_is_left(cluster: Cluster, case: Make, command: Any) -> None:
    sweep = case(4, LONG)  # short ones may be done before the second command looks
    words = ("sweep", "run", "sweep.toml", "--slurm", "--time", "5", "--per-job", "2", "--array-limit", "2")
    first = command(*words)
    assert (first.returncode, first.stderr) == (0, "")
    assert "submitted 4 networks in 2 jobs" in first.stdout
    again = command(*words)
    assert "4 of 4 networks left belong to 2 jobs queued or running" in again.stderr
    done = command(*words, "--resubmit", "--look-every", "0.5")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 networks finished, 0 failed" in done.stdout
    assert "0 jobs cancelled" in command("sweep", "cancel", "sweep.toml").stdout
    sweep.check()


def test_the_plain_script_does_the_same(cluster: Cluster, case: Make, command: Any) -> None:
    sweep = case(2, 2 * LONG)
    words = ("--time", "5", "--per-job", "1", "--array-limit", "2", "-o", "script.sh")
    assert command("sweep", "export-sbatch", "sweep.toml", *words).returncode == 0
    job = call("sbatch", "--parsable", "script.sh").strip()
    # Its checkpoints are a minute apart, so that there is none yet.
    until(90, lambda: len(sweep.events_of("started")) == 2)
    call("scancel", "--signal=USR2", job)
    until(120, sweep.done)
    assert sweep.went_on() == 2
    assert restarts(f"{job}_0") == restarts(f"{job}_1") == 1
    sweep.check()
