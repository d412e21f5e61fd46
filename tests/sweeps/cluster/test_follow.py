"""The loop that follows a sweep's jobs knows no scheduler: here with one that has three lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recurrent_memory.errors import StuckError
from recurrent_memory.sweeps import Failure, Network, Store, Sweep, load, networks
from recurrent_memory.sweeps.cluster.follow import finish
from recurrent_memory.sweeps.cluster.interface import CLUSTERS, AbstractCluster, Job
from recurrent_memory.sweeps.cluster.slurm import Request
from recurrent_memory.sweeps.cluster.submission import Submission, Submitted, submissions, write

TEXT = '[experiment]\ntask = "de1"\npreset = "quick"\n[axes]\nseed = { range = [0, 5] }\n'


class Here(AbstractCluster):
    """A scheduler that ends two networks with each submission, at once, or none."""

    name: ClassVar[str] = "here"

    def __init__(self, ends: int = 2) -> None:
        self.ends, self.taken = ends, 0

    def submit(
        self, networks: Sequence[Network], sweep: Sweep, store: Store, request: Any, *, checkpoint_after: float = 0.0
    ) -> Submitted:
        folder = store.path / self.name / str(self.taken)
        folder.mkdir(parents=True)
        write(folder, sweep, [[one.identity for one in networks]], f"s-{self.taken}", [1], request)
        self.taken += 1
        for one in networks[: self.ends]:
            store.fail(one.identity, Failure("error", "not trained", None, {}))
        return Submitted(Submission(folder), [str(self.taken)], len(networks), 1, "")

    def preview(self, networks: Sequence[Network], sweep: Sweep, store: Store, request: Any) -> list[str]:
        return []

    def queued(self, store: Store) -> list[Job]:
        return []

    def cancel(self, store: Store) -> list[Job]:
        return []

    def plain_script(self, networks: Sequence[Network], sweep: Sweep, file: Path, request: Any) -> str:
        return ""


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
