"""How good an answer is, relative to the ideal observer's: fractional loss and success, as published and exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import rel_entr

from ..errors import InputError
from ..settings import SOLVED_BELOW as SOLVED_BELOW
from ..tasks import AbstractTask, Response
from ..training import Answers

Variant = Literal["paper", "exact"]

PROBABILITY_MARGIN = 1e-6
"""The exact variant keeps probabilities this far from 0 and 1 where it takes their logarithm."""


class Given(NamedTuple):
    """Answers of one shape; the observer's, which take long to find, once for all measures."""

    truth: Shaped[np.ndarray, "*answer"]
    observer: Shaped[np.ndarray, "*answer"]
    network: Shaped[np.ndarray, "*answer"]


class Errors(NamedTuple):
    """Error of every answer and the error it is measured against; NaN where an answer does not count."""

    network: Float[np.ndarray, " answer"]
    """Angle: error in radians. Probability: KL(observer‖network) in nats. Value: absolute error."""
    reference: Float[np.ndarray, " answer"]
    """Angle: the observer's error. Probability: KL(observer‖½). Value: 0."""


class Performance(NamedTuple):
    """Performance over many answers."""

    fractional_loss: float
    """Angle: (network − reference)/reference. Probability: network/reference. Value: network, not a fraction."""
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
        What the answer is: ``"angle"`` (radians, period π), ``"probability"`` or ``"value"``.
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
    if response not in _ERRORS:
        raise InputError(f"`response` = {response!r} is unknown: use one of {', '.join(_ERRORS)}.")
    arrays = [np.asarray(a, np.float64) for a in (truth, observer, network)]
    if len({a.shape for a in arrays}) > 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise InputError(f"truth, observer and network must have one shape, got {shapes}.")
    with np.errstate(divide="ignore", invalid="ignore"):
        return _ERRORS[response](arrays[0].ravel(), arrays[1].ravel(), arrays[2].ravel(), variant)


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
    read = (..., 0) if task.response == "value" else (slice(None), readout_step)
    truth, network = (np.asarray(a, np.float64)[read] for a in (answers.targets, answers.outputs))
    return Given(truth, observer.reshape(truth.shape), network)


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
    network, reference = np.asarray(network, np.float64), np.asarray(reference, np.float64)
    if response == "value":
        return network
    reference = np.where(reference == 0, math.nan, reference)
    return np.asarray((network - reference) / reference if response == "angle" else network / reference)


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

    Radians for angles (abs(·) mod π, or circular distance for ``"exact"``), nats of cross-entropy for probabilities
    (kept in [10⁻⁶, 1 − 10⁻⁶]; an observer that is undefined for want of spikes counts as ½), the target's unit for
    values.
    """
    truth, answer = np.asarray(truth, np.float64), np.asarray(answer, np.float64)
    if response == "angle":
        return float(angular_distance(truth, answer, variant).mean())
    if response == "probability":
        p = np.clip(np.where(np.isnan(answer), 0.5, answer), PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p)))
    return float(np.mean(np.abs(truth - answer)))


def angular_distance(
    a: Float[np.ndarray, "*answer"], b: Float[np.ndarray, "*answer"], variant: Variant
) -> Float[np.ndarray, "*answer"]:
    """Return abs(a − b) mod π (``"paper"``), or the distance on the circle of circumference π (``"exact"``)."""
    distance = np.mod(np.abs(a - b), math.pi)
    return np.asarray(distance if variant == "paper" else np.minimum(distance, math.pi - distance))


def _angular_errors(truth: np.ndarray, observer: np.ndarray, network: np.ndarray, variant: Variant) -> Errors:
    return Errors(angular_distance(truth, network, variant), angular_distance(truth, observer, variant))


def _divergences(truth: np.ndarray, observer: np.ndarray, network: np.ndarray, variant: Variant) -> Errors:
    p, q = observer, network
    if variant == "paper":
        return Errors(
            p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)),
            p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p)),
        )
    q = np.clip(q, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    return Errors(rel_entr(p, q) + rel_entr(1 - p, 1 - q), rel_entr(p, 0.5) + rel_entr(1 - p, 0.5))


def _absolute_errors(truth: np.ndarray, observer: np.ndarray, network: np.ndarray, variant: Variant) -> Errors:
    return Errors(np.abs(truth - network), np.zeros_like(network))


_ERRORS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, Variant], Errors]] = {
    "angle": _angular_errors,
    "probability": _divergences,
    "value": _absolute_errors,
}
