"""What this machine gives a process, and what a network takes of it: cores, bytes, threads, the job of a cluster."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import psutil
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..experiment import Experiment
from ..registry import Registry

SHARE_OF_MEMORY = 0.8
"""Share of the free memory that a plan may use."""

MOST_MAPS = 14_000
"""Memory maps of this process above which compiled programs are let go; Linux allows 65,530."""


class Job(NamedTuple):
    """The job of a cluster that this process belongs to."""

    id: str
    restart: int
    """How often the cluster has started the job again."""


class AbstractScheduler(ABC):
    """What a cluster's scheduler says about the job that this process belongs to."""

    name: ClassVar[str]

    @abstractmethod
    def cores(self) -> int | None:
        """Return the cores that the job was given; None outside of a job, or if the scheduler does not say."""

    @abstractmethod
    def job(self) -> Job | None:
        """Return the job; None outside of one."""


SCHEDULERS: Registry[AbstractScheduler] = Registry(
    "scheduler", homes=("recurrent_memory.sweeps.cluster.slurm.environment",)
)
"""Schedulers by name. Each lives with its cluster, which is built on runs; so it is found by its module's name."""


def current_job() -> Job | None:
    """Return the job of a cluster that this process belongs to; None outside of one."""
    return next((job for scheduler in SCHEDULERS.values() if (job := scheduler.job()) is not None), None)


def machine() -> dict[str, str]:
    """Return the name of this machine and the kind of its first device, which results and failures are stored with."""
    import jax

    return {"host": platform.node(), "device": jax.devices()[0].device_kind}


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        found = os.cpu_count() or 1
    # Not every cluster binds a job to the cores it was given.
    given = [n for scheduler in SCHEDULERS.values() if (n := scheduler.cores()) is not None]
    return max(1, min([found, *given]))


def blas_on_one_thread() -> contextlib.AbstractContextManager[object]:
    """Have NumPy's matrix products use one thread for a while.

    The products of the ideal observers are small. But after each of them the other threads of OpenBLAS wait for the
    next one without sleep, on the cores on which networks train.
    """
    limits: contextlib.AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def release_programs(most_maps: int = MOST_MAPS) -> None:
    """Let go of all compiled programs once this process has more memory maps.

    Each shape of network leaves about 600 maps and 37 MB of programs in the process. To compile again what does not
    depend on the shape takes about 2 s, so programs are not let go after each shape but every twenty or so, at a cost
    of 2 %. A program that is running keeps its own maps.
    """
    if _memory_maps() > most_maps:
        import jax

        jax.clear_caches()
        # The C library keeps freed memory for itself unless it is asked to give it back.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _memory_maps() -> int:
    """Return the number of memory maps of this process; 0 if the system does not say."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


def free_memory(*, of_devices: bool = False) -> int:
    """Return the bytes that are free: of this machine, or of all accelerators together where JAX says so."""
    if of_devices:
        import jax

        known = [device.memory_stats() for device in jax.local_devices()]
        free = [of["bytes_limit"] - of["bytes_in_use"] for of in known if of and "bytes_limit" in of]
        if free:
            return int(min(free)) * len(free)
    return int(psutil.virtual_memory().available)


def estimated_bytes(experiment: Experiment) -> int:
    """Return an estimate of the memory that training and testing one network takes, beyond what the process has."""
    from ..networks import CELLS

    task = experiment.make_task()
    blocks = CELLS[experiment.model].blocks
    steps = task.n_steps * experiment.batch_size
    weights = blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)
    training = 10 * weights + 4 * steps * (blocks * experiment.n_hidden + task.n_inputs)
    testing = weights + 6 * steps * (4 * experiment.n_hidden + 2 * task.n_inputs)
    return 4 * max(training, testing)


def result_bytes(experiment: Experiment) -> int:
    """Return about how much memory the data set of a network takes."""
    from ..evaluation import ACTIVITY_BATCHES  # here, since a look at a sweep's status needs claims, but not JAX

    task = experiment.make_task()
    trials = min(ACTIVITY_BATCHES, experiment.test_batches) * experiment.batch_size
    columns = experiment.n_hidden + task.n_inputs + 2 * task.n_outputs
    return 4 * (trials * task.n_steps * columns + experiment.n_hidden**2) + 8 * 6 * experiment.iterations


def check_that_results_fit(experiments: Sequence[Experiment]) -> None:
    """Refuse experiments whose results do not fit into memory together.

    Raises
    ------
    InputError
        If they do not.
    """
    needed, free = sum(map(result_bytes, experiments)), free_memory()
    if needed > SHARE_OF_MEMORY * free:
        raise InputError(
            f"The results of {len(experiments)} networks take about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of "
            "memory are free. Give `folders`, so that they are kept in files, or run fewer at a time."
        )
