"""The table of docs/why-a-sequence.md: what the measures of dynamics give for known activity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurrent_memory.analysis import cross_temporal_decoding, effective_dimension, tuning

Array = np.ndarray[Any, np.dtype[Any]]
PAGE = Path(__file__).parents[2] / "docs" / "why-a-sequence.md"
N_TRIALS, N_STEPS, N_UNITS = 80, 40, 32
STIMULUS = np.random.default_rng(0).random(N_TRIALS) * np.pi
TUNED = 1 + np.cos(2 * (STIMULUS[:, None] - np.linspace(0, np.pi, N_UNITS, endpoint=False)))


def bumps() -> Array:
    peaks = np.random.default_rng(1).permutation(np.linspace(0, N_STEPS - 1, N_UNITS))
    return np.asarray(3 * np.exp(-0.5 * ((np.arange(N_STEPS)[:, None] - peaks) / 2) ** 2))


def activity() -> dict[str, Array]:
    noise = 0.3 * np.random.default_rng(2).normal(size=(N_TRIALS, N_STEPS, N_UNITS))
    persistent = TUNED[:, None, :] + noise
    return {
        "persistent: tuned units keep their level": persistent,
        "a sequence that is the same in all trials, on top": persistent + bumps(),
        "a sequence of tuned units": TUNED[:, None, :] * bumps() + noise,
    }


def row(name: str) -> str:
    values = activity()[name]
    dimension = float(effective_dimension(values).effective_dimension)
    index = float(cross_temporal_decoding(values, STIMULUS, kind="circular", period=np.pi).dynamic_coding_index)
    stability = float(tuning(values, STIMULUS, period=np.pi).curve_stability.mean())
    return f"| {name} | {dimension:.1f} | {round(index, 2) + 0.0:.2f} | {stability:.2f} |"


@pytest.mark.parametrize("name", activity())
def test_the_page_says_what_the_measures_give(name: str) -> None:
    assert row(name) in PAGE.read_text(encoding="utf-8").splitlines(), row(name)
