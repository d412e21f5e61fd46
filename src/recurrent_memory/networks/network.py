"""Input, recurrence and readout as one pytree."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..settings import Option, checked_options
from .cells import CELLS, AbstractCell
from .initialization import glorot_normal
from .nonlinearities import clip_through
from .precision import Precision, at, product
from .recurrence import recur

_NOISE = 2**31 - 1
"""Folded into the key of a batch, gives the key of its noise; trials fold in their numbers, which are far smaller."""

PROBABILITY_MARGIN = 1e-6
"""Probabilities are kept this far from 0 and 1, as published."""
Readout: TypeAlias = Literal["linear", "sigmoid", "softmax"]
NONLINEARITIES: dict[str, Callable[[Array], Array]] = {
    "linear": lambda outputs: outputs,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
}
"""Output nonlinearities by name; softmax normalises over the outputs of one step."""


class Network(eqx.Module):
    """A recurrent network with a readout at every step.

    Called with inputs (trial, time, neuron), it returns its outputs (trial, time, output) and the activity of its units
    (trial, time, unit).

    Examples
    --------
    >>> network = initialize(
    ...     jr.key(0), "relu", n_inputs=2, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> outputs, activity = network(jnp.ones((4, 5, 2)))
    >>> outputs.shape, activity.shape
    ((4, 5, 1), (4, 5, 3))
    """

    cell: AbstractCell
    W_out: Float[Array, "unit output"]
    b_out: Float[Array, " output"]
    readout: Readout = eqx.field(static=True)
    is_probability: bool = eqx.field(static=True)
    """Whether outputs are kept inside [10⁻⁶, 1 − 10⁻⁶], so that they have a cross-entropy."""
    precision: Precision = eqx.field(static=True, default="float32")
    """Precision of all products with weights."""

    def __call__(
        self,
        inputs: Float[Array, "trial time neuron"],
        mask: Bool[Array, "trial time"] | None = None,
        last: int | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "trial kept output"], Float[Array, "trial kept unit"]]:
        """Return outputs and activity.

        Parameters
        ----------
        inputs
            Spike counts.
        mask
            False at steps that a trial skips; None: every trial takes every step.
        last
            Number of steps, from the end, to return; None: all.
        key
            Random key of the batch, with which its trials were drawn too; a cell without noise needs none.

        Returns
        -------
        Outputs, in the unit of the targets, and activity, in arbitrary units.
        """
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
        Numbers of input neurons, units and outputs.
    readout, is_probability
        Output nonlinearity, and whether outputs are kept away from 0 and 1.
    lambda0, sigma0, precision
        The paper's λ0 and σ0; precision of all products with weights.
    **options
        The model's own settings, such as ``gamma`` of ``fast_weights``.

    Returns
    -------
    The network.

    Raises
    ------
    InputError
        If the model is unknown, or one of its options is unknown or not allowed.

    Examples
    --------
    >>> sizes = {"n_inputs": 2, "n_hidden": 3, "n_outputs": 1, "readout": "linear", "is_probability": False}
    >>> initialize(jr.key(0), "relu", **sizes, lambda0=0.9, sigma0=0.1).W_out.shape
    (3, 1)
    """
    cell_class = CELLS.find(model)
    options = check_options(cell_class.model, options)
    key_cell, key_readout = jr.split(key)
    cell = cell_class.initialize(key_cell, n_inputs, n_hidden, lambda0=lambda0, sigma0=sigma0, **options)
    return Network(
        # A user's cell may make its weights with NumPy, but training takes only JAX's arrays.
        cell=jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array(leaf) else leaf, cell),
        W_out=glorot_normal(key_readout, n_hidden, n_outputs, cell_class.readout_gain),
        b_out=jnp.zeros(n_outputs),
        readout=readout,
        is_probability=is_probability,
        precision=precision,
    )


def check_options(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a model, each converted to its type, such as 1.0 for 1.

    Parameters
    ----------
    model
        Name of the model.
    options
        Values by name.

    Returns
    -------
    The given options; those that are left out keep their defaults.

    Raises
    ------
    InputError
        If an option is unknown, missing or not allowed.

    Examples
    --------
    >>> check_options("fast_weights", {"gamma": 1})
    {'gamma': 1.0}
    """
    return checked_options(
        f"model {model!r}",
        _options_of(CELLS[model]),
        options,
        place="model_options.{name}",
        unknown="{of} has no option {name!r}. Its options: {known}.",
        missing="{of} needs the option {name!r}: {about}.",
    )


@functools.lru_cache(maxsize=256)  # a sweep makes thousands of experiments
def _options_of(cell: type[AbstractCell]) -> Mapping[str, Option]:
    return cell.options()


class Description(NamedTuple):
    """What a list of models says of each.

    Examples
    --------
    >>> Description("tanh", code=None, summary="h_t = tanh(…)", options=()).model
    'tanh'
    """

    model: str
    code: int | None
    """Integer in the published basic script; None if the model is not published."""
    summary: str
    """Formula in one line."""
    options: tuple[Option, ...]


def describe() -> tuple[Description, ...]:
    """Describe all models.

    Returns
    -------
    Each model's name, published code, formula in one line, and options.

    Examples
    --------
    >>> [option.name for option in describe()[0].options]
    ['gradient_clip']
    """
    return tuple(
        Description(name, cell.code, (inspect.getdoc(cell) or "").partition("\n")[0], tuple(cell.options().values()))
        for name, cell in CELLS.items()
    )
