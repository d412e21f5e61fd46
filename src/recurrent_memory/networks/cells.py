"""The protocol of a cell, one step of a model, and the registry of all models.

A step is split in two: the products with weights, which the recurrence does for all cells in the same fast way,
and ``update``, the arithmetic of one unit with itself. A cell of one's own needs the weights as fields, ``drive``
(what the inputs contribute), ``update`` (the next state) and ``initialize``; its gradient follows by itself.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PRNGKeyArray, PyTree

from ..errors import InputError
from ..registry import Registry
from .options import Option, options_of


class AbstractCell(eqx.Module):
    """One step of a recurrent network over a batch of trials.

    The recurrence calls ``drive`` once for all time steps, then at each step
    ``state = update(state, drive[t], activity(state) @ recurrent_weights())``.

    Fields that hold floating-point arrays are trained, and whatever the methods read of them is differentiated. All
    other fields are fixed: arrays of booleans or integers, which are stored with the weights, and numbers or words,
    which should be static (``equinox.field(static=True)``).

    Notes
    -----
    If ``update`` takes a fourth argument ``key``, it gets a random key for each trial, new at each step; draw from them
    with :func:`private_noise`.
    """

    model: ClassVar[str]
    """Name by which experiments ask for this cell."""
    code: ClassVar[int | None] = None
    """The published basic script's integer for this model."""
    readout_gain: ClassVar[float] = 0.95
    """Gain of the readout's Glorot-normal initialisation."""
    blocks: ClassVar[int] = 1
    """Recurrent inputs of each unit: columns of the recurrent weights, divided by the number of units."""

    @classmethod
    @abstractmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float
    ) -> AbstractCell:
        """Draw the initial weights; further keyword arguments are the model's own options."""

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Return the model's own options by name: further arguments of ``initialize``, and static fields it takes."""
        return options_of(cls)

    def recurrent_weights(self) -> Float[Array, "unit block"]:
        """Return the matrix (from, to) that activity is multiplied by: the field ``W_rec``, unless a cell says else.

        A constraint on the weights, such as Dale's law or a low rank, belongs here: training, results, pictures and
        files ask for this matrix and never for a parameter.
        """
        weights: Array = self.W_rec  # type: ignore[attr-defined]
        return weights

    @abstractmethod
    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch block"]:
        """Return all that the inputs contribute, biases included."""

    @abstractmethod
    def update(
        self, state: PyTree, drive: Float[Array, "trial block"], feedback: Float[Array, "trial block"]
    ) -> PyTree:
        """Return the next state from the last one, the input drive and the recurrent feedback."""

    def initial_state(self, drive: Float[Array, "trial block"]) -> PyTree:
        """Return the state before the first step, given the drive of that step: no activity."""
        return jnp.zeros((drive.shape[0], self.n_hidden), drive.dtype)

    def activity(self, state: PyTree) -> Float[Array, "trial unit"]:
        """Return the units' activity in a state."""
        activity: Array = state
        return activity

    @property
    def is_random(self) -> bool:
        """Whether steps draw random numbers: whether ``update`` takes a ``key``, unless a cell says else."""
        return "key" in inspect.signature(self.update).parameters

    @property
    def n_hidden(self) -> int:
        """Number of units."""
        return int(jax.eval_shape(lambda: self.recurrent_weights()).shape[0])


def private_noise(key: Key[Array, " trial"], n_units: int) -> Float[Array, "trial {n_units}"]:
    """Draw standard normal noise for each unit, independent between units, trials and steps.

    Parameters
    ----------
    key
        A random key for each trial, as ``update`` gets them.
    n_units
        Number of units N.

    Returns
    -------
    Noise of mean 0 and standard deviation 1. That of a trial does not depend on the trials beside it.

    Examples
    --------
    >>> import jax
    >>> private_noise(jax.random.split(jax.random.key(0), 3), 5).shape
    (3, 5)
    """
    noise: Array = jax.vmap(lambda of_trial: jr.normal(of_trial, (n_units,)))(key)
    return noise


def _check_complete(cell: Any) -> None:
    """Refuse a cell whose recurrent weights are nowhere to be found."""
    if not (isinstance(cell, type) and issubclass(cell, AbstractCell)):
        raise InputError(f"{cell!r} is not a cell: derive a class from AbstractCell, and register that.")
    has_weights = "W_rec" in getattr(cell, "__dataclass_fields__", {})
    if not has_weights and cell.recurrent_weights is AbstractCell.recurrent_weights:
        raise InputError(
            f"{cell.__name__} has no recurrent weights: give it a field `W_rec`, or a method `recurrent_weights()` "
            "that returns the matrix (from, to)."
        )


CELLS: Registry[type[AbstractCell]] = Registry("model", named_by="model", check=_check_complete)
"""The cells by the names by which experiments ask for them."""
register = CELLS.register
