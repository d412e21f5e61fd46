"""What activity looks like: measures of any (trial, time, unit) array, independent of tasks and training."""

from .activity import read_activity
from .connectivity import connectivity_profile, cross_validated_order, peak_order
from .readers import READERS
from .sequentiality import sequentiality_index
from .variants import VARIANTS, Variant

__all__ = [
    "READERS",
    "VARIANTS",
    "Variant",
    "connectivity_profile",
    "cross_validated_order",
    "peak_order",
    "read_activity",
    "sequentiality_index",
]
