"""Amplifying and persistent modes: closed forms, SciPy's Lyapunov equation, and the sum step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import xarray as xr

from recurrent_memory.analysis import observability, overlap
from recurrent_memory.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


def random_weights(n: int, radius: float, seed: int = 0) -> Array:
    weights = np.random.default_rng(seed).normal(size=(n, n))
    return np.asarray(radius * weights / np.abs(np.linalg.eigvals(weights)).max())


def slow_gramian(step: Array, readout: Array, n_steps: int) -> Array:
    total, power = np.zeros_like(step), np.eye(len(step))
    for _ in range(n_steps):
        total += power @ readout @ readout.T @ power.T
        power = power @ step
    return total


def test_a_chain_amplifies_its_start_and_keeps_its_end() -> None:
    found = observability(np.eye(5, k=1))
    np.testing.assert_allclose(found.amplification, [5, 4, 3, 2, 1])
    np.testing.assert_allclose(np.abs(found.amplifying_mode), np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.abs(found.persistent_mode), [[0, 0, 0, 0, 1]])
    assert float(found.overlap) == 0
    assert float(found.time_constant[0]) == 0


def test_in_a_symmetric_network_the_modes_coincide() -> None:
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    eigenvalues = np.array([0.9, 0.5, -0.4, 0.3, 0.2, 0.1])
    found = observability(basis @ np.diag(eigenvalues) @ basis.T)
    np.testing.assert_allclose(found.amplification[0], 1 / (1 - 0.81))
    np.testing.assert_allclose(found.overlap, 1)
    np.testing.assert_allclose(np.abs(found.persistent_mode.values[0] @ basis), np.eye(6)[0], atol=1e-9)
    np.testing.assert_allclose(found.time_constant, -1 / np.log(0.9))


@pytest.mark.parametrize("radius", [0.5, 0.99])
def test_all_steps_solve_the_lyapunov_equation(radius: float) -> None:
    weights, readout = random_weights(12, radius), np.random.default_rng(1).normal(size=(12, 2))
    expected = scipy.linalg.solve_discrete_lyapunov(weights, readout @ readout.T)
    found = observability(weights, readout)
    modes = found.amplifying_mode.values
    np.testing.assert_allclose(modes.T @ np.diag(found.amplification) @ modes, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 20])
def test_some_steps_are_the_sum_over_them(n_steps: int) -> None:
    weights, readout = random_weights(6, 1.3), np.random.default_rng(1).normal(size=(6, 3))
    found = observability(weights, readout, n_steps=n_steps, decay=0.9)
    modes = found.amplifying_mode.values
    expected = slow_gramian(0.9 * weights, readout, n_steps)
    np.testing.assert_allclose(modes.T @ np.diag(found.amplification) @ modes, expected, atol=1e-9 * expected.max())


def test_no_state_is_amplified_more_than_the_first_mode() -> None:
    weights = random_weights(8, 0.9)
    found = observability(weights, n_steps=30)
    states = np.random.default_rng(2).normal(size=(200, 8))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    for state, most in ((states, None), (found.amplifying_mode.values[:1], found.largest_amplification)):
        seen = sum((state @ np.linalg.matrix_power(weights, t)) ** 2 for t in range(30)).sum(axis=1)
        assert (seen <= float(found.largest_amplification) + 1e-9).all()
        if most is not None:
            np.testing.assert_allclose(seen, most)


def test_what_is_left_of_any_state_lies_in_the_persistent_modes() -> None:
    angle = 0.3
    turning = 0.95 * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    weights = scipy.linalg.block_diag(turning, 0.5, 0.4)
    mixing = np.random.default_rng(0).normal(size=(4, 4))
    weights = mixing @ weights @ np.linalg.inv(mixing)
    found = observability(weights)
    assert found.sizes["persistent"] == 2  # a complex pair
    np.testing.assert_allclose(found.persistence, 0.95)
    late = np.random.default_rng(1).normal(size=(5, 4)) @ np.linalg.matrix_power(weights, 60)
    np.testing.assert_allclose(overlap(late, found.persistent_mode).overlap, 1)
    basis = found.persistent_mode.values
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)


def test_observability_refuses() -> None:
    with pytest.raises(InputError, match=r"spectral radius of .* is 1.25.*\n.*`decay` below 0.8"):
        observability(1.25 * np.eye(3))
    with pytest.raises(InputError, match="overflows"):
        observability(1e9 * np.eye(3), n_steps=100)
    with pytest.raises(InputError, match="`readout` must be finite numbers of the shape"):
        observability(0.5 * np.eye(3), np.ones((2, 1)))
    for options, match in (
        ({"decay": 0.0}, "`decay`"),
        ({"n_steps": 0}, "`n_steps`"),
        ({"n_persistent": 4}, "more than"),
    ):
        with pytest.raises(InputError, match=match):
            observability(0.5 * np.eye(3), **options)
    assert observability(0.5 * np.eye(3), np.zeros((3, 1))).reason == "the read-out is 0"


class TestOverlap:
    def test_random_vectors_are_at_chance(self) -> None:
        modes, vectors = np.eye(20)[:5], np.random.default_rng(0).normal(size=(4, 500, 20))
        found = overlap(vectors, modes)
        np.testing.assert_allclose(found.overlap, found.chance, atol=0.01)  # 2,000 vectors: about 0.003
        assert found.vector_overlap.shape == (4, 500)
        np.testing.assert_allclose(found.mode_overlap.sum(), found.overlap)  # orthogonal modes

    def test_modes_need_not_be_orthogonal(self) -> None:
        plane = np.array([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0]])
        found = overlap([[0.0, 3.0, 0.0], [0.0, 0.0, 2.0]], plane)
        np.testing.assert_allclose(found.vector_overlap, [1, 0], atol=1e-12)
        np.testing.assert_allclose(found.overlap, 9 / 13)

    def test_labels_are_kept_and_zero_vectors_have_no_share(self) -> None:
        activity = xr.DataArray(np.zeros((2, 3, 4)), dims=("unit", "trial", "time"), coords={"time": [5, 6, 7, 8]})
        activity[0, :, 1:] = 2.0
        found = overlap(activity, [[1.0, 0.0]])
        assert found.vector_overlap.dims == ("trial", "time")
        assert found.time.values.tolist() == [5, 6, 7, 8]
        assert np.isnan(found.vector_overlap[:, 0]).all()
        assert float(found.overlap) == 1
        assert overlap(0 * activity, [[1.0, 0.0]]).reason == "all vectors are 0"

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="with 3 units, got the shape"):
            overlap(np.ones((2, 3)), np.ones((1, 4)))
        with pytest.raises(InputError, match="independent"):
            overlap(np.ones((2, 3)), np.ones((2, 3)))
        with pytest.raises(InputError, match="dimension `unit`"):
            overlap(xr.DataArray(np.ones(3), dims="neuron"), np.ones((1, 3)))
        with pytest.raises(InputError, match="only finite"):
            overlap([[np.nan]], [[1.0]])
