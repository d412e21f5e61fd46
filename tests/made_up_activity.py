"""Activity with known sequences."""

from __future__ import annotations

from typing import Any

import numpy as np


def planted(
    repeats: bool, *, n_trials: int = 20, n_units: int = 60, seed: int = 0
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return trials of 100 steps in which all units peak, in the same order or in a new one, with noise."""
    rng = np.random.default_rng(seed)
    time, peaks = np.arange(100)[:, None], rng.permutation(np.linspace(0, 99, n_units))
    trials = []
    for _ in range(n_trials):
        peaks = peaks if repeats else rng.permutation(peaks)
        trials.append(3 * np.exp(-0.5 * ((time - peaks) / 6) ** 2) + rng.random((100, n_units)))
    return np.stack(trials)
