"""Training a trained network further."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DivergedError, InputError, nearest
from ..evaluation import History
from ..experiment import Experiment
from ..networks import Network, PerturbedCell
from ..training import TrainingState, copied
from . import session
from .bar import bar
from .resources import settled
from .sinks import Sink, Trained
from .start import check_calls, trainer
from .trained import TrainedNetwork

_OF_TASK = ("task", "condition", "task_options", "curriculum")
"""Fields of an experiment that say what is learned."""


def train(
    net: TrainedNetwork,
    iterations: int = 1000,
    *,
    learning_rate: float | int | None = None,
    start: Any = None,
    progress: bool = False,
    on_progress: Callable[[session.Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    **others: Any,
) -> TrainedNetwork:
    """Train a network further, on fresh trials of its task; lesions and added noise stay.

    Parameters
    ----------
    net
        The network, which stays as it is.
    iterations
        Number of further iterations. All of them are done: ``stop_at`` of the experiment does not count.
    learning_rate
        Learning rate, the same in all iterations; None: that of the experiment.
    start
        Own weights by the names of ``net.weights``, as for ``net.with_weights(**start)``; None: those of the network.
    progress, on_progress, should_stop
        As for :func:`recurrent_memory.run`. Any other setting is refused.

    Returns
    -------
    A new network. If the optimizer's state is known, as from a run folder, and the learning rate is constant, it is the
    network that training without a pause would have given, bit for bit on the same machine.

    Raises
    ------
    InputError
        If a value or a setting is not allowed.
    DivergedError
        If the loss stops being finite.
    InterruptedRunError
        If ``should_stop`` returned True.

    Examples
    --------
    >>> import recurrent_memory as rm
    >>> short = {"stim_dur": 2, "delay_dur": 4, "resp_dur": 6, "n_neurons": 4}
    >>> small = {"n_hidden": 4, "batch_size": 2, "iterations": 3, "test_batches": 1}
    >>> _ = rm.run(Experiment(task="de1", task_options=short, **small), "run")
    >>> rm.train(rm.load("run"), iterations=2).iterations_done
    5
    """
    _refuse(others)
    net = _started(net, start)
    check_calls(on_progress=on_progress, should_stop=should_stop)
    experiment = _further(net.experiment, iterations, learning_rate)
    with settled(), bar(progress, on_progress) as show:
        trained = _trained(net, experiment, session.Watch(on_progress=show, should_stop=should_stop))
    _check_weights(trained.state.network, experiment, trained.history)
    after = _each_network(_unwrapped, trained.state)
    now = {"network": after.network, "optimizer": after.optimizer, "iterations_done": net.iterations_done + iterations}
    made = experiment.replace(iterations=now["iterations_done"]) if iterations else net.experiment
    return dataclasses.replace(net, experiment=made, **now)


def _refuse(others: Mapping[str, Any]) -> None:
    """Raise `InputError` if there are settings besides those of further training."""
    for name in others:
        if name in _OF_TASK:
            raise InputError(
                f"`{name}` can't change when training goes on, which is on fresh trials of the same task. For several "
                'tasks one after the other, run a curriculum, such as `rm.run(Experiment(curriculum=("cd1", "2afc")))`.'
            )
        if name in Experiment.model_fields:
            raise InputError(
                f"`{name}` can't change when training goes on, only `learning_rate` can, and the weights (`start`).\n"
                f"For another value, train a new network: `rm.run(net.experiment.replace({name}=…))`."
            )
        known = [known for known in signature(train).parameters if known not in ("net", "others")]
        raise InputError(
            f"`{name}` is not a setting of `train`.{nearest(name, known)} Its settings: {', '.join(known)}."
        )


def _started(net: Any, start: Any) -> TrainedNetwork:
    """Return the network with the weights from which training starts."""
    if not isinstance(net, TrainedNetwork):
        raise InputError(f"`net` = {net!r} is not a trained network: load one by `load(folder)`.")
    if start is None:
        return net
    if not isinstance(start, Mapping):
        raise InputError(f"`start` = {start!r} is not allowed: give weights by name, such as {{'W_rec': array}}.")
    return net.with_weights(**start)


def _further(experiment: Experiment, iterations: int, learning_rate: float | int | None) -> Experiment:
    """Return the experiment of the further training alone."""
    rate = {} if learning_rate is None else {"learning_rate": learning_rate}
    constant: dict[str, Any] = {"learning_rate_schedule": "constant", "schedule_options": {}}
    return experiment.replace(iterations=iterations, stop_at=None, snapshots=(), **constant, **rate)


def _trained(net: TrainedNetwork, experiment: Experiment, watch: session.Watch) -> Trained:
    network, optimizer = net.acting, net.optimizer
    if optimizer is None:
        optimizer = trainer(experiment, experiment.make_task()).start(network).optimizer
    else:
        optimizer = _each_network(net.perturbed, optimizer)
    # The number of the iteration is the address of its trials, so they are fresh.
    start = TrainingState(network, optimizer, jnp.asarray(net.iterations_done, jnp.int32))
    return session.train(session.Session(experiment, copied(start), Sink(), watch))


def _each_network(change: Callable[[Network], Network], tree: Any) -> Any:
    """Change the network, and all parts of the optimizer's state that have its form."""
    is_network: Callable[[Any], bool] = lambda part: isinstance(part, Network)  # noqa: E731
    return jax.tree.map(lambda part: change(part) if is_network(part) else part, tree, is_leaf=is_network)


def _unwrapped(network: Network) -> Network:
    if not isinstance(network.cell, PerturbedCell):
        return network
    plain: Network = eqx.tree_at(lambda n: n.cell, network, network.cell.cell)
    return plain


def _check_weights(network: Network, experiment: Experiment, history: History) -> None:
    """Refuse a network that broke in its last step, which no loss has seen."""
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))):
        raise DivergedError("Training diverged: a weight is not finite. Lower the learning rate.", experiment, history)
