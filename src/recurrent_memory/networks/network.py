"""Input, recurrence and readout as one pytree."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .cells import CELLS, AbstractCell
from .initialization import glorot_normal
from .nonlinearities import clip_through
from .options import Option, validated
from .precision import Precision, at, product
from .recurrence import recur

_NOISE = 2**31 - 1
"""Stream of the noise in the key of a batch; the streams of its trials are their numbers, which are far smaller."""

PROBABILITY_MARGIN = 1e-6
"""Probabilities are kept this far from 0 and 1, as published."""
Readout: TypeAlias = Literal["linear", "sigmoid", "softmax"]
NONLINEARITIES: dict[str, Callable[[Array], Array]] = {
    "linear": lambda outputs: outputs,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
}
"""Output nonlinearities by name; softmax acts on the outputs of one step."""


class Network(eqx.Module):
    """A recurrent network with a readout at every step.

    Called with inputs (trial, time, neuron), and a mask (trial, time) if trials have steps to skip, it returns the
    outputs (trial, time, output) and the activity of its units (trial, time, unit); with ``last`` those of the last so
    many steps alone. If its cell draws random numbers, ``key`` is the random key of the batch, the one that its trials
    are drawn with: noise is a stream of its own in it.
    """

    cell: AbstractCell
    W_out: Float[Array, "unit output"]
    b_out: Float[Array, " output"]
    readout: Readout = eqx.field(static=True)
    is_probability: bool = eqx.field(static=True)
    """Whether outputs are kept inside [10⁻⁶, 1 − 10⁻⁶], so that they have a cross-entropy."""
    precision: Precision = eqx.field(static=True, default="float32")
    """Of all products with weights."""

    def __call__(
        self,
        inputs: Float[Array, "trial time neuron"],
        mask: Bool[Array, "trial time"] | None = None,
        last: int | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "trial kept output"], Float[Array, "trial kept unit"]]:
        """Return outputs and activity."""
        if key is not None and self.cell.is_random:
            key = jr.fold_in(key, _NOISE)
        with at(self.precision):
            # Time comes first inside, so that a step reads and writes one contiguous block.
            activity = recur(self.cell, inputs.swapaxes(0, 1), None if mask is None else mask.T, last, key)
            outputs = product(activity, self.W_out) + self.b_out
        outputs = NONLINEARITIES[self.readout](outputs)
        if self.is_probability:
            outputs = clip_through(outputs, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return outputs.swapaxes(0, 1), activity.swapaxes(0, 1)


def find_model(model: str | int) -> str:
    """Return the name of a model given its name or its published integer code (of the basic script).

    Raises
    ------
    InputError
        Where there is no such model.
    """
    return CELLS.find(model).model


def initialize(
    key: PRNGKeyArray,
    model: str | int,
    *,
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    readout: Readout,
    is_probability: bool,
    lambda0: float,
    sigma0: float,
    precision: Precision = "float32",
    **options: Any,
) -> Network:
    """Draw a network of a named model with the published initialisation.

    Parameters
    ----------
    key
        Random key.
    model
        Name or published code.
    n_inputs, n_hidden, n_outputs
        Sizes.
    readout, is_probability
        Output nonlinearity, and whether outputs are kept away from 0 and 1.
    lambda0, sigma0
        The paper's λ0 and σ0.
    precision
        Of all products with weights.
    options
        The model's own settings, such as ``gamma`` of ``fast_weights``.

    Raises
    ------
    InputError
        If the model is unknown, or one of its options is unknown or not allowed.
    """
    cell_class = CELLS[find_model(model)]
    options = check_options(cell_class.model, options)
    key_cell, key_readout = jr.split(key)
    cell = cell_class.initialize(key_cell, n_inputs, n_hidden, lambda0=lambda0, sigma0=sigma0, **options)
    return Network(
        # A cell of one's own may make its weights with NumPy; training takes JAX's arrays alone.
        cell=jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array(leaf) else leaf, cell),
        W_out=glorot_normal(key_readout, n_hidden, n_outputs, cell_class.readout_gain),
        b_out=jnp.zeros(n_outputs),
        readout=readout,
        is_probability=is_probability,
        precision=precision,
    )


def check_options(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a model in the types it takes, such as 1.0 for 1.

    Parameters
    ----------
    model
        Name of the model.
    options
        Its own options by name.

    Raises
    ------
    InputError
        If an option is unknown, missing or not allowed.

    Examples
    --------
    >>> check_options("fast_weights", {"gamma": 1})
    {'gamma': 1.0}
    """
    return validated(model, CELLS[model].options(), options)


class Description(NamedTuple):
    """A model, for lists of them."""

    model: str
    code: int | None
    summary: str
    options: tuple[Option, ...]


def describe() -> tuple[Description, ...]:
    """Return each model's name, published code, formula in a line, and options.

    Examples
    --------
    >>> [option.name for option in describe()[0].options]
    ['gradient_clip']
    """
    return tuple(
        Description(name, cell.code, (inspect.getdoc(cell) or "").partition("\n")[0], tuple(cell.options().values()))
        for name, cell in CELLS.items()
    )
