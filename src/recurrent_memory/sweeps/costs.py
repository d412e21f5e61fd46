"""How long a sweep will take here, and how large it will be: estimates, before anything is trained."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from ..ensembles import cores, estimated_bytes
from ..experiment import OF_ONE_PROGRAM, Experiment
from .grid import Network
from .store import Part

OVERHEAD = 1.5
"""Time of an iteration over that of its products; measured 0.7 to 1.6 (docs/performance.md)."""

BYTES_OF_A_RECORD = 8_000


class Estimate(NamedTuple):
    """What a sweep takes on this machine."""

    networks: int
    shapes: int
    """Groups of networks that share a compiled program."""
    hours: float
    """At most: networks that stop early take less."""
    memory: float
    """Bytes, while as many train as there are cores."""
    disk: float
    """Bytes of all results."""

    def __str__(self) -> str:
        """Return the estimate in a line."""
        return (
            f"{self.networks} networks of {self.shapes} shape{'s' * (self.shapes != 1)}: "
            f"at most {duration(3600 * self.hours)} on the {cores()} cores here, {self.memory / 1e9:.1f} GB of memory, "
            f"{self.disk / 1e9:.2f} GB on disk (estimates)"
        )


def estimate(networks: Sequence[Network], parts: Collection[Part]) -> Estimate:
    """Return how long networks will take here and how large they will be, from the rate of a product timed now.

    Parameters
    ----------
    networks
        What is left to train.
    parts
        What is kept of each besides its measures.
    """
    of_shape: dict[str, list[Experiment]] = {}
    for network in networks:
        shape = repr([value for name, value in network.experiment if name not in OF_ONE_PROGRAM])
        of_shape.setdefault(shape, []).append(network.experiment)
    operations = disk = 0.0
    memory = 0
    for experiments in of_shape.values():
        example = experiments[0]
        operations += _operations_an_iteration(example) * sum(_iterations(one) for one in experiments)
        operations += len(experiments) * example.test_batches * _operations_an_iteration(example) / 3  # forth alone
        disk += _bytes_on_disk(example, parts) * len(experiments)
        memory = max(memory, estimated_bytes(example))
    seconds = OVERHEAD * operations / _operations_a_second()
    return Estimate(len(networks), len(of_shape), seconds / 3600, float(memory * cores()), disk)


def _iterations(experiment: Experiment) -> int:
    return experiment.iterations * max(1, len(experiment.curriculum))


def _operations_an_iteration(experiment: Experiment) -> float:
    """Count what the products of an iteration take: forth, back, and for the gradient of the weights."""
    task = experiment.make_task()
    blocks = 3 if experiment.model == "gru" else 1
    rows = task.n_steps * experiment.batch_size
    return 3 * 2.0 * rows * blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)


def _operations_a_second() -> float:
    matrix = np.ones((1000, 1000), np.float32)
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(5):
        matrix @ matrix
    return 5 * 2e9 / (time.perf_counter() - started)


def _bytes_on_disk(experiment: Experiment, parts: Collection[Part]) -> float:
    task = experiment.make_task()
    trials = min(6, experiment.test_batches) * experiment.batch_size
    blocks = 3 if experiment.model == "gru" else 1
    weights = 4 * blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)
    activity = 4 * trials * task.n_steps * (experiment.n_hidden + task.n_inputs)
    kept = {"curves": 8 * 3 * experiment.iterations, "weights": weights, "activity": activity}
    return BYTES_OF_A_RECORD + float(sum(kept[part] for part in parts))


def duration(seconds: float) -> str:
    """Return a time in words, in the unit that fits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
