"""The cluster that all tests here share, and sweeps to run on it."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recurrent_memory.sweeps.cluster.slurm import cancel, queued

from .cluster import Cluster
from .sweeps import Case, iterations_per_second, until


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start Slurm, or skip the tests if we are not root and `REQUIRE_SLURM` is not set."""
    if os.geteuid() != 0 and not os.environ.get("REQUIRE_SLURM"):
        pytest.skip("needs root: slurmd starts jobs as the user who submits them")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", "")
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "programs"))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        started = Cluster(folder)
        try:
            try:
                started.start()
            except Exception as error:
                pytest.fail(f"Slurm does not start: {error}\n{started.logs()}", pytrace=False)
            yield started
        finally:
            started.stop()
            shutil.rmtree(folder, ignore_errors=True)


def is_empty(case: Case) -> bool:
    """Return whether Slurm has no job of a sweep any more."""
    return not queued(case.store)


@pytest.fixture(scope="session")
def rate(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Return how many iterations a second this machine trains for."""
    return iterations_per_second(tmp_path_factory.mktemp("rate"))


@pytest.fixture
def case(cluster: Cluster, rate: float, tmp_path: Path) -> Iterator[Callable[[int, float], Case]]:
    """Return a function that makes a sweep of so many networks that train for so many seconds each, or longer.

    The jobs of the sweep end with the test.
    """
    made = []

    def make(number: int, seconds: float) -> Case:
        made.append(Case.made(tmp_path, number, 12 + round(seconds * rate)))
        return made[-1]

    yield make
    for each in made:
        cancel(each.store)
        until(30, functools.partial(is_empty, each))
