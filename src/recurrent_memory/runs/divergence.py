"""What to say of a network that broke: its training diverged, or its task drew trials on which none can be trained."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from ..errors import DivergedError, InputError
from ..evaluation import History
from ..experiment import Experiment
from ..tasks import AbstractTask
from ..training import Answers
from .sinks import Sink
from .start import stream


def of_training(
    experiment: Experiment, task: AbstractTask, history: History, iteration: int, sink: Sink
) -> DivergedError:
    """Return the error about an iteration whose loss is not finite.

    Parameters
    ----------
    experiment, task
        What was done.
    history
        Training up to that iteration.
    iteration
        Its number, from 0.
    sink
        Where the state before its step is kept.

    Returns
    -------
    The error to raise.

    Raises
    ------
    InputError
        If the trials of that iteration are to blame.
    """
    check_trials(experiment, task, "training", iteration)
    place = sink.state_file(experiment)
    where = "" if place is None else f" The state before that step is in {place}."
    return _diverged(experiment, history, f"the loss of iteration {iteration} is not finite.{where}")


def check_trained(
    experiment: Experiment, task: AbstractTask, history: History, network: PyTree, given: Answers
) -> None:
    """Refuse a network that broke in its last step, which no loss has seen, or that answers nothing in the test.

    Parameters
    ----------
    experiment, task
        What was done.
    history
        The whole training.
    network
        The network after training.
    given
        Its answers in the test.

    Raises
    ------
    DivergedError
        If a weight or an answer is not finite.
    InputError
        If the trials of the test are to blame.
    """
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(network) if _is_inexact(leaf)):
        raise _diverged(experiment, history, "a weight is not finite after the last iteration.")
    wrong = np.flatnonzero(~np.isfinite(given.outputs).reshape(len(given.outputs), -1).all(axis=1))
    if len(wrong):
        check_trials(experiment, task, "test", int(wrong[0]) // experiment.batch_size)
        what = f"{len(wrong):,} of {len(given.outputs):,} answers in the test are not finite."
        raise _diverged(experiment, history, what)


def check_trials(experiment: Experiment, task: AbstractTask, of: str, batch: int) -> None:
    """Refuse trials with inputs or targets that are not finite.

    Parameters
    ----------
    experiment, task
        What is done.
    of
        Name of the stream of randomness from which the batch is drawn.
    batch
        Number of the batch in it.

    Raises
    ------
    InputError
        If the batch has such trials.
    """
    trials = task.sample(jr.fold_in(stream(experiment, of), batch), experiment.batch_size)
    if not np.isfinite(trials.inputs).all():
        raise InputError(
            f"The task {task.name} drew inputs that are not finite, in batch {batch} of the {of}: its rates are "
            "negative, NaN, or above its `max_rate` for some stimuli.\nMend the task; the network is not to blame."
        )
    if not np.isfinite(trials.targets).all():
        raise InputError(
            f"The task {task.name} drew targets that are not finite, in batch {batch} of the {of}.\n"
            "Mend the task; the network is not to blame."
        )


def _is_inexact(leaf: object) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _diverged(experiment: Experiment, history: History, what: str) -> DivergedError:
    advice = (
        f"Try a smaller lambda0 (now {experiment.lambda0:g}), sigma0 (now {experiment.sigma0:g}) or learning rate "
        f"(now {experiment.learning_rate:g})."
    )
    return DivergedError(f"Training diverged: {what}\n{advice}", experiment, history)
