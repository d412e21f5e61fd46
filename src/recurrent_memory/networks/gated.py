"""The gated recurrent unit."""

from __future__ import annotations

from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray
from pydantic import Field

from .cells import AbstractCell, register
from .initialization import glorot_normal, scaled_identity
from .nonlinearities import clip_gradient, relu
from .precision import product


@register
class GRUCell(AbstractCell):
    """Gated recurrent unit with a rectified candidate.

    r = σ(i_r + k_r), u = σ(i_u + k_u), c = relu(i_c + r·k_c), h_t = (1 − u)·h_{t−1} + u·c, where i = x_t W_in + b
    and k = h_{t−1} W_rec come in three blocks: reset, update, candidate.

    Examples
    --------
    >>> cell = GRUCell(W_in=jnp.zeros((2, 3)), b_in=jnp.zeros(3), W_rec=jnp.zeros((1, 3)))
    >>> silence = jnp.zeros((1, 3))
    >>> cell.update(jnp.ones((1, 1)), drive=silence, feedback=silence).tolist()  # u = ½ and c = 0
    [[0.5]]
    """

    model = "gru"
    code = 3
    readout_gain = 0.05
    blocks = 3

    # W_rec comes first: the weight term sums squares in the order of the fields, which decides how the sum is rounded.
    W_rec: Float[Array, "unit block"]
    W_in: Float[Array, "neuron block"]
    b_in: Float[Array, " block"]

    gradient_clip: Annotated[
        float,
        Field(ge=0, description="Bound on the signal propagated back, at three places: i, k, and the candidate"),
    ] = eqx.field(static=True, default=10.0)

    @classmethod
    def initialize(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_hidden: int,
        *,
        lambda0: float,
        sigma0: float,
        **options: Any,
    ) -> GRUCell:
        """Draw Glorot-normal weights with gain 0.05; λ0 and σ0 set the candidate's recurrent weights.

        Parameters
        ----------
        key
            Random key.
        n_inputs, n_hidden
            Numbers of input neurons and of units N.
        lambda0, sigma0
            The paper's λ0 and σ0, dimensionless.
        **options
            Static fields of the class: ``gradient_clip``.

        Returns
        -------
        The cell.
        """
        keys_input, keys_gates, key_candidate = jr.split(key, 3)
        inputs = [glorot_normal(k, n_inputs, n_hidden, gain=0.05) for k in jr.split(keys_input, 3)]
        gates = [glorot_normal(k, n_hidden, n_hidden, gain=0.05) for k in jr.split(keys_gates, 2)]
        candidate = scaled_identity(key_candidate, n_hidden, lambda0, sigma0)
        return cls(
            W_in=jnp.concatenate(inputs, axis=1),
            b_in=jnp.zeros(3 * n_hidden),
            W_rec=jnp.concatenate([*gates, candidate], axis=1),
            **options,
        )

    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch block"]:
        """Return the weighted inputs plus the bias, in three blocks.

        Parameters
        ----------
        inputs
            Spike counts, (…, neuron).

        Returns
        -------
        Drive i of the reset gate, the update gate and the candidate, (…, block).
        """
        return product(inputs, self.W_in) + self.b_in

    def update(
        self,
        state: Float[Array, "trial unit"],
        drive: Float[Array, "trial block"],
        feedback: Float[Array, "trial block"],
    ) -> Float[Array, "trial unit"]:
        """Return the gated mixture of the last activity and the candidate.

        Parameters
        ----------
        state
            Activity of the last step, (trial, unit).
        drive, feedback
            i and k of this step, (trial, block).

        Returns
        -------
        Activity of this step, (trial, unit).
        """
        i_reset, i_update, i_candidate = jnp.split(clip_gradient(drive, self.gradient_clip), 3, axis=-1)
        k_reset, k_update, k_candidate = jnp.split(clip_gradient(feedback, self.gradient_clip), 3, axis=-1)
        reset = jax.nn.sigmoid(i_reset + k_reset)
        update = jax.nn.sigmoid(i_update + k_update)
        candidate = relu(clip_gradient(i_candidate + reset * k_candidate, self.gradient_clip))
        return (1 - update) * state + update * candidate
