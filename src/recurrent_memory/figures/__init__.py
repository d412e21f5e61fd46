"""Pictures of a network: one function a picture, from a result to a Matplotlib figure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from matplotlib.figure import Figure

from .activity import activity_heatmap, average_heatmap
from .learning import learning_curve
from .sweep_cells import sweep_axes, sweep_measures
from .sweeps import has_map, measure_lines, measure_map
from .trials import trial_structure
from .weights import recurrent_weights

PICTURES: Mapping[str, Callable[..., Figure]] = MappingProxyType(
    {
        "trial_structure": trial_structure,
        "learning_curve": learning_curve,
        "activity_heatmap": activity_heatmap,
        "average_heatmap": average_heatmap,
        "recurrent_weights": recurrent_weights,
    }
)
"""Every picture by its name; each takes a result and needs nothing more."""

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
