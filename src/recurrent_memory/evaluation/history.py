"""The course of learning: a network's loss, and its answers compared with the ideal observer's."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..tasks import AbstractTask
from ..training import Chunk, join_batches
from . import mispaired_cd1
from .fractional_loss import fraction, judge
from .fractional_loss import given as given_answers

WINDOW = 100
"""Iterations over which the fractional loss is averaged while a network trains."""

REPORT_EVERY = 500
"""Iterations between two reports of the published code."""


class History(NamedTuple):
    """One entry for every iteration done.

    Errors are kept as sums and counts over the answers of each batch, so that an average over any number of iterations
    weights all answers equally.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> one = np.ones(4)  # four iterations with one answer each
    >>> history = History(
    ...     loss=one, network_sum=3 * one, network_count=one, reference_sum=2 * one, reference_count=one,
    ...     mispaired=History.empty().mispaired,
    ... )
    >>> history.fractional_loss(make("de1")).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    loss: Float[np.ndarray, " iteration"]
    """Objective before the iteration's step."""
    network_sum: Float[np.ndarray, " iteration"]
    network_count: Float[np.ndarray, " iteration"]
    reference_sum: Float[np.ndarray, " iteration"]
    reference_count: Float[np.ndarray, " iteration"]
    mispaired: Float[np.ndarray, "report quantity trial"]
    """Sums since the last report, for the published fractional loss of CD-1; empty for other tasks."""

    @staticmethod
    def empty() -> History:
        """Return the history before the first iteration.

        Returns
        -------
        A history of length 0.
        """
        none = np.zeros(0)
        return History(none, none, none, none, none, np.zeros((0, len(mispaired_cd1.QUANTITIES), 0)))

    def extended(self, task: AbstractTask, chunk: Chunk, readout_step: int) -> History:
        """Append a chunk of iterations.

        Parameters
        ----------
        task
            The task.
        chunk
            Record of the chunk.
        readout_step
            Step at which an angle or a probability is read, counted from the end.

        Returns
        -------
        The longer history.

        Notes
        -----
        The network's answers are those of the forward pass before the step. With ``judge_after_step`` they are those of
        another pass after it, as in the published code. Errors and observer are the published ones.
        """
        batch = chunk.answers.outputs.shape[1]
        given = given_answers(task, join_batches(chunk.answers), readout_step, "paper")
        errors = judge(task, given, "paper")
        sums = [
            (np.nansum(e, axis=1), np.sum(~np.isnan(e), axis=1))
            for e in (values.reshape(len(chunk.losses), -1) for values in errors)
        ]
        (network, n_network), (reference, n_reference) = sums
        new = (chunk.losses, network, n_network, reference, n_reference)
        fields = [np.concatenate([old, np.asarray(n, float)]) for old, n in zip(self[:-1], new, strict=True)]
        mispaired = self.mispaired
        if mispaired_cd1.concerns(task):
            mispaired = self._mispaired_with(given.observer.reshape(-1, batch), given.network.reshape(-1, batch))
        return History(*[*fields, mispaired])

    def _mispaired_with(
        self, observer: Float[np.ndarray, "batch trial"], network: Float[np.ndarray, "batch trial"]
    ) -> Float[np.ndarray, "report quantity trial"]:
        iterations = len(self) + np.arange(len(observer))
        reports = -(-iterations // REPORT_EVERY)  # iteration 0 is reported alone
        sums = np.zeros((reports[-1] + 1, len(mispaired_cd1.QUANTITIES), observer.shape[1]))
        sums[: len(self.mispaired)] = self.mispaired.reshape(-1, *sums.shape[1:])
        np.add.at(sums, reports, mispaired_cd1.quantities(observer, network))
        return sums

    def __len__(self) -> int:
        """Return the number of iterations done."""
        return len(self.loss)

    def network_error(self) -> Float[np.ndarray, " iteration"]:
        """Return the network's mean error over the ``WINDOW`` iterations that end with each one.

        Returns
        -------
        Mean error for each iteration, in the response's unit of errors.
        """
        return _moving_mean(self.network_sum, self.network_count)

    def reference_error(self) -> Float[np.ndarray, " iteration"]:
        """Return the mean error that the network's is compared with, over the same windows.

        Returns
        -------
        Mean error for each iteration, in the response's unit of errors.
        """
        return _moving_mean(self.reference_sum, self.reference_count)

    def fractional_loss(self, task: AbstractTask) -> Float[np.ndarray, " iteration"]:
        """Return the published fractional loss over the ``WINDOW`` iterations that end with each one.

        Parameters
        ----------
        task
            The task.

        Returns
        -------
        Fractional loss for each iteration.
        """
        return fraction(task.response, self.network_error(), self.reference_error())

    def latest_fractional_loss(self, task: AbstractTask) -> float:
        """Return the published fractional loss over the last ``WINDOW`` iterations.

        Parameters
        ----------
        task
            The task.

        Returns
        -------
        The last value of :meth:`fractional_loss`, in a time that does not grow with the history; NaN before the first
        iteration.
        """
        if not len(self):
            return math.nan
        network, reference = (
            _mean_error(sums[-WINDOW:].sum(), counts[-WINDOW:].sum())
            for sums, counts in (
                (self.network_sum, self.network_count),
                (self.reference_sum, self.reference_count),
            )
        )
        return float(fraction(task.response, network, reference))

    def reports(self, task: AbstractTask) -> tuple[Int[np.ndarray, " report"], Float[np.ndarray, " report"]]:
        """Return what the published code reports of learning.

        Parameters
        ----------
        task
            The task.

        Returns
        -------
        The iterations of the reports, 0 and then every ``REPORT_EVERY``-th, and the fractional loss over the iterations
        since the last report; that of iteration 0 covers it alone.
        """
        last = np.arange(0, len(self), REPORT_EVERY)
        if not last.size:
            return last, np.zeros(0)
        bounds = np.concatenate([[0], last + 1])
        sums = [
            np.array([values[a:b].sum() for a, b in itertools.pairwise(bounds)])
            for values in (self.network_sum, self.network_count, self.reference_sum, self.reference_count)
        ]
        network, reference = itertools.starmap(_mean_error, (sums[:2], sums[2:]))
        return last, fraction(task.response, network, reference)

    def mispaired_reports(self) -> Float[np.ndarray, " report"]:
        """Return what the published code reports of CD-1, from trials that it pairs wrongly.

        Returns
        -------
        Fractional loss at each iteration of :meth:`reports`; empty for other tasks.
        """
        complete = len(range(0, len(self), REPORT_EVERY))
        return np.array([mispaired_cd1.fractional_loss(sums) for sums in self.mispaired[:complete]])


def _moving_mean(
    sums: Float[np.ndarray, " iteration"], counts: Float[np.ndarray, " iteration"]
) -> Float[np.ndarray, " iteration"]:
    """Return the mean over the WINDOW iterations that end with each one."""
    last = np.arange(1, len(sums) + 1)
    first = np.maximum(last - WINDOW, 0)
    total, number = (np.concatenate([[0.0], np.cumsum(values)]) for values in (sums, counts))
    return np.asarray(_mean_error(total[last] - total[first], number[last] - number[first]))


def _mean_error(total: Any, number: Any) -> Any:
    """Return a mean error; 0 where there is no answer."""
    return total / np.maximum(number, 1)
