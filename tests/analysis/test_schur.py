"""Departure from normality: matrices with known spectra, and the definition as a difference of squares."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrent_memory.analysis import non_normality, schur_parts
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


def orthogonal(n: int, seed: int = 0) -> Array:
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0])


def symmetric(n: int) -> Array:
    matrix = np.random.default_rng(1).normal(size=(n, n))
    return matrix + matrix.T


def skew(n: int) -> Array:
    matrix = np.random.default_rng(2).normal(size=(n, n))
    return matrix - matrix.T


@pytest.mark.parametrize("matrix", [np.eye(5), orthogonal(20), symmetric(20), skew(20), np.diag([3.0, -1.0])])
def test_normal_matrices_have_zero_and_a_gain_equal_to_the_spectral_radius(matrix: Array) -> None:
    found = non_normality(matrix)
    assert float(found.non_normality) == float(found.departure) == float(found.feedforward_share) == 0
    np.testing.assert_allclose(found.largest_gain, found.spectral_radius)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_a_chain_is_all_feedforward(n: int) -> None:
    found = non_normality(np.eye(n, k=1))
    assert float(found.non_normality) == pytest.approx(1)
    assert float(found.departure) == pytest.approx(np.sqrt(n - 1))
    assert float(found.spectral_radius) == 0
    assert float(found.largest_gain) == pytest.approx(1)


def test_self_connections_add_to_the_norm_alone() -> None:
    chain, loaded = (non_normality(np.eye(6, k=1) + own * np.eye(6)) for own in (0.0, 0.9))
    np.testing.assert_allclose(loaded.departure, chain.departure)
    np.testing.assert_allclose(loaded.norm**2, chain.norm**2 + 6 * 0.81)
    np.testing.assert_allclose(loaded.spectral_radius, 0.9)
    np.testing.assert_allclose([chain.non_normality_without_self, loaded.non_normality_without_self], 1)
    assert np.isnan(non_normality(0.9 * np.eye(3)).non_normality_without_self)


def test_planted_feedforward_part_and_spectrum() -> None:
    triangle = np.triu(np.random.default_rng(3).normal(size=(8, 8)), k=1)
    eigenvalues = np.array([0.9, -0.8, 0.7, 0.6, -0.5, 0.4, 0.3, 0.2])
    basis = orthogonal(8, 4)
    found = non_normality(basis @ (np.diag(eigenvalues) + triangle) @ basis.T)
    np.testing.assert_allclose(found.eigenvalue_real, eigenvalues, atol=1e-8)
    np.testing.assert_allclose(found.eigenvalue_imag, 0, atol=1e-8)
    np.testing.assert_allclose(found.departure, np.linalg.norm(triangle))
    np.testing.assert_allclose(np.linalg.norm(found.feedforward_weight), found.departure)
    assert not np.tril(found.feedforward_weight.values).any()


@settings(max_examples=30, deadline=None)
@given(matrix=hnp.arrays(np.float64, (5, 5), elements=st.floats(-2, 2, width=32)), turn=st.integers(0, 9))
def test_the_definition_and_what_it_ignores(matrix: Array, turn: int) -> None:
    squares = np.linalg.norm(matrix) ** 2 - (np.abs(np.linalg.eigvals(matrix)) ** 2).sum()
    found = non_normality(matrix)
    np.testing.assert_allclose(found.departure**2, squares, atol=1e-4)
    basis = orthogonal(5, turn)
    turned = non_normality(3 * basis @ matrix @ basis.T)  # neither a rotation nor the scale matters
    np.testing.assert_allclose(turned.non_normality, found.non_normality, atol=1e-4)
    assert np.isnan(found.non_normality) or 0 <= found.non_normality <= 1 + 1e-12


def test_results_are_read_and_the_direction_of_weights_does_not_matter() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 4))
    labelled = xr.DataArray(weights, dims=("source", "target_unit"))
    for given_weights in (labelled, labelled.T, xr.Dataset({"recurrent_weights": labelled}), weights.T):
        np.testing.assert_allclose(non_normality(given_weights).non_normality, non_normality(weights).non_normality)


def test_what_it_refuses_and_what_is_undefined() -> None:
    with pytest.raises(InputError, match="last N of the 3·N columns"):
        non_normality(np.ones((4, 12)))
    with pytest.raises(InputError, match="holds 1 NaN"):
        non_normality(np.array([[np.nan]]))
    with pytest.raises(InputError, match="without the variable `recurrent_weights`"):
        non_normality(xr.Dataset())
    with pytest.raises(InputError, match="is empty"):
        non_normality(np.ones((0, 0)))
    found = non_normality(np.zeros((3, 3)))
    assert np.isnan(found.non_normality)
    assert found.reason == "all weights are 0"


@pytest.mark.parametrize(("n_units", "n_blocks"), [(1, 1), (7, 1), (20, 3), (21, 4)])
def test_the_parts_add_up_to_the_weights(n_units: int, n_blocks: int) -> None:
    weights = np.random.default_rng(n_units).normal(size=(n_units, n_units))
    found = schur_parts(weights, n_blocks)
    np.testing.assert_allclose(found["weights"].sum("part"), weights, atol=1e-12)
    assert found.sizes["part"] == 1 + n_blocks * (n_blocks + 1) // 2
    np.testing.assert_allclose(found.share.sum(), 1)
    modes = found["weights"].sel(part="modes").values
    expected = np.sort_complex(np.linalg.eigvals(weights).round(6))
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(modes).round(6)), expected, atol=1e-5)
    np.testing.assert_allclose(found.mode_modulus, np.sort(np.abs(np.linalg.eigvals(weights)))[::-1])
    forward = weights - modes
    power = np.linalg.matrix_power(forward / max(1.0, float(np.linalg.norm(forward))), n_units)
    assert np.abs(power).max() < 1e-8  # feed-forward activity ends after as many steps as there are units


def test_blocks_follow_the_eigenvalues() -> None:
    triangle = np.diag([4.0, 3.0, 2.0, 1.0])
    triangle[0, 1], triangle[1, 3] = 5, 7
    basis = orthogonal(4)
    found = schur_parts(basis @ triangle @ basis.T, 2)
    assert found.first_mode.values.tolist() == [0, 2]
    total = (triangle**2).sum()
    np.testing.assert_allclose(found.share, np.array([30, 25, 49, 0]) / total, atol=1e-12)
    np.testing.assert_allclose(found.share[1:].sum(), non_normality(basis @ triangle @ basis.T).feedforward_share)
    with pytest.raises(InputError, match="there are 4 modes"):
        schur_parts(triangle, 5)
    assert schur_parts(np.zeros((2, 2))).attrs["reason"] == "all weights are 0"
