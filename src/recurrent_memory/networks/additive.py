"""The rectified models: units that add up their inputs, and rectify the sum."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray
from pydantic import Field

from .cells import AbstractCell, register
from .initialization import glorot_normal, scaled_identity, scaled_orthogonal
from .nonlinearities import clip_gradient, clip_through, relu
from .precision import product


class AdditiveCell(AbstractCell):
    """Weights and input drive of the models whose units add up their inputs: all but the gated ones."""

    # First: the squares of the parameters are summed in this order, which decides how the sum is rounded.
    W_rec: Float[Array, "unit unit"]
    W_in: Float[Array, "neuron unit"]
    b_in: Float[Array, " unit"]
    b_rec: Float[Array, " unit"]

    gradient_clip: Annotated[
        float, Field(ge=0, description="Bound on the signal propagated back through each step's pre-activation")
    ] = eqx.field(static=True, default=100.0)

    @classmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float, **options: Any
    ) -> AdditiveCell:
        """Draw Glorot-normal input weights with gain 0.95, and the model's own recurrent ones; no biases."""
        key_input, key_recurrent = jr.split(key)
        return cls(
            W_in=glorot_normal(key_input, n_inputs, n_hidden, gain=0.95),
            b_in=jnp.zeros(n_hidden),
            W_rec=cls.draw_recurrent(key_recurrent, n_hidden, lambda0, sigma0),
            b_rec=jnp.zeros(n_hidden),
            **options,
        )

    @staticmethod
    def draw_recurrent(
        key: PRNGKeyArray, n_hidden: int, lambda0: float, sigma0: float
    ) -> Float[Array, "{n_hidden} {n_hidden}"]:
        """Draw W_rec = λ0·I + off-diagonal noise of standard deviation σ0/√N."""
        weights: Array = scaled_identity(key, n_hidden, lambda0, sigma0)
        return weights

    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch unit"]:
        """Return the weighted inputs plus both biases."""
        # Two biases that act as one: Adam moves both, so the effective bias moves twice as fast, as published.
        return product(inputs, self.W_in) + (self.b_in + self.b_rec)


@register
class ReluCell(AdditiveCell):
    """h_t = relu(x_t W_in + b_in + h_{t−1} W_rec + b_rec), the paper's main model."""

    model = "relu"
    code = 0

    def update(
        self,
        state: Float[Array, "trial unit"],
        drive: Float[Array, "trial unit"],
        feedback: Float[Array, "trial unit"],
    ) -> Float[Array, "trial unit"]:
        """Return the rectified sum of drive and feedback."""
        return relu(clip_gradient(drive + feedback, self.gradient_clip))


@register
class OrthogonalCell(ReluCell):
    """The relu model started from λ0 times a random orthogonal matrix; σ0 is not used."""

    model = "orthogonal"
    code = 2

    @staticmethod
    def draw_recurrent(
        key: PRNGKeyArray, n_hidden: int, lambda0: float, sigma0: float
    ) -> Float[Array, "{n_hidden} {n_hidden}"]:
        """Draw W_rec = λ0·U with U orthogonal."""
        weights: Array = scaled_orthogonal(key, n_hidden, lambda0)
        return weights


@register
class FastWeightsCell(AdditiveCell):
    """The relu model with Hebbian short-term plasticity (fast weights).

    Adds γ·h_{t−2}·clip(h_{t−2}·h_{t−1}, 0, 100) to the pre-activation, *after* the point where the gradient is
    clipped. The state holds the activity of the last two steps.
    """

    model = "fast_weights"
    code = 1

    gamma: Annotated[float, Field(ge=0, description="Strength γ of the fast weights")] = eqx.field(
        static=True, default=0.0007
    )
    ceiling: ClassVar[float] = 100.0
    """Upper bound of the overlap h_{t−2}·h_{t−1} of a trial."""

    def initial_state(
        self, drive: Float[Array, "trial unit"]
    ) -> tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]]:
        """Return no activity at the last two steps."""
        return jnp.zeros_like(drive), jnp.zeros_like(drive)

    def activity(
        self, state: tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]]
    ) -> Float[Array, "trial unit"]:
        """Return the activity of the last step."""
        return state[0]

    def update(
        self,
        state: tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]],
        drive: Float[Array, "trial unit"],
        feedback: Float[Array, "trial unit"],
    ) -> tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]]:
        """Return the next activity and the last one."""
        last, before = state
        overlap = clip_through(jnp.sum(before * last, axis=-1, keepdims=True), 0.0, self.ceiling)
        slow = clip_gradient(drive + feedback, self.gradient_clip)
        return relu(slow + self.gamma * before * overlap), last
