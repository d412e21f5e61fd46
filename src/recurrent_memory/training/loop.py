"""Training in compiled chunks: Python only sets their length and reads what they return."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..networks import Network
from ..tasks import AbstractTask, Trials
from .objective import Objective
from .optimizers import Optimizer
from .schedules import Schedule

Copied = TypeVar("Copied")
CHUNK_CAPACITY = 250
"""Most iterations of a chunk; the compiled program allocates this many rows of records."""


class TrainingState(eqx.Module):
    """All that training carries from one iteration to the next.

    The state of a random generator is not among it: the iteration's number is the address of its trials.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> key = jr.key(0)
    >>> network = initialize(
    ...     key, "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> state = TrainingState(network, Optimizer().start(network), jnp.asarray(0))
    >>> state.optimizer.mean.W_out.tolist()
    [[0.0], [0.0], [0.0]]
    """

    network: Network
    optimizer: PyTree
    """State of the optimizer, such as running means of the gradient; ``AdamState`` for the published Adam."""
    iteration: Int[Array, ""]
    """Number of iterations done, and so the number of the next batch of trials."""


class Answers(eqx.Module):
    """What is needed to judge a batch of trials, small enough to copy from the device for every batch.

    Examples
    --------
    >>> Answers(outputs=jnp.zeros((2, 25, 1)), targets=jnp.ones((2, 25, 1)), evidence=None).outputs.shape
    (2, 25, 1)
    """

    outputs: Float[Array, "*batch time output"]
    """The network's outputs in the response epoch."""
    targets: Float[Array, "*batch time output"]
    """What the outputs should be."""
    evidence: PyTree
    """What the ideal observer sees of the whole trial (see ``AbstractTask.evidence``)."""
    evidence_seen: PyTree = None
    """What it sees up to the read-out step, if that was asked for."""
    delay: Int[Array, " *trial"] | None = None
    """Duration of each trial's delay in steps, if it varies."""


def join_batches(answers: Answers) -> Answers:
    """Join the answers to several batches along the trial axis.

    Parameters
    ----------
    answers
        Answers with the leading axes batch and trial.

    Returns
    -------
    Answers with the leading axis trial, batch after batch.

    Examples
    --------
    >>> join_batches(Answers(jnp.zeros((4, 2, 25, 1)), jnp.zeros((4, 2, 25, 1)), evidence=None)).outputs.shape
    (8, 25, 1)
    """
    # Explicit sizes: Sine's evidence is empty, and NumPy cannot infer −1 for an empty array.
    joined: Answers = jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), answers)
    return joined


def copied(state: Copied) -> Copied:
    """Copy a state or a network in training, because further training reuses the memory of its arrays.

    Parameters
    ----------
    state
        The state, or a part of it.

    Returns
    -------
    The same, in memory of its own.

    Examples
    --------
    >>> weights = jnp.ones(3)
    >>> copied({"W_rec": weights})["W_rec"] is weights
    False
    """
    copy: Copied = jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, state)
    return copy


class Chunk(NamedTuple):
    """The record of a chunk of training.

    If the network diverged, the last of the ``n_done`` iterations has a loss that is not finite, and its step was not
    taken.

    Examples
    --------
    >>> answers = Answers(jnp.zeros((2, 4, 25, 1)), jnp.zeros((2, 4, 25, 1)), evidence=None)
    >>> Chunk(n_done=2, losses=np.array([1.0, np.nan]), answers=answers).diverged
    True
    """

    n_done: int
    losses: Float[np.ndarray, " iteration"]
    answers: Answers

    @property
    def diverged(self) -> bool:
        """Whether the last loss is not finite."""
        return bool(self.n_done and not np.isfinite(self.losses[-1]))


class Trainer(eqx.Module):
    """Everything about training that stays the same from iteration to iteration.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> from recurrent_memory.tasks import make
    >>> task, key = make("de1"), jr.key(0)
    >>> network = initialize(
    ...     key, "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> schedule = Schedule.named("constant", {}, iterations=10)
    >>> objective = Objective("angle", resp_dur=25)
    >>> trainer = Trainer(task, objective, key, jnp.asarray(5e-4), schedule, Optimizer(), batch_size=2)
    >>> state = trainer.start(network)
    >>> int(state.iteration)
    0
    """

    task: AbstractTask = eqx.field(static=True)
    objective: Objective
    key: PRNGKeyArray
    """Key of the training trials; batch i is drawn with ``fold_in(key, i)``."""
    learning_rate: Float[Array, ""]
    """Highest value; the schedule scales it in each iteration."""
    schedule: Schedule
    optimizer: Optimizer = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    judge_after_step: bool = eqx.field(static=True, default=False)
    """Whether to record the answers after the step instead of before it, which takes a second forward pass."""

    def start(self, network: Network) -> TrainingState:
        """Return the state before the first iteration.

        Parameters
        ----------
        network
            The initial network.

        Returns
        -------
        The state.
        """
        return TrainingState(network, self.optimizer.start(network), jnp.zeros((), jnp.int32))

    def iterate(self, state: TrainingState) -> tuple[TrainingState, Float[Array, ""], Answers]:
        """Draw a batch of trials and, if the loss is finite, take one step of the optimizer.

        Parameters
        ----------
        state
            State before the iteration.

        Returns
        -------
        State after the iteration, the objective before its step, and the answers to the batch.
        """
        key = jr.fold_in(self.key, state.iteration)
        trials = self.task.sample(key, self.batch_size)
        loss, outputs, gradient = self.objective.gradient(state.network, trials, key)
        rate = self.schedule.rate(self.learning_rate, state.iteration)
        network, optimizer = self.optimizer.step(state.network, gradient, state.optimizer, rate)
        if self.judge_after_step:
            _, outputs = self.objective.terms(network, trials, key)
        moved = TrainingState(network, optimizer, state.iteration + 1)
        # If the network diverges, the state stays as it was before the step.
        (new, static), (old, _) = (eqx.partition(s, eqx.is_array) for s in (moved, state))
        kept = jax.tree.map(lambda n, o: jnp.where(jnp.isfinite(loss), n, o), new, old)
        state = eqx.combine(kept, static)
        return state, loss, answers(self.task, trials, outputs)

    def advance(self, state: TrainingState, n_iterations: int) -> tuple[TrainingState, Chunk]:
        """Train in one compiled program until ``n_iterations`` are done or the loss is not finite.

        The program is the same for every length, so the numbers do not depend on how training is cut into chunks.

        Parameters
        ----------
        state
            State before the chunk; its memory is reused, so it must not be used again.
        n_iterations
            Number of iterations, at most ``CHUNK_CAPACITY``.

        Returns
        -------
        State after the chunk, and its record on the host.
        """
        state, n_done, losses, records = _advance(self, state, jnp.asarray(n_iterations, jnp.int32))
        done = int(n_done)
        # Cut on the host: on the device, each length would compile another program.
        host = jax.tree.map(lambda r: np.asarray(r)[:done].copy(), (losses, records))
        return state, Chunk(done, *host)


def answers(
    task: AbstractTask, trials: Trials, outputs: Float[Array, "trial response output"], until: int | None = None
) -> Answers:
    """Return what is needed to judge a batch of trials.

    Parameters
    ----------
    task
        The task.
    trials
        A batch of its trials.
    outputs
        The network's outputs in the response epoch.
    until
        Number of steps, from the start of the trial, whose evidence to keep as well; None: none.

    Returns
    -------
    The answers.

    Examples
    --------
    >>> from recurrent_memory.tasks import make
    >>> task = make("de1")
    >>> answers(task, task.sample(jr.key(0), 3), outputs=jnp.zeros((3, 25, 1))).targets.shape
    (3, 25, 1)
    """
    return Answers(
        outputs,
        trials.targets[:, slice(*task.epochs["response"])],
        task.evidence(trials),
        None if until is None else task.evidence(trials, until),
        trials.mask[:, slice(*task.epochs["delay"])].sum(axis=1) if task.skips_steps else None,
    )


def _chunk(
    trainer: Trainer, state: TrainingState, n_iterations: Int[Array, ""]
) -> tuple[TrainingState, Int[Array, ""], Float[Array, " iteration"], Answers]:
    arrays, static = eqx.partition(state, eqx.is_array)
    _, loss, example = eqx.filter_eval_shape(trainer.iterate, state)
    rows = jax.tree.map(lambda x: jnp.zeros((CHUNK_CAPACITY, *x.shape), x.dtype), (loss, example))

    def unfinished(carry: PyTree) -> Array:
        _, i, (losses, _) = carry
        last = losses[jnp.maximum(i - 1, 0)]
        running: Array = (i < n_iterations) & jnp.isfinite(last)
        return running

    def body(carry: PyTree) -> PyTree:
        arrays, i, rows = carry
        state, loss, record = trainer.iterate(eqx.combine(arrays, static))
        rows = jax.tree.map(lambda r, x: r.at[i].set(x), rows, (loss, record))
        return eqx.filter(state, eqx.is_array), i + 1, rows

    arrays, n_done, (losses, records) = jax.lax.while_loop(unfinished, body, (arrays, jnp.zeros((), jnp.int32), rows))
    return eqx.combine(arrays, static), n_done, losses, records


_advance = eqx.filter_jit(_chunk, donate="all-except-first")
