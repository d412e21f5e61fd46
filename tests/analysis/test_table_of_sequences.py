"""The table in docs/sequences.md: what each measure gives for activity that is, and is not, a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_up_activity import planted
from recurrent_memory import analysis

PAGE = Path(__file__).parents[2] / "docs" / "sequences.md"
MEASURES: tuple[Callable[..., Any], ...] = (
    analysis.sequentiality_index, analysis.sqi, analysis.transient_index, analysis.ridge_to_background,
    analysis.peak_consistency, analysis.time_decoding,
)  # fmt: skip
SHAPE = (20, 100, 60)


def noise() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(1).random(SHAPE)


def ramps() -> np.ndarray[Any, np.dtype[np.float64]]:
    slope = np.random.default_rng(2).uniform(-1, 1, 60)
    return 2 + slope * np.linspace(-1, 1, 100)[:, None] + noise()


KINDS: dict[str, Callable[[], np.ndarray[Any, np.dtype[np.float64]]]] = {
    "noise": noise,
    "persistent: each unit at its own level": lambda: np.random.default_rng(3).uniform(1, 4, 60) + noise(),
    "ramps": ramps,
    "a sequence, in new order in each trial": lambda: planted(False),
    "a sequence that repeats": lambda: planted(True),
}


def rows() -> Iterator[str]:
    for name, make in KINDS.items():
        activity = make()
        found = [f"{float(measure(activity)[measure.__name__]):.2f}" for measure in MEASURES]
        found.append(f"{float(analysis.time_decoding(activity)['time_decoding_without_ramp']):.2f}")
        yield f"| {name} | {' | '.join(found)} |".replace("-0.", "−0.")


@pytest.mark.parametrize("row", list(rows()), ids=list(KINDS))
def test_a_row_of_the_table(row: str) -> None:
    assert row in PAGE.read_text(encoding="utf-8")
