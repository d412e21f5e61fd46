"""Divisions of the trials into halves or folds, which never separate trials that belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from ..errors import InputError
from .arguments import read_labels


def numbered_groups(groups: Any, n_trials: int) -> Int[np.ndarray, " trial"]:
    """Return the number of each trial's group, from 0; raise `InputError` if there are fewer than two groups."""
    if groups is None:
        found = np.arange(n_trials)
    else:
        labels = read_labels("groups", groups)
        if labels.shape != (n_trials,):
            raise InputError(
                f"`groups` must hold one label for each of the {n_trials} trials, got shape {labels.shape}."
            )
        found = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    if found.max() < 1:
        what = "one trial" if groups is None else "one group of trials"
        raise InputError(f"`activity` has {what}, but at least two are needed: one part is compared with the other.")
    return found


def halves(
    rng: np.random.Generator, groups: Int[np.ndarray, " trial"], n_splits: int
) -> Bool[np.ndarray, "split trial"]:
    """Return which trials are in the first of two halves, at random, for each split."""
    n_groups = int(groups.max()) + 1
    place = rng.permuted(np.tile(np.arange(n_groups), (n_splits, 1)), axis=1)
    return np.asarray((place < n_groups // 2)[:, groups])


def folds(rng: np.random.Generator, groups: Int[np.ndarray, " trial"], n_folds: int) -> Int[np.ndarray, " trial"]:
    """Return the fold of each trial, from 0; folds have as many groups as each other, or one more."""
    n_groups = int(groups.max()) + 1
    return np.asarray((rng.permutation(n_groups) % min(n_folds, n_groups))[groups])
