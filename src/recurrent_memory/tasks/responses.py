"""The kinds of answer that a task can ask for; objective, readout, results and pictures use them.

A new kind is one class here.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped
from scipy.special import rel_entr

from .response import RESPONSES as RESPONSES
from .response import AbstractResponse as AbstractResponse
from .response import Errors as Errors
from .response import Response as Response
from .response import Variant as Variant
from .response import or_nan

PROBABILITY_MARGIN = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken, except in the published measure."""


@RESPONSES.register
class Angle(AbstractResponse):
    """Angles in radians, of period π."""

    name = "angle"
    unit = "radians"
    error_unit = "radians"
    terms = ("test loss", "observer's loss")
    formula = "({0} − {1}) / {1}"

    @staticmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean of abs(output − target) mod π, as published; not the circular distance (0.9π stays 0.9π)."""
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
        """Return the network's excess error over the observer's, divided by the observer's."""
        reference = or_nan(reference)
        return np.asarray((network - reference) / reference)


@RESPONSES.register
class Probability(AbstractResponse):
    """The probability of one of two alternatives, or several such probabilities, each of a separate question."""

    name = "probability"
    unit = "probability"
    error_unit = "nats"
    readout = "sigmoid"
    is_probability = True
    error_names = ("divergence of network from ideal observer", "divergence of chance from ideal observer")
    error_names_without_observer = ("network's cross-entropy", "cross-entropy of chance")
    terms = ("mean KL(observer‖network)", "mean KL(observer‖½)")

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
        """Return the mean cross-entropy; an observer's answer that is undefined for lack of spikes counts as ½."""
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
    terms = ("mean absolute error", "0")
    formula = "{}"

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
        """Return the absolute error, with 0 as its reference."""
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
        """Return the error itself, since there is nothing to divide it by."""
        return network

    @staticmethod
    def read(values: Shaped[Any, "trial response output"], step: int) -> Shaped[Any, " trial *answer"]:
        """Return every step of the response epoch: (trial, time), or (trial, time, output) for several outputs."""
        return values[..., 0] if values.shape[-1] == 1 else values


@RESPONSES.register
class Category(AbstractResponse):
    """The probabilities of several categories, which sum to 1; one output for each category."""

    name = "category"
    unit = "probability"
    error_unit = "nats"
    readout = "softmax"
    is_probability = True
    error_names = Probability.error_names
    error_names_without_observer = Probability.error_names_without_observer
    terms = ("mean KL(observer‖network)", "mean KL(observer‖chance)")

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

        Both variants are the same, since the paper has no task with categories.
        """
        n_categories = truth.shape[-1]
        p, q = (answers.reshape(-1, n_categories) for answers in (observer, network))
        q = np.clip(q, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return Errors(rel_entr(p, q).sum(axis=-1), rel_entr(p, 1 / n_categories).sum(axis=-1))

    @staticmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean cross-entropy; an observer's answer that is undefined counts as chance."""
        p = np.where(np.isnan(answer), 1 / truth.shape[-1], answer)
        p = np.clip(p, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return float(-np.mean(np.sum(truth * np.log(p), axis=-1)))


def angular_distance(
    a: Float[np.ndarray, "*answer"], b: Float[np.ndarray, "*answer"], variant: Variant
) -> Float[np.ndarray, "*answer"]:
    """Return the distance between angles of period π.

    Parameters
    ----------
    a, b
        Angles in radians.
    variant
        ``"paper"``: abs(a − b) mod π, as in the published code. ``"exact"``: the distance on the circle.

    Returns
    -------
    Radians, less than π (``"paper"``) or at most π/2 (``"exact"``).

    Examples
    --------
    >>> angular_distance(np.zeros(1), np.array([3.0]), "exact").round(2)
    array([0.14])
    """
    distance = np.mod(np.abs(a - b), math.pi)
    return np.asarray(distance if variant == "paper" else np.minimum(distance, math.pi - distance))


def _magnitude(x: Array) -> Array:
    """Return abs(x), whose derivative is 0 at 0, as in the published code; that of JAX's own ``abs`` is 1 there."""
    return jnp.maximum(x, -x)
