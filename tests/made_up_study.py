"""Made-up networks of a study, whose effects are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from recurrent_memory.reproduction.data import completed


def networks(
    axes: Mapping[str, Sequence[Any]], rng: np.random.Generator, *, seeds: int = 10, **effects: Any
) -> pd.DataFrame:
    """Return networks of every combination of values, all of which solved their task.

    `effects` gives for each measure a function of the table, to which independent noise of variance 1 is added.
    """
    table = pd.DataFrame(list(product(*axes.values(), range(seeds))), columns=[*axes, "seed"])
    measures = {name: effect(table) + rng.normal(size=len(table)) for name, effect in effects.items()}
    return completed(table.assign(fractional_loss=0.2, **measures))


def values_and_solved(
    table: pd.DataFrame, rng: np.random.Generator, effect: Any, *, of_seed: float = 0.0, noise: str = "normal",
    solved: Any = lambda table: 1.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return a measure of networks, and which of them solved their task.

    To the effect are added noise of variance 1, independent for each network, and noise of standard deviation `of_seed`
    that the networks of a seed and a task share in all cells. `solved` gives the probability of a solution.
    """
    own = rng.normal(size=len(table)) if noise == "normal" else rng.exponential(size=len(table)) - 1
    seeds, tasks = (pd.factorize(table[name])[0] for name in ("seed", "task"))
    shared = rng.normal(size=(seeds.max() + 1, tasks.max() + 1))[seeds, tasks]
    values = np.asarray(effect(table), np.float64) + own + of_seed * shared
    return values, rng.random(len(table)) < solved(table)
