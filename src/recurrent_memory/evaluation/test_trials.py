"""A network on fresh test trials: its answers, and the activity that is kept."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..networks import Network
from ..tasks import AbstractTask, Trials
from ..training import Answers, answers, join_batches

BATCHES_AT_ONCE = 25
ACTIVITY_BATCHES = 6
"""Test batches whose activity is kept, spread evenly over the test as in the published code (0, 500, …, 2500)."""


def answer_batches(
    network: Network,
    task: AbstractTask,
    key: PRNGKeyArray,
    *,
    batches: int,
    batch_size: int,
    until: int | None = None,
    on_batches: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Test a network on batches 0 … batches − 1.

    Parameters
    ----------
    network, task
        The network and its task.
    key
        Key of the test trials; batch i is drawn with ``fold_in(key, i)``.
    batches, batch_size
        Number of batches, and of trials in each.
    until
        Number of steps, from the start of the trial, whose evidence to return as well; None: none.
    on_batches
        Called with the number of batches done.

    Returns
    -------
    Answers on the host, with the leading axis trial (batches·batch_size).

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> from recurrent_memory.tasks import make
    >>> network = initialize(
    ...     jr.key(0), "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> answer_batches(network, make("de1"), jr.key(1), batches=2, batch_size=3).outputs.shape
    (6, 25, 1)
    """
    parts = []
    at_once = min(batches, BATCHES_AT_ONCE)
    for first in range(0, batches, at_once):
        # The last call computes some batches too many, which is cheaper than compiling a second program.
        part = _answer(network, task, key, batch_size, until, first + jnp.arange(at_once))
        parts.append(jax.tree.map(lambda x: np.asarray(x)[: batches - first], part))  # noqa: B023 (used at once)
        on_batches(min(first + at_once, batches))
    return join_batches(jax.tree.map(lambda *xs: np.concatenate(xs), *parts))


@eqx.filter_jit
def _answer(
    network: Network,
    task: AbstractTask,
    key: PRNGKeyArray,
    batch_size: int,
    until: int | None,
    indices: Int[Array, " batch"],
) -> Answers:
    def answer(index: Int[Array, ""]) -> Answers:
        of_batch = jr.fold_in(key, index)
        trials = task.sample(of_batch, batch_size)
        response_steps = task.n_steps - task.epochs["response"][0]
        outputs, _ = network(trials.inputs, _mask(task, trials), response_steps, of_batch)
        return answers(task, trials, outputs, until)

    given: Answers = jax.lax.map(answer, indices)
    return given


def activity_batches(batches: int) -> list[int]:
    """Return the numbers of the test batches whose activity is kept: six, spread evenly, or all of fewer.

    Parameters
    ----------
    batches
        Number of test batches.

    Returns
    -------
    Numbers of batches, from 0.

    Examples
    --------
    >>> activity_batches(2501)
    [0, 500, 1000, 1500, 2000, 2500]
    """
    return sorted({round(i) for i in np.linspace(0, batches - 1, ACTIVITY_BATCHES)})


def record_batches(
    network: Network, task: AbstractTask, key: PRNGKeyArray, *, batches: int, batch_size: int
) -> tuple[Trials, Float[np.ndarray, "trial time output"], Float[np.ndarray, "trial time unit"]]:
    """Draw the test batches of :func:`activity_batches` again, and record everything.

    Parameters
    ----------
    network, task, key, batches, batch_size
        As for :func:`answer_batches`.

    Returns
    -------
    Trials, outputs and activity on the host; the batches follow one another along the trial axis.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> from recurrent_memory.tasks import make
    >>> network = initialize(
    ...     jr.key(0), "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> trials, outputs, activity = record_batches(network, make("de1"), jr.key(1), batches=2, batch_size=3)
    >>> activity.shape
    (6, 150, 3)
    """
    parts = [_record(network, task, jr.fold_in(key, i), batch_size) for i in activity_batches(batches)]
    trials, outputs, activity = jax.tree.map(lambda *xs: np.concatenate([np.asarray(x) for x in xs]), *parts)
    return trials, outputs, activity


def respond(
    network: Network, task: AbstractTask, trials: Trials, key: PRNGKeyArray
) -> tuple[Float[np.ndarray, "trial time output"], Float[np.ndarray, "trial time unit"]]:
    """Run given trials through a network.

    Parameters
    ----------
    network, task
        The network, and the task that the trials are of.
    trials
        The trials.
    key
        Random key of the network's noise; that with which the trials were drawn gives the answers of a test.

    Returns
    -------
    Outputs and activity on the host.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> from recurrent_memory.tasks import make
    >>> network = initialize(
    ...     jr.key(0), "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> task = make("de1")
    >>> outputs, activity = respond(network, task, task.sample(jr.key(1), 4), jr.key(1))
    >>> activity.shape
    (4, 150, 3)
    """
    masked = task.skips_steps or not np.asarray(trials.mask).all()
    outputs, activity = _respond(network, jnp.asarray(trials.inputs), jnp.asarray(trials.mask) if masked else None, key)
    return np.asarray(outputs), np.asarray(activity)


@eqx.filter_jit
def _respond(
    network: Network, inputs: Float[Array, "trial time neuron"], mask: Bool[Array, "trial time"] | None, key: Array
) -> tuple[Float[Array, "trial time output"], Float[Array, "trial time unit"]]:
    return network(inputs, mask, key=key)


@eqx.filter_jit
def _record(
    network: Network, task: AbstractTask, key: PRNGKeyArray, batch_size: int
) -> tuple[Trials, Float[Array, "trial time output"], Float[Array, "trial time unit"]]:
    trials = task.sample(key, batch_size)
    return trials, *network(trials.inputs, _mask(task, trials), key=key)


def _mask(task: AbstractTask, trials: Trials) -> Bool[Array, "trial time"] | None:
    """Return the mask if trials skip steps, else None: holding a state costs a pass over it at every step."""
    return trials.mask if task.skips_steps else None
