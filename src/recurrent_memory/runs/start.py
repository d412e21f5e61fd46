"""The start of training: streams of randomness, the initial network, and what one task passes on to the next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from .. import networks
from ..errors import InputError
from ..experiment import Experiment
from ..networks import Network
from ..tasks import AbstractTask
from ..training import Objective, Optimizer, Schedule, Trainer, TrainingState

STREAMS = {"initialization": 0, "training": 1, "test": 2}
"""Numbers of the streams of random keys: each purpose has its own, and each batch has a number in it."""


def check_experiment(given: Any, name: str = "experiment") -> None:
    """Refuse what is no experiment, such as the name of a task.

    Parameters
    ----------
    given
        What the user gave.
    name
        What to call it in the message.

    Raises
    ------
    InputError
        If it is no :class:`Experiment`.
    """
    if isinstance(given, Experiment):
        return
    advice = f"write `Experiment(task={given!r})`" if isinstance(given, str) else "make one with `Experiment(task=…)`"
    if isinstance(given, Mapping):
        advice = "write `Experiment(**values)`"
    raise InputError(f"`{name}` = {given!r} is not an Experiment: {advice}.")


def check_path(name: str, given: Any) -> None:
    """Refuse what is neither a path nor None.

    Parameters
    ----------
    name
        What to call it in the message.
    given
        What the user gave.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(given, str | os.PathLike | None):
        raise InputError(f"`{name}` = {given!r} is not a path: give the name of a folder, or None to keep nothing.")


def check_calls(checkpoint_every: Any = None, checkpoint_after: Any = 0.0, **callbacks: Any) -> None:
    """Refuse callbacks that cannot be called, and times between checkpoints that are none, before any training.

    Parameters
    ----------
    checkpoint_every, checkpoint_after
        Iterations or None, and seconds.
    **callbacks
        What the user gave, by name.

    Raises
    ------
    InputError
        If one is something else.
    """
    for name, given in callbacks.items():
        if not callable(given):
            raise InputError(f"`{name}` = {given!r} is not a function: give one, such as `print`, or leave it out.")
    if checkpoint_every is not None and not (_is_whole(checkpoint_every) and checkpoint_every >= 1):
        raise InputError(f"`checkpoint_every` = {checkpoint_every!r} is not allowed: it must be 1 or more iterations.")
    if not (isinstance(checkpoint_after, int | float | np.number) and checkpoint_after >= 0):
        raise InputError(f"`checkpoint_after` = {checkpoint_after!r} is not allowed: it must be 0 or more seconds.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def stream(experiment: Experiment, name: str) -> PRNGKeyArray:
    """Return the key of one of the experiment's streams (see ``STREAMS``); each stage of a curriculum has its own."""
    # The key of `jax.random.key(seed)`, whatever generator and offset JAX is set to.
    key = jr.wrap_key_data(jnp.array([0, experiment.seed], jnp.uint32), impl="threefry2x32")
    return jr.fold_in(key, STREAMS[name] + len(STREAMS) * experiment.stage)


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
    """Return the trainer of an experiment: all that training needs besides the network."""
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
    """Return the state from which training starts if there is no earlier task."""
    return trainer(experiment, experiment.make_task()).start(initial_network(experiment))


def carry_over(last: TrainingState, fresh: TrainingState) -> TrainingState:
    """Return the state from which a network continues with another task.

    Parameters
    ----------
    last
        State at the end of the previous task.
    fresh
        State from which the next task would start if there were no earlier one.

    Returns
    -------
    The weights and the optimizer's state (Adam's running means and step count) are those of `last`, as in the published
    code. If the number of input neurons or outputs differs, the input weights or the readout are those of `fresh`, with
    their part of the optimizer's state, such as running means of zero. Trials and learning-rate schedule start again.
    """
    (new, static), (old, _) = (eqx.partition(state, eqx.is_array) for state in (fresh, last))
    leaves, structure = jax.tree.flatten(new)
    pairs = zip(leaves, jax.tree.leaves(old), strict=True)
    kept = jax.tree.unflatten(structure, [theirs if ours.shape == theirs.shape else ours for ours, theirs in pairs])
    carried: TrainingState = eqx.combine(kept, static)
    begun_anew: TrainingState = eqx.tree_at(lambda state: state.iteration, carried, fresh.iteration)
    return begun_anew


def with_task_options(
    experiment: Experiment, task_options: Mapping[str, Any] | None
) -> tuple[Experiment, AbstractTask]:
    """Return an experiment and its task with other settings of the task, for a network that is trained already.

    Parameters
    ----------
    experiment
        The experiment.
    task_options
        Settings of the task that differ from those of the experiment; None: none.

    Returns
    -------
    The experiment and its task.

    Raises
    ------
    InputError
        If a setting is not allowed, or changes the number of input neurons or outputs.
    """
    given: Any = task_options
    if not isinstance(given, Mapping | None):
        example = '{"delay_dur": 200}'
        raise InputError(f"`task_options` = {task_options!r} is not allowed: give settings by name, such as {example}.")
    own = experiment.make_task()
    if not task_options:
        return experiment, own
    changed = experiment.replace(task_options={**experiment.task_options, **task_options})
    task = changed.make_task()
    for name, has, needs in (
        ("input neurons", own.n_inputs, task.n_inputs),
        ("outputs", own.n_outputs, task.n_outputs),
    ):
        if has != needs:
            raise InputError(
                f"`task_options` = {dict(task_options)!r} is not allowed: the task would have {needs} {name}, the "
                f"network has {has}. Change only what leaves their number as it is, such as delay_dur."
            )
    return changed, task
