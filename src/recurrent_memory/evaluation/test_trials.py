"""What a network does on fresh test trials: its answers, and the activity that is kept."""

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
    """Let a network answer test batches 0 … batches − 1.

    Parameters
    ----------
    network, task
        Who answers what.
    key
        Stream of the test trials; batch i is drawn with ``fold_in(key, i)``.
    batches, batch_size
        How many trials.
    until
        Also return what an ideal observer sees of the first ``until`` steps.
    on_batches
        Called with the number of batches done.

    Returns
    -------
    Answers on the host, with leading axis trial (batches·batch_size).
    """
    parts = []
    at_once = min(batches, BATCHES_AT_ONCE)
    for first in range(0, batches, at_once):
        # The last stretch does a few batches more than asked, rather than compile a second program.
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
    """Return the numbers of the test batches whose activity is kept: six, spread evenly, or fewer where fewer ran."""
    return sorted({round(i) for i in np.linspace(0, batches - 1, ACTIVITY_BATCHES)})


def record_batches(
    network: Network, task: AbstractTask, key: PRNGKeyArray, *, batches: int, batch_size: int
) -> tuple[Trials, Float[np.ndarray, "trial time output"], Float[np.ndarray, "trial time unit"]]:
    """Draw the test batches that are kept once more, and record everything.

    Returns
    -------
    Trials, outputs and activity on the host; the batches follow one another along the trial axis.
    """
    parts = [_record(network, task, jr.fold_in(key, i), batch_size) for i in activity_batches(batches)]
    trials, outputs, activity = jax.tree.map(lambda *xs: np.concatenate([np.asarray(x) for x in xs]), *parts)
    return trials, outputs, activity


@eqx.filter_jit
def _record(
    network: Network, task: AbstractTask, key: PRNGKeyArray, batch_size: int
) -> tuple[Trials, Float[Array, "trial time output"], Float[Array, "trial time unit"]]:
    trials = task.sample(key, batch_size)
    return trials, *network(trials.inputs, _mask(task, trials), key=key)


def _mask(task: AbstractTask, trials: Trials) -> Bool[Array, "trial time"] | None:
    """Return the mask where it says anything: holding a state costs a pass over it at every step."""
    return trials.mask if task.skips_steps else None
