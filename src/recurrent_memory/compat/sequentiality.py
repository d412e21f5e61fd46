"""The published function for the sequentiality index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import analysis
from ..errors import InputError
from ..evaluation.fractional_loss import mean


def compute_SI(hidResps: Any) -> float:
    """Return the sequentiality index that the published function of this name gives for the same activity.

    Parameters
    ----------
    hidResps
        (trial, time, unit), or a list of (time, unit) arrays, whose lengths may differ.

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
    if not isinstance(hidResps, Sequence):
        return float(analysis.sequentiality_index(hidResps, variant="paper")["sequentiality_index"])
    if not hidResps:
        raise InputError("`hidResps` is an empty list: give one (time, unit) array for each trial.")
    trials = [np.asarray(trial) for trial in hidResps]
    shapes = {trial.shape for trial in trials}
    if any(len(shape) != 2 for shape in shapes):
        raise InputError(f"`hidResps` must hold (time, unit) arrays, got shapes {', '.join(map(str, sorted(shapes)))}.")
    return mean(np.array([compute_SI(trial[None]) for trial in trials]))
