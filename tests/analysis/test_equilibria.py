"""Fixed points of maps that are known in closed form."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from recurrent_memory.analysis import fixed_points
from recurrent_memory.errors import InputError

BISTABLE = 0.957504024  # x = tanh(2 x)


def starts(n: int, n_units: int, spread: float = 1.5, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (spread * np.random.default_rng(seed).normal(size=(n, n_units))).astype(np.float32)


@pytest.mark.usefixtures("precision")
def test_a_linear_network_has_the_solution_of_its_equation() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 6))
    weights = (0.8 * weights / np.abs(np.linalg.eigvals(weights)).max()).astype(np.float32)
    drive = rng.normal(size=6).astype(np.float32)
    matrix, constant = jnp.asarray(weights), jnp.asarray(drive)
    found = fixed_points(lambda h: h @ matrix.astype(h.dtype) + constant.astype(h.dtype), starts(10, 6, 10.0))
    assert float(found.n_fixed_points) == found.sizes["point"] == 1
    assert int(found.n_starts[0]) == 10
    np.testing.assert_allclose(found.state[0], drive @ np.linalg.inv(np.eye(6) - weights), rtol=1e-3, atol=1e-4)
    assert found.stability.values.tolist() == ["stable"]
    modulus = np.hypot(found.eigenvalue_real[0], found.eigenvalue_imag[0])
    np.testing.assert_allclose(modulus, np.sort(np.abs(np.linalg.eigvals(weights)))[::-1], rtol=1e-3)
    np.testing.assert_allclose(found.time_constant[0, 0], -1 / np.log(0.8), rtol=1e-3)


@pytest.mark.usefixtures("precision")
def test_two_attractors_in_each_of_two_units() -> None:
    found = fixed_points(lambda h: jnp.tanh(2 * h), starts(200, 2))
    states = {tuple(row) for row in (np.round(found.state.values, 3) + 0.0).tolist()}
    values = (-0.958, 0.0, 0.958)
    assert states == {(a, b) for a in values for b in values}
    assert float(found.n_fixed_points) == 9
    n_at_zero = (np.abs(found.state.values) < 1e-3).sum(axis=1)
    expected = np.array(["stable", "saddle", "unstable"])[n_at_zero]
    np.testing.assert_array_equal(found.stability.values, expected)
    np.testing.assert_array_equal(found.n_unstable.values, n_at_zero)
    largest = np.abs(found.state.values).max(axis=1)
    np.testing.assert_allclose(largest[n_at_zero < 2], BISTABLE, rtol=1e-4)
    at_rest = found.eigenvalue_real.values[n_at_zero == 0]
    np.testing.assert_allclose(at_rest, 2 * (1 - BISTABLE**2), rtol=1e-3)


def test_double_precision_ends_at_its_rounding(x64: None) -> None:
    found = fixed_points(lambda h: jnp.tanh(2 * h), np.array([[0.4], [-2.0]]))
    np.testing.assert_allclose(np.abs(found.state), BISTABLE, atol=1e-9)
    assert found.speed.max() < 1e-25


def test_a_line_attractor_is_marginal_everywhere() -> None:
    axis = np.array([0.6, 0.8, 0.0], np.float32)
    weights = jnp.asarray(0.5 * np.eye(3, dtype=np.float32) + 0.5 * np.outer(axis, axis))
    found = fixed_points(lambda h: h @ weights, starts(30, 3))
    assert set(found.stability.values) == {"marginal"}
    assert (found.n_marginal == 1).all()
    assert float(found.n_fixed_points) > 20
    off_axis = found.state.values - np.outer(found.state.values @ axis, axis)
    np.testing.assert_allclose(off_axis, 0, atol=1e-3)
    np.testing.assert_allclose(found.time_constant[:, 1:], -1 / np.log(0.5), rtol=1e-3)


def test_the_ghost_of_a_fixed_point_is_slow() -> None:
    # h + c + h²: no fixed point for c > 0, and the slowest point is at 0, with the speed c² / 2
    found = fixed_points(lambda h: h + 0.01 + h**2, np.array([[0.5], [-0.4]]), slow=1e-3)
    assert float(found.n_fixed_points) == 0
    assert not found.is_fixed.any()
    np.testing.assert_allclose(found.state, 0, atol=0.02)
    np.testing.assert_allclose(found.speed, 5e-5, rtol=0.1)
    assert found.reason == "no starting state led to a fixed point"


def test_a_rotation_has_complex_eigenvalues() -> None:
    turn = 0.9 * jnp.array([[jnp.cos(0.3), jnp.sin(0.3)], [-jnp.sin(0.3), jnp.cos(0.3)]])
    found = fixed_points(lambda h: h @ turn, starts(5, 2))
    np.testing.assert_allclose(np.abs(found.eigenvalue_imag[0]), 0.9 * np.sin(0.3), rtol=1e-4)
    np.testing.assert_allclose(found.eigenvalue_real[0], 0.9 * np.cos(0.3), rtol=1e-4)


def test_constant_inputs_move_the_point() -> None:
    def step(state: Array, inputs: Array) -> Array:
        return 0.5 * state + inputs

    for level in (1.0, -3.0):
        found = fixed_points(step, starts(4, 2), inputs=np.full(2, level, np.float32))
        np.testing.assert_allclose(found.state, [[2 * level, 2 * level]], rtol=1e-4)


def test_many_units_in_batches_give_the_same_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = jnp.asarray(0.9 * np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0], jnp.float32)

    def step(state: Array) -> Array:
        return jnp.tanh(1.5 * state @ weights + 0.2)

    together = fixed_points(step, starts(7, 20))
    monkeypatch.setattr("recurrent_memory.analysis.equilibria.NUMBERS", 1)
    alone = fixed_points(step, starts(7, 20))
    assert int(together.n_fixed_points) == int(alone.n_fixed_points) >= 1
    np.testing.assert_allclose(np.sort(together.state.sum("unit")), np.sort(alone.state.sum("unit")), atol=1e-3)


def test_what_diverges_is_left_out() -> None:
    found = fixed_points(lambda h: h + 1.0, starts(3, 2))
    assert found.sizes["point"] == 0
    assert found.n_left_out == 3
    broken = fixed_points(lambda h: h * jnp.nan, starts(3, 2))
    assert broken.n_left_out == 3


def test_errors() -> None:
    def identity(state: Array) -> Array:
        return state

    with pytest.raises(InputError, match="shape \\(start, unit\\)"):
        fixed_points(identity, np.zeros(3))
    with pytest.raises(InputError, match="NaN"):
        fixed_points(identity, [[np.nan]])
    with pytest.raises(InputError, match="`step` must return a state of the shape"):
        fixed_points(lambda state: state[:1], np.zeros((2, 3)))
    with pytest.raises(InputError, match="`tolerance` <= `slow`"):
        fixed_points(identity, np.zeros((2, 3)), tolerance=1.0)
    with pytest.raises(InputError, match="`distance`"):
        fixed_points(identity, np.zeros((2, 3)), distance=-1.0)
    with pytest.raises(InputError, match="`max_iterations`"):
        fixed_points(identity, np.zeros((2, 3)), max_iterations=0)


def test_every_state_of_the_identity_is_fixed() -> None:
    states = starts(5, 3)
    found = fixed_points(lambda h: h, jax.device_put(states))
    np.testing.assert_array_equal(np.sort(found.state.values, axis=0), np.sort(states, axis=0))


def test_a_step_that_is_no_function_of_jax_is_refused() -> None:
    with pytest.raises(InputError, match=r"`step` must be a function of JAX"):
        fixed_points(lambda h: np.tanh(2 * h), np.zeros((2, 3)))

    def branching(state: Array) -> Array:
        return state if state[0] > 0 else -state

    with pytest.raises(InputError, match=r"`jax.numpy.where` instead of `if`"):
        fixed_points(branching, np.zeros((2, 3)))
