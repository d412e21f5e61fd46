"""Variants of the sequentiality index: the published computation and the published formula.

``"paper"`` keeps what the code of Orhan & Ma (2019) does where it differs from their formula:

* a window of 5 covers 4 steps, [peak - 2, peak + 2), and never contains the last step of the trial;
* the bins of the histogram of peak times run from the earliest to the latest peak of the trial;
* a background of exactly zero makes the index of the trial, and so the mean, +infinite, and a ridge of zero makes it
  -infinite; one active unit or constant activity still gets a number.

``"exact"`` follows the formula:

* the window is symmetric, [peak - 2, peak + 2], and cut off at the ends of the trial;
* the bins cover all measured steps;
* a trial is NaN if no unit is active, if all active units are exactly constant in time (none has a peak), or if the
  ridge or the background of any active unit is not positive. One such unit would determine the index of the trial,
  but leaving it out would leave out the most sequential unit; `background_floor` is the remedy.

Both add a pseudocount of 0.1 to each bin, and both leave a trial without an active unit out of the mean. To add a
variant, register a `Variant` below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from ..registry import Registry

Steps = Int[np.ndarray, " active"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to compute the sequentiality index.

    Examples
    --------
    >>> VARIANTS["exact"].bin_range(150), VARIANTS["paper"].bin_range(150)
    ((0, 150), None)
    """

    name: str
    """Value of `variant` in `sequentiality_index`."""
    window: Callable[[Steps, int, int], tuple[Steps, Steps]]
    """Peak times, width of the window and number of steps -> first step of each window, and the step after its last."""
    bin_range: Callable[[int], tuple[int, int] | None]
    """Number of steps -> range of the histogram of peak times; None: from the earliest peak to the latest."""
    needs_odd_window: bool
    """Whether the window needs a middle step."""
    undefined_is_nan: bool
    """Whether a meaningless term becomes NaN; otherwise it keeps the number that the arithmetic gives."""


def _published_window(peaks: Steps, width: int, n_steps: int) -> tuple[Steps, Steps]:
    half = width // 2
    return np.maximum(peaks - half, 0), np.minimum(peaks + half, n_steps - 1)


def symmetric_window(peaks: Steps, width: int, n_steps: int) -> tuple[Steps, Steps]:
    """Return the first step of the window around each peak, and the step after its last, both within the trial."""
    half = width // 2
    return np.maximum(peaks - half, 0), np.minimum(peaks + half + 1, n_steps)


VARIANTS: Registry[Variant] = Registry("variant of the sequentiality index")
"""All variants of the index by name."""

VARIANTS.register(
    Variant(
        name="paper",
        window=_published_window,
        bin_range=lambda n_steps: None,
        needs_odd_window=False,
        undefined_is_nan=False,
    )
)
VARIANTS.register(
    Variant(
        name="exact",
        window=symmetric_window,
        bin_range=lambda n_steps: (0, n_steps),
        needs_odd_window=True,
        undefined_is_nan=True,
    )
)
