"""What training starts from: streams of randomness, the initial network, and what one task leaves to the next."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from .. import networks
from ..experiment import Experiment
from ..networks import Network
from ..tasks import AbstractTask
from ..training import Objective, Optimizer, Schedule, Trainer, TrainingState

STREAMS = {"initialization": 0, "training": 1, "test": 2}
"""Randomness is addressed: each purpose has a stream of its own, and each batch a number in it."""


def stream(experiment: Experiment, name: str) -> PRNGKeyArray:
    """Return the key of one of the experiment's streams (see ``STREAMS``); each stage of a curriculum has its own."""
    return jr.fold_in(jr.key(experiment.seed), STREAMS[name] + len(STREAMS) * experiment.stage)


def initial_network(experiment: Experiment) -> Network:
    """Return the network of an experiment before training."""
    task = experiment.make_task()
    return networks.initialize(
        stream(experiment, "initialization"),
        experiment.model,
        n_inputs=task.n_inputs,
        n_hidden=experiment.n_hidden,
        n_outputs=task.n_outputs,
        readout=task.kind.readout if experiment.readout == "auto" else experiment.readout,
        is_probability=task.kind.is_probability,
        lambda0=experiment.lambda0,
        sigma0=experiment.sigma0,
        precision=experiment.precision,
        **experiment.model_options,
    )


def trainer(experiment: Experiment, task: AbstractTask) -> Trainer:
    """Return what training needs besides the network."""
    start, stop = task.epochs["response"]
    objective = Objective(
        response=task.response,
        resp_dur=stop - start,
        activity_penalty=jnp.asarray(experiment.activity_penalty),
        rho=jnp.asarray(experiment.rho),
        masked=task.skips_steps,
        separate_clipping=experiment.separate_clipping,
    )
    learning_rate = jnp.asarray(experiment.learning_rate)
    schedule = Schedule.named(experiment.learning_rate_schedule, experiment.schedule_options, experiment.iterations)
    optimizer = Optimizer.named(experiment.optimizer, experiment.optimizer_options, experiment.gradient_clip_norm)
    key, size = stream(experiment, "training"), experiment.batch_size
    return Trainer(task, objective, key, learning_rate, schedule, optimizer, size, experiment.judge_after_step)


def fresh_state(experiment: Experiment) -> TrainingState:
    """Return the state from which training starts if no task comes before."""
    return trainer(experiment, experiment.make_task()).start(initial_network(experiment))


def carry_over(last: TrainingState, fresh: TrainingState) -> TrainingState:
    """Return the state in which a network goes on with another task.

    Parameters
    ----------
    last
        State at the end of the task before.
    fresh
        State from which the next task would start if no task came before.

    Returns
    -------
    All weights and the optimizer's state (Adam's running means and its count of steps) are those of `last`, as in the
    published code; but input weights or a readout of another shape, for another number of input neurons or outputs,
    are those of `fresh`, and so is what the optimizer holds of them, such as running means of zero. The trials and the
    learning rate's schedule begin anew.
    """
    (new, static), (old, _) = (eqx.partition(state, eqx.is_array) for state in (fresh, last))
    leaves, structure = jax.tree.flatten(new)
    pairs = zip(leaves, jax.tree.leaves(old), strict=True)
    kept = jax.tree.unflatten(structure, [theirs if ours.shape == theirs.shape else ours for ours, theirs in pairs])
    carried: TrainingState = eqx.combine(kept, static)
    begun_anew: TrainingState = eqx.tree_at(lambda state: state.iteration, carried, fresh.iteration)
    return begun_anew
