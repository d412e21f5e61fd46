"""Who remembers: cells, their initialisation, and the recurrence over time."""

from .cells import (
    CELLS,
    AbstractCell,
    FastWeightsCell,
    GRUCell,
    OrthogonalCell,
    ReluCell,
    clip_gradient,
    clip_through,
    register,
    relu,
)
from .initialization import glorot_normal, scaled_identity, scaled_orthogonal
from .network import Network, check_options, find_model, initialize
from .precision import Precision, product
from .recurrence import recur, recur_by_autodiff, recur_by_loop

__all__ = [
    "CELLS",
    "AbstractCell",
    "FastWeightsCell",
    "GRUCell",
    "Network",
    "OrthogonalCell",
    "Precision",
    "ReluCell",
    "check_options",
    "clip_gradient",
    "clip_through",
    "find_model",
    "glorot_normal",
    "initialize",
    "product",
    "recur",
    "recur_by_autodiff",
    "recur_by_loop",
    "register",
    "relu",
    "scaled_identity",
    "scaled_orthogonal",
]
