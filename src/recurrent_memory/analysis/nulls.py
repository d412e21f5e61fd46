"""Surrogates of activity: what it would be like by chance, each with another idea of chance.

A null is a function of a NumPy random generator and the activity of some trials of equal length, (trial, time, unit),
that returns surrogates of the same shape. Entries that trials lack have been taken out before. To add one, decorate a
function with `@NULLS.register`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import ndtri

from ..registry import Registry
from .blocks import Block

Null = Callable[[np.random.Generator, Block], Block]

NULLS: Registry[Null] = Registry("null")
"""All nulls by name.

Examples
--------
>>> NULLS.names()
('circular_shift', 'shuffled_units', 'phase_randomised', 'permuted_time')
"""


@NULLS.register
def circular_shift(rng: np.random.Generator, block: Block) -> Block:
    """Shift each unit in each trial by an amount of its own, the end of the trial coming back at its start.

    It keeps the activity of each unit in each trial but for one jump; peaks are anywhere, independently of the other
    units and trials (Harvey, Coen & Tank 2012).
    """
    n_trials, n_steps, n_units = block.shape
    shift = rng.integers(n_steps, size=(n_trials, n_units))
    rows = block.transpose(0, 2, 1)
    # Of two copies in a row, any stretch as long as one is the activity shifted: nothing but copying.
    stretches = sliding_window_view(np.concatenate([rows, rows], axis=2), n_steps, axis=2)
    return stretches[np.arange(n_trials)[:, None], np.arange(n_units), shift].transpose(0, 2, 1)


@NULLS.register
def shuffled_units(rng: np.random.Generator, block: Block) -> Block:
    """Exchange the units with each other, anew in each trial.

    It keeps all that happens in a trial; which unit does what is another in each trial. Measures of single trials are
    the same as before, so this is a null for what repeats over trials.
    """
    n_trials, _, n_units = block.shape
    order = rng.permuted(np.tile(np.arange(n_units), (n_trials, 1)), axis=1)
    return np.take_along_axis(block, order[:, None, :], axis=2)


@NULLS.register
def phase_randomised(rng: np.random.Generator, block: Block) -> Block:
    """Give each unit in each trial random phases, with its own values and about its own power spectrum.

    Amplitude-adjusted Fourier transform (Theiler et al. 1992, Physica D 58:77–94): the ranks become Gaussian numbers,
    whose phases are drawn anew, and the values are put in the order of the result. They stay at or above zero, which
    they would not with random phases alone. Values that are equal are ranked at random.
    """
    n_trials, n_steps, _ = block.shape
    mixed = rng.permuted(np.tile(np.arange(n_steps), (n_trials, 1)), axis=1)  # or equal values are ranked by their time
    rows = np.take_along_axis(block, mixed[:, :, None], axis=1).transpose(0, 2, 1)
    order = rows.argsort(axis=2, kind="stable")
    gaussian = np.empty(rows.shape)
    np.put_along_axis(gaussian, _step(mixed, order), ndtri((np.arange(n_steps) + 0.5) / n_steps)[None, None], axis=2)
    spectrum = np.fft.rfft(gaussian, axis=2)
    phase = rng.uniform(0, 2 * np.pi, spectrum.shape)
    new = np.fft.irfft(np.abs(spectrum) * np.exp(1j * phase), n=n_steps, axis=2)
    surrogate = np.empty(rows.shape)
    np.put_along_axis(surrogate, new.argsort(axis=2), np.take_along_axis(rows, order, axis=2), axis=2)
    return surrogate.transpose(0, 2, 1)


@NULLS.register
def permuted_time(rng: np.random.Generator, block: Block) -> Block:
    """Put the steps of each trial in random order, the same for all its units, another for each trial.

    It keeps which units are active together, and takes away all order in time, with the smoothness of activity.
    """
    n_trials, n_steps, _ = block.shape
    order = rng.permuted(np.tile(np.arange(n_steps), (n_trials, 1)), axis=1)
    return np.asarray(block[np.arange(n_trials)[:, None], order])


def _step(mixed: Int[np.ndarray, "trial time"], order: Int[np.ndarray, "trial unit time"]) -> np.ndarray:
    """Return the steps at the places of an order in mixed time."""
    return np.take_along_axis(np.broadcast_to(mixed[:, None, :], order.shape), order, axis=2)
