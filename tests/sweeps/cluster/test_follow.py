"""The loop that follows a sweep's jobs knows no scheduler: here with one that has three lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from helpers import Outcome
from recurrent_memory.errors import StuckError
from recurrent_memory.settings import Settings
from recurrent_memory.sweeps import Failure, Network, Store, Sweep, load, networks
from recurrent_memory.sweeps.cluster.follow import finish
from recurrent_memory.sweeps.cluster.interface import CLUSTERS, AbstractCluster, Job
from recurrent_memory.sweeps.cluster.slurm import Request
from recurrent_memory.sweeps.cluster.submission import Submission, Submitted, submissions, write

TEXT = '[experiment]\ntask = "de1"\npreset = "quick"\n[axes]\nseed = { range = [0, 5] }\n'


class Few(Settings):
    """What a job gets here."""

    cpus: int = 1


class Here(AbstractCluster):
    """A scheduler that ends two networks with each submission, at once, or none."""

    name: ClassVar[str] = "here"
    title: ClassVar[str] = "this machine"
    request: ClassVar[type[Settings]] = Few

    def __init__(self, ends: int = 2) -> None:
        self.ends, self.taken = ends, 0

    def submit(
        self, networks: Sequence[Network], sweep: Sweep, store: Store, request: Any, *, checkpoint_after: float = 0.0
    ) -> Submitted:
        store.prepare()
        folder = store.path / self.name / str(self.taken)
        folder.mkdir(parents=True)
        write(folder, sweep, [[one.identity for one in networks]], f"s-{self.taken}", [1], request)
        self.taken += 1
        for one in networks[: self.ends]:
            store.fail(one.identity, Failure("error", "not trained", None, {}))
        return Submitted(Submission(folder), [str(self.taken)], len(networks), 1, "")

    def preview(self, networks: Sequence[Network], sweep: Sweep, store: Store, request: Any) -> list[str]:
        return [f"train {len(networks)} networks on {request.cpus} cores"]

    def queued(self, store: Store) -> list[Job]:
        return []

    def cancel(self, store: Store) -> list[Job]:
        return []


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    (tmp_path / "s.toml").write_text(TEXT)
    return load(tmp_path / "s.toml")


def test_slurm_is_found_by_its_name() -> None:
    assert CLUSTERS.names() == ("slurm",)
    assert CLUSTERS.find("Slurm").name == "slurm"


def test_what_jobs_leave_is_submitted_until_nothing_is_left(sweep: Sweep) -> None:
    store, cluster = Store(sweep.store), Here()
    told: list[str] = []
    finish(cluster, networks(sweep), sweep, store, Request(), on_message=told.append, look_every=0.01)
    assert cluster.taken == 3
    assert len(store.failed()) == 5
    assert [line.split(":")[0] for line in told if line.startswith("submitted")] == [
        f"submitted {left} network{'s' * (left > 1)} in 1 job" for left in (5, 3, 1)
    ]
    assert [len(known.chunks[0]) for known in submissions(store, "here")] == [5, 3, 1]


def test_submissions_that_bring_nothing_come_to_an_end(sweep: Sweep) -> None:
    cluster = Here(ends=0)
    with pytest.raises(StuckError, match="5 networks left, and 3 submissions have brought none of them further"):
        finish(cluster, networks(sweep), sweep, Store(sweep.store), Request(), look_every=0.01)
    assert cluster.taken == 3


def test_any_cluster_takes_sweeps_from_the_command_line(
    sweep: Sweep, command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, file = Here(), sweep.source.path
    monkeypatch.setattr(CLUSTERS, "_entries", {**CLUSTERS, "here": cluster})
    shown = command("run", file, "--cluster", "Here", "--cpus", "3", "--dry-run")
    assert (shown.code, shown.out) == (0, "train 5 networks on 3 cores\n")
    done = command("run", file, "--cluster", "here", "--resubmit", "--look-every", "0.1")
    assert done.code == 3
    assert "0 of 5 networks finished, 5 failed" in done.out
    assert cluster.taken == 3
    assert command("cancel", file).out == "0 jobs cancelled, 0 of them running\n"


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--cluster", "her"), ("There is no cluster 'her'.", "Do you mean here?", "Clusters: slurm, here.")),
        (("--cluster", "here", "--partition", "gpu"), ("`--partition` is not a setting of Few. Its settings: cpus.",)),
        (("--cluster", "here", "--part", "0/2"), ("for this machine",)),
        (("--cpus", "2"), ("needs --slurm or --cluster",)),
    ],
)
def test_what_a_cluster_cannot_do_is_one_short_message(
    sweep: Sweep,
    command: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    fragments: tuple[str, ...],
) -> None:
    monkeypatch.setattr(CLUSTERS, "_entries", {**CLUSTERS, "here": Here()})
    done = command("run", sweep.source.path, *words)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert all(fragment in done.err for fragment in fragments), done.err
