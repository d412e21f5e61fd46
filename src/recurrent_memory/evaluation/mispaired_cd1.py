"""The fractional loss of CD-1 as the published scripts compute it, from mispaired trials.

The published CD-1 observer has an extra axis, which pairs the observer of every batch with the answers to every other
batch. This module takes the mean over all pairs without listing them: KL(P‖q) is linear in log q and log(1 − q), so
sums over batches suffice.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from ..tasks import AbstractTask

QUANTITIES = ("batches", "counted", "P", "log q", "log(1 − q)", "P log P + (1 − P) log(1 − P)", "KL(P‖½)")
"""Quantities summed over batches, for each place in the batch; those of the observer's P skip P = 0 and P = 1."""


def concerns(task: AbstractTask) -> bool:
    """Return whether the published scripts pair the trials of this task wrongly."""
    return task.name == "cd1"


def quantities(
    observer: Float[np.ndarray, "batch trial"], network: Float[np.ndarray, "batch trial"]
) -> Float[np.ndarray, "batch quantity trial"]:
    """Return the quantities to sum over batches, given the observer's P and the network's q."""
    p, q = np.asarray(observer, np.float64), np.asarray(network, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        negative_entropy = p * np.log(p) + (1 - p) * np.log(1 - p)
        of_network = [np.log(q), np.log(1 - q)]
    counted = np.isfinite(negative_entropy)
    of_observer = [np.where(counted, values, 0.0) for values in (p, negative_entropy, negative_entropy + math.log(2))]
    return np.stack([np.ones_like(p), counted, of_observer[0], *of_network, *of_observer[1:]], axis=1)


def fractional_loss(sums: Float[np.ndarray, "quantity trial"]) -> float:
    """Return mean KL(P‖q) over mean KL(P‖½), both over all pairs of batches; NaN if nothing counts."""
    batches, counted, p, log_q, log_not_q, negative_entropy, reference = sums
    divergence = negative_entropy - (p * log_q + (counted - p) * log_not_q) / np.maximum(batches, 1)
    return float(divergence.sum() / reference.sum()) if reference.sum() else math.nan
