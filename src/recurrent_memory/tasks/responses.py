"""Responses: the kinds of answer that a task can ask for, and everything that depends on the kind.

A response defines what the network's outputs are, which loss training minimizes, and how answers are compared with an
ideal observer's. Objective, readout, results and pictures all use it; a new kind is one class here.
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
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken, except in the published measure."""


class Errors(NamedTuple):
    """The error of every answer, and the error that it is compared with; NaN if an answer does not count.

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> Value.errors(truth=zero, observer=zero, network=zero - 0.5, variant="paper")
    Errors(network=array([0.5]), reference=array([0.]))
    """

    network: Float[np.ndarray, " answer"]
    """Angle: error in radians. Probability, category: KL(observer‖network) in nats. Value: absolute error."""
    reference: Float[np.ndarray, " answer"]
    """Angle: the observer's error. Probability, category: KL(observer‖chance). Value: 0."""


class AbstractResponse(ABC):
    """One kind of answer; a class that is never instantiated.

    Examples
    --------
    >>> probability = RESPONSES["probability"]
    >>> round(probability.test_loss(truth=np.ones(2), answer=np.full(2, 0.5), variant="paper"), 3)
    0.693
    """

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
    """Names of the two fields of `Errors`."""
    error_names_without_observer: ClassVar[tuple[str, str]] = error_names
    """Their names if the task has no ideal observer."""
    terms: ClassVar[tuple[str, str]] = error_names
    """Short names of their means in the formula of the fractional loss."""
    formula: ClassVar[str] = "{} / {}"
    """What `fraction` computes, for the two terms; empty if a class has a `fraction` of its own and says no formula."""

    def __init_subclass__(cls) -> None:
        """Drop the inherited formula of a class that computes another fraction."""
        super().__init_subclass__()
        if "fraction" in vars(cls) and "formula" not in vars(cls):
            cls.formula = ""

    @staticmethod
    @abstractmethod
    def training_loss(
        outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
    ) -> Float[Array, ""]:
        """Return the mean loss that training minimizes, inside compiled code.

        Parameters
        ----------
        outputs, targets
            Of the network and of the task, at the steps that count.

        Returns
        -------
        Mean loss, in `error_unit`.
        """

    @staticmethod
    @abstractmethod
    def errors(
        truth: Float[np.ndarray, "*answer"],
        observer: Float[np.ndarray, "*answer"],
        network: Float[np.ndarray, "*answer"],
        variant: Variant,
    ) -> Errors:
        """Return the error of each answer, and the error that it is compared with.

        Parameters
        ----------
        truth, observer, network
            Correct answers, the ideal observer's and the network's, as `read` returns them.
        variant
            ``"paper"``, the published measure, or ``"exact"``.

        Returns
        -------
        Errors of all answers, flattened.
        """

    @staticmethod
    @abstractmethod
    def test_loss(truth: Float[np.ndarray, "*answer"], answer: Float[np.ndarray, "*answer"], variant: Variant) -> float:
        """Return the mean loss of answers.

        Parameters
        ----------
        truth, answer
            Correct answers and those to be judged, as `read` returns them.
        variant
            ``"paper"``, the published measure, or ``"exact"``.

        Returns
        -------
        Mean loss, in `error_unit`.
        """

    @staticmethod
    def fraction(
        network: Float[np.ndarray, "*shape"], reference: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Return the fractional loss; by default, the network's error divided by the reference.

        Parameters
        ----------
        network, reference
            Mean errors, in `error_unit`.

        Returns
        -------
        Fractional loss, dimensionless; NaN if the reference is 0.
        """
        return np.asarray(network / _or_nan(reference))

    @staticmethod
    def read(values: Shaped[Any, "trial response output"], step: int) -> Shaped[Any, " trial *answer"]:
        """Select the answers from outputs or targets; by default, those at the readout step.

        Parameters
        ----------
        values
            Outputs or targets in the response epoch.
        step
            Readout step, an index into the response epoch.

        Returns
        -------
        Answers of each trial.
        """
        return values[:, step]

    @classmethod
    def answer(cls, values: Shaped[Any, "trial response output"]) -> Shaped[Any, " trial *answer"]:
        """Select the answer at the end of the trial, in the shape that observers return.

        Parameters
        ----------
        values
            Outputs or targets in the response epoch.

        Returns
        -------
        Answer of each trial.
        """
        return cls.read(values, -1)


def _check(response: Any) -> None:
    """Refuse anything but a complete response."""
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
        reference = _or_nan(reference)
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


def _or_nan(reference: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Replace a reference of 0 by NaN, since nothing can be divided by it."""
    return np.where(reference == 0, math.nan, reference)
