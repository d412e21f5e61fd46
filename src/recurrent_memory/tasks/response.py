"""What a kind of answer defines: the network's outputs, the loss of training, the comparison with an ideal observer."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Array, Float, Shaped

from ..errors import InputError
from ..registry import Registry

Response: TypeAlias = str
"""Name of a kind of answer: ``"angle"``, ``"probability"``, ``"category"``, ``"value"``, or one of your own."""
Variant: TypeAlias = Literal["paper", "exact"]
"""Which loss and which ideal observer: the published ones, or those that the formulas define."""


class Errors(NamedTuple):
    """The error of every answer, and the error that it is compared with; NaN if an answer does not count.

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> RESPONSES["value"].errors(truth=zero, observer=zero, network=zero - 0.5, variant="paper")
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
        return np.asarray(network / or_nan(reference))

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


def or_nan(reference: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Replace a reference of 0 by NaN, since nothing can be divided by it."""
    return np.where(reference == 0, math.nan, reference)
