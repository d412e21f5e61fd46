"""Leaky units with a choice of nonlinearity, private noise, Dale's law and fixed connectivity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray
from pydantic import Field

from .additive import AdditiveCell
from .cells import private_noise, register
from .initialization import glorot_normal, scaled_identity
from .nonlinearities import clip_gradient, magnitude, relu

NONLINEARITIES = {
    "relu": relu,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "sigmoid": jax.nn.sigmoid,
}
"""The nonlinearities φ by the names that `activation` takes."""

_CONNECTIONS = 1
"""Folded into the key of the recurrent weights, gives the key of the connectivity."""


@register
class LeakyCell(AdditiveCell):
    """h_t = (1 − α)·h_{t−1} + α·φ(x_t W_in + b + h_{t−1} W + σ_noise·ξ_t), with ξ_t standard normal.

    W is ``W_rec`` itself or, under Dale's law, its magnitude times the sign of the presynaptic unit; connections that
    do not exist are 0.

    Examples
    --------
    >>> arrays = {"W_in": jnp.eye(2), "b_in": jnp.zeros(2), "W_rec": jnp.ones((2, 2)), "b_rec": jnp.zeros(2)}
    >>> LeakyCell(**arrays, fraction_excitatory=0.5).recurrent_weights().tolist()
    [[1.0, 1.0], [-1.0, -1.0]]
    """

    model = "leaky"

    connections: Bool[Array, "unit unit"] | None = None
    """Which connections exist, (from, to); never trained; None: all of them."""
    activation: Annotated[
        Literal["relu", "tanh", "softplus", "elu", "sigmoid"], Field(description="Nonlinearity φ")
    ] = eqx.field(static=True, default="relu")
    alpha: Annotated[
        float, Field(gt=0, le=1, description="Share α of the new activity in a step: 10 ms over the time constant")
    ] = eqx.field(static=True, default=0.2)
    noise: Annotated[
        float, Field(ge=0, description="Standard deviation σ_noise of each unit's private noise, inside φ")
    ] = eqx.field(static=True, default=0.0)
    fraction_excitatory: Annotated[
        float | None, Field(gt=0, lt=1, description="Share of excitatory units under Dale's law; none: no such law")
    ] = eqx.field(static=True, default=None)

    @classmethod
    def initialize(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_hidden: int,
        *,
        lambda0: float,
        sigma0: float,
        connection_probability: Annotated[
            float, Field(gt=0, le=1, description="Probability that one unit connects to another; drawn once, fixed")
        ] = 1.0,
        self_connections: Annotated[bool, Field(description="Whether units connect to themselves")] = True,
        **options: Any,
    ) -> LeakyCell:
        """Draw weights as for the relu model; under Dale's law, balanced ones of the same overall spread.

        Parameters
        ----------
        key
            Random key.
        n_inputs, n_hidden
            Numbers of input neurons and of units N.
        lambda0, sigma0
            The paper's λ0 and σ0, dimensionless.
        connection_probability, self_connections, **options
            The model's options, including the static fields of the class; see `LeakyCell.options`.

        Returns
        -------
        The cell.
        """
        key_input, key_recurrent = jr.split(key)
        weights = scaled_identity(key_recurrent, n_hidden, lambda0, sigma0)
        connections = None
        if connection_probability < 1 or not self_connections:
            connections = draw_connections(
                jr.fold_in(key_recurrent, _CONNECTIONS), n_hidden, connection_probability, self_connections
            )
        if (fraction := options.get("fraction_excitatory")) is not None:
            weights = balanced(weights, signs(n_hidden, fraction))
        return cls(
            W_in=glorot_normal(key_input, n_inputs, n_hidden, gain=0.95),
            b_in=jnp.zeros(n_hidden),
            # Missing connections are 0 in the parameter as well, so that the weight term does not count them.
            W_rec=weights if connections is None else jnp.where(connections, weights, 0),
            b_rec=jnp.zeros(n_hidden),
            connections=connections,
            **options,
        )

    def recurrent_weights(self) -> Float[Array, "unit unit"]:
        """Return the effective weights: signed under Dale's law, and 0 if there is no connection.

        Returns
        -------
        Weights, (from, to).
        """
        weights: Array = self.W_rec
        if self.fraction_excitatory is not None:
            weights = magnitude(weights) * signs(len(weights), self.fraction_excitatory)[:, None]
        return weights if self.connections is None else jnp.where(self.connections, weights, 0)

    @property
    def is_random(self) -> bool:
        """Whether there is noise."""
        return self.noise > 0

    def update(
        self,
        state: Float[Array, "trial unit"],
        drive: Float[Array, "trial unit"],
        feedback: Float[Array, "trial unit"],
        key: Key[Array, " trial"] | None = None,
    ) -> Float[Array, "trial unit"]:
        """Return the mixture of the last activity and the new one.

        Parameters
        ----------
        state
            Activity of the last step, (trial, unit).
        drive, feedback
            Input drive and recurrent input of this step, (trial, unit).
        key
            One random key per trial; None: no noise.

        Returns
        -------
        Activity of this step, (trial, unit).
        """
        total = drive + feedback
        if key is not None:
            total = total + self.noise * private_noise(key, total.shape[1])
        new = NONLINEARITIES[self.activation](clip_gradient(total, self.gradient_clip))
        return (1 - self.alpha) * state + self.alpha * new


def signs(n_units: int, fraction_excitatory: float) -> Float[Array, " {n_units}"]:
    """Return +1 for excitatory units, which come first, and −1 for inhibitory ones.

    Parameters
    ----------
    n_units
        Number of units N.
    fraction_excitatory
        Share of excitatory units; if there are two or more units, there is at least one of each kind.

    Returns
    -------
    Sign of each unit.

    Examples
    --------
    >>> signs(5, 0.8).tolist()
    [1.0, 1.0, 1.0, 1.0, -1.0]
    """
    excitatory = max(1, min(round(fraction_excitatory * n_units), n_units - 1))
    return jnp.where(jnp.arange(n_units) < excitatory, 1.0, -1.0)


def balanced(weights: Float[Array, "unit unit"], sign: Float[Array, " unit"]) -> Float[Array, "unit unit"]:
    """Return magnitudes with which excitation and inhibition balance under Dale's law.

    Parameters
    ----------
    weights
        Initial weights without the law: λ0 on the diagonal, standard deviation σ0/√N off it.
    sign
        +1 or −1 for each unit.

    Returns
    -------
    Magnitudes of the weights (from, to). Self-connections that the law forbids are 0. Off the diagonal, inhibitory
    weights are larger by the ratio r of the numbers of excitatory and inhibitory units.

    Notes
    -----
    Magnitudes are multiplied by 1/√r (excitatory) and √r (inhibitory). A unit's excitation and inhibition then cancel
    on average, and the standard deviation of all signed weights is σ0/√N, as without the law.
    """
    n_excitatory = jnp.sum(sign > 0)
    ratio = n_excitatory / jnp.maximum(len(sign) - n_excitatory, 1)
    off_diagonal = jnp.abs(weights) * jnp.where(sign > 0, 1 / jnp.sqrt(ratio), jnp.sqrt(ratio))[:, None]
    own = jnp.maximum(sign * jnp.diagonal(weights), 0)
    return jnp.where(jnp.eye(len(sign), dtype=bool), own, off_diagonal)


def draw_connections(
    key: PRNGKeyArray, n_units: int, probability: float, self_connections: bool
) -> Bool[Array, "{n_units} {n_units}"]:
    """Draw which connections exist.

    Parameters
    ----------
    key
        Random key.
    n_units
        Number of units N.
    probability
        Probability that one unit connects to another.
    self_connections
        Whether all units connect to themselves; otherwise none does.

    Returns
    -------
    True for each connection that exists, (from, to).
    """
    between = jr.bernoulli(key, probability, (n_units, n_units))
    return jnp.where(jnp.eye(n_units, dtype=bool), self_connections, between)
