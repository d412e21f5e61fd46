"""Responses: the kinds of answer a task can ask for, and everything that depends on the kind.

A response says what the network's outputs are, what it is trained to make small, and how its answers are judged beside
an ideal observer's. Objective, readout, results and pictures ask it; a new kind is one class here.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped
from scipy.special import rel_entr

from ..errors import InputError
from ..registry import Registry

Response: TypeAlias = str
"""Name of a kind of answer: ``"angle"``, ``"probability"``, ``"category"``, ``"value"``, or one of your own."""
Variant: TypeAlias = Literal["paper", "exact"]
PROBABILITY_MARGIN = 1e-6
"""Probabilities are kept this far from 0 and 1 if their logarithm is taken, but for the published measure."""


class Errors(NamedTuple):
    """Error of every answer and the error it is measured against; NaN if an answer does not count."""

    network: Float[np.ndarray, " answer"]
    """Angle: error in radians. Probability, category: KL(observer‖network) in nats. Value: absolute error."""
    reference: Float[np.ndarray, " answer"]
    """Angle: the observer's error. Probability, category: KL(observer‖chance). Value: 0."""


class AbstractResponse(ABC):
    """One kind of answer; a class that is never instantiated."""

    name: ClassVar[str]
    unit: ClassVar[str]
    """Unit of an answer."""
    error_unit: ClassVar[str]
    """Unit of a loss or an error."""
    readout: ClassVar[Literal["linear", "sigmoid", "softmax"]] = "linear"
    """The network's output nonlinearity, unless an experiment asks for another."""
    is_probability: ClassVar[bool] = False
    """Whether outputs are probabilities: kept away from 0 and 1, and judged by their divergence from the observer's."""
    error_names: ClassVar[tuple[str, str]] = ("network's error", "ideal observer's error")
    """What the network's error and the error it is measured against are."""
    error_names_without_observer: ClassVar[tuple[str, str]] = error_names
    """The same if the task has no ideal observer."""

    @staticmethod
    @abstractmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean loss that training makes small, inside compiled code."""

    @staticmethod
    @abstractmethod
    def errors(
        truth: Float[np.ndarray, "*answer"],
        observer: Float[np.ndarray, "*answer"],
        network: Float[np.ndarray, "*answer"],
        variant: Variant,
    ) -> Errors:
        """Return the error of each answer and of what it is compared with, one axis each."""

    @staticmethod
    @abstractmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean loss of answers against the truth, in `error_unit`."""

    @staticmethod
    def fraction(
        network: Float[np.ndarray, "*shape"], reference: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return the fractional loss from mean errors; by default the share of the error that chance would make."""
        return np.asarray(network / _or_nan(reference))

    @staticmethod
    def read(values: Shaped[Any, "trial response output"], step: int) -> Shaped[Any, " trial *answer"]:
        """Return the answers among outputs or targets of the response epoch; by default those at the read-out step."""
        return values[:, step]

    @classmethod
    def answer(cls, values: Shaped[Any, "trial response output"]) -> Shaped[Any, " trial *answer"]:
        """Return the answer at the end of the trial in the shape that observers give."""
        return cls.read(values, -1)


def _check(response: Any) -> None:
    """Refuse what is not a complete response."""
    if not (inspect.isclass(response) and issubclass(response, AbstractResponse)):
        raise InputError(f"{response!r} is not a response: derive a class from AbstractResponse.")
    missing = [name for name in ("name", "unit", "error_unit") if not hasattr(response, name)]
    missing += sorted(response.__abstractmethods__)
    if missing:
        raise InputError(f"{response.__name__} is not a complete response: it lacks {', '.join(missing)}.")


RESPONSES: Registry[type[AbstractResponse]] = Registry("response", check=_check)
"""The kinds of answer by name."""


@RESPONSES.register
class Angle(AbstractResponse):
    """Angles in radians, of period π."""

    name = "angle"
    unit = "radians"
    error_unit = "radians"

    @staticmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean of abs(output − target) mod π, which is not the circular distance (0.9 π counts as 0.9 π)."""
        return jnp.mean(jnp.mod(_magnitude(outputs - targets), math.pi))

    @staticmethod
    def errors(
        truth: Float[np.ndarray, "*answer"],
        observer: Float[np.ndarray, "*answer"],
        network: Float[np.ndarray, "*answer"],
        variant: Variant,
    ) -> Errors:
        """Return the network's and the observer's angular errors."""
        truth, observer, network = truth.ravel(), observer.ravel(), network.ravel()
        return Errors(angular_distance(truth, network, variant), angular_distance(truth, observer, variant))

    @staticmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean angular error."""
        return float(angular_distance(truth, answer, variant).mean())

    @staticmethod
    def fraction(
        network: Float[np.ndarray, "*shape"], reference: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return the share by which the network's error exceeds the observer's."""
        reference = _or_nan(reference)
        return np.asarray((network - reference) / reference)


@RESPONSES.register
class Probability(AbstractResponse):
    """The probability of one of two things, or several such probabilities, each of a thing of its own."""

    name = "probability"
    unit = "probability"
    error_unit = "nats"
    readout = "sigmoid"
    is_probability = True
    error_names = ("divergence of network from ideal observer", "divergence of chance from ideal observer")
    error_names_without_observer = ("network's cross-entropy", "cross-entropy of chance")

    @staticmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean cross-entropy (the readout keeps outputs inside [10⁻⁶, 1 − 10⁻⁶])."""
        return -jnp.mean(targets * jnp.log(outputs) + (1 - targets) * jnp.log1p(-outputs))

    @staticmethod
    def errors(
        truth: Float[np.ndarray, "*answer"],
        observer: Float[np.ndarray, "*answer"],
        network: Float[np.ndarray, "*answer"],
        variant: Variant,
    ) -> Errors:
        """Return KL(observer‖network) and KL(observer‖½)."""
        p, q = observer.ravel(), network.ravel()
        if variant == "paper":
            return Errors(
                p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)),
                p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p)),
            )
        q = np.clip(q, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return Errors(rel_entr(p, q) + rel_entr(1 - p, 1 - q), rel_entr(p, 0.5) + rel_entr(1 - p, 0.5))

    @staticmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean cross-entropy; an observer that is undefined for want of spikes counts as ½."""
        p = np.clip(np.where(np.isnan(answer), 0.5, answer), PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p)))

    @classmethod
    def answer(cls, values: Shaped[Any, "trial response output"]) -> Shaped[Any, " trial *answer"]:
        """Return (trial,) for one probability, (trial, output) for several."""
        return values[:, -1, 0] if values.shape[-1] == 1 else values[:, -1]


@RESPONSES.register
class Value(AbstractResponse):
    """Any value at each step of the response epoch."""

    name = "value"
    unit = "arbitrary units"
    error_unit = "arbitrary units"

    @staticmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean absolute error."""
        return jnp.mean(_magnitude(outputs - targets))

    @staticmethod
    def errors(
        truth: Float[np.ndarray, "*answer"],
        observer: Float[np.ndarray, "*answer"],
        network: Float[np.ndarray, "*answer"],
        variant: Variant,
    ) -> Errors:
        """Return the absolute error, compared with none."""
        truth, network = truth.ravel(), network.ravel()
        return Errors(np.abs(truth - network), np.zeros_like(network))

    @staticmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean absolute error."""
        return float(np.mean(np.abs(truth - answer)))

    @staticmethod
    def fraction(
        network: Float[np.ndarray, "*shape"], reference: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return the error itself, which is no fraction."""
        return network

    @staticmethod
    def read(values: Shaped[Any, "trial response output"], step: int) -> Shaped[Any, " trial *answer"]:
        """Return every step of the response epoch: (trial, time), or (trial, time, output) for several outputs."""
        return values[..., 0] if values.shape[-1] == 1 else values


@RESPONSES.register
class Category(AbstractResponse):
    """The probabilities of several categories, one output each, that sum to 1."""

    name = "category"
    unit = "probability"
    error_unit = "nats"
    readout = "softmax"
    is_probability = True
    error_names = Probability.error_names
    error_names_without_observer = Probability.error_names_without_observer

    @staticmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean cross-entropy of the categories (the readout keeps outputs inside [10⁻⁶, 1 − 10⁻⁶])."""
        return -jnp.mean(jnp.sum(targets * jnp.log(outputs), axis=-1))

    @staticmethod
    def errors(
        truth: Float[np.ndarray, "*answer"],
        observer: Float[np.ndarray, "*answer"],
        network: Float[np.ndarray, "*answer"],
        variant: Variant,
    ) -> Errors:
        """Return KL(observer‖network) and KL(observer‖chance), summed over the categories on the last axis.

        Both variants are the same: the paper has no such answer, and no reason to drop one.
        """
        n_categories = truth.shape[-1]
        p, q = (answers.reshape(-1, n_categories) for answers in (observer, network))
        q = np.clip(q, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return Errors(rel_entr(p, q).sum(axis=-1), rel_entr(p, 1 / n_categories).sum(axis=-1))

    @staticmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean cross-entropy; an observer that is undefined counts as chance."""
        p = np.where(np.isnan(answer), 1 / truth.shape[-1], answer)
        p = np.clip(p, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return float(-np.mean(np.sum(truth * np.log(p), axis=-1)))


def angular_distance(
    a: Float[np.ndarray, "*answer"], b: Float[np.ndarray, "*answer"], variant: Variant
) -> Float[np.ndarray, "*answer"]:
    """Return abs(a − b) mod π (``"paper"``), or the distance on the circle of circumference π (``"exact"``)."""
    distance = np.mod(np.abs(a - b), math.pi)
    return np.asarray(distance if variant == "paper" else np.minimum(distance, math.pi - distance))


def _magnitude(x: Array) -> Array:
    """Return abs(x) with derivative sign(x), which is 0 at 0 as published; JAX's own ``abs`` has 1 there."""
    return jnp.maximum(x, -x)


def _or_nan(reference: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return NaN in place of a reference of 0, which nothing can be measured against."""
    return np.where(reference == 0, math.nan, reference)
