"""The cell, which is one step of a model, and the registry of all models.

A step has two parts: the products with weights, which the recurrence computes for every cell in the same fast way, and
``update``, which acts on each unit separately. To write a cell, declare its weights as fields and define ``drive``
(what the inputs contribute), ``update`` (the next state) and ``initialize``; the gradient needs no code.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from ..errors import InputError
from ..registry import Registry
from ..settings import REQUIRED, Option, option, options_of

_NOT_OPTIONS = ("key", "n_inputs", "n_hidden", "lambda0", "sigma0")
"""Arguments of `initialize` that the experiment itself sets."""


class AbstractCell(eqx.Module):
    """One step of a recurrent network over a batch of trials.

    The recurrence calls ``drive`` once for all time steps, then at each step
    ``state = update(state, drive[t], activity(state) @ recurrent_weights())``.

    Fields that hold floating-point arrays are trained, and the gradient covers every use that the methods make of them.
    All other fields are fixed: arrays of booleans or integers, which are stored with the weights, and numbers or words,
    which should be static (``equinox.field(static=True)``).

    Notes
    -----
    If ``update`` takes a fourth argument ``key``, it gets a random key for each trial, new at each step; draw from
    these with :func:`private_noise`.

    Examples
    --------
    >>> class Integrator(AbstractCell):
    ...     W_rec: Array
    ...     model = "integrator"
    ...
    ...     @classmethod
    ...     def initialize(cls, key, n_inputs, n_hidden, *, lambda0, sigma0):
    ...         return cls(W_rec=lambda0 * jnp.eye(n_hidden))
    ...
    ...     def drive(self, inputs):
    ...         return inputs
    ...
    ...     def update(self, state, drive, feedback):
    ...         return drive + feedback
    >>> cell = Integrator.initialize(jr.key(0), 2, 2, lambda0=0.5, sigma0=0.0)
    >>> activity = jnp.ones((1, 2))
    >>> cell.update(activity, drive=jnp.ones((1, 2)), feedback=activity @ cell.recurrent_weights()).tolist()
    [[1.5, 1.5]]
    """

    model: ClassVar[str]
    """Name of the model in experiments."""
    code: ClassVar[int | None] = None
    """The published basic script's integer for this model."""
    readout_gain: ClassVar[float] = 0.95
    """Gain of the readout's Glorot-normal initialisation."""
    blocks: ClassVar[int] = 1
    """Recurrent inputs to each unit, as to the gates of a GRU: the recurrent weights have ``blocks``·N columns."""

    @classmethod
    @abstractmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float
    ) -> AbstractCell:
        """Draw the initial weights; further keyword arguments are the model's own options.

        Parameters
        ----------
        key
            Random key.
        n_inputs, n_hidden
            Numbers of input neurons and of units N.
        lambda0, sigma0
            The paper's λ0 and σ0, dimensionless.

        Returns
        -------
        The cell.
        """

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Return the model's own options: further arguments of ``initialize``, and static fields that it passes on.

        A bare annotation such as ``leak: float = 0.5`` is enough; limits and a description come with
        ``Annotated[float, Field(gt=0, le=1, description="…")]``, as in all settings.

        Returns
        -------
        Options by name: the arguments and, if ``initialize`` takes ``**options``, the static fields of the class.
        """
        found = options_of(cls.initialize, without=_NOT_OPTIONS)
        parameters = inspect.signature(cls.initialize).parameters.values()
        fields = dataclasses.fields(cls) if any(p.kind is p.VAR_KEYWORD for p in parameters) else ()
        for field in fields:
            if field.metadata.get("static"):
                home = next(c for c in cls.__mro__ if field.name in vars(c).get("__annotations__", {}))
                default = REQUIRED if field.default is dataclasses.MISSING else field.default
                names = dict(vars(sys.modules.get(home.__module__, home)))
                found[field.name] = option(field.name, field.type, default, names)
        return found

    def recurrent_weights(self) -> Float[Array, "unit block"]:
        """Return the matrix that multiplies the activity: by default the field ``W_rec``.

        A constraint on the weights, such as Dale's law or a low rank, belongs here: training, results, pictures and
        files use this matrix and never a parameter.

        Returns
        -------
        Weights (from, to), of shape (N, ``blocks``·N).
        """
        weights: Array = self.W_rec  # type: ignore[attr-defined]
        return weights

    @abstractmethod
    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch block"]:
        """Return all that the inputs contribute, biases included.

        Parameters
        ----------
        inputs
            Spike counts, (…, neuron); all time steps at once.

        Returns
        -------
        Drive, (…, block).
        """

    @abstractmethod
    def update(
        self, state: PyTree, drive: Float[Array, "trial block"], feedback: Float[Array, "trial block"]
    ) -> PyTree:
        """Return the next state.

        Parameters
        ----------
        state
            Last state: activity, (trial, unit), or any pytree of arrays with the leading axis trial.
        drive
            Input drive of this step, (trial, block).
        feedback
            Last activity times the recurrent weights, (trial, block).

        Returns
        -------
        The next state, of the same structure.
        """

    def initial_state(self, drive: Float[Array, "trial block"]) -> PyTree:
        """Return the state before the first step: by default no activity.

        Parameters
        ----------
        drive
            Input drive of the first step, (trial, block).

        Returns
        -------
        The state.
        """
        return jnp.zeros((drive.shape[0], self.n_hidden), drive.dtype)

    def activity(self, state: PyTree) -> Float[Array, "trial unit"]:
        """Return the units' activity in a state: by default the state itself.

        Parameters
        ----------
        state
            State after a step.

        Returns
        -------
        Activity, (trial, unit), arbitrary units.
        """
        activity: Array = state
        return activity

    @property
    def is_random(self) -> bool:
        """Whether steps draw random numbers: by default, whether ``update`` takes a ``key``."""
        return "key" in inspect.signature(self.update).parameters

    @property
    def n_hidden(self) -> int:
        """Number of units."""
        return int(jax.eval_shape(lambda: self.recurrent_weights()).shape[0])


def trial_keys(key: PRNGKeyArray, step: Int[Array, ""], n_trials: int) -> Key[Array, " {n_trials}"]:
    """Return each trial's random key at a step, which depends on nothing but the step and the trial's number.

    Parameters
    ----------
    key
        Random key of the batch.
    step
        Number of the step.
    n_trials
        Number of trials.

    Returns
    -------
    Keys, as ``update`` gets them.
    """
    of_step = jr.fold_in(key, step)
    keys: Array = jax.vmap(lambda trial: jr.fold_in(of_step, trial))(jnp.arange(n_trials))
    return keys


def private_noise(key: Key[Array, " trial"], n_units: int) -> Float[Array, "trial {n_units}"]:
    """Draw standard normal noise for each unit, independent between units, trials and steps.

    Parameters
    ----------
    key
        One random key per trial, as ``update`` gets them.
    n_units
        Number of units N.

    Returns
    -------
    Noise of mean 0 and standard deviation 1. A trial's noise does not depend on the other trials of its batch.

    Examples
    --------
    >>> import jax
    >>> private_noise(jax.random.split(jax.random.key(0), 3), 5).shape
    (3, 5)
    """
    noise: Array = jax.vmap(lambda of_trial: jr.normal(of_trial, (n_units,)))(key)
    return noise


def _check_complete(cell: Any) -> None:
    """Raise `InputError` if a cell has no recurrent weights."""
    if not (isinstance(cell, type) and issubclass(cell, AbstractCell)):
        raise InputError(f"{cell!r} is not a cell: derive a class from AbstractCell, and register that.")
    has_weights = "W_rec" in getattr(cell, "__dataclass_fields__", {})
    if not has_weights and cell.recurrent_weights is AbstractCell.recurrent_weights:
        raise InputError(
            f"{cell.__name__} has no recurrent weights: give it a field `W_rec`, or a method `recurrent_weights()` "
            "that returns the matrix (from, to)."
        )


CELLS: Registry[type[AbstractCell]] = Registry("model", named_by="model", check=_check_complete)
"""All cells by the names of their models."""
register = CELLS.register
