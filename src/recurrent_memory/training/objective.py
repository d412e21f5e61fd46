"""What a network is trained to make small: task loss, activity term, weight term."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..networks import Network
from ..tasks import RESPONSES, Response, Trials

ACTIVITY_STEPS = 5
"""The activity term looks at the last steps of the trial, response included, as published."""


class Terms(NamedTuple):
    """The three terms of the objective, already multiplied by their coefficients."""

    task: Float[Array, ""]
    activity: Float[Array, ""]
    weights: Float[Array, ""]


class Objective(eqx.Module):
    """Task loss on the response + activity_penalty·mean(h²) over the last 5 steps + ρ·Σ(all parameters²).

    Notes
    -----
    Orhan & Ma (2019), Methods. ρ multiplies the sum, not half of it, and includes the biases, as published.
    """

    response: Response = eqx.field(static=True)
    """What the answer is: it decides the task loss."""
    resp_dur: int = eqx.field(static=True)
    """Steps at the end of the trial on which the answer counts."""
    activity_penalty: Float[Array, ""] | float = 1e-4
    """Coefficient of the activity term. As an array, like ρ, it does not ask for a program of its own."""
    rho: Float[Array, ""] | float = 0.0
    """Coefficient ρ of the weight term."""
    masked: bool = eqx.field(static=True, default=False)
    """Whether trials have steps to skip; where they have none, no time is spent on holding states."""
    separate_clipping: bool = eqx.field(static=True, default=False)
    """Propagate task loss and activity term back one by one, each clipped on its own, as the published code does;
    otherwise their sum is propagated once. The two differ only where a signal reaches the clipping bound."""

    def terms(
        self, network: Network, trials: Trials, key: PRNGKeyArray | None = None
    ) -> tuple[Terms, Float[Array, "trial response output"]]:
        """Return the three terms and the network's outputs in the response epoch; `key` is the batch's, for noise."""
        kept = max(self.resp_dur, min(ACTIVITY_STEPS, trials.inputs.shape[1]))
        outputs, activity = network(trials.inputs, trials.mask if self.masked else None, kept, key)
        outputs = outputs[:, kept - self.resp_dur :]
        task = task_loss(self.response, outputs, trials.targets[:, -self.resp_dur :])
        energy = jnp.mean(activity[:, -ACTIVITY_STEPS:] ** 2)
        return Terms(task, self.activity_penalty * energy, self.rho * sum_of_squares(network)), outputs

    def gradient(
        self, network: Network, trials: Trials, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, ""], Float[Array, "trial response output"], Network]:
        """Return the loss, the outputs in the response epoch, and the gradient with respect to all parameters."""

        def part(names: tuple[str, ...]) -> tuple[tuple[Array, tuple[Terms, Array]], Network]:
            def loss(network: Network) -> tuple[Array, tuple[Terms, Array]]:
                terms, outputs = self.terms(network, trials, key)
                return sum((getattr(terms, name) for name in names), jnp.zeros(())), (terms, outputs)

            value_and_gradient = eqx.filter_value_and_grad(loss, has_aux=True)
            result: tuple[tuple[Array, tuple[Terms, Array]], Network] = value_and_gradient(network)
            return result

        if self.separate_clipping:
            (_, (terms, outputs)), gradient = part(("task", "weights"))
            _, of_activity = part(("activity",))
            gradient = jax.tree.map(jnp.add, gradient, of_activity)
        else:
            (_, (terms, outputs)), gradient = part(Terms._fields)
        return terms.task + terms.activity + terms.weights, outputs, gradient


def task_loss(
    response: Response, outputs: Float[Array, "*batch output"], targets: Float[Array, "*batch output"]
) -> Float[Array, ""]:
    """Return the mean loss of answers to a task.

    Parameters
    ----------
    response
        Name of the kind of answer, which decides the loss: see `recurrent_memory.tasks.RESPONSES`.
    outputs, targets
        Answers and what they should be, of the same shape.
    """
    return RESPONSES.find(response).training_loss(outputs, targets)


def sum_of_squares(network: Network) -> Float[Array, ""]:
    """Return the sum of the squares of all trainable parameters, biases included."""
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    return jnp.sum(jnp.stack([jnp.sum(leaf**2) for leaf in leaves]))
