"""What a measure can be computed from: a network's activity, its weights, its training, its answers in the test."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from .. import evaluation
from ..evaluation import mispaired_cd1
from ..evaluation.history import History
from ..tasks import AbstractTask, PopulationTask
from ..training import Answers


class Way(NamedTuple):
    """A way to compute a measure."""

    variant: evaluation.Variant
    """Published or exact: both the ideal observer and the formula."""
    what: str
    """The variant in words, for long names."""
    causal: bool = False
    """Whether the ideal observer sees the input only up to the step at which the network's answer is read."""
    concerns: Callable[[AbstractTask], bool] = lambda task: True
    """Returns whether a task has this variant."""


VARIANTS: dict[str, Way] = {
    "paper": Way("paper", "paper"),
    "misaligned": Way("paper", "paper", concerns=mispaired_cd1.concerns),
    "exact": Way("exact", "exact"),
    "exact_causal": Way("exact", "exact, observer stops at the read-out step", causal=True),
}
"""The ways in which measures are computed, in the order in which a result has them."""


@dataclass(frozen=True)
class Activity:
    """Activity in the test trials that are kept, over the whole trial or over one epoch.

    Examples
    --------
    >>> from recurrent_memory import tasks
    >>> on = Activity(tasks.make("de1"), np.ones((2, 150, 3)), np.ones((2, 150), bool), epoch="delay")
    >>> on.steps, on.activity.shape
    ((25, 125), (2, 100, 3))
    """

    task: AbstractTask
    whole: Float[np.ndarray, "trial time unit"]
    """Activity at all steps of the trial (arbitrary units)."""
    whole_mask: Bool[np.ndarray, "trial time"]
    """Whether a trial has a step; a trial with a shorter delay than the longest lacks some."""
    variant: str = "exact"
    """One of `VARIANTS`."""
    epoch: str | None = None
    """Epoch that is measured; None: the whole trial."""

    @property
    def steps(self) -> tuple[int, int] | None:
        """First step that is measured, and the step after the last; None: the whole trial."""
        return None if self.epoch is None else self.task.epochs[self.epoch]

    @property
    def activity(self) -> Float[np.ndarray, "trial time unit"]:
        """Activity at the steps that are measured."""
        return self.whole[:, slice(*(self.steps or (None,)))]

    @property
    def mask(self) -> Bool[np.ndarray, "trial time"]:
        """The mask at the steps that are measured."""
        return self.whole_mask[:, slice(*(self.steps or (None,)))]

    def of_trials(self, chosen: Bool[np.ndarray, " trial"]) -> Activity:
        """Return the activity in some of the trials.

        Parameters
        ----------
        chosen
            True for each trial to keep.

        Returns
        -------
        A copy with these trials.
        """
        return replace(self, whole=self.whole[chosen], whole_mask=self.whole_mask[chosen])


@dataclass(frozen=True)
class Training:
    """The training of a network.

    Examples
    --------
    >>> from recurrent_memory import tasks
    >>> on = Training(tasks.make("de1"), History.empty())
    >>> on.history.loss.shape
    (0,)
    """

    task: AbstractTask
    history: History
    variant: str = "paper"


@dataclass(frozen=True)
class Answered:
    """A network's answers to all test trials, with those of the ideal observer and the true values.

    Examples
    --------
    >>> from recurrent_memory import tasks
    >>> truth, observer, network = np.array([0.5, 1.0]), np.array([0.6, 1.1]), np.array([0.7, 1.4])
    >>> errors = evaluation.errors("angle", truth, observer, network)
    >>> on = Answered(tasks.make("de1"), truth, observer, network, errors, batch_size=2)
    >>> round(on.performance.network_error, 3), len(on.of_trials(np.array([True, False])).truth)
    (0.3, 1)
    """

    task: AbstractTask
    truth: Shaped[np.ndarray, "*answer"]
    observer: Shaped[np.ndarray, "*answer"]
    network: Shaped[np.ndarray, "*answer"]
    errors: evaluation.Errors
    """Error of each answer, trial by trial."""
    batch_size: int
    variant: str = "exact"
    """One of `VARIANTS`."""

    @property
    def way(self) -> evaluation.Variant:
        """``"paper"`` or ``"exact"``, as the functions of :mod:`recurrent_memory.evaluation` expect it."""
        return VARIANTS[self.variant].variant

    @functools.cached_property
    def performance(self) -> evaluation.Performance:
        """Summary of the errors."""
        return evaluation.performance(self.task.response, self.errors)

    def of_trials(self, chosen: Bool[np.ndarray, " trial"]) -> Answered:
        """Return the answers to some of the trials.

        Parameters
        ----------
        chosen
            True for each trial to keep.

        Returns
        -------
        A copy with these trials.
        """
        errors = (np.asarray(of_all).reshape(len(chosen), -1)[chosen].ravel() for of_all in self.errors)
        parts: dict[str, Any] = {name: getattr(self, name)[chosen] for name in ("truth", "observer", "network")}
        return replace(self, errors=evaluation.Errors(*errors), **parts)


def answered(task: AbstractTask, answers: Answers, readout_step: int, batch_size: int) -> dict[str, Answered]:
    """Return a network's answers in each of the `VARIANTS` that the task has.

    The ideal observer takes long, so variants with the same observer share its answers.
    """
    found: dict[str, Answered] = {}
    judged: dict[tuple[evaluation.Variant, bool], Answered] = {}
    for name, way in VARIANTS.items():
        if not way.concerns(task):
            continue
        causal = way.causal and not _all_is_seen(task, readout_step)
        if (way.variant, causal) not in judged:
            given = evaluation.given(task, answers, readout_step, way.variant, causal=causal)
            errors = evaluation.judge(task, given, way.variant)
            judged[way.variant, causal] = Answered(task, *given, errors, batch_size)
        found[name] = replace(judged[way.variant, causal], variant=name)
    return found


def _all_is_seen(task: AbstractTask, readout_step: int) -> bool:
    """Return whether the observer of a population task has seen every step of every display by the read-out step."""
    if not isinstance(task, PopulationTask) or type(task).observe is not PopulationTask.observe:
        return False  # an observer of the user's own may take the read-out step itself into account
    return task.steps_seen(task.n_steps + readout_step + 1) == task.steps_seen()
