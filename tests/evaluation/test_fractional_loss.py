"""Errors, performance and losses against numbers worked out by hand."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from recurrent_memory.errors import InputError
from recurrent_memory.evaluation import fractional_loss as evaluation
from recurrent_memory.evaluation.fractional_loss import Errors
from recurrent_memory.tasks import Response


def test_angular_errors() -> None:
    truth, observer, network = np.array([0.1, 3.0]), np.array([0.2, 3.1]), np.array([3.1, -0.2])
    paper = evaluation.errors("angle", truth, observer, network)
    np.testing.assert_allclose(paper.network, [3.0, 3.2 - math.pi])
    np.testing.assert_allclose(paper.reference, [0.1, 0.1])
    exact = evaluation.errors("angle", truth, observer, network, "exact")
    np.testing.assert_allclose(exact.network, [math.pi - 3.0, 3.2 - math.pi])


def test_divergences() -> None:
    observer, network = np.array([0.8, 1.0, 0.0]), np.array([0.6, 0.9, 0.0])
    first = 0.8 * math.log(0.8 / 0.6) + 0.2 * math.log(0.2 / 0.4)
    chance = 0.8 * math.log(1.6) + 0.2 * math.log(0.4)
    paper = evaluation.errors("probability", np.ones(3), observer, network)
    np.testing.assert_allclose(paper.network, [first, np.nan, np.nan])
    np.testing.assert_allclose(paper.reference, [chance, np.nan, np.nan])
    exact = evaluation.errors("probability", np.ones(3), observer, network, "exact")
    np.testing.assert_allclose(exact.network, [first, -math.log(0.9), 1e-6], rtol=1e-6)
    np.testing.assert_allclose(exact.reference, [chance, math.log(2), math.log(2)])
    of = evaluation.performance("probability", paper)
    assert of.n_dropped == 2
    assert of.fractional_loss == pytest.approx(first / chance)
    assert evaluation.performance("probability", exact).n_dropped == 0


def test_absolute_errors() -> None:
    found = evaluation.errors("value", np.array([1.0, 2.0]), np.zeros(2), np.array([1.5, 0.0]))
    np.testing.assert_allclose(found.network, [0.5, 2.0])
    np.testing.assert_allclose(found.reference, [0.0, 0.0])
    assert evaluation.performance("value", found).fractional_loss == 1.25


def test_performance_by_hand() -> None:
    of = evaluation.performance("angle", Errors(np.array([2.0, 4.0, np.nan]), np.array([1.0, 2.0, 3.0])))
    # Each mean leaves out NaN on its own: 3 and 2.
    assert (of.network_error, of.reference_error, of.n_dropped) == (3.0, 2.0, 1)
    assert of.fractional_loss == 0.5
    assert not of.solved
    assert evaluation.performance("angle", Errors(np.array([1.4]), np.array([1.0]))).solved


def test_nothing_to_judge_is_nan() -> None:
    nothing = evaluation.performance("angle", Errors(np.full(3, np.nan), np.full(3, np.nan)))
    assert math.isnan(nothing.fractional_loss)
    assert math.isnan(nothing.standard_error)
    assert not nothing.solved
    assert math.isnan(evaluation.performance("angle", Errors(np.ones(3), np.zeros(3))).fractional_loss)


@pytest.mark.parametrize("response", ["angle", "probability", "value"])
def test_standard_error_agrees_with_the_bootstrap(response: Response) -> None:
    rng = np.random.default_rng(1)
    reference = rng.gamma(2.0, size=2000)
    network = 1.3 * reference + rng.gamma(2.0, size=2000)
    drawn = rng.integers(0, 2000, size=(1000, 2000))
    means = network[drawn].mean(axis=1), reference[drawn].mean(axis=1)
    bootstrap = evaluation.fraction(response, *means).std()
    # The bootstrap itself is known to 1/√2000 = 2 %.
    assert evaluation.performance(response, Errors(network, reference)).standard_error == pytest.approx(
        bootstrap, rel=0.1
    )


def test_losses_by_hand() -> None:
    truth, answer = np.array([1.0, 0.0]), np.array([0.8, np.nan])
    assert evaluation.loss("probability", truth, answer) == pytest.approx((-math.log(0.8) + math.log(2)) / 2)
    assert evaluation.loss("probability", np.ones(1), np.zeros(1)) == pytest.approx(-math.log(1e-6))
    assert evaluation.loss("value", np.array([1.0, 2.0]), np.array([0.0, 4.0])) == 1.5
    assert evaluation.loss("angle", np.array([0.1]), np.array([3.1])) == pytest.approx(3.0)
    assert evaluation.loss("angle", np.array([0.1]), np.array([3.1]), "exact") == pytest.approx(math.pi - 3)


def test_refuses_bad_input() -> None:
    # Past the type checks that the tests install: a user's call has none.
    errors = inspect.unwrap(evaluation.errors)
    two = np.zeros(2)
    with pytest.raises(InputError, match=r"must have one shape, got \(2,\), \(2,\), \(3,\)"):
        errors("angle", two, two, np.zeros(3))
    with pytest.raises(InputError, match="`variant` = 'best' is unknown: use 'paper' or 'exact'"):
        errors("angle", two, two, two, "best")
    with pytest.raises(InputError, match="`response` = 'word' is unknown: use one of angle, probability, value"):
        errors("word", two, two, two)
