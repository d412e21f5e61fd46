"""Compiled stretches of training: Python sets their length and looks at what they return, nothing more."""

from __future__ import annotations

from typing import NamedTuple

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

CHUNK_CAPACITY = 250
"""Most iterations that one call of the compiled program can do; the records of a chunk have this many rows."""


class TrainingState(eqx.Module):
    """All that training carries from one iteration to the next. The trials are addressed, not carried."""

    network: Network
    optimizer: PyTree
    """State of the optimizer, such as running means of the gradient; ``AdamState`` for the published Adam."""
    iteration: Int[Array, ""]
    """Iterations done; the next one draws the trials of this number."""


class Answers(eqx.Module):
    """What is needed to judge a batch of trials: small enough to leave the device for every batch."""

    outputs: Float[Array, "*batch time output"]
    """The network's outputs in the response epoch."""
    targets: Float[Array, "*batch time output"]
    """What they should have been."""
    evidence: PyTree
    """What the ideal observer sees of the whole trial (see ``AbstractTask.evidence``)."""
    evidence_seen: PyTree = None
    """What it sees up to the read-out step, where asked for."""
    delay: Int[Array, " *trial"] | None = None
    """Steps of the delay, where they differ from trial to trial."""


def join_batches(answers: Answers) -> Answers:
    """Return answers to batches of trials, (batch, trial, …), as answers to one long row of trials."""
    # Sizes in numbers: Sine's evidence is empty, of which −1 would be undefined.
    joined: Answers = jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), answers)
    return joined


class Chunk(NamedTuple):
    """What a stretch of training did.

    On divergence the last of its ``n_done`` iterations has a loss that is not finite, and its step was not taken.
    """

    n_done: int
    losses: Float[np.ndarray, " iteration"]
    answers: Answers

    @property
    def diverged(self) -> bool:
        """Whether the last loss is not finite."""
        return bool(self.n_done and not np.isfinite(self.losses[-1]))


class Trainer(eqx.Module):
    """Everything about training that does not change from iteration to iteration."""

    task: AbstractTask = eqx.field(static=True)
    objective: Objective
    key: PRNGKeyArray
    """Stream of the training trials; trial batch i is drawn with ``fold_in(key, i)``."""
    learning_rate: Float[Array, ""]
    """Its highest value, from which the schedule makes that of each iteration."""
    schedule: Schedule
    optimizer: Optimizer = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    judge_after_step: bool = eqx.field(static=True, default=False)
    """Whether the answers that are recorded are those after the step, which takes a second pass."""

    def start(self, network: Network) -> TrainingState:
        """Return the state before the first iteration."""
        return TrainingState(network, self.optimizer.start(network), jnp.zeros((), jnp.int32))

    def iterate(self, state: TrainingState) -> tuple[TrainingState, Float[Array, ""], Answers]:
        """Draw a batch of trials, and take one step along the gradient if the loss is finite."""
        key = jr.fold_in(self.key, state.iteration)
        trials = self.task.sample(key, self.batch_size)
        loss, outputs, gradient = self.objective.gradient(state.network, trials, key)
        rate = self.schedule.rate(self.learning_rate, state.iteration)
        network, optimizer = self.optimizer.step(state.network, gradient, state.optimizer, rate)
        if self.judge_after_step:
            _, outputs = self.objective.terms(network, trials, key)
        moved = TrainingState(network, optimizer, state.iteration + 1)
        # A network that diverges is left as it was before the step that broke it.
        (new, static), (old, _) = (eqx.partition(s, eqx.is_array) for s in (moved, state))
        kept = jax.tree.map(lambda n, o: jnp.where(jnp.isfinite(loss), n, o), new, old)
        state = eqx.combine(kept, static)
        return state, loss, answers(self.task, trials, outputs)

    def advance(self, state: TrainingState, n_iterations: int) -> tuple[TrainingState, Chunk]:
        """Train for up to ``n_iterations`` ≤ ``CHUNK_CAPACITY`` iterations in one compiled program.

        The program is the same for every length, so the numbers do not depend on how training is cut into chunks.
        """
        state, n_done, losses, records = _advance(self, state, jnp.asarray(n_iterations, jnp.int32))
        done = int(n_done)
        # Cut on the host: on the device, each length would be a program of its own.
        host = jax.tree.map(lambda r: np.asarray(r)[:done].copy(), (losses, records))
        return state, Chunk(done, *host)


def answers(
    task: AbstractTask, trials: Trials, outputs: Float[Array, "trial response output"], until: int | None = None
) -> Answers:
    """Keep of a batch what is needed to judge it: outputs in the response epoch, targets, evidence.

    ``until`` asks for the evidence of that many steps as well.
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
