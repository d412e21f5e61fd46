"""Pictures of a network and of a sweep: one function per picture, from a result to a Matplotlib figure."""

from . import drawing_library as drawing_library  # first, because it imports Matplotlib

# The order of these imports is the order in which pictures of a network are listed and drawn.
# isort: off
from .pictures import PICTURES, picture, pictures_of
from .trials import trial_structure
from .learning import learning_curve
from .activity import activity_heatmap, average_heatmap
from .stimuli import stimulus_heatmaps
from .weights import recurrent_weights
# isort: on

from .analyses import measures_by_chance
from .journal import EDITABLE, journal
from .panels import panel
from .sweep_cells import sweep_axes, sweep_measures
from .sweeps import has_map, measure_lines, measure_map

__all__ = [
    "EDITABLE",
    "PICTURES",
    "activity_heatmap",
    "average_heatmap",
    "has_map",
    "journal",
    "learning_curve",
    "measure_lines",
    "measure_map",
    "measures_by_chance",
    "panel",
    "picture",
    "pictures_of",
    "recurrent_weights",
    "stimulus_heatmaps",
    "sweep_axes",
    "sweep_measures",
    "trial_structure",
]
