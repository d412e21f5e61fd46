"""The step of a network under constant input is that of the network itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recurrent_memory.analysis import fixed_points
from recurrent_memory.errors import InputError
from recurrent_memory.networks import Network, autonomous_step, initialize

MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("relu", {}), ("orthogonal", {}), ("fast_weights", {"gamma": 0.01}), ("gru", {}),
    ("leaky", {"activation": "tanh", "alpha": 0.3, "noise": 0.1, "fraction_excitatory": 0.5}),
)  # fmt: skip


def network_of(model: str, options: dict[str, Any]) -> Network:
    return initialize(
        jax.random.key(1), model, n_inputs=3, n_hidden=6, n_outputs=1, readout="linear", is_probability=False,
        lambda0=0.7, sigma0=0.5, **options,
    )  # fmt: skip


@pytest.mark.parametrize(("model", "options"), MODELS)
@pytest.mark.sampled(2)
def test_steps_are_those_of_the_network(model: str, options: dict[str, Any]) -> None:
    quiet = network_of(model, {**options, **({"noise": 0.0} if "noise" in options else {})})
    constant = jnp.array([0.5, 0.1, 0.9])
    _, activity = quiet(jnp.tile(constant, (1, 8, 1)))
    step = autonomous_step(network_of(model, options), constant)
    state = jnp.zeros(12 if model == "fast_weights" else 6)
    for expected in activity[0]:
        state = step(state)
        np.testing.assert_allclose(state[:6], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("model", "options"), MODELS)
@pytest.mark.sampled(3)
def test_its_fixed_points_stay_where_they_are(model: str, options: dict[str, Any], x64: None) -> None:
    step = autonomous_step(network_of(model, options), jnp.full(3, 0.4))
    n_state = 12 if model == "fast_weights" else 6
    found = fixed_points(step, np.random.default_rng(0).random((8, n_state)))
    assert found.n_fixed_points >= 1
    for state in found.state.values[found.is_fixed.values]:
        np.testing.assert_allclose(step(jnp.asarray(state)), state, atol=1e-5)


def test_derivatives_are_not_clipped() -> None:
    network = network_of("relu", {"gradient_clip": 0.001})
    jacobian = jax.jacrev(autonomous_step(network, jnp.full(3, 5.0)))(jnp.full(6, 2.0))
    is_on = np.asarray(autonomous_step(network, jnp.full(3, 5.0))(jnp.full(6, 2.0))) > 0
    expected = np.asarray(network.cell.recurrent_weights()).T * is_on[:, None]
    np.testing.assert_allclose(jacobian, expected, rtol=1e-6)


def test_inputs_must_fit() -> None:
    with pytest.raises(InputError, match="one number for each input neuron"):
        autonomous_step(network_of("relu", {}), jnp.zeros(4))
