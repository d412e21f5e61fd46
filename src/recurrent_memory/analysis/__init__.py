"""What activity looks like: measures of any (trial, time, unit) array, ignorant of tasks and training."""

from .activity import read_activity
from .connectivity import connectivity_profile, cross_validated_order, peak_order
from .sequentiality import sequentiality_index

__all__ = [
    "connectivity_profile",
    "cross_validated_order",
    "peak_order",
    "read_activity",
    "sequentiality_index",
]
