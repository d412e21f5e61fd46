"""Pictures of a network: one function per picture, which turns a result into a Matplotlib figure."""

from collections.abc import Callable

from matplotlib.figure import Figure

from ..registry import Registry
from .activity import activity_heatmap, average_heatmap
from .learning import learning_curve
from .sweep_cells import sweep_axes, sweep_measures
from .sweeps import has_map, measure_lines, measure_map
from .trials import trial_structure
from .weights import recurrent_weights

PICTURES: Registry[Callable[..., Figure]] = Registry("picture")
"""All pictures of a network by name; each function takes a result and returns a figure.

To draw another picture of each run, add a function with `@PICTURES.register`.
"""

for _picture in (trial_structure, learning_curve, activity_heatmap, average_heatmap, recurrent_weights):
    PICTURES.register(_picture)

__all__ = [
    "PICTURES",
    "activity_heatmap",
    "average_heatmap",
    "has_map",
    "learning_curve",
    "measure_lines",
    "measure_map",
    "recurrent_weights",
    "sweep_axes",
    "sweep_measures",
    "trial_structure",
]
