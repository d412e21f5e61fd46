"""A trained network to work with: ask it for trials, perturb it, test it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray, PyTree

from .. import analysis
from ..errors import InputError
from ..evaluation import respond
from ..experiment import Experiment
from ..networks import Network, PerturbedCell, autonomous_step, visited_states
from ..tasks import AbstractTask, Trials
from ..tasks.epochs import whole_number
from ..tasks.populations import check_key
from . import perturbations
from .resources import check_that_it_fits, settled
from .start import with_task_options
from .testing import run_test
from .weights import arrays_of, as_torch, labelled, replaced

N_TRIALS = 100
"""Trials of a simulation, unless the user says how many."""


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class TrainedNetwork:
    """A trained network with its experiment: what :func:`recurrent_memory.load` returns.

    It never changes: methods that perturb it return a new one.

    Examples
    --------
    >>> import recurrent_memory as rm
    >>> short = {"stim_dur": 2, "delay_dur": 4, "resp_dur": 6, "n_neurons": 4}
    >>> small = {"n_hidden": 4, "batch_size": 2, "iterations": 3, "test_batches": 1}
    >>> _ = rm.run(Experiment(task="de1", task_options=short, **small), "run")
    >>> net = rm.load("run")
    >>> net
    <DE-1, relu of 4 units, 3 iterations>
    >>> net.lesion([0]).simulate(n_trials=5, key=0).activity.sel(unit=0).values.any().item()
    False
    """

    experiment: Experiment
    """The experiment; after :func:`recurrent_memory.train`, that of the last training."""
    network: Network
    """The network as trained, without lesions or added noise."""
    iterations_done: int
    """Iterations of training so far (of its last task)."""
    optimizer: PyTree = None
    """State of the optimizer, which goes on from there; None: it is not known, and training starts it anew."""
    silent: tuple[int, ...] = ()
    """Numbers of the silent units."""
    noise: float = 0.0
    """Standard deviation of the added noise, in the unit of the input drive."""

    def __repr__(self) -> str:
        parts = [self.task.title, f"{self.experiment.model} of {self.experiment.n_hidden} units"]
        parts.append(f"{self.iterations_done} iterations")
        parts += [f"{len(self.silent)} silent"] if self.silent else []
        parts += [f"noise {self.noise:g}"] if self.noise else []
        return f"<{', '.join(parts)}>"

    @property
    def task(self) -> AbstractTask:
        """The task that it was trained on."""
        return self.experiment.make_task()

    @property
    def weights(self) -> xr.Dataset:
        """All trained weights, labelled; lesions do not change them."""
        return labelled(self.network)

    def weights_numpy(self) -> dict[str, np.ndarray]:
        """Return all weights as NumPy arrays.

        Returns
        -------
        Copies by the names of :attr:`weights`.
        """
        return arrays_of(self.network)

    def weights_torch(self) -> dict[str, Any]:
        """Return all weights as PyTorch tensors.

        Returns
        -------
        Copies by the names of :attr:`weights`. If PyTorch is not installed, an :class:`InputError` says so.
        """
        return as_torch(arrays_of(self.network))

    @property
    def acting(self) -> Network:
        """The network as it acts, with silent units and noise; call it with inputs (trial, time, neuron)."""
        spared = np.ones(self.experiment.n_hidden, bool)
        spared[list(self.silent)] = False
        return self.perturbed(self.network, jnp.asarray(spared) if self.silent else None)

    def perturbed(self, network: Network, spared: Any = None) -> Network:
        """Wrap the cell of a network, or of an optimizer's state of the same form, if this network is perturbed.

        Parameters
        ----------
        network
            The network.
        spared
            False for silent units; None in an optimizer's state.

        Returns
        -------
        The network with a :class:`recurrent_memory.networks.PerturbedCell`, or the same network.
        """
        if not (self.silent or self.noise):
            return network
        wrapped: Network = eqx.tree_at(lambda n: n.cell, network, PerturbedCell(network.cell, spared, self.noise))
        return wrapped

    def lesion(self, units: int | np.integer | Iterable[Any]) -> TrainedNetwork:
        """Return the network with some units silent, besides those that are silent already.

        Parameters
        ----------
        units
            Numbers of the units, from 0, or one truth value for each unit.

        Returns
        -------
        The new network. The activity of a silent unit is 0 at every step, and other units receive nothing from it
        (see :class:`recurrent_memory.networks.PerturbedCell`).

        Raises
        ------
        InputError
            If there is no such unit.
        """
        n_hidden = self.experiment.n_hidden
        try:
            given = np.asarray([*units])  # type: ignore[misc]  # one number is no iterable
        except TypeError:
            given = np.atleast_1d(np.asarray(units))
        if given.dtype == bool and given.shape == (n_hidden,):
            given = np.flatnonzero(given)
        is_number = given.ndim == 1 and (given.dtype.kind in "iu" or not given.size)
        if not is_number or ((given < 0) | (given >= n_hidden)).any():
            raise InputError(
                f"`units` = {units!r} is not allowed: give numbers of units from 0 to {n_hidden - 1}, or {n_hidden} "
                "truth values."
            )
        return dataclasses.replace(self, silent=tuple(sorted({*self.silent, *map(int, given)})))

    def with_noise(self, sd: float | int) -> TrainedNetwork:
        """Return the network with private noise in the input to each unit at each step.

        Parameters
        ----------
        sd
            Standard deviation, in the unit of the input drive; it replaces that of an earlier call, and 0 takes it
            away. Noise that the model itself has stays.

        Returns
        -------
        The new network. The noise follows from the key of the trials, so equal keys give equal noise.

        Raises
        ------
        InputError
            If it is not 0 or more.
        """
        if not isinstance(sd, int | float | np.number) or isinstance(sd, bool) or not 0 <= sd < math.inf:
            raise InputError(f"`sd` = {sd!r} is not allowed: the standard deviation of noise must be 0 or more.")
        return dataclasses.replace(self, noise=float(sd))

    def with_weights(self, **weights: Any) -> TrainedNetwork:
        """Return the network with other weights.

        Parameters
        ----------
        **weights
            Arrays by the names of :attr:`weights`, of the same shapes; the dimensions of labelled ones may come in any
            order. Names, shapes and values are checked.

        Returns
        -------
        The new network; the optimizer starts anew if it is trained.
        """
        return dataclasses.replace(self, network=replaced(self.network, weights), optimizer=None)

    def simulate(
        self,
        trials: Trials | None = None,
        *,
        n_trials: int | None = None,
        key: int | PRNGKeyArray = 0,
        task_options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Run trials through the network.

        Parameters
        ----------
        trials
            Trials from ``task.sample``; None: new ones.
        n_trials
            Number of new trials; None: 100.
        key
            Seed or random key, of new trials and of noise.
        task_options
            Settings of the task that differ from those of training, such as ``{"delay_dur": 200}``.

        Returns
        -------
        Labelled as in a result: ``activity`` (trial, time, unit), ``inputs``, ``outputs``, ``targets``, ``stimuli``,
        ``label``, ``observer_estimate``, and the measures of the activity, such as ``sequentiality_index``.

        Raises
        ------
        InputError
            If a value is not allowed, or the trials do not fit the network or the task.
        """
        from . import result as results

        experiment, task = with_task_options(self.experiment, task_options)
        of_trials, network = random_key(key), self.acting
        if trials is not None and n_trials is not None:
            raise InputError("`trials` and `n_trials` were both given: give only one of them.")
        with settled():
            if trials is None:
                number = N_TRIALS if n_trials is None else whole_number("n_trials", n_trials, low=1)
                check_that_it_fits(experiment.model_copy(update={"batch_size": number, "test_batches": 1}))
                trials = task.sample(of_trials, number)
            _check_trials(trials, task)
            outputs, activity = respond(network, task, trials, of_trials)
            given: Trials = jax.tree.map(np.asarray, trials)
            found = results.recorded(experiment, task, given, outputs, activity, self.network)
            return self.described(found.assign_attrs({**results.provenance(experiment, task), "status": "simulated"}))

    def test(
        self,
        n_batches: int | None = None,
        *,
        key: int | PRNGKeyArray | None = None,
        task_options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Test the network.

        Parameters
        ----------
        n_batches
            Number of test batches; None: as many as in the experiment.
        key
            Seed or random key of the trials; None: the test trials of the experiment.
        task_options
            As for :meth:`simulate`.

        Returns
        -------
        All measures, activity and weights, as in a result, but without the curves of training. With the experiment's
        own number of batches and trials, the numbers are those of its result.
        """
        experiment, _ = with_task_options(self.experiment, task_options)
        if n_batches is not None:
            experiment = experiment.replace(test_batches=n_batches)
        of_trials = None if key is None else random_key(key)
        check_that_it_fits(experiment)
        with settled():
            return self.described(run_test(experiment, self.acting, "tested", of_trials, plain=self.network))

    def described(self, found: xr.Dataset) -> xr.Dataset:
        """Add what was done to the network to the attributes of a data set.

        Parameters
        ----------
        found
            The data set.

        Returns
        -------
        The data set with `silent_units` and `added_noise`, if there are any.
        """
        perturbed = {"silent_units": ", ".join(map(str, self.silent)), "added_noise": self.noise}
        return found.assign_attrs({name: value for name, value in perturbed.items() if value})

    def fixed_points(
        self, epoch: str = "delay", *, n_starts: int = 50, key: int | PRNGKeyArray = 0, **settings: Any
    ) -> xr.Dataset:
        """Find where the network comes to rest under the mean input of an epoch, with lesions and without noise.

        Parameters
        ----------
        epoch
            The epoch, such as "delay".
        n_starts
            Number of states from which to search: those of random steps of the epoch, one in each of as many trials.
        key
            Seed or random key of the trials.
        **settings
            As for :func:`recurrent_memory.analysis.fixed_points`, such as `tolerance`.

        Returns
        -------
        As :func:`recurrent_memory.analysis.fixed_points`; a state is the activity of all units, and for some models
        more (see :func:`recurrent_memory.networks.autonomous_step`).

        Raises
        ------
        InputError
            If there is no such epoch, a setting is not allowed, or the cell needs random numbers in each step.
        """
        start, stop = perturbations.steps_of(self.task, epoch)
        n_starts = whole_number("n_starts", n_starts, low=1)
        of_trials, network = random_key(key), self.with_noise(0).acting
        with settled():
            trials = self.task.sample(of_trials, n_starts)
            inputs, there = np.asarray(trials.inputs), np.array(trials.mask)
            there[:, :start] = there[:, stop:] = False
            steps = [np.random.default_rng(trial).choice(np.flatnonzero(of)) for trial, of in enumerate(there)]
            starts = np.asarray(visited_states(network, inputs))[np.arange(n_starts), steps]
            step = autonomous_step(network, inputs[there].mean(axis=0))
            return self.described(analysis.fixed_points(step, starts, **settings).assign_attrs(epoch=epoch))

    over_delays = perturbations.over_delays
    over_noise = perturbations.over_noise
    lesions_by_peak = perturbations.lesions_by_peak
    schur_cuts = perturbations.schur_cuts


def random_key(key: int | PRNGKeyArray) -> PRNGKeyArray:
    """Return a random key; a seed stands for ``jax.random.key(seed)``.

    Parameters
    ----------
    key
        A seed of at least 0, or a key of JAX.

    Returns
    -------
    The key.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> bool(random_key(3) == jr.key(3))
    True
    """
    if isinstance(key, bool) or not isinstance(key, int | np.integer):
        check_key(key)
        return jnp.asarray(key)
    if not 0 <= key < 2**32:
        raise InputError(f"`key` = {key!r} is not allowed: a seed is at least 0 and less than 2^32.")
    return jr.key(int(key))


def _check_trials(trials: Any, task: AbstractTask) -> None:
    if not isinstance(trials, Trials):
        raise InputError(f"`trials` is {type(trials).__name__}, not trials: draw some by `task.sample(key, number)`.")
    needed, got = (task.n_steps, task.n_inputs), tuple(trials.inputs.shape[1:])
    if got != needed:
        raise InputError(
            f"`trials` have {got[0]} steps and {got[1]} input neurons, but those of {task.title} have {needed[0]} and "
            f"{needed[1]}. For trials of other durations, give their settings as `task_options` as well."
        )
    if trials.targets.shape[2] != task.n_outputs:
        raise InputError(f"`trials` have {trials.targets.shape[2]} targets, but {task.title} has {task.n_outputs}.")
    shown, own = trials.stimuli.shape[1:], task.sample(jr.key(0), 1).stimuli.shape[1:]
    if shown != own:
        raise InputError(
            f"`trials` are of another task: they have stimuli (display, location) = {tuple(shown)}, but {task.title} "
            f"has {tuple(own)}, and what its observer answers would mean nothing. For the activity alone, call "
            "`net.acting(trials.inputs)`."
        )
