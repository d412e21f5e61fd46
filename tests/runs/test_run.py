"""NumPy's threads do not get in the way of those that train."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

import recurrent_memory as rm
from recurrent_memory.sweeps import Network, Store, execute, identity
from small import small_experiment


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_one_thread_while_networks_run(tmp_path: Path) -> None:
    seen: list[set[int]] = []
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        every = [small_experiment(seed=seed) for seed in (1, 2, 3)]
        rm.run(every[0], on_progress=lambda _: seen.append(blas_threads()))
        rm.run_many(every, on_progress=lambda _: seen.append(blas_threads()))
        networks = [Network(experiment, {}, identity(experiment)) for experiment in every]
        execute(networks, Store(tmp_path), (), on_progress=lambda _: seen.append(blas_threads()))
        assert len(seen) > 10
        assert all(threads == {1} for threads in seen)
        assert blas_threads() == {2}
