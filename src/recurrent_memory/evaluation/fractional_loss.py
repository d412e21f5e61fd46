"""How good an answer is, relative to the ideal observer's: fractional loss and success, as published and exact."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from ..errors import InputError
from ..settings import SOLVED_BELOW
from ..tasks import RESPONSES, AbstractTask, Errors, Response
from ..tasks.responses import PROBABILITY_MARGIN, Variant, angular_distance
from ..training import Answers

__all__ = [
    "PROBABILITY_MARGIN",
    "SOLVED_BELOW",
    "Errors",
    "Given",
    "Performance",
    "Variant",
    "angular_distance",
    "errors",
    "fraction",
    "given",
    "judge",
    "loss",
    "mean",
    "performance",
]


class Given(NamedTuple):
    """Answers of one shape; the observer's, which take long to find, once for all measures."""

    truth: Shaped[np.ndarray, "*answer"]
    observer: Shaped[np.ndarray, "*answer"]
    network: Shaped[np.ndarray, "*answer"]


class Performance(NamedTuple):
    """Performance over many answers."""

    fractional_loss: float
    """Angle: (network − reference)/reference. Probability, category: network/reference. Value: network, no fraction."""
    standard_error: float
    """Of the fractional loss, over answers (delta method for a ratio of means)."""
    network_error: float
    reference_error: float
    n_dropped: int
    """Answers that did not count."""

    @property
    def solved(self) -> bool:
        """Whether the paper's success criterion is met."""
        return self.fractional_loss < SOLVED_BELOW


def errors(
    response: Response,
    truth: Shaped[np.ndarray, "*answer"],
    observer: Shaped[np.ndarray, "*answer"],
    network: Shaped[np.ndarray, "*answer"],
    variant: Variant = "paper",
) -> Errors:
    """Return the error of each answer and of what it is compared with.

    Parameters
    ----------
    response
        What the answer is: ``"angle"`` (radians, period π), ``"probability"``, ``"category"`` (probabilities of the
        categories on the last axis) or ``"value"``.
    truth, observer, network
        True value, ideal observer's and network's answer, of equal shape.
    variant
        ``"paper"``: angular error is abs(·) mod π; the Kullback-Leibler terms are taken as they are, so that an
        answer whose observer is exactly 0 or 1 is NaN and dropped (about 30 % of 2AFC trials, one-sidedly).
        ``"exact"``: circular distance; 0·log 0 = 0 and the network's probability kept in [10⁻⁶, 1 − 10⁻⁶], so that
        no answer is dropped.

    Raises
    ------
    InputError
        Where shapes differ, or the variant or the response is unknown.

    Notes
    -----
    Orhan & Ma (2019), Methods. In double precision, since which observers are exactly 1 depends on it.
    """
    if variant not in ("paper", "exact"):
        raise InputError(f"`variant` = {variant!r} is unknown: use 'paper' or 'exact'.")
    if response not in RESPONSES:
        raise InputError(f"`response` = {response!r} is unknown: use one of {', '.join(RESPONSES)}.")
    arrays = [np.asarray(a, np.float64) for a in (truth, observer, network)]
    if len({a.shape for a in arrays}) > 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise InputError(f"truth, observer and network must have one shape, got {shapes}.")
    with np.errstate(divide="ignore", invalid="ignore"):
        return RESPONSES[response].errors(arrays[0], arrays[1], arrays[2], variant)


def given(
    task: AbstractTask,
    answers: Answers,
    readout_step: int,
    variant: Variant = "paper",
    *,
    causal: bool = False,
) -> Given:
    """Return true, ideal and network's answers to trials of a task, for :func:`errors`.

    Parameters
    ----------
    task
        Whose ideal observer judges.
    answers
        Leading axis trial.
    readout_step
        Step at which an angle or a probability is read, counted from the end; a value is judged at every step of the
        response.
    variant
        ``"paper"`` or ``"exact"``: both the observer and the measure.
    causal
        Compare with an observer that has seen no more than the network had at the read-out step.
    """
    if causal:
        observer = task.observe(answers.evidence_seen, variant, until=task.n_steps + readout_step + 1)
    else:
        observer = task.observe(answers.evidence, variant)
    truth, network = (
        np.asarray(task.kind.read(np.asarray(values, np.float64), readout_step))
        for values in (answers.targets, answers.outputs)
    )
    return Given(truth, observer.reshape(truth.shape), network)


def judge(task: AbstractTask, of: Given, variant: Variant = "paper") -> Errors:
    """Return the errors of answers to trials of a task.

    Parameters
    ----------
    task
        What was asked.
    of
        From :func:`given`.
    variant
        ``"paper"`` or ``"exact"``.

    Returns
    -------
    Those of :func:`errors`; but if the task has no observer of its own, probabilities are compared with the truth and
    with chance in the exact form: the published one drops every answer whose observer is certain.
    """
    certain = task.kind.is_probability and not task.has_observer
    return errors(task.response, *of, "exact" if certain else variant)


def performance(response: Response, of: Errors) -> Performance:
    """Summarise errors over all answers; means leave out NaN, each on its own, as published."""
    network, reference = mean(of.network), mean(of.reference)
    counted = np.isfinite(of.network) & np.isfinite(of.reference)
    if response == "value":
        spread = of.network[counted]
    else:
        ratio = network / reference if reference else math.nan
        spread = (of.network[counted] - ratio * of.reference[counted]) / (reference or math.nan)
    error = float(np.std(spread, ddof=1) / math.sqrt(spread.size)) if spread.size > 1 else math.nan
    return Performance(
        fractional_loss=float(fraction(response, network, reference)),
        standard_error=error,
        network_error=network,
        reference_error=reference,
        n_dropped=int(counted.size - counted.sum()),
    )


def fraction(
    response: Response,
    network: float | Float[np.ndarray, "*shape"],
    reference: float | Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Return the fractional loss from mean errors; NaN where the reference is 0 or unknown."""
    return RESPONSES[response].fraction(np.asarray(network, np.float64), np.asarray(reference, np.float64))


def mean(values: Float[np.ndarray, " answer"]) -> float:
    """Return the mean that leaves out NaN; NaN where nothing is left."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else math.nan


def loss(
    response: Response,
    truth: Shaped[np.ndarray, "*answer"],
    answer: Shaped[np.ndarray, "*answer"],
    variant: Variant = "paper",
) -> float:
    """Return the mean loss of answers against the truth.

    Radians for angles (abs(·) mod π, or circular distance for ``"exact"``), nats of cross-entropy for probabilities and
    categories (kept in [10⁻⁶, 1 − 10⁻⁶]; an observer that is undefined for want of spikes counts as chance), the
    target's unit for values.
    """
    return RESPONSES[response].test_loss(np.asarray(truth, np.float64), np.asarray(answer, np.float64), variant)
