"""The published function for the sequentiality index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import analysis
from ..errors import InputError
from ..evaluation.fractional_loss import mean


def compute_SI(hidResps: Any) -> float:
    """Return the number that the published function of this name gives for the same activity.

    Parameters
    ----------
    hidResps
        (trial, time, unit), or a list of (time, unit) arrays, which may differ in length.

    Raises
    ------
    InputError
        Where it is neither, or not finite.

    Notes
    -----
    The mean over trials of entropy of peak times plus log ridge-to-background ratio, in nats; see
    :func:`recurrent_memory.analysis.sequentiality_index`, which also returns the two terms and has an exact variant.
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
