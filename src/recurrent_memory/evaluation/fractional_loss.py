"""Answers compared with the ideal observer's: fractional loss and success, as published and exact."""

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
    """The true, the ideal and the network's answers, in one shape.

    The observer's answers take long to compute; one `Given` serves all measures.

    Examples
    --------
    >>> Given(truth=np.array([0.0]), observer=np.array([0.1]), network=np.array([0.3])).observer
    array([0.1])
    """

    truth: Shaped[np.ndarray, "*answer"]
    """True values, in the unit of the response."""
    observer: Shaped[np.ndarray, "*answer"]
    """The ideal observer's answers, in the same unit."""
    network: Shaped[np.ndarray, "*answer"]
    """The network's answers, in the same unit."""


class Performance(NamedTuple):
    """Performance over many answers.

    Examples
    --------
    >>> Performance(
    ...     fractional_loss=0.354, standard_error=0.01, network_error=0.2339, reference_error=0.1727, n_dropped=0
    ... ).solved
    True
    """

    fractional_loss: float
    """Angle: (network − reference)/reference. Probability, category: network/reference. Value: network, no fraction."""
    standard_error: float
    """Standard error of the fractional loss over answers (delta method for a ratio of means)."""
    network_error: float
    """The network's mean error, in the response's unit of errors."""
    reference_error: float
    """The mean error that it is compared with, in the same unit."""
    n_dropped: int
    """Number of answers that do not count."""

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
    """Return the error of each answer and the error that it is compared with.

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

    Returns
    -------
    Errors of the network and of its reference, one axis each, in the response's unit of errors.

    Raises
    ------
    InputError
        If shapes differ, or the variant or the response is unknown.

    Notes
    -----
    Orhan & Ma (2019), Methods. Computed in double precision, since it decides which observers are exactly 1.

    Examples
    --------
    >>> errors("angle", truth=np.zeros(1), observer=np.array([0.1]), network=np.array([-0.3]), variant="exact").network
    array([0.3])
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
    """Return the true, the ideal and the network's answers to trials of a task, for :func:`judge`.

    Parameters
    ----------
    task
        The task, with its ideal observer.
    answers
        The network's answers, with the leading axis trial.
    readout_step
        Step at which an angle or a probability is read, counted from the end (−1: the last step); a value is judged at
        every step of the response.
    variant
        Variant of the observer, ``"paper"`` or ``"exact"``.
    causal
        Whether the observer sees only the steps that the network has seen by the read-out step.

    Returns
    -------
    The answers, in the shape of the observer's.

    Examples
    --------
    >>> import jax
    >>> from recurrent_memory.tasks import make
    >>> from recurrent_memory.training import answers
    >>> task = make("de1")
    >>> trials = task.sample(jax.random.key(0), 3)
    >>> given(task, answers(task, trials, outputs=trials.targets[:, -25:]), readout_step=-1).network.shape
    (3, 1)
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
        The task.
    of
        Answers, from :func:`given`.
    variant
        ``"paper"`` or ``"exact"``.

    Returns
    -------
    The errors that :func:`errors` returns. If the task has no observer of its own, probabilities are compared with the
    truth and with chance in the exact variant, since the published one drops every answer whose observer is certain.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> answers = Given(truth=np.zeros((1, 1)), observer=np.full((1, 1), 0.1), network=np.full((1, 1), 0.3))
    >>> judge(make("de1"), answers).reference
    array([0.1])
    """
    certain = task.kind.is_probability and not task.has_observer
    return errors(task.response, *of, "exact" if certain else variant)


def performance(response: Response, of: Errors) -> Performance:
    """Summarise errors over all answers.

    Parameters
    ----------
    response
        Name of the kind of answer; see :func:`errors`.
    of
        Errors from :func:`judge` or :func:`errors`. Each mean leaves out its own NaN, as published.

    Returns
    -------
    Fractional loss, its standard error, and mean errors.

    Examples
    --------
    >>> of = Errors(network=np.array([0.3, 0.3]), reference=np.array([0.1, 0.3]))
    >>> round(performance("angle", of).fractional_loss, 3)  # (0.3 − 0.2) / 0.2
    0.5
    """
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
    """Return the fractional loss for given mean errors.

    Parameters
    ----------
    response
        Name of the kind of answer; see :func:`errors`.
    network, reference
        The network's mean error and the one it is compared with, in one unit.

    Returns
    -------
    Fractional loss, dimensionless (for ``"value"``, the network's error); NaN if the reference is 0 or unknown.

    Notes
    -----
    Orhan & Ma (2019), Methods.

    Examples
    --------
    >>> round(float(fraction("angle", 0.2339, 0.1727)), 3)
    0.354
    """
    return RESPONSES[response].fraction(np.asarray(network, np.float64), np.asarray(reference, np.float64))


def mean(values: Float[np.ndarray, " answer"]) -> float:
    """Return the mean of all values that are not NaN.

    Parameters
    ----------
    values
        Errors, in any unit.

    Returns
    -------
    Their mean; NaN if no value is left.

    Examples
    --------
    >>> mean(np.array([1.0, np.nan, 3.0]))
    2.0
    """
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else math.nan


def loss(
    response: Response,
    truth: Shaped[np.ndarray, "*answer"],
    answer: Shaped[np.ndarray, "*answer"],
    variant: Variant = "paper",
) -> float:
    """Return the mean loss of answers against the truth.

    Parameters
    ----------
    response
        Name of the kind of answer; see :func:`errors`.
    truth, answer
        True values and answers of equal shape.
    variant
        ``"paper"``: angular error is abs(·) mod π. ``"exact"``: circular distance.

    Returns
    -------
    Radians for angles; nats of cross-entropy for probabilities and categories, which are kept in [10⁻⁶, 1 − 10⁻⁶] (an
    observer that is undefined for lack of spikes counts as chance); the target's unit for values.

    Examples
    --------
    >>> round(loss("probability", truth=np.array([1.0, 0.0]), answer=np.array([0.5, 0.5])), 3)  # ln 2
    0.693
    """
    return RESPONSES[response].test_loss(np.asarray(truth, np.float64), np.asarray(answer, np.float64), variant)
