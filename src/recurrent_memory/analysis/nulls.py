"""Surrogates of activity: what it would be like by chance, each with another idea of chance.

A null is a function of a NumPy random generator and the activity of some trials of equal length, (trial, time, unit),
that returns surrogates of the same shape. Entries that trials lack have been taken out before. To add one, decorate a
function with `@NULLS.register`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from ..registry import Registry
from .blocks import Block

Null = Callable[[np.random.Generator, Block], Block]

ROUNDS = 5
"""Rounds of `phase_randomised`; 20 change no measure of smooth noise or of sequences by more than its error."""

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
    # Of two copies one after the other, any stretch as long as one is the activity shifted: nothing but copying.
    stretches = sliding_window_view(np.concatenate([block, block], axis=1), n_steps, axis=1)
    return stretches[np.arange(n_trials)[:, None], shift, np.arange(n_units)].transpose(0, 2, 1)


@NULLS.register
def shuffled_units(rng: np.random.Generator, block: Block) -> Block:
    """Exchange the units with each other, anew in each trial.

    It keeps all that happens in a trial; which unit does what is another in each trial. Measures of single trials are
    the same as before, so this is a null for what repeats over trials.
    """
    n_trials, _, n_units = block.shape
    order = rng.permuted(np.tile(np.arange(n_units), (n_trials, 1)), axis=1)
    return np.stack([trial.take(units, axis=1) for trial, units in zip(block, order, strict=True)])


@NULLS.register
def phase_randomised(rng: np.random.Generator, block: Block) -> Block:
    """Give each unit in each trial a random course with its own values and about its own power spectrum.

    Iterated amplitude-adjusted Fourier transform (Schreiber & Schmitz 1996, Physical Review Letters 77:635–638): a
    course with the amplitudes of the activity's Fourier transform, and at first random phases, gets the activity's
    values in the order of its own, then its Fourier transform the activity's amplitudes again, and so on. Without
    iteration (Theiler et al. 1992, Physica D 58:77–94), short surrogates are rougher than the activity, and smooth
    noise is always above chance.
    """
    from scipy import fft  # unlike NumPy's, it transforms several rows at once in float32

    rows = np.ascontiguousarray(block.transpose(0, 2, 1))
    n_trials, n_units, n_steps = rows.shape
    values = np.sort(rows, axis=2)
    range_ = np.ptp(values[:, :, [0, -1]], axis=2, keepdims=True)
    # Order and spectrum do not depend on offset and scale, but what float32 can tell apart does.
    courses = ((rows - rows.mean(axis=2, keepdims=True)) / np.where(range_ > 0, range_, 1)).astype(np.float32)
    sorted_courses = np.sort(courses, axis=2)
    amplitude = np.abs(fft.rfft(courses, axis=2))
    phase = np.float32(2 * np.pi) * rng.random(amplitude.shape, dtype=np.float32)
    spectrum = amplitude * (np.cos(phase) + np.complex64(1j) * np.sin(phase))
    first = n_steps * np.arange(n_trials * n_units).reshape(n_trials, n_units, 1)

    def places() -> Int[np.ndarray, " value"]:
        """Return where the sorted values of all rows belong, in the order of the courses of the spectrum."""
        return np.asarray((first + _order(fft.irfft(spectrum, n=n_steps, axis=2))).ravel())

    for _ in range(ROUNDS - 1):
        courses.ravel()[places()] = sorted_courses.ravel()
        spectrum = fft.rfft(courses, axis=2)
        modulus = np.abs(spectrum)
        spectrum *= np.divide(amplitude, modulus, out=np.zeros_like(modulus), where=modulus > 0)
    new = np.empty(rows.shape)
    new.ravel()[places()] = values.ravel()
    return np.asarray(new.transpose(0, 2, 1))


def _order(rows: Float[np.ndarray, "trial unit time"]) -> Int[np.ndarray, "trial unit time"]:
    """Return what sorts each row of float32: integers that hold the value and, below it, the place, are sorted.

    It is several times as fast as `argsort`, since sorting numbers themselves fills the processor's vectors.
    """
    bits = rows.view(np.int32)
    key = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)  # as integers, floats below zero are in reverse order
    key <<= 32
    key |= np.arange(rows.shape[2])
    key.sort(axis=2)
    key &= 0xFFFFFFFF
    return key


@NULLS.register
def permuted_time(rng: np.random.Generator, block: Block) -> Block:
    """Put the steps of each trial in random order, the same for all its units, another for each trial.

    It keeps which units are active together, and takes away all order in time, with the smoothness of activity.
    """
    n_trials, n_steps, _ = block.shape
    order = rng.permuted(np.tile(np.arange(n_steps), (n_trials, 1)), axis=1)
    return np.asarray(block[np.arange(n_trials)[:, None], order])
