"""What has to be remembered: stimuli, rates and trials of each task, and the best possible answers."""

from . import observers
from .change_detection import CD1, CD2, ChangeDetectionTask
from .discrimination import COMP, TwoAFC, ValueTask
from .estimation import DE1, DE2, GDE, EstimationTask, OrientationTask
from .populations import poisson_counts
from .sine import Sine
from .task import (
    VARIANTS,
    AbstractTask,
    Evidence,
    PopulationTask,
    Response,
    Trials,
    make,
    names,
    register,
)

__all__ = [
    "CD1",
    "CD2",
    "COMP",
    "DE1",
    "DE2",
    "GDE",
    "VARIANTS",
    "AbstractTask",
    "ChangeDetectionTask",
    "EstimationTask",
    "Evidence",
    "OrientationTask",
    "PopulationTask",
    "Response",
    "Sine",
    "Trials",
    "TwoAFC",
    "ValueTask",
    "make",
    "names",
    "observers",
    "poisson_counts",
    "register",
]
