"""A cell whose units are perturbed: some are silent, and all may be noisy.

The perturbation wraps a whole cell, so it is the same for every model, including a user's own. It does not change the
weights, and no unit is removed: units keep their numbers, and results keep their shapes.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray, PyTree

from .cells import AbstractCell, private_noise

_OWN = 2**31 - 2
"""Folded into a trial's key, gives the key of the added noise if the cell draws random numbers itself."""


class PerturbedCell(AbstractCell):
    """A cell with silent units, and with private noise in the input to each unit.

    A silent unit's activity is 0 at every step, and so is its part of the cell's state: each entry that belongs to it
    in an array of the state with an axis of N units. Other units therefore receive nothing from it, not even through
    what a step computes from the state, such as the overlap of `fast_weights`. The noise is added to the input drive at
    each step, before the nonlinearity, as in `leaky`; a unit with several inputs, as in `gru`, has independent noise in
    each.

    Examples
    --------
    >>> from .additive import ReluCell
    >>> cell = ReluCell(W_in=jnp.eye(2), b_in=jnp.ones(2), W_rec=jnp.eye(2), b_rec=jnp.zeros(2))
    >>> lesioned = PerturbedCell(cell, spared=jnp.array([True, False]))
    >>> lesioned.update(jnp.zeros((1, 2)), drive=jnp.ones((1, 2)), feedback=jnp.zeros((1, 2))).tolist()
    [[1.0, 0.0]]
    """

    model = "perturbed"

    cell: AbstractCell
    spared: Bool[Array, " unit"] | None = None
    """False for silent units; None: no unit is silent."""
    noise: float = eqx.field(static=True, default=0.0)
    """Standard deviation of the noise, in the unit of the input drive."""

    @classmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float
    ) -> PerturbedCell:
        """Refuse: this cell wraps another, which has been drawn already.

        Parameters
        ----------
        key, n_inputs, n_hidden, lambda0, sigma0
            Not used.

        Returns
        -------
        Nothing.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("PerturbedCell wraps a cell: write PerturbedCell(cell, …)")

    def recurrent_weights(self) -> Float[Array, "unit block"]:
        """Return the weights of the wrapped cell; those from silent units act on an activity of 0.

        Returns
        -------
        Weights (from, to).
        """
        return self.cell.recurrent_weights()

    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch block"]:
        """Return the drive of the wrapped cell.

        Parameters
        ----------
        inputs
            Spike counts, (…, neuron).

        Returns
        -------
        Drive, (…, block), without noise.
        """
        return self.cell.drive(inputs)

    def initial_state(self, drive: Float[Array, "trial block"]) -> PyTree:
        """Return the initial state of the wrapped cell, 0 for silent units.

        Parameters
        ----------
        drive
            Input drive of the first step, (trial, block).

        Returns
        -------
        The state.
        """
        return self._silenced(jax.tree.map(jnp.asarray, self.cell.initial_state(drive)))

    def activity(self, state: PyTree) -> Float[Array, "trial unit"]:
        """Return the activity of the wrapped cell, 0 for silent units.

        Parameters
        ----------
        state
            State after a step.

        Returns
        -------
        Activity, (trial, unit), arbitrary units.
        """
        found = self.cell.activity(state)
        return found if self.spared is None else jnp.where(self.spared, found, 0)

    @property
    def is_random(self) -> bool:
        """Whether there is noise, added or the cell's own."""
        return self.noise > 0 or self.cell.is_random

    def update(
        self,
        state: PyTree,
        drive: Float[Array, "trial block"],
        feedback: Float[Array, "trial block"],
        key: Key[Array, " trial"] | None = None,
    ) -> PyTree:
        """Return the next state of the wrapped cell, given a noisy drive, 0 for silent units.

        Parameters
        ----------
        state
            Last state.
        drive, feedback
            Input drive and recurrent input of this step, (trial, block).
        key
            One random key per trial; None: no noise.

        Returns
        -------
        The next state.
        """
        step: Any = self.cell.update  # takes a key only if the cell draws random numbers
        inner = () if key is None or not self.cell.is_random else (key,)
        if self.noise > 0 and key is not None:
            own = jax.vmap(lambda of_trial: jr.fold_in(of_trial, _OWN))(key) if inner else key
            drive = drive + self.noise * private_noise(own, drive.shape[1])
        return self._silenced(step(state, drive, feedback, *inner))

    def _silenced(self, state: PyTree) -> PyTree:
        if self.spared is None:
            return state
        spared = self.spared

        def silence(leaf: Array) -> Array:
            for axis in range(1, leaf.ndim):  # the first axis is the trial
                if leaf.shape[axis] == len(spared):
                    leaf = jnp.where(spared.reshape(-1, *[1] * (leaf.ndim - axis - 1)), leaf, 0)
            return leaf

        return jax.tree.map(silence, state)
