"""Decoding across time: planted codes, and decoders that invert matrices over units, step by step."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from recurrent_memory.analysis import cross_temporal_decoding
from recurrent_memory.analysis.linear_decoders import discriminants, regression
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["category", "continuous", "circular"]
N_TRIALS, N_STEPS, N_UNITS = 60, 12, 24


def labels(kind: Kind) -> tuple[Array, Array]:
    """Return labels and what units know of them, (trial, number)."""
    rng = np.random.default_rng(1)
    if kind == "category":
        label = rng.permutation(np.arange(N_TRIALS) % 3)
        return label, np.eye(3)[label]
    if kind == "continuous":
        label = rng.normal(size=N_TRIALS)
        return label, label[:, None]
    label = rng.random(N_TRIALS) * np.pi
    return label, np.stack([np.cos(2 * label), np.sin(2 * label)], axis=1)


def coded(known: Array, is_dynamic: bool, noise: float = 0.1) -> Array:
    """Return activity in which the same units, or others in each step, know the label; with a course in common."""
    rng = np.random.default_rng(2)
    axes = rng.normal(size=(N_STEPS if is_dynamic else 1, known.shape[1], N_UNITS))
    code = np.einsum("nk,tku->ntu", known, np.broadcast_to(axes, (N_STEPS, *axes.shape[1:])))
    course = 5 * rng.normal(size=(N_STEPS, N_UNITS))  # the same in all trials: no code
    return np.asarray(code + course + noise * rng.normal(size=code.shape))


@pytest.mark.parametrize("kind", ["category", "continuous", "circular"])
def test_a_stable_code_is_flat_and_a_dynamic_one_diagonal(kind: Kind) -> None:
    label, known = labels(kind)
    stable = cross_temporal_decoding(coded(known, False), label, kind=kind, period=np.pi)
    assert stable.score.values.min() > 0.9
    assert abs(float(stable.dynamic_coding_index)) < 0.03
    dynamic = cross_temporal_decoding(coded(known, True), label, kind=kind, period=np.pi)
    assert np.diagonal(dynamic.score).min() > 0.9
    off = dynamic.score.values[~np.eye(N_STEPS, dtype=bool)]
    assert off.mean() < 0.2
    assert dynamic.dynamic_coding_index > 0.6


@pytest.mark.parametrize("kind", ["category", "continuous", "circular"])
def test_noise_tells_nothing_and_has_no_index(kind: Kind) -> None:
    label, _ = labels(kind)
    noise = np.random.default_rng(0).normal(size=(N_TRIALS, N_STEPS, N_UNITS))
    found = cross_temporal_decoding(noise, label, kind=kind, period=np.pi)
    assert -0.5 < found.diagonal_score < 0.1  # R² below 0 is what noise that is fitted gives
    silent = cross_temporal_decoding(np.zeros((N_TRIALS, 3, 2)), label, kind=kind, period=np.pi)
    np.testing.assert_allclose(silent.score, 0, atol=1e-12)
    assert np.isnan(silent.dynamic_coding_index)
    assert "nothing to decode" in silent.reason


def test_half_dynamic_is_between() -> None:
    label, known = labels("continuous")
    activity = coded(known, False)
    activity[:, : N_STEPS // 2] = coded(known, True)[:, 1:2]  # one code in the first half, another in the second
    found = cross_temporal_decoding(activity, label, kind="continuous")
    within = (2 * (N_STEPS // 2) ** 2 - N_STEPS) / (N_STEPS**2 - N_STEPS)
    assert 1 - within - 0.25 < found.dynamic_coding_index < 1 - within + 0.05


def slow_scores(activity: Array, label: Array, n_folds: int) -> Array:
    """Return the accuracy of a discriminant of two classes, with matrices over units."""
    score = np.zeros((activity.shape[1],) * 2)
    fold = np.arange(len(label)) % n_folds
    for train in range(activity.shape[1]):
        for test in range(activity.shape[1]):
            correct = np.zeros(len(label))
            for part in range(n_folds):
                learn = fold != part
                x = activity[learn, train] - activity[learn, train].mean(axis=0)
                y = activity[~learn, test] - activity[learn, test].mean(axis=0)
                means = np.stack([x[label[learn] == k].mean(axis=0) for k in (0, 1)])
                within = x - means[label[learn]]
                covariance = within.T @ within / len(x) + (x**2).mean() * np.eye(x.shape[1])
                weights = np.linalg.solve(covariance, means.T)
                decoded = (y @ weights - 0.5 * (means.T * weights).sum(axis=0)).argmax(axis=1)
                correct[~learn] = decoded == label[~learn]
            score[train, test] = np.mean([correct[label == k].mean() for k in (0, 1)])
    return 2 * score - 1


def test_against_matrices_over_units(monkeypatch: pytest.MonkeyPatch) -> None:
    label = np.random.default_rng(0).integers(0, 2, 30)
    activity = np.random.default_rng(1).normal(size=(30, 4, 50))
    activity[..., :5] += 0.8 * label[:, None, None]
    monkeypatch.setattr("recurrent_memory.analysis.coding._folds", lambda *given: np.arange(30) % 5)
    np.testing.assert_allclose(cross_temporal_decoding(activity, label).score, slow_scores(activity, label, 5))


def test_ridge_regression_solves_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    values, targets = rng.normal(size=(3, 10, 25)), rng.normal(size=(10, 2))
    values, targets = values - values.mean(axis=1, keepdims=True), targets - targets.mean(axis=0)
    for of_step, found in zip(values, regression(values, targets, 0.7), strict=True):
        penalty = 0.7 * (of_step**2).mean() * np.eye(25)
        expected = np.linalg.solve(of_step.T @ of_step / 10 + penalty, of_step.T @ targets / 10)
        np.testing.assert_allclose(found, expected)


def test_discriminants_of_equal_classes_are_zero() -> None:
    weights, offset = discriminants(np.zeros((2, 4, 3)), np.array([0, 1, 0, 1]), 2, 1.0)
    assert not weights.any()
    assert not offset.any()


def test_words_groups_and_seeds() -> None:
    label, known = labels("category")
    words = np.array(["left", "middle", "right"])[label]
    one, other = (cross_temporal_decoding(coded(known, False, 2.0), of) for of in (label, words))
    assert one.score.equals(other.score)
    groups = np.arange(N_TRIALS) // 2
    grouped = cross_temporal_decoding(coded(known, False), label, groups=groups, steps=(2, 7))
    assert grouped.train_time.values.tolist() == [2, 3, 4, 5, 6]
    again = cross_temporal_decoding(coded(known, False), label, groups=groups, steps=(2, 7))
    assert grouped.identical(again)


def test_errors() -> None:
    activity = np.random.default_rng(0).random((8, 5, 3))
    label = np.arange(8) % 2
    for wrong, options, match in (
        (label[:5], {}, "one entry for each of the 8 trials"),
        (np.zeros(8), {}, "in all trials"),
        (np.arange(8), {}, 'choose kind="continuous"'),
        (label.astype(str), {"kind": "circular"}, "must hold numbers"),
        (np.where(label, np.nan, 1.0), {}, "NaN"),
        (label, {"penalty": 0.0}, "`penalty`"),
        (label, {"n_folds": 1}, "`n_folds`"),
    ):
        with pytest.raises(InputError, match=match):
            cross_temporal_decoding(activity, wrong, **options)
    activity[0, 3:] = np.nan
    with pytest.raises(InputError, match=r"1 of 8 trials lack some\.\n.*such as \(0, 3\)"):
        cross_temporal_decoding(activity, label, mask=np.isfinite(activity).all(axis=2))
    assert cross_temporal_decoding(activity, label, steps=(0, 1)).reason.startswith("one step")
