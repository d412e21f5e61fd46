"""Input, recurrence and readout as one pytree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..errors import InputError
from .cells import CELLS, AbstractCell, clip_through
from .initialization import glorot_normal
from .precision import Precision, at, product
from .recurrence import recur

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

    Called with inputs (trial, time, neuron), and a mask (trial, time) where trials have steps to skip, it returns
    the outputs (trial, time, output) and the activity of its units (trial, time, unit); with ``last`` those of the last
    so many steps alone.
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
    ) -> tuple[Float[Array, "trial kept output"], Float[Array, "trial kept unit"]]:
        """Return outputs and activity."""
        with at(self.precision):
            # Time comes first inside, so that a step reads and writes one contiguous block.
            activity = recur(self.cell, inputs.swapaxes(0, 1), None if mask is None else mask.T, last)
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
        Where the model or one of its options is unknown.
    """
    cell_class = CELLS[find_model(model)]
    check_options(cell_class.model, options)
    key_cell, key_readout = jr.split(key)
    return Network(
        cell=cell_class.initialize(key_cell, n_inputs, n_hidden, lambda0=lambda0, sigma0=sigma0, **options),
        W_out=glorot_normal(key_readout, n_hidden, n_outputs, cell_class.readout_gain),
        b_out=jnp.zeros(n_outputs),
        readout=readout,
        is_probability=is_probability,
        precision=precision,
    )


def check_options(model: str, options: dict[str, Any]) -> None:
    """Refuse options that a model does not have, or values that are not finite and positive numbers."""
    allowed = CELLS[model].option_names()
    for name, value in options.items():
        if name not in allowed:
            raise InputError(f"model {model!r} has no option {name!r}. Its options: {', '.join(allowed) or 'none'}.")
        if not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise InputError(f"`{name}` = {value!r} of model {model!r}: must be a finite number, 0 or more.")
