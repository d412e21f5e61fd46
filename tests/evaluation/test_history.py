"""The course of learning, over windows of iterations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recurrent_memory.evaluation.history import WINDOW, History
from recurrent_memory.tasks import make


@pytest.mark.parametrize("name", ["de1", "2afc", "sine"])
@pytest.mark.parametrize("length", [1, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 50])
def test_the_latest_fractional_loss_is_the_last_of_the_curve(name: str, length: int) -> None:
    random, task = np.random.default_rng(length), make(name)
    sums = {key: random.uniform(1, 2, length) for key in ("loss", "network_sum", "reference_sum")}
    counts = {key: random.integers(0, 3, length).astype(float) for key in ("network_count", "reference_count")}
    history = History(**sums, **counts, mispaired=History.empty().mispaired)
    assert history.latest_fractional_loss(task) == pytest.approx(
        history.fractional_loss(task)[-1], rel=1e-12, nan_ok=True
    )


def test_nothing_is_known_before_the_first_iteration() -> None:
    assert math.isnan(History.empty().latest_fractional_loss(make("de1")))
