"""How long a sweep will take here, and how large it will be: estimates, before anything is trained."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from ..ensembles import cores, estimated_bytes
from ..experiment import Experiment
from .grid import Network
from .status import duration
from .store import Part

SECONDS_OF_MEASURES = 3.0
"""Of a core, for what a network takes besides its products: ideal observers, sequentiality, files (measured)."""

BYTES_OF_A_RECORD = 8_000

SECONDS_OF_TIMING = 0.1


class Estimate(NamedTuple):
    """What a sweep takes on this machine."""

    networks: int
    shapes: int
    """Groups of networks that share a compiled program."""
    hours: float
    """Networks that stop early take less."""
    memory: float
    """Bytes, while as many train as there are cores."""
    disk: float
    """Bytes of all results."""

    def __str__(self) -> str:
        """Return the estimate in a line."""
        return (
            f"{self.networks} networks of {self.shapes} shape{'s' * (self.shapes != 1)}: "
            f"about {duration(3600 * self.hours)} on the {cores()} cores here, {self.memory / 1e9:.1f} GB of memory, "
            f"{self.disk / 1e9:.2f} GB on disk (estimates)"
        )


def estimate(networks: Sequence[Network], parts: Collection[Part]) -> Estimate:
    """Return how long networks will take here and how large they will be, from the rate of products timed now.

    Parameters
    ----------
    networks
        What is left to train.
    parts
        What is kept of each besides its measures.
    """
    shapes = [network.experiment.shape for network in networks]
    examples = dict(zip(shapes, (network.experiment for network in networks), strict=True))
    number = Counter(shapes)
    disk = sum(_bytes_on_disk(examples[shape], parts) * n for shape, n in number.items())
    memory = max(map(estimated_bytes, examples.values()), default=0)
    hours = sum(_core_seconds(networks, shapes)) / cores() / 3600
    return Estimate(len(networks), len(number), hours, float(memory * cores()), disk)


def core_seconds(networks: Sequence[Network]) -> list[float]:
    """Return about how many seconds each network takes on one core like those here, if it does not stop early."""
    return _core_seconds(networks, [network.experiment.shape for network in networks])


def _core_seconds(networks: Sequence[Network], shapes: Sequence[str]) -> list[float]:
    of_shape: dict[str, float] = {}
    seconds_an_operation = 1 / _operations_a_second()
    found = []
    for (experiment, *_), shape in zip(networks, shapes, strict=True):
        if shape not in of_shape:
            of_shape[shape] = _operations_an_iteration(experiment) * seconds_an_operation
        passes = _iterations(experiment) + experiment.test_batches / 3  # tested forth alone
        found.append(of_shape[shape] * passes + SECONDS_OF_MEASURES)
    return found


def _iterations(experiment: Experiment) -> int:
    return experiment.iterations * max(1, len(experiment.curriculum))


def _operations_an_iteration(experiment: Experiment) -> float:
    """Count what the products of an iteration take: forth, back, and for the gradient of the weights."""
    task = experiment.make_task()
    blocks = 3 if experiment.model == "gru" else 1
    rows = task.n_steps * experiment.batch_size
    return 3 * 2.0 * rows * blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)


def _operations_a_second() -> float:
    """Return how many operations one core does while it is free, however busy the machine is now.

    A product this small is done by one core, with no other to wait for, in some microseconds: among thousands of them
    some have met no other work.
    """
    matrix = np.ones((64, 64), np.float32)
    took: list[float] = []
    end = time.perf_counter() + SECONDS_OF_TIMING
    while not took or time.perf_counter() < end:
        started = time.perf_counter()
        matrix @ matrix
        took.append(time.perf_counter() - started)
    return 2 * 64**3 / min(took)


def _bytes_on_disk(experiment: Experiment, parts: Collection[Part]) -> float:
    task = experiment.make_task()
    trials = min(6, experiment.test_batches) * experiment.batch_size
    blocks = 3 if experiment.model == "gru" else 1
    weights = 4 * blocks * experiment.n_hidden * (experiment.n_hidden + task.n_inputs)
    activity = 4 * trials * task.n_steps * (experiment.n_hidden + task.n_inputs)
    kept = {"curves": 8 * 3 * experiment.iterations, "weights": weights, "activity": activity}
    return BYTES_OF_A_RECORD + float(sum(kept[part] for part in parts))
