"""What is known of a network while it learns: its loss, and its answers beside the ideal observer's."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from . import evaluation
from .tasks import AbstractTask
from .training import Chunk, join_batches

WINDOW = 100
"""Iterations over which the fractional loss is averaged while a network trains."""

REPORT_EVERY = 500
"""Iterations between two reports of the published code."""


class History(NamedTuple):
    """One entry for every iteration done.

    Errors are kept as sums and counts over the answers of each batch, so that an average over any number of
    iterations weighs every answer alike.
    """

    loss: Float[np.ndarray, " iteration"]
    """Objective before the iteration's step."""
    network_sum: Float[np.ndarray, " iteration"]
    network_count: Float[np.ndarray, " iteration"]
    reference_sum: Float[np.ndarray, " iteration"]
    reference_count: Float[np.ndarray, " iteration"]

    @staticmethod
    def empty() -> History:
        """Return the history before the first iteration."""
        return History(*(np.zeros(0) for _ in History._fields))

    def extended(self, task: AbstractTask, chunk: Chunk, readout_step: int) -> History:
        """Return the history with a chunk of iterations added.

        Notes
        -----
        The network's answers are those of the pass that was trained on, before its step; the published code runs the
        network once more after the step. Errors and observer are the published ones.
        """
        batch = chunk.answers.outputs.shape[1]
        answers = join_batches(chunk.answers)
        errors = evaluation.judge(task, answers, readout_step, "paper")
        sums = [
            (np.nansum(e, axis=1), np.sum(~np.isnan(e), axis=1))
            for e in (values.reshape(-1, batch * (values.size // len(answers.outputs))) for values in errors)
        ]
        (network, n_network), (reference, n_reference) = sums
        new = (chunk.losses, network, n_network, reference, n_reference)
        return History(*(np.concatenate([old, np.asarray(n, float)]) for old, n in zip(self, new, strict=True)))

    def __len__(self) -> int:
        """Return the number of iterations done."""
        return len(self.loss)

    def network_error(self) -> Float[np.ndarray, " iteration"]:
        """Return the network's mean error over the last ``WINDOW`` iterations up to each one."""
        return _moving_mean(self.network_sum, self.network_count)

    def reference_error(self) -> Float[np.ndarray, " iteration"]:
        """Return the mean error the network's is measured against, likewise."""
        return _moving_mean(self.reference_sum, self.reference_count)

    def fractional_loss(self, task: AbstractTask) -> Float[np.ndarray, " iteration"]:
        """Return the published fractional loss over the last ``WINDOW`` iterations up to each one."""
        return evaluation.fraction(task.response, self.network_error(), self.reference_error())

    def reports(self, task: AbstractTask) -> tuple[Int[np.ndarray, " report"], Float[np.ndarray, " report"]]:
        """Return the iterations at which the published code reports, and the fractional loss since the last report.

        Iteration 0, which is reported alone, then every ``REPORT_EVERY``-th.
        """
        last = np.arange(0, len(self), REPORT_EVERY)
        if not last.size:
            return last, np.zeros(0)
        bounds = np.concatenate([[0], last + 1])
        sums = [
            np.array([values[a:b].sum() for a, b in itertools.pairwise(bounds)])
            for values in (self.network_sum, self.network_count, self.reference_sum, self.reference_count)
        ]
        network, reference = (s / np.maximum(n, 1) for s, n in (sums[:2], sums[2:]))
        return last, evaluation.fraction(task.response, network, reference)


def _moving_mean(
    sums: Float[np.ndarray, " iteration"], counts: Float[np.ndarray, " iteration"]
) -> Float[np.ndarray, " iteration"]:
    """Return the mean over the last WINDOW iterations up to each one."""
    last = np.arange(1, len(sums) + 1)
    first = np.maximum(last - WINDOW, 0)
    total, number = (np.concatenate([[0.0], np.cumsum(values)]) for values in (sums, counts))
    return np.asarray((total[last] - total[first]) / np.maximum(number[last] - number[first], 1))
