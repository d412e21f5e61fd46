"""Linear decoders, fitted at all steps of a trial at once: shrunk discriminants for categories, ridge regression.

There are more units than trials as a rule, so the matrices that are inverted are over trials, not over units.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

Values = Float[np.ndarray, "time trial unit"]
Weights = Float[np.ndarray, "time unit output"]


def discriminants(
    values: Values, classes: Int[np.ndarray, " trial"], n_classes: int, penalty: float
) -> tuple[Weights, Float[np.ndarray, "time output"]]:
    """Fit a linear discriminant for each class: shared covariance, shrunk; all classes equally probable.

    Parameters
    ----------
    values
        Activity of the trials to learn from, mean 0 over trials.
    classes
        Number of the class of each trial, from 0.
    n_classes
        Number of classes K.
    penalty
        Added to the diagonal of the covariance within classes, times the mean variance of the units.

    Returns
    -------
    Weights and offsets; the class of activity x is that with the largest x · weights + offset.
    """
    is_in = np.eye(n_classes)[classes]
    mean = np.einsum("tnu,nk->tku", values, is_in / is_in.sum(axis=0))
    within = values - mean[:, classes]
    ridge = penalty * _scale(values)
    # Woodbury: (Z'Z/n + r I)⁻¹ M = (M - Z' (n r I + Z Z')⁻¹ Z M) / r
    n = len(classes)
    gram = within @ within.swapaxes(1, 2) + n * ridge[:, None, None] * np.eye(n)
    columns = mean.swapaxes(1, 2)
    weights = columns - within.swapaxes(1, 2) @ np.linalg.solve(gram, within @ columns)
    weights /= ridge[:, None, None]
    return weights, -0.5 * np.einsum("tku,tuk->tk", mean, weights)


def regression(values: Values, targets: Float[np.ndarray, "trial output"], penalty: float) -> Weights:
    """Fit ridge regression.

    Parameters
    ----------
    values
        Activity of the trials to learn from, mean 0 over trials.
    targets
        What is decoded, mean 0 over trials.
    penalty
        Added to the diagonal of the covariance, times the mean variance of the units.

    Returns
    -------
    Weights; the estimate from activity x is x · weights.
    """
    n = len(targets)
    gram = values @ values.swapaxes(1, 2) + n * (penalty * _scale(values))[:, None, None] * np.eye(n)
    return np.asarray(
        values.swapaxes(1, 2) @ np.linalg.solve(gram, np.broadcast_to(targets, (len(values), *targets.shape)))
    )


def _scale(values: Values) -> Float[np.ndarray, " time"]:
    """Return the mean variance of units; 1 in steps without any, in which all weights are 0."""
    variance = (values**2).mean(axis=(1, 2))
    return np.where(variance > 0, variance, 1.0)
