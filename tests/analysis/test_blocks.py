"""Trials in blocks, and what is measured in them, against NumPy's own functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrent_memory.analysis import blocks as module
from recurrent_memory.analysis.activity import read_recording
from recurrent_memory.analysis.blocks import blocks, inside_bins, ridge_and_background, shape_of


@settings(max_examples=200, deadline=None)
@given(
    peaks=st.lists(st.integers(0, 400), min_size=1, max_size=12),
    n_bins=st.integers(1, 60),
    fixed=st.booleans(),
)
def test_bins_are_those_of_numpy(peaks: list[int], n_bins: int, fixed: bool) -> None:
    time = np.array([peaks])
    low, high = (0, 401) if fixed else (time.min(), time.max())
    found = inside_bins(time, np.ones_like(time, bool), np.array([low]), np.array([high]), n_bins)
    expected, _ = np.histogram(peaks, bins=n_bins, range=(0, 401) if fixed else None)
    np.testing.assert_array_equal(found[0], expected)


def test_bins_of_many_trials_leave_out_units() -> None:
    rng = np.random.default_rng(0)
    peak, active = rng.integers(0, 150, (50, 30)), rng.random((50, 30)) < 0.7
    low, high = (np.array([edge(p[a]) for p, a in zip(peak, active, strict=True)]) for edge in (np.min, np.max))
    found = inside_bins(peak, active, low, high, 20)
    for trial in range(50):
        np.testing.assert_array_equal(found[trial], np.histogram(peak[trial][active[trial]], bins=20)[0])


@pytest.mark.parametrize("n_steps", [1, 2, 150, 255, 256, 257, 300])
def test_shape_of_units(n_steps: int) -> None:
    block = np.random.default_rng(0).integers(-3, 4, (3, n_steps, 7)).astype(np.float64)  # many equal highest values
    shape = shape_of(block)
    np.testing.assert_array_equal(shape.peak, block.argmax(axis=1))
    np.testing.assert_array_equal(shape.highest, block.max(axis=1))
    np.testing.assert_array_equal(shape.lowest, block.min(axis=1))
    np.testing.assert_allclose(shape.mean, block.mean(axis=1))


def test_ridge_and_background_of_windows_of_any_width() -> None:
    rng = np.random.default_rng(0)
    block = rng.random((4, 20, 6))
    first = rng.integers(-3, 18, (4, 6))
    stop = first + rng.integers(0, 12, (4, 6))
    ridge, background = ridge_and_background(block, shape_of(block), first, stop)
    for trial, unit in np.ndindex(4, 6):
        inside = np.zeros(20, bool)
        inside[max(first[trial, unit], 0) : max(stop[trial, unit], 0)] = True
        values = block[trial, :, unit]
        np.testing.assert_allclose(ridge[trial, unit], values[inside].mean() if inside.any() else np.nan)
        np.testing.assert_allclose(background[trial, unit], values[~inside].mean() if (~inside).any() else np.nan)


@pytest.mark.parametrize("background", [0.0, 1e-300, 1e-12, 1e-3, 0.02, 0.5, -1e-9])
def test_a_background_keeps_its_digits_however_small_it_is(background: float) -> None:
    block = np.full((1, 150, 3), background)
    block[0, 70] = [1.0, 1e3, 1e-5]
    peak = np.full((1, 3), 70)
    _, found = ridge_and_background(block, shape_of(block), peak, peak + 1)
    np.testing.assert_allclose(found, np.full((1, 3), background), rtol=1e-12, atol=0)


@pytest.mark.parametrize("numbers", [1, 500, 2**17])
def test_blocks_hold_all_trials_once(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr(module, "NUMBERS", numbers)
    rng = np.random.default_rng(0)
    activity, mask = rng.random((9, 12, 5)), rng.random((9, 12)) < 0.8
    mask[[2, 5]] = True
    missing = np.zeros(activity.shape, bool)
    missing[4, :, 3] = True
    seen: dict[int, Any] = {}
    for trials, block in blocks(read_recording(np.ma.masked_array(activity, missing), mask=mask)):
        assert block.shape == (trials.size, mask[trials[0]].sum(), 5)
        seen |= dict(zip(trials.tolist(), block, strict=True))
    assert sorted(seen) == list(range(9))
    for trial, block in seen.items():
        np.testing.assert_array_equal(block, np.where(missing, 0, activity)[trial][mask[trial]])
