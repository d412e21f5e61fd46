"""The published function for the sequentiality index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import analysis
from ..errors import InputError
from ..evaluation.fractional_loss import mean


def compute_SI(hidr: Any, entrpy_bins: int = 20, window_size: int = 5, r_threshold: float = 0.1) -> float:
    """Return the sequentiality index that the published function of this name gives for the same arguments.

    Parameters
    ----------
    hidr
        Activity (trial, time, unit), or a list of (time, unit) arrays, whose lengths may differ.
    entrpy_bins
        Number of bins of the histogram of peak times.
    window_size
        Width of the ridge around each peak (steps).
    r_threshold
        Units with a lower mean activity are left out (same unit as `hidr`).

    Returns
    -------
    The mean over trials of the entropy of peak times plus the log ridge-to-background ratio, in nats.

    Raises
    ------
    InputError
        If it is neither, or not finite.

    Notes
    -----
    :func:`recurrent_memory.analysis.sequentiality_index` also returns the two terms, and has an exact variant.

    Examples
    --------
    >>> time, peak = np.arange(150)[:, None], np.linspace(10, 140, 60)
    >>> round(compute_SI([0.1 + np.exp(-0.5 * ((time - peak) / 5) ** 2)]), 1)
    4.9
    """
    settings: dict[str, Any] = {"n_bins": entrpy_bins, "window": window_size, "min_rate": r_threshold}
    if not isinstance(hidr, Sequence):
        return float(analysis.sequentiality_index(hidr, variant="paper", **settings)["sequentiality_index"])
    if not hidr:
        raise InputError("`hidr` is an empty list: give one (time, unit) array for each trial.")
    trials = [np.asanyarray(trial) for trial in hidr]  # a masked array keeps its mask
    shapes = {trial.shape for trial in trials}
    if any(len(shape) != 2 for shape in shapes):
        raise InputError(f"`hidr` must hold (time, unit) arrays, got shapes {', '.join(map(str, sorted(shapes)))}.")
    return mean(np.array([compute_SI(trial[None], entrpy_bins, window_size, r_threshold) for trial in trials]))
