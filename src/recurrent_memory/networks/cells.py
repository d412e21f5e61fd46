"""One step of each model, and the protocol for a cell of one's own.

A step is split in two: the products with weights, which the recurrence does for all cells in the same fast way,
and ``update``, the arithmetic of one unit with itself. A cell of one's own needs the weights as fields, ``drive``
(what the inputs contribute), ``update`` (the next state) and ``initialize``; its gradient follows by itself.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..registry import Registry
from .initialization import glorot_normal, scaled_identity, scaled_orthogonal
from .precision import product


class AbstractCell(eqx.Module):
    """One step of a recurrent network over a batch of trials.

    The recurrence calls ``drive`` once for all time steps, then at each step
    ``state = update(state, drive[t], activity(state) @ W_rec)``.
    """

    model: ClassVar[str]
    """Name by which experiments ask for this cell."""
    code: ClassVar[int | None] = None
    """The published basic script's integer for this model."""
    readout_gain: ClassVar[float] = 0.95
    """Gain of the readout's Glorot-normal initialisation."""

    W_rec: eqx.AbstractVar[Float[Array, "unit block"]]

    @classmethod
    @abstractmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float
    ) -> AbstractCell:
        """Draw the initial weights; further keyword arguments are the model's own options."""

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the model's own options: further arguments of ``initialize``, and static fields."""
        named = inspect.signature(cls.initialize).parameters.values()
        arguments = {p.name for p in named if p.kind is not p.VAR_KEYWORD}
        static = {field.name for field in dataclasses.fields(cls) if field.metadata.get("static")}
        return sorted((arguments | static) - {"key", "n_inputs", "n_hidden", "lambda0", "sigma0"})

    @abstractmethod
    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch block"]:
        """Return all that the inputs contribute, biases included."""

    @abstractmethod
    def update(
        self, state: PyTree, drive: Float[Array, "trial block"], feedback: Float[Array, "trial block"]
    ) -> PyTree:
        """Return the next state from the last one, the input drive and the recurrent feedback."""

    def initial_state(self, drive: Float[Array, "trial block"]) -> PyTree:
        """Return the state before the first step: no activity, and not learned."""
        return jnp.zeros((drive.shape[0], self.n_hidden), drive.dtype)

    def activity(self, state: PyTree) -> Float[Array, "trial unit"]:
        """Return the units' activity in a state."""
        activity: Array = state
        return activity

    @property
    def n_hidden(self) -> int:
        """Number of units."""
        return self.W_rec.shape[0]


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Rectify, with derivative ½ at exactly 0.

    Notes
    -----
    The published code computes (x + abs(x))/2, with the derivative of abs(x) taken as sign(x). With no bias and no
    activity yet, every pre-activation is exactly 0 until the first spike, so the derivative there is not a matter of
    taste: 0 instead of ½ changes the first gradients by up to 4 %.
    """
    # JAX shares the gradient of a maximum between equal arguments, which gives the ½.
    return jnp.maximum(x, 0)


def clip_through(x: Float[Array, "*shape"], low: float, high: float) -> Float[Array, "*shape"]:
    """Clip to [low, high]; the gradient is 1 on the closed interval and 0 outside, as in the published code.

    ``jax.numpy.clip`` halves the gradient at the bounds.
    """
    return jnp.where((x >= low) & (x <= high), x, jax.lax.stop_gradient(jnp.clip(x, low, high)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def clip_gradient(x: Float[Array, "*shape"], bound: float) -> Float[Array, "*shape"]:
    """Return x unchanged; clip the signal that is propagated back through it to ±bound, element by element."""
    return x


def _clip_gradient_forward(x: Array, bound: float) -> tuple[Array, None]:
    return x, None


def _clip_gradient_backward(bound: float, _: None, signal: Array) -> tuple[Array]:
    return (jnp.clip(signal, -bound, bound),)


clip_gradient.defvjp(_clip_gradient_forward, _clip_gradient_backward)

CELLS: Registry[type[AbstractCell]] = Registry("model", named_by="model")
"""The cells by the names by which experiments ask for them."""
register = CELLS.register


class _RectifiedCell(AbstractCell):
    """Weights and input drive that the rectified models share."""

    W_in: Float[Array, "neuron unit"]
    b_in: Float[Array, " unit"]
    W_rec: Float[Array, "unit unit"]
    b_rec: Float[Array, " unit"]

    gradient_clip: float = eqx.field(static=True, default=100.0)
    """Bound on the signal propagated back through each step's pre-activation."""

    @classmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float, **options: float
    ) -> _RectifiedCell:
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
class ReluCell(_RectifiedCell):
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
class FastWeightsCell(_RectifiedCell):
    """The relu model with Hebbian short-term plasticity (fast weights).

    Adds γ·h_{t−2}·clip(h_{t−2}·h_{t−1}, 0, 100) to the pre-activation, *after* the point where the gradient is
    clipped. The state holds the activity of the last two steps.
    """

    model = "fast_weights"
    code = 1

    gamma: float = eqx.field(static=True, default=0.0007)
    """Strength γ of the fast weights."""
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


@register
class GRUCell(AbstractCell):
    """Gated recurrent unit with a rectified candidate.

    r = σ(i_r + k_r), u = σ(i_u + k_u), c = relu(i_c + r·k_c), h_t = (1 − u)·h_{t−1} + u·c, where i = x_t W_in + b
    and k = h_{t−1} W_rec come in three blocks: reset, update, candidate.
    """

    model = "gru"
    code = 3
    readout_gain = 0.05

    W_in: Float[Array, "neuron block"]
    b_in: Float[Array, " block"]
    W_rec: Float[Array, "unit block"]

    gradient_clip: float = eqx.field(static=True, default=10.0)
    """Bound on the signal propagated back, at three places in each step: i, k, and the candidate."""

    @classmethod
    def initialize(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_hidden: int,
        *,
        lambda0: float,
        sigma0: float,
        **options: float,
    ) -> GRUCell:
        """Draw Glorot-normal weights with gain 0.05; λ0 and σ0 set the candidate's recurrent weights."""
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
        """Return the weighted inputs plus the bias, in three blocks."""
        return product(inputs, self.W_in) + self.b_in

    def update(
        self,
        state: Float[Array, "trial unit"],
        drive: Float[Array, "trial block"],
        feedback: Float[Array, "trial block"],
    ) -> Float[Array, "trial unit"]:
        """Return the gated mixture of the last activity and the candidate."""
        i_reset, i_update, i_candidate = jnp.split(clip_gradient(drive, self.gradient_clip), 3, axis=-1)
        k_reset, k_update, k_candidate = jnp.split(clip_gradient(feedback, self.gradient_clip), 3, axis=-1)
        reset = jax.nn.sigmoid(i_reset + k_reset)
        update = jax.nn.sigmoid(i_update + k_update)
        candidate = relu(clip_gradient(i_candidate + reset * k_candidate, self.gradient_clip))
        return (1 - update) * state + update * candidate
