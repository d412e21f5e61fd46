"""What has to be remembered: stimuli, rates and trials of each task, and the best possible answers."""

from . import observers
from .change_detection import CD1, CD2, ChangeDetectionTask
from .conditions import CONDITIONS, Condition, Distractor, DynamicInput, VariableDelay
from .discrimination import COMP, TwoAFC, ValueTask
from .epochs import Epoch, Evidence, Trials
from .estimation import DE1, DE2, GDE, VDE1, EstimationTask, OrientationTask
from .population_task import PopulationTask
from .populations import HeldRates, at_every_step, poisson_counts
from .registry import TASKS, condition_parts, find, make, names, register
from .responses import RESPONSES, AbstractResponse, Errors, Response
from .sine import Sine
from .task import VARIANTS, AbstractTask

__all__ = [
    "CD1",
    "CD2",
    "COMP",
    "CONDITIONS",
    "DE1",
    "DE2",
    "GDE",
    "RESPONSES",
    "TASKS",
    "VARIANTS",
    "VDE1",
    "AbstractResponse",
    "AbstractTask",
    "ChangeDetectionTask",
    "Condition",
    "Distractor",
    "DynamicInput",
    "Epoch",
    "Errors",
    "EstimationTask",
    "Evidence",
    "HeldRates",
    "OrientationTask",
    "PopulationTask",
    "Response",
    "Sine",
    "Trials",
    "TwoAFC",
    "ValueTask",
    "VariableDelay",
    "at_every_step",
    "condition_parts",
    "find",
    "make",
    "names",
    "observers",
    "poisson_counts",
    "register",
]
