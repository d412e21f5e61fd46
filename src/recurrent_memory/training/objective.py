"""The objective that training minimises: task loss, activity term, weight term."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..networks import Network
from ..tasks import RESPONSES, Response, Trials

ACTIVITY_STEPS = 5
"""The activity term covers this many steps at the end of the trial, response included, as published."""


class Terms(NamedTuple):
    """The three terms of the objective, already multiplied by their coefficients.

    Examples
    --------
    >>> float(sum(Terms(task=jnp.asarray(1.0), activity=jnp.asarray(0.25), weights=jnp.asarray(0.0))))
    1.25
    """

    task: Float[Array, ""]
    activity: Float[Array, ""]
    weights: Float[Array, ""]


class Objective(eqx.Module):
    """Task loss on the response + activity_penalty·mean(h²) over the last 5 steps + ρ·Σ(all parameters²).

    Notes
    -----
    Orhan & Ma (2019), Methods. ρ multiplies the sum of squares, not half of it, and the sum includes the biases, as
    published.

    Examples
    --------
    >>> objective = Objective("angle", resp_dur=25, rho=1e-6)
    >>> objective.activity_penalty
    0.0001
    """

    response: Response = eqx.field(static=True)
    """Kind of answer, which decides the task loss."""
    resp_dur: int = eqx.field(static=True)
    """Duration of the response at the end of the trial, in steps: the steps that count."""
    activity_penalty: Float[Array, ""] | float = 1e-4
    """Coefficient of the activity term. As arrays, this and ρ can change without compiling another program."""
    rho: Float[Array, ""] | float = 0.0
    """Coefficient ρ of the weight term."""
    masked: bool = eqx.field(static=True, default=False)
    """Whether trials have steps to skip; if not, no time is spent on holding states."""
    separate_clipping: bool = eqx.field(static=True, default=False)
    """Whether to propagate task loss and activity term back one by one, each clipped separately, as the published code
    does, or their sum once. The two differ only if a signal reaches the clipping bound."""

    def terms(
        self, network: Network, trials: Trials, key: PRNGKeyArray | None = None
    ) -> tuple[Terms, Float[Array, "trial response output"]]:
        """Return the objective's terms on a batch of trials.

        Parameters
        ----------
        network
            The network.
        trials
            A batch of trials.
        key
            Random key of the batch, for a cell with noise.

        Returns
        -------
        The three terms, and the network's outputs in the response epoch.
        """
        kept = max(self.resp_dur, min(ACTIVITY_STEPS, trials.inputs.shape[1]))
        outputs, activity = network(trials.inputs, trials.mask if self.masked else None, kept, key)
        outputs = outputs[:, kept - self.resp_dur :]
        task = task_loss(self.response, outputs, trials.targets[:, -self.resp_dur :])
        energy = jnp.mean(activity[:, -ACTIVITY_STEPS:] ** 2)
        return Terms(task, self.activity_penalty * energy, self.rho * sum_of_squares(network)), outputs

    def gradient(
        self, network: Network, trials: Trials, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, ""], Float[Array, "trial response output"], Network]:
        """Return the objective and its gradient on a batch of trials.

        Parameters
        ----------
        network
            The network.
        trials
            A batch of trials.
        key
            Random key of the batch, for a cell with noise.

        Returns
        -------
        The objective, the outputs in the response epoch, and the gradient with respect to all parameters.
        """

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

    Returns
    -------
    The loss, in the response's unit of errors.

    Raises
    ------
    InputError
        If there is no such response.

    Examples
    --------
    >>> round(float(task_loss("angle", jnp.array([0.5, 1.0]), jnp.array([0.0, 0.5]))), 3)
    0.5
    """
    return RESPONSES.find(response).training_loss(outputs, targets)


def sum_of_squares(network: Network) -> Float[Array, ""]:
    """Return the sum of the squares of all trainable parameters, biases included.

    Parameters
    ----------
    network
        The network.

    Returns
    -------
    The sum.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> network = initialize(
    ...     jax.random.key(0), "relu", n_inputs=2, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> float(sum_of_squares(jax.tree.map(jnp.ones_like, network)))  # the number of parameters
    25.0
    """
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    return jnp.sum(jnp.stack([jnp.sum(leaf**2) for leaf in leaves]))
