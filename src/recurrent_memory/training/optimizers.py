"""Optimizers: the published Adam, those of optax, and any function that makes an optax transformation."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from pydantic import Field

from ..registry import Registry
from ..settings import checked_options, plain_options_of

OPTIMIZERS: Registry[Callable[..., Any]] = Registry("optimizer")
"""Functions that make an optax transformation of a learning rate and options, by the names that experiments use.

To add an optimizer, decorate a function. Its first parameter is ``learning_rate``, a traced scalar; the others are its
options:

>>> import optax
>>> @OPTIMIZERS.register
... def heavy_ball(learning_rate, momentum: float = 0.9):
...     return optax.sgd(learning_rate, momentum)
>>> OPTIMIZERS.find("heavy-ball") is heavy_ball
True
"""


class Transformation(NamedTuple):
    """What optax calls a gradient transformation; defined here so that `paper_adam` does not import optax."""

    init: Callable[[Any], Any]
    """Return the state before the first step, given the parameters."""
    update: Callable[..., tuple[Any, Any]]
    """Return the change of the parameters and the next state, given gradient, state and parameters."""


class AdamState(eqx.Module):
    """Running means of the gradient and of its square, one of each per parameter, and the number of steps.

    Examples
    --------
    >>> state = paper_adam(0.1).init(jnp.ones(2))
    >>> int(state.count), state.mean.tolist()
    (0, [0.0, 0.0])
    """

    mean: PyTree
    square: PyTree
    count: Int[Array, ""]


@OPTIMIZERS.register
def paper_adam(
    learning_rate: Float[Array, ""] | float,
    b1: Annotated[float, Field(ge=0, lt=1, description="Decay β₁ of the gradient's running mean")] = 0.9,
    b2: Annotated[float, Field(ge=0, lt=1, description="Decay β₂ of the squared gradient's running mean")] = 0.999,
    eps: Annotated[float, Field(gt=0, description="ε, added to the root of the squared gradient's mean")] = 1e-8,
) -> Transformation:
    """Return Adam as in the published code.

    Parameters
    ----------
    learning_rate
        Learning rate.
    b1, b2
        Decay of the running means of the gradient and of its square.
    eps
        ε, added to the root of the uncorrected running mean of the squared gradient.

    Returns
    -------
    An optax transformation.

    Notes
    -----
    Kingma & Ba (2015) with a_t = lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) and θ ← θ − a_t·m/(√v + ε): ε is added to the *uncorrected*
    root, as in the published code; ``optax.adam`` adds it to the corrected one.

    Examples
    --------
    >>> transformation = paper_adam(0.1)
    >>> change, _ = transformation.update(jnp.ones(2), transformation.init(jnp.zeros(2)))
    >>> [round(float(x), 4) for x in change]
    [-0.1, -0.1]
    """

    def init(parameters: PyTree) -> AdamState:
        mean, square = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        return AdamState(mean=mean, square=square, count=jnp.zeros((), jnp.int32))

    def update(gradient: PyTree, state: AdamState, parameters: PyTree = None) -> tuple[PyTree, AdamState]:
        count = state.count + 1
        mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mean, gradient)
        square = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g**2, state.square, gradient)
        t = count.astype(jnp.result_type(learning_rate))
        rate = learning_rate * jnp.sqrt(1 - b2**t) / (1 - b1**t)
        change = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + eps), mean, square)
        return change, AdamState(mean=mean, square=square, count=count)

    return Transformation(init, update)


_BELOW_ONE, _NOT_NEGATIVE = Field(ge=0, lt=1), Field(ge=0)
RANGES = {
    **dict.fromkeys(("b1", "b2", "decay", "momentum"), _BELOW_ONE),
    **dict.fromkeys(("eps", "eps_root", "initial_accumulator_value", "initial_scale"), _NOT_NEGATIVE),
    **dict.fromkeys(("threshold", "weight_decay"), _NOT_NEGATIVE),
}
"""Allowed ranges of optax's options, by name: optax itself accepts any number, and then trains to NaN or in vain."""


@dataclasses.dataclass(frozen=True)
class OfOptax:
    """An optimizer of optax, under optax's name; optax is imported on first use, which takes half a second."""

    name: str

    def __call__(self, **values: Any) -> Any:
        """Return the transformation."""
        return self._function(**values)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.Signature([_with_range(p) for p in inspect.signature(self._function).parameters.values()])

    @property
    def _function(self) -> Callable[..., Any]:
        import optax

        function: Callable[..., Any] = getattr(optax, self.name)
        return function


def _with_range(parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.name not in RANGES:
        return parameter
    kind: Any = float if parameter.default is not None else float | None
    return parameter.replace(annotation=Annotated[kind, RANGES[parameter.name]])


# Only optimizers that need nothing but gradients and parameters: no line search, no loss, no randomness.
for _name in (
    "adabelief", "adagrad", "adam", "adamax", "adamw", "amsgrad", "lamb", "lion", "nadam", "nadamw", "radam", "rmsprop",
    "sgd", "yogi",
):  # fmt: skip
    OPTIMIZERS.register(OfOptax(_name))


def check_optimizer_options(optimizer: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's options, each converted to its type.

    Parameters
    ----------
    optimizer
        Name of the optimizer.
    options
        Values by name.

    Returns
    -------
    The given options; those that are left out keep their defaults.

    Raises
    ------
    InputError
        If the optimizer has no such option, or a value is not allowed.

    Examples
    --------
    >>> check_optimizer_options("sgd", {"momentum": 0.9, "nesterov": "true"})
    {'momentum': 0.9, 'nesterov': True}
    """
    return checked_options(f"the optimizer {optimizer}", plain_options_of(OPTIMIZERS.find(optimizer)), options)


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """How a gradient changes a network.

    The compiled program makes the transformation again in each step, so that the learning rate is a traced array, in
    which networks that share a program may differ.

    Examples
    --------
    >>> Optimizer.named("adamw", {"weight_decay": 1e-4}, gradient_clip_norm=1.0).options
    (('weight_decay', 0.0001),)
    """

    make: Callable[..., Any] = paper_adam
    """Function that makes the transformation; not its name, so that a function that is redefined is compiled again."""
    options: tuple[tuple[str, Any], ...] = ()
    gradient_clip_norm: float | None = None
    """Largest norm of the gradient over all parameters together; a longer one is scaled down to it; None: no bound."""

    @classmethod
    def named(cls, name: str, options: dict[str, Any], gradient_clip_norm: float | None = None) -> Optimizer:
        """Return an optimizer of `OPTIMIZERS`.

        Parameters
        ----------
        name, options
            Its name, and those of its options that differ from their defaults.
        gradient_clip_norm
            Largest norm of the gradient over all parameters together; None: no bound.

        Returns
        -------
        The optimizer.

        Raises
        ------
        InputError
            If there is no such optimizer, or an option is not allowed.
        """
        checked = check_optimizer_options(name, options)
        return cls(OPTIMIZERS.find(name), tuple(sorted(checked.items())), gradient_clip_norm)

    def start(self, network: PyTree) -> PyTree:
        """Return the optimizer's state before the first step.

        Parameters
        ----------
        network
            A network, or any pytree of arrays.

        Returns
        -------
        The state, which shares no memory with the network.
        """
        return _first_state(self, eqx.filter(network, eqx.is_inexact_array))

    def step(
        self, network: PyTree, gradient: PyTree, state: PyTree, learning_rate: Float[Array, ""]
    ) -> tuple[PyTree, PyTree]:
        """Take one step.

        Parameters
        ----------
        network, gradient
            A network, or any pytree of arrays, and the gradient with respect to its parameters.
        state
            The optimizer's state.
        learning_rate
            Learning rate of this step.

        Returns
        -------
        The network and the optimizer's state after the step.
        """
        if self.gradient_clip_norm is not None:
            import optax

            gradient, _ = optax.clip_by_global_norm(self.gradient_clip_norm).update(gradient, optax.EmptyState())
        change, state = self._transformation(learning_rate).update(
            gradient, state, eqx.filter(network, eqx.is_inexact_array)
        )
        return eqx.apply_updates(network, change), state

    def _transformation(self, learning_rate: Float[Array, ""] | float) -> Any:
        return self.make(learning_rate=learning_rate, **dict(self.options))


@eqx.filter_jit
def _first_state(optimizer: Optimizer, parameters: PyTree) -> PyTree:
    """Return an optimizer's first state, in arrays of its own.

    Training reuses the state's memory, so no array may appear twice, in the network or in the state: a compiled program
    writes each of its results to a place of its own. And one program is compiled sooner than one for each shape.
    """
    return optimizer._transformation(0.0).init(parameters)
