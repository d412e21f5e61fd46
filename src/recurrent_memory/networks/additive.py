"""Additive units: each sums its inputs; those of the paper's models rectify the sum."""

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
    """Weights and input drive of all models whose units sum their inputs; only `gru` is not one of them.

    Examples
    --------
    >>> list(AdditiveCell.options())
    ['gradient_clip']
    """

    # W_rec comes first: the weight term sums squares in the order of the fields, which decides how the sum is rounded.
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
        """Draw Glorot-normal input weights with gain 0.95 and the model's recurrent weights; biases start at 0.

        Parameters
        ----------
        key
            Random key.
        n_inputs, n_hidden
            Numbers of input neurons and of units N.
        lambda0, sigma0
            The paper's λ0 and σ0, dimensionless.
        **options
            Static fields of the class, such as ``gradient_clip``.

        Returns
        -------
        The cell.
        """
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
        """Draw the initial recurrent weights: λ0 on the diagonal, independent N(0, σ0²/N) weights off it.

        Parameters
        ----------
        key
            Random key.
        n_hidden
            Number of units N.
        lambda0, sigma0
            The paper's λ0 and σ0, dimensionless.

        Returns
        -------
        W_rec, (from, to).
        """
        weights: Array = scaled_identity(key, n_hidden, lambda0, sigma0)
        return weights

    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch unit"]:
        """Return the weighted inputs plus both biases.

        Parameters
        ----------
        inputs
            Spike counts, (…, neuron).

        Returns
        -------
        Drive of each unit, (…, unit).
        """
        # Two biases that add up, as published: Adam moves both, so the effective bias moves twice as fast.
        return product(inputs, self.W_in) + (self.b_in + self.b_rec)


@register
class ReluCell(AdditiveCell):
    """h_t = relu(x_t W_in + b_in + h_{t−1} W_rec + b_rec), the paper's main model.

    Examples
    --------
    >>> cell = ReluCell(W_in=jnp.eye(2), b_in=jnp.zeros(2), W_rec=jnp.eye(2), b_rec=jnp.zeros(2))
    >>> cell.update(jnp.zeros((1, 2)), drive=jnp.array([[-1.0, 1.0]]), feedback=jnp.ones((1, 2))).tolist()
    [[0.0, 2.0]]
    """

    model = "relu"
    code = 0

    def update(
        self,
        state: Float[Array, "trial unit"],
        drive: Float[Array, "trial unit"],
        feedback: Float[Array, "trial unit"],
    ) -> Float[Array, "trial unit"]:
        """Rectify the sum of drive and feedback.

        Parameters
        ----------
        state
            Activity of the last step, (trial, unit); it acts through the feedback alone.
        drive
            Input drive of this step, (trial, unit).
        feedback
            Recurrent input of this step, (trial, unit).

        Returns
        -------
        Activity of this step, (trial, unit).
        """
        return relu(clip_gradient(drive + feedback, self.gradient_clip))


@register
class OrthogonalCell(ReluCell):
    """The relu model started from λ0 times a random orthogonal matrix; σ0 is not used.

    Examples
    --------
    >>> W = OrthogonalCell.draw_recurrent(jr.key(0), 3, lambda0=0.5, sigma0=0.0)
    >>> bool(jnp.allclose(W @ W.T, 0.25 * jnp.eye(3), atol=1e-5))
    True
    """

    model = "orthogonal"
    code = 2

    @staticmethod
    def draw_recurrent(
        key: PRNGKeyArray, n_hidden: int, lambda0: float, sigma0: float
    ) -> Float[Array, "{n_hidden} {n_hidden}"]:
        """Draw the initial recurrent weights: λ0 times a random orthogonal matrix.

        Parameters
        ----------
        key
            Random key.
        n_hidden
            Number of units N.
        lambda0
            The paper's λ0: every singular value of the matrix.
        sigma0
            Not used.

        Returns
        -------
        W_rec, (from, to).
        """
        weights: Array = scaled_orthogonal(key, n_hidden, lambda0)
        return weights


@register
class FastWeightsCell(AdditiveCell):
    """The relu model with Hebbian short-term plasticity (fast weights).

    Adds γ·h_{t−2}·clip(h_{t−2}·h_{t−1}, 0, 100) to the pre-activation, *after* the point where the gradient is
    clipped. The state holds the activity of the last two steps, (h_{t−1}, h_{t−2}).

    Examples
    --------
    >>> cell = FastWeightsCell(W_in=jnp.eye(1), b_in=jnp.zeros(1), W_rec=jnp.eye(1), b_rec=jnp.zeros(1), gamma=0.5)
    >>> last, before, silence = jnp.full((1, 1), 3.0), jnp.full((1, 1), 2.0), jnp.zeros((1, 1))
    >>> cell.update((last, before), drive=silence, feedback=silence)[0].tolist()  # 0.5 · 2 · (2·3)
    [[6.0]]
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
        """Return silence at the last two steps.

        Parameters
        ----------
        drive
            Input drive of the first step, (trial, unit).

        Returns
        -------
        Zeros for h_{t−1} and h_{t−2}, each (trial, unit).
        """
        return jnp.zeros_like(drive), jnp.zeros_like(drive)

    def activity(
        self, state: tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]]
    ) -> Float[Array, "trial unit"]:
        """Return the activity of the last step.

        Parameters
        ----------
        state
            Activity of the last two steps.

        Returns
        -------
        The first of the two, (trial, unit).
        """
        return state[0]

    def update(
        self,
        state: tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]],
        drive: Float[Array, "trial unit"],
        feedback: Float[Array, "trial unit"],
    ) -> tuple[Float[Array, "trial unit"], Float[Array, "trial unit"]]:
        """Rectify drive, feedback and the contribution of the fast weights.

        Parameters
        ----------
        state
            Activity of the last two steps, each (trial, unit).
        drive
            Input drive of this step, (trial, unit).
        feedback
            Recurrent input of this step, (trial, unit).

        Returns
        -------
        Activity of this step and of the last, each (trial, unit).
        """
        last, before = state
        overlap = clip_through(jnp.sum(before * last, axis=-1, keepdims=True), 0.0, self.ceiling)
        slow = clip_gradient(drive + feedback, self.gradient_clip)
        return relu(slow + self.gamma * before * overlap), last
