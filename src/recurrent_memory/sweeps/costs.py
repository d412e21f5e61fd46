"""Estimates of the time, memory and disk space that a sweep takes on this machine, before anything is trained."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import kernel
from ..errors import counted
from ..experiment import Experiment
from ..networks import CELLS, ReluCell, recur
from ..runs.resources import cores, estimated_bytes
from .grid import Network
from .status import duration
from .store.record import Part

SECONDS_OF_MEASURES = 3.0
"""Core seconds per network besides the matrix products: ideal observers, sequentiality, files (measured)."""

BYTES_OF_A_RECORD = 8_000

SECONDS_OF_TIMING = 0.1
TIMED_SIZES = (100, 500)
"""Numbers of units at which the recurrence is timed; a small network takes longer per operation."""


class Estimate(NamedTuple):
    """What a sweep takes on this machine.

    Examples
    --------
    >>> cost = Estimate(networks=8, shapes=1, hours=0.5, memory=2e9, disk=8e4)
    >>> str(cost).split(" on the ")[0]
    '8 networks of 1 shape: about 30 min'
    """

    networks: int
    shapes: int
    """Number of groups of networks that share a compiled program."""
    hours: float
    """Hours if no network stops early."""
    memory: float
    """Bytes, with one network per core in training."""
    disk: float
    """Bytes of all results."""

    def __str__(self) -> str:
        """Return the estimate in a line."""
        return (
            f"{counted(self.networks, 'network')} of {counted(self.shapes, 'shape')}: "
            f"about {duration(3600 * self.hours)} on the {counted(cores(), 'core')} here, "
            f"{self.memory / 1e9:.1f} GB of memory, "
            f"{self.disk / 1e9:.2f} GB on disk (estimates)"
        )


def estimate(networks: Sequence[Network], parts: Collection[Part]) -> Estimate:
    """Estimate the time, memory and disk space that networks will take here, from a recurrence that is timed now.

    Parameters
    ----------
    networks
        Networks still to be trained.
    parts
        What is kept of each network besides its measures.

    Returns
    -------
    The estimate.

    Examples
    --------
    >>> estimate([], parts=["weights"]).networks
    0
    """
    examples: dict[str, Experiment] = {}
    number: Counter[str] = Counter()
    core, seconds = _Core(), 0.0
    for network in networks:
        shape = network.experiment.shape
        examples.setdefault(shape, network.experiment)
        number[shape] += 1
        seconds += core.seconds(network.experiment, shape)
    disk = sum(_bytes_on_disk(examples[shape], parts) * n for shape, n in number.items())
    memory = max(map(estimated_bytes, examples.values()), default=0)
    return Estimate(len(networks), len(number), seconds / cores() / 3600, float(memory * cores()), disk)


def core_seconds(networks: Sequence[Network]) -> list[float]:
    """Estimate the seconds that each network takes on one core of this machine if it does not stop early."""
    core = _Core()
    return [core.seconds(network.experiment, network.experiment.shape) for network in networks]


class _Core:
    """Measured speed of one core of this machine."""

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}
        self._per_iteration: dict[str, float] = {}

    def seconds(self, experiment: Experiment, shape: str) -> float:
        """Estimate the seconds that a network takes."""
        if shape not in self._per_iteration:
            # Timing takes a while, and the nearest of a few sizes is close enough.
            size = min(TIMED_SIZES, key=lambda n: abs(math.log(n / experiment.n_hidden)))
            self._rates[size] = self._rates.get(size) or _operations_a_second(size)
            self._per_iteration[shape] = _operations_an_iteration(experiment) / self._rates[size]
        passes = _iterations(experiment) + experiment.test_batches / 3  # the test has no backward pass
        return self._per_iteration[shape] * passes + SECONDS_OF_MEASURES


def _iterations(experiment: Experiment) -> int:
    return experiment.iterations * max(1, len(experiment.curriculum))


def _operations_an_iteration(experiment: Experiment) -> float:
    """Count the operations of an iteration's matrix products: forward, backward, and the gradient of the weights."""
    task = experiment.make_task()
    blocks = CELLS[experiment.model].blocks
    rows = task.n_steps * experiment.batch_size
    return 3 * 2.0 * rows * blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)


def _operations_a_second(n_units: int) -> float:
    """Measure the operations per second of one core in the recurrence of so many units.

    The fastest of many short passes counts: even on a busy machine, some of them run undisturbed.
    """
    random = np.random.default_rng(0)
    steps, trials, neurons = 20, 50, 50
    cell = ReluCell(
        W_in=jnp.asarray(random.normal(size=(neurons, n_units)), jnp.float32),
        b_in=jnp.zeros(n_units, jnp.float32),
        W_rec=jnp.asarray(random.normal(size=(n_units, n_units)) / np.sqrt(n_units), jnp.float32),
        b_rec=jnp.zeros(n_units, jnp.float32),
    )
    counts = jnp.asarray(random.poisson(0.3, (steps, trials, neurons)), jnp.float32)
    forward = jax.jit(recur)
    kernel.limit_threads(1)
    try:
        forward(cell, counts).block_until_ready()  # compiles
        took: list[float] = []
        end = time.perf_counter() + SECONDS_OF_TIMING
        while not took or time.perf_counter() < end:
            started = time.perf_counter()
            forward(cell, counts).block_until_ready()
            took.append(time.perf_counter() - started)
    finally:
        kernel.limit_threads(0)
    at_work = 1 if kernel.is_usable() else cores()  # XLA's loop uses all cores
    return 2 * steps * trials * n_units * (n_units + neurons) / min(took) / at_work


def _bytes_on_disk(experiment: Experiment, parts: Collection[Part]) -> float:
    task = experiment.make_task()
    trials = min(6, experiment.test_batches) * experiment.batch_size
    blocks = CELLS[experiment.model].blocks
    weights = 4 * blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)
    activity = 4 * trials * task.n_steps * (experiment.n_hidden + task.n_inputs)
    kept = {"curves": 8 * 3 * experiment.iterations, "weights": weights, "activity": activity}
    return BYTES_OF_A_RECORD + float(sum(kept[part] for part in parts))
