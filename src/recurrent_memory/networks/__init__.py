"""The networks that remember: cells, their initialisation, and the recurrence over time."""

from ..settings import Option
from .additive import AdditiveCell, FastWeightsCell, OrthogonalCell, ReluCell
from .autonomous import autonomous_step, visited_states
from .cells import CELLS, AbstractCell, private_noise, register
from .gated import GRUCell
from .initialization import glorot_normal, scaled_identity, scaled_orthogonal
from .leaky import LeakyCell
from .network import Description, Network, check_options, describe, initialize
from .nonlinearities import clip_gradient, clip_through, magnitude, relu
from .perturbed import PerturbedCell
from .precision import Precision, product
from .recurrence import recur, recur_by_autodiff, recur_by_loop

names = CELLS.names
find_model = CELLS.spelled

__all__ = [
    "CELLS",
    "AbstractCell",
    "AdditiveCell",
    "Description",
    "FastWeightsCell",
    "GRUCell",
    "LeakyCell",
    "Network",
    "Option",
    "OrthogonalCell",
    "PerturbedCell",
    "Precision",
    "ReluCell",
    "autonomous_step",
    "check_options",
    "clip_gradient",
    "clip_through",
    "describe",
    "find_model",
    "glorot_normal",
    "initialize",
    "magnitude",
    "names",
    "private_noise",
    "product",
    "recur",
    "recur_by_autodiff",
    "recur_by_loop",
    "register",
    "relu",
    "scaled_identity",
    "scaled_orthogonal",
    "visited_states",
]
