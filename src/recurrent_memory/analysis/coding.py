"""Is a code stable or dynamic? Decoders learnt at one step of the trial and tested at all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ..errors import InputError
from .arguments import check_count, generator, is_number, read_labels
from .linear_decoders import discriminants, regression
from .samples import about_units, complete_trials
from .splits import folds, numbered_groups
from .summaries import scalar

Kind = Literal["category", "continuous", "circular"]
Score = Float[np.ndarray, "train_time test_time"]
Fold = Int[np.ndarray, " trial"]

LEAST = 0.05
"""With a mean score on the diagonal below this, there is too little to decode to say how the code changes."""

SCORES = {
    "category": "Share of trials decoded correctly, mean over classes, from 0 (chance) to 1",
    "continuous": "R² of the decoded label",
    "circular": "R² of the decoded cosine and sine",
}


def cross_temporal_decoding(
    activity: Any, label: Any, n_folds: int = 5, *, kind: Kind = "category", period: float = 2 * np.pi,
    penalty: float = 1.0, groups: Any = None, seed: int = 0, steps: tuple[int, int] | None = None, mask: Any = None,
) -> xr.Dataset:  # fmt: skip
    """Decode a label of the trials at each step with decoders learnt at each other step.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit), of which every trial has every measured step; see `read_activity`.
    label
        What each trial is about, (trial,): classes (numbers or words), or numbers.
    n_folds
        Number of parts of the trials; each is decoded by what was learnt from the others.
    kind
        ``"category"``: linear discriminant; ``"continuous"``: ridge regression; ``"circular"``: ridge regression of
        the sine and the cosine of 2π · label / `period`.
    period
        Period of a circular label, in its unit: π for orientations in radians.
    penalty
        Shrinkage of the decoders, in units of the mean variance of the units; above 0.
    groups, seed, steps, mask
        As in `time_decoding`.

    Returns
    -------
    `dynamic_coding_index`: 1 - mean score off the diagonal / mean score on it, from 0 (the decoder of one step serves
    at all others: a stable code) to 1 (it serves at no other: a dynamic code), NaN if the diagonal is below 0.05;
    `diagonal_score`, `off_diagonal_score` (below 0 counts as 0); `score` (train_time, test_time), 1: perfect, 0:
    chance; `n_classes`. Attributes: settings, `source`, `reason`, `left_out`.

    Raises
    ------
    InputError
        If the activity or the label cannot be read, a class has too few trials, or a setting is out of range.

    Notes
    -----
    King & Dehaene (2014), Trends in Cognitive Sciences 18:203–210; Stokes et al. (2013), Neuron 78:364–375. At each
    step, the mean over the *other* trials is subtracted: a change that is the same in all trials is none of the code.
    Without noise, classes are decoded from any remnant of their code, which then looks stable; R² says how much of the
    code is left. Inverted codes have a `score` below 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(40) % 2
    >>> code = np.eye(10)[None] * (2 * label - 1)[:, None, None]  # another unit tells the label in each step
    >>> found = cross_temporal_decoding(code + 0.1 * rng.normal(size=code.shape), label)
    >>> bool(found.dynamic_coding_index > 0.8), float(found.diagonal_score.round(6))
    (True, 1.0)
    """
    _check(kind, period, penalty, n_folds)
    recording, values = complete_trials("cross_temporal_decoding", activity, mask, steps)
    wanted = _read_label(label, kind, period, len(values))
    fold = _folds(wanted, groups, n_folds, generator(seed))
    score = wanted.score(*_decoded(values.swapaxes(0, 1), wanted, fold, penalty))
    about = {"kind": kind, "period": period, "n_folds": int(fold.max()) + 1, "penalty": penalty, "seed": seed}
    found = _result(score, wanted.n_classes, kind, recording.first)
    return found.assign_attrs(about_units(recording) | about)


class _Wanted(NamedTuple):
    """What is decoded."""

    targets: Float[np.ndarray, "trial output"]
    """Class as 1 of K, the number, or cosine and sine."""
    score: Callable[[np.ndarray, np.ndarray], Score]
    """Scores of what is decoded, (train_time, test_time, trial, output), given what it should be."""
    classes: Int[np.ndarray, " trial"] | None = None

    @property
    def n_classes(self) -> float:
        return float("nan") if self.classes is None else float(self.targets.shape[1])


def _decoded(values: np.ndarray, wanted: _Wanted, fold: Fold, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what decoders of each step make of the activity in each step, and what they should.

    The first is (train_time, test_time, trial, output). Numbers are differences from the mean of the trials that the
    decoder has seen: with that mean added, noise would be decoded worse than by chance, since the mean of the other
    trials is low where a label is high.
    """
    n_steps, n_trials, _ = values.shape
    decoded = np.empty((n_steps, n_steps, n_trials, wanted.targets.shape[1]))
    true = wanted.targets.copy()
    for part in range(int(fold.max()) + 1):
        test = fold == part
        mean = values[:, ~test].mean(axis=1, keepdims=True)
        learnt, held_out = values[:, ~test] - mean, values[:, test] - mean
        targets = wanted.targets[~test]
        offset: Any = 0.0
        if wanted.classes is None:
            true[test] -= targets.mean(axis=0)
            weights = regression(learnt, targets - targets.mean(axis=0), penalty)
        else:
            weights, offset = discriminants(learnt, wanted.classes[~test], targets.shape[1], penalty)
            offset = offset[:, None, None]
        rows = held_out.reshape(-1, held_out.shape[2])
        found = rows @ weights.swapaxes(0, 1).reshape(rows.shape[1], -1)
        found = found.reshape(n_steps, int(test.sum()), n_steps, -1).transpose(2, 0, 1, 3)
        decoded[:, :, test] = found + offset
    return decoded, true


def _accuracy(decoded: np.ndarray, targets: np.ndarray) -> Score:
    """Return the share of correct trials, mean over classes, scaled to 0 by chance."""
    correct = decoded.argmax(axis=3) == targets.argmax(axis=1)
    n_classes = targets.shape[1]
    accuracy = (correct.astype(np.float64) @ (targets / targets.sum(axis=0))).mean(axis=2)
    return np.asarray((accuracy - 1 / n_classes) / (1 - 1 / n_classes))


def _r_squared(decoded: np.ndarray, targets: np.ndarray) -> Score:
    """Return R², with the mean of the trials that the decoder has seen as the estimate to beat."""
    error = ((decoded - targets) ** 2).sum(axis=(2, 3))
    return np.asarray(1 - error / (targets**2).sum())


def _result(score: Score, n_classes: float, kind: Kind, first: int) -> xr.Dataset:
    n_steps = len(score)
    counted = np.maximum(score, 0)
    diagonal = float(np.diagonal(score).mean())
    elsewhere = float(counted[~np.eye(n_steps, dtype=bool)].mean()) if n_steps > 1 else np.nan
    is_enough = diagonal >= LEAST
    reason = "" if is_enough else f"the mean score on the diagonal is {diagonal:.3g}, below {LEAST}: nothing to decode"
    time = np.arange(first, first + n_steps)
    variables = {
        "dynamic_coding_index": scalar(1 - elsewhere / diagonal if is_enough else np.nan, "1",
                                       "1 - score off the diagonal / score on it"),
        "diagonal_score": scalar(diagonal, "1", "Mean score of decoders at the step at which they were learnt"),
        "off_diagonal_score": scalar(elsewhere, "1", "Mean score of decoders at all other steps, at least 0"),
        "score": (("train_time", "test_time"), score, {"units": "1", "long_name": SCORES[kind]}),
        "n_classes": scalar(n_classes, "classes", "Number of classes; NaN: the label is a number"),
    }  # fmt: skip
    about = {"units": "steps from the start of the trial"}
    source = "King & Dehaene (2014), Trends in Cognitive Sciences 18:203–210; the index: ours"
    coords = {"train_time": ("train_time", time, about), "test_time": ("test_time", time, about)}
    reason = reason if n_steps > 1 else "one step: there is no other to test at"
    return xr.Dataset(variables, coords=coords, attrs={"source": source, "reason": reason})


def _folds(wanted: _Wanted, groups: Any, n_folds: int, rng: np.random.Generator) -> Fold:
    """Return the part of each trial; without groups, each part has about the same share of each class."""
    n_trials = len(wanted.targets)
    numbers = numbered_groups(groups, n_trials)
    if wanted.classes is None or groups is not None:
        fold = folds(rng, numbers, n_folds)
    else:
        order = rng.permutation(n_trials)
        order = order[np.argsort(wanted.classes[order], kind="stable")]
        fold = np.empty(n_trials, dtype=np.int64)
        fold[order] = np.arange(n_trials) % min(n_folds, n_trials)
    if wanted.classes is not None:
        for part in range(int(fold.max()) + 1):
            learnt = np.bincount(wanted.classes[fold != part], minlength=wanted.targets.shape[1])
            if not learnt.all():
                raise InputError(
                    f"All trials of a class ({int((learnt == 0).sum())} of {learnt.size} classes) are in one part, so "
                    "that it cannot be learnt from the others.\nEach class needs at least two trials (or groups). For "
                    'a number with many values, choose kind="continuous" or kind="circular".'
                )
    return fold


def _read_label(label: Any, kind: Kind, period: float, n_trials: int) -> _Wanted:
    found = read_labels("label", label)
    if found.shape != (n_trials,):
        raise InputError(f"`label` must hold one entry for each of the {n_trials} trials, got the shape {found.shape}.")
    if kind != "category" and found.dtype.kind not in "biuf":
        raise InputError(f"`label` must hold numbers if it is {kind}, got {found.dtype}.")
    if len(values := np.unique(found)) < 2:
        raise InputError(f"`label` is {values[0]!s} in all trials: there is nothing to decode.")
    if kind == "category":
        classes = np.unique(found, return_inverse=True)[1].astype(np.int64)
        targets = np.eye(values.size)[classes]
        return _Wanted(targets, _accuracy, classes)
    numbers = found.astype(np.float64)
    if kind == "continuous":
        return _Wanted(numbers[:, None], _r_squared)
    angle = 2 * np.pi * numbers / period
    return _Wanted(np.stack([np.cos(angle), np.sin(angle)], axis=1), _r_squared)


def _check(kind: str, period: float, penalty: float, n_folds: int) -> None:
    check_count("n_folds", n_folds, 2)
    if kind not in SCORES:
        raise InputError(f"`kind` must be one of {', '.join(SCORES)}, got {kind!r}.")
    for name, value in (("period", period), ("penalty", penalty)):
        if not (is_number(value) and 0 < value < np.inf):
            raise InputError(f"`{name}` must be a number above 0, got {value!r}.")
