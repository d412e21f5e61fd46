"""Adam, as the published code has it."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..networks import Network

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamState(eqx.Module):
    """Running means of the gradient and of its square, one of each per parameter, and the number of steps."""

    mean: Network
    square: Network
    count: Int[Array, ""]


def start(network: Network) -> AdamState:
    """Return the state before the first step."""
    parameters = eqx.filter(network, eqx.is_inexact_array)
    # Two trees of zeros, not one twice: training reuses their memory, and cannot reuse the same memory for both.
    mean, square = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
    return AdamState(mean=mean, square=square, count=jnp.zeros((), jnp.int32))


def step(
    network: Network, gradient: Network, state: AdamState, learning_rate: Float[Array, ""]
) -> tuple[Network, AdamState]:
    """Take one step along a gradient.

    Notes
    -----
    Kingma & Ba (2015) with a_t = lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) and θ ← θ − a_t·m/(√v + ε): ε is added to the *uncorrected*
    root, as in the published code; optimiser libraries add it to the corrected one.
    """
    count = state.count + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, state.mean, gradient)
    square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g**2, state.square, gradient)
    t = count.astype(learning_rate.dtype)
    rate = learning_rate * jnp.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    change = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + EPSILON), mean, square)
    return eqx.apply_updates(network, change), AdamState(mean=mean, square=square, count=count)
