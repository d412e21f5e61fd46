"""What a trial consists of: its epochs in order, a batch of trials as arrays, and the evidence that an observer sees.

Rates, masks, pictures and the readout all derive from a task's list of epochs.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int

from .. import limits
from ..errors import InputError

CERTAIN_TO_FIT = 2**30
"""Bytes of trials up to which the limits of the machine are not looked up."""


@dataclasses.dataclass(frozen=True)
class Epoch:
    """A stretch of a trial in which one stimulus is shown, or none.

    Parameters
    ----------
    name
        Its name. Several epochs may share one, such as the two halves of a delay that a distractor interrupts.
    duration
        Steps of about 10 ms.
    shows
        Number of the display that is shown, an index of the first axis of a trial's stimuli; None if neurons fire
        spontaneously.
    part_of
        Name of the longer epoch that contains this one, if any.

    Examples
    --------
    >>> Epoch("stimulus", 25, shows=0)
    Epoch(name='stimulus', duration=25, shows=0, part_of=None)
    """

    name: str
    duration: int
    shows: int | None = None
    part_of: str | None = None


def windows(epochs: Iterable[Epoch]) -> dict[str, tuple[int, int]]:
    """Return the first step and the end (exclusive) of each epoch by name, contained epochs included.

    Parameters
    ----------
    epochs
        The trial's epochs, in order.

    Returns
    -------
    Windows in order of their first steps; an epoch that contains another spans it.

    Examples
    --------
    >>> delay = Epoch("delay", 10)
    >>> windows([Epoch("stimulus", 5), delay, Epoch("distractor", 3, shows=1, part_of="delay"), delay])
    {'stimulus': (0, 5), 'delay': (5, 28), 'distractor': (15, 18)}
    """
    found: dict[str, tuple[int, int]] = {}
    start = 0
    for epoch in epochs:
        stop = start + epoch.duration
        for name in filter(None, (epoch.part_of, epoch.name)):
            found[name] = (found.get(name, (start, stop))[0], stop)
        start = stop
    return found


class Trials(eqx.Module):
    """A batch of trials: the network's inputs and targets, and the hidden variables behind them.

    Examples
    --------
    >>> import jax
    >>> from recurrent_memory.tasks import make
    >>> trials = make("de1").sample(jax.random.key(0), 3)
    >>> trials.inputs.shape, trials.targets.shape, trials.stimuli.shape
    ((3, 150, 50), (3, 150, 1), (3, 1, 1))
    """

    inputs: Float[Array, "trial time neuron"]
    """Spike counts of the input neurons (Sine: input noise)."""
    targets: Float[Array, "trial time output"]
    """Wanted output at every step; only the response epoch enters the loss."""
    mask: Bool[Array, "trial time"]
    """False at the steps that a trial lacks."""
    stimuli: Float[Array, "trial display location"]
    """Values shown, display after display; one that does not count, such as a distractor, comes last."""
    label: Int[Array, " trial"]
    """The discrete variable of a trial (change, class, order, cued location, category); 0 if there is none."""
    rates: Float[Array, "trial time neuron"]
    """Expected counts a step, as if no step were masked (Sine: standard deviation of the input noise)."""


class Evidence(eqx.Module):
    """All that an ideal observer needs of a batch, small enough to keep for every test trial.

    Examples
    --------
    >>> import jax
    >>> from recurrent_memory.tasks import make
    >>> task = make("de1")
    >>> task.evidence(task.sample(jax.random.key(0), 3)).counts.shape
    (3, 1, 50)
    """

    counts: Float[Array, "trial display neuron"]
    """Spikes summed over the steps of each stimulus display."""
    label: Int[Array, " trial"]
    """The trials' discrete variable; only the observer of a cued task uses it."""
    truth: Float[Array, " trial *answer"]
    """The correct answer, in the shape of the observer's."""


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return the value as an integer if it lies within bounds; else explain the rule."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or number < low or (high is not None and number > high):
        rule = f"at least {low}" if high is None else f"from {low} to {high}, the number of steps in a trial"
        raise InputError(f"`{name}` = {value!r} is not allowed: it must be a whole number, {rule}.")
    return number


def trials_that_fit(batch_size: Any, n_steps: int, n_inputs: int) -> int:
    """Return a number of trials if their inputs and rates are not larger than the memory of this machine."""
    number = whole_number("batch_size", batch_size, low=1)
    needed = 2 * 4 * number * n_steps * n_inputs
    if needed > CERTAIN_TO_FIT and needed > (total := limits.memory().total):
        raise InputError(
            f"`batch_size` = {number:,} trials of {n_steps:,} steps and {n_inputs:,} inputs need "
            f"{limits.beyond(needed, total)}: draw fewer at a time."
        )
    return number
