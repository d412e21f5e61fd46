"""Effective dimension and trajectories: planted dimensions, and NumPy's covariance and singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.analysis import effective_dimension, trajectories
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


def planted(n_dims: int, n_units: int = 20, seed: int = 0) -> Array:
    """Return activity with equal variance in some orthogonal directions, around a mean."""
    rng = np.random.default_rng(seed)
    sources = np.linalg.qr(rng.normal(size=(200, n_dims)) - 0)[0]
    sources = np.linalg.qr(sources - sources.mean(axis=0))[0]
    axes = np.linalg.qr(rng.normal(size=(n_units, n_dims)))[0]
    return np.asarray((10 * sources @ axes.T + rng.random(n_units)).reshape(4, 50, n_units))


@pytest.mark.parametrize("n_dims", [1, 2, 7])
def test_planted_dimensions_are_found(n_dims: int) -> None:
    found = effective_dimension(planted(n_dims))
    np.testing.assert_allclose(found.effective_dimension, n_dims, rtol=1e-6)
    np.testing.assert_allclose(found.explained_share[:n_dims], 1 / n_dims, rtol=1e-6)
    assert int(found.n_for_90_percent) == n_dims


def test_it_is_the_participation_ratio_of_numpys_covariance() -> None:
    activity = np.random.default_rng(0).gamma(0.5, size=(5, 30, 8)) * np.arange(1, 9)
    covariance = np.cov(activity.reshape(-1, 8).T)
    expected = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    np.testing.assert_allclose(effective_dimension(activity).effective_dimension, expected)
    averaged = np.cov(activity.mean(axis=0).T)
    expected = np.trace(averaged) ** 2 / np.trace(averaged @ averaged)
    np.testing.assert_allclose(effective_dimension(activity, average=True).effective_dimension, expected)


def test_sequences_have_more_dimensions_than_persistent_states() -> None:
    time, peaks = np.arange(100)[:, None], np.linspace(0, 99, 30)
    sequence = np.exp(-0.5 * ((time - peaks) / 4) ** 2)[None]
    ramp = (time / 100 * np.linspace(0, 1, 30))[None]
    assert effective_dimension(sequence).effective_dimension > 8
    np.testing.assert_allclose(effective_dimension(ramp).effective_dimension, 1)


def test_missing_steps_and_units_are_left_out() -> None:
    activity = planted(3)
    mask = np.ones((4, 50), bool)
    mask[1, 30:] = False
    padded = np.where(mask[:, :, None], activity, np.nan)
    chosen = activity[mask]
    covariance = np.cov(chosen.T)
    expected = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    found = effective_dimension(padded, mask=mask)
    np.testing.assert_allclose(found.effective_dimension, expected)
    assert int(found.n_samples) == 180
    gappy = np.ma.array(activity, mask=np.zeros_like(activity, dtype=bool))
    gappy[2, :, 5] = np.ma.masked
    without = effective_dimension(np.delete(activity, 5, axis=2))
    np.testing.assert_allclose(effective_dimension(gappy).effective_dimension, without.effective_dimension)
    assert effective_dimension(gappy).left_out == "1 of 20 units: they are masked in some trials"


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_constant_activity_has_no_dimension(level: float) -> None:
    constant = np.full((3, 7, 4), level)
    assert np.isnan(effective_dimension(constant).effective_dimension)
    assert effective_dimension(constant).reason == trajectories(constant).reason == "activity does not vary"


def test_trajectories_are_those_of_singular_values() -> None:
    activity = np.random.default_rng(0).gamma(0.5, size=(5, 30, 8)) * np.arange(1, 9)
    rows = activity.reshape(-1, 8) - activity.reshape(-1, 8).mean(axis=0)
    left, values, right = np.linalg.svd(rows, full_matrices=False)
    found = trajectories(activity, 3)
    np.testing.assert_allclose(found.explained, (values[:3] ** 2).sum() / (values**2).sum())
    np.testing.assert_allclose(np.abs(found.loading), np.abs(right[:3]), atol=1e-9)
    np.testing.assert_allclose(np.abs(found.trajectory.values.reshape(-1, 3)), np.abs(left * values)[:, :3], atol=1e-8)


def test_all_components_give_the_activity_back() -> None:
    activity = np.random.default_rng(0).random((2, 30, 6))
    found = trajectories(activity, 6)
    back = found.trajectory.values @ found.loading.values + found["mean"].values
    np.testing.assert_allclose(back, activity)
    np.testing.assert_allclose(found.explained, 1)


def test_more_components_than_there_can_be_are_refused() -> None:
    activity = np.random.default_rng(0).random((2, 30, 2))
    assert trajectories(activity).sizes["component"] == 2
    assert trajectories(np.tile(activity, 2)).sizes["component"] == 3
    with pytest.raises(
        InputError, match="`n_components` = 3 is not allowed: there can be at most 2, one for each unit"
    ):
        trajectories(activity, 3)
    gappy = np.ma.array(activity, mask=np.zeros_like(activity, dtype=bool))
    gappy[1, :, 0] = np.ma.masked
    with pytest.raises(InputError, match="there can be at most 1, one for each unit that was recorded in all trials"):
        trajectories(gappy, 2)


def test_labels_missing_steps_and_components_of_the_average() -> None:
    signal = np.outer(np.sin(np.arange(40)), [3.0, 4.0, 0.0])
    noise = np.outer(np.tile([1.0, -1.0], 3), [0.0, 0.0, 50.0])[:, None]  # larger, but another in each trial
    activity = xr.DataArray(
        signal + noise, dims=("trial", "time", "unit"), coords={"trial": list("abcdef"), "unit": [7, 8, 9]}
    )
    found = trajectories(activity, 1, average=True, steps=(10, 40))
    np.testing.assert_allclose(found.loading, [[0.6, 0.8, 0]], atol=1e-9)
    assert found.trial.values.tolist() == list("abcdef")
    assert found.time.values[0] == 10
    assert float(found.explained) < 0.01
    mask = np.ones((6, 40), bool)
    mask[0, 20:] = False
    assert np.isnan(trajectories(activity, mask=mask).trajectory[0, 20:]).all()
