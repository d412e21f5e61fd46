"""A network's answers compared with the ideal observer's: test trials, fractional loss, learning over time."""

from ..settings import SOLVED_BELOW
from .fractional_loss import (
    PROBABILITY_MARGIN,
    Errors,
    Given,
    Performance,
    Variant,
    angular_distance,
    errors,
    fraction,
    given,
    judge,
    loss,
    mean,
    performance,
)
from .history import REPORT_EVERY, WINDOW, History
from .test_trials import ACTIVITY_BATCHES, activity_batches, answer_batches, record_batches, respond

__all__ = [
    "ACTIVITY_BATCHES",
    "PROBABILITY_MARGIN",
    "REPORT_EVERY",
    "SOLVED_BELOW",
    "WINDOW",
    "Errors",
    "Given",
    "History",
    "Performance",
    "Variant",
    "activity_batches",
    "angular_distance",
    "answer_batches",
    "errors",
    "fraction",
    "given",
    "judge",
    "loss",
    "mean",
    "performance",
    "record_batches",
    "respond",
]
