"""What this machine gives a process, and what a network needs: cores, memory, threads, the job of a cluster."""

from __future__ import annotations

import contextlib
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import psutil
from threadpoolctl import threadpool_limits

from .. import limits
from ..errors import InputError, counted, plain
from ..experiment import Experiment
from ..registry import Registry
from . import programs

LEAST_ADDRESSES = 2_300_000_000
"""Bytes of addresses with which a small network can be trained: 2.15 GB are enough on two cores, 1.95 GB are not."""
SHARE_OF_MEMORY = 0.8
"""Share of the free memory that a plan may use."""


class Job(NamedTuple):
    """The cluster job that this process belongs to."""

    id: str
    restart: int
    """How often the cluster has restarted the job."""


class AbstractScheduler(ABC):
    """What a cluster's scheduler says about the job that this process belongs to."""

    name: ClassVar[str]

    @abstractmethod
    def cores(self) -> int | None:
        """Return the number of cores that the job was given; None outside a job, or if the scheduler does not say."""

    def memory(self) -> int | None:
        """Return the bytes that the job was given; None outside a job, or if the scheduler does not say."""
        return None

    @abstractmethod
    def job(self) -> Job | None:
        """Return the job; None outside one."""


SCHEDULERS: Registry[AbstractScheduler] = Registry(
    "scheduler", homes=("recurrent_memory.sweeps.cluster.slurm.environment",)
)
"""Schedulers by name. Each is defined with its cluster, which imports this package, so it is found by module name."""


def current_job() -> Job | None:
    """Return the cluster job that this process belongs to; None outside one."""
    return next((job for scheduler in SCHEDULERS.values() if (job := scheduler.job()) is not None), None)


def machine() -> dict[str, str]:
    """Return the name of this machine and the kind of its first device, which results and failures record."""
    import jax

    return {"host": platform.node(), "device": jax.devices()[0].device_kind}


def cores() -> int:
    """Return the number of cores that this process may use."""
    # Not every cluster binds a job to the cores that it was given.
    given = [n for scheduler in SCHEDULERS.values() if (n := scheduler.cores()) is not None]
    return max(1, min([limits.cores(), *given]))


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Compute in settings on which neither speed nor results depend by accident, with programs of earlier processes."""
    programs.keep_on_disk()
    with blas_on_one_thread(), published_randomness():
        yield


def blas_on_one_thread() -> contextlib.AbstractContextManager[object]:
    """Limit NumPy's matrix products to one thread for a while.

    The products of the ideal observers are small. But after each of them the other threads of OpenBLAS spin while they
    wait for the next, on the cores on which networks train.
    """
    limits: contextlib.AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def published_randomness() -> contextlib.AbstractContextManager[object]:
    """Have this thread draw the same random numbers whatever JAX is set to; the keys are `runs.start.stream`'s.

    Otherwise the environment variable ``JAX_THREEFRY_PARTITIONABLE`` would change a result, and a run that is resumed
    under another value would mix two.
    """
    import jax

    fixed: contextlib.AbstractContextManager[object] = jax.threefry_partitionable(True)
    return fixed


def free_memory(*, of_devices: bool = False) -> int:
    """Return the free bytes of this machine, or of all accelerators together if JAX knows them."""
    if of_devices:
        import jax

        known = [device.memory_stats() for device in jax.local_devices()]
        free = [of["bytes_limit"] - of["bytes_in_use"] for of in known if of and "bytes_limit" in of]
        if free:
            return int(min(free)) * len(free)
    return memory().free


def memory() -> limits.Memory:
    """Return the memory of this machine that this process may use, within the limits of containers and clusters."""
    found = limits.memory()
    for scheduler in SCHEDULERS.values():
        if (given := scheduler.memory()) is not None:
            in_use = int(psutil.Process().memory_info().rss)
            found = limits.Memory(min(found.total, given), max(0, min(found.free, given - in_use)))
    return found


def check_device() -> None:
    """Refuse to go on if JAX has not got the devices that it is set to use.

    Raises
    ------
    InputError
        If it has not.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter, without words, for a platform of which it knows
        raise no_device(error) from None


def no_device(error: Exception) -> InputError:
    """Return what to say about an error of JAX when it was asked for a device."""
    what = plain(str(error).partition("(set ")[0].strip(), lines=1)
    if not what:
        what = f"there is none of the platforms JAX_PLATFORMS={plain(os.environ.get('JAX_PLATFORMS', ''), lines=1)}."
    return InputError(f"JAX cannot use this device: {what}\nUnset JAX_PLATFORMS, or set it to cpu.")


def check_that_it_fits(experiment: Experiment) -> None:
    """Refuse an experiment that can't be run on this machine, for want of a device or of memory, however much is free.

    Raises
    ------
    InputError
        If it does not fit.
    """
    limit = limits.addresses()
    if limit is not None and limit < LEAST_ADDRESSES:
        raise InputError(
            f"`ulimit -v` allows {limit / 1e9:.1f} GB of addresses, but libraries and threads alone take about "
            f"{LEAST_ADDRESSES / 1e9:.1f} GB (estimate), few of them memory: raise it, or limit memory by other means."
        )
    check_device()  # only now: JAX starts threads, whose addresses there may not be
    total = memory().total
    for e in experiment.stages:
        needed = max(estimated_bytes(e), result_bytes(e))
        if needed <= total:
            continue
        task = e.make_task()
        raise InputError(
            f"This needs {limits.beyond(needed, total)}: `n_hidden` = {e.n_hidden:,}, "
            f"`batch_size` = {e.batch_size:,}, {task.n_steps:,} steps in a trial, {task.n_inputs:,} "
            f"inputs, `iterations` = {e.iterations:,}, `test_batches` = {e.test_batches:,}.\nMake the largest smaller."
        )


def estimated_bytes(experiment: Experiment) -> int:
    """Estimate the bytes that training and testing a network takes, beyond what the process uses already."""
    from ..networks import CELLS

    task = experiment.make_task()
    blocks = CELLS[experiment.model].blocks
    steps = task.n_steps * experiment.batch_size
    weights = blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)
    training = 10 * weights + 4 * steps * (blocks * experiment.n_hidden + task.n_inputs)
    testing = weights + 6 * steps * (4 * experiment.n_hidden + 2 * task.n_inputs)
    answers = task.n_outputs * (task.epochs["response"][1] - task.epochs["response"][0]) + task.n_inputs
    testing += 2 * experiment.test_batches * experiment.batch_size * answers
    return 4 * max(training, testing)


def result_bytes(experiment: Experiment) -> int:
    """Estimate the bytes that the data set of a network takes in memory."""
    from ..evaluation import ACTIVITY_BATCHES  # here, because the status of a sweep needs claims but not JAX

    task = experiment.make_task()
    trials = min(ACTIVITY_BATCHES, experiment.test_batches) * experiment.batch_size
    columns = experiment.n_hidden + task.n_inputs + 2 * task.n_outputs
    return 4 * (trials * task.n_steps * columns + experiment.n_hidden**2) + 8 * 6 * experiment.iterations


def check_that_results_fit(experiments: Sequence[Experiment]) -> None:
    """Check that the results of all experiments fit into memory together.

    Raises
    ------
    InputError
        If they do not.
    """
    needed, free = sum(map(result_bytes, experiments)), free_memory()
    if needed > SHARE_OF_MEMORY * free:
        raise InputError(
            f"The results of {counted(len(experiments), 'network')} take about {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free. Give `folders` to keep them in files, or run fewer at a time."
        )
