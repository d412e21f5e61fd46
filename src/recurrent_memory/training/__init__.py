"""How a network learns: objective, Adam, compiled stretches of training, crash-safe state."""

from . import adam
from .lockstep import Ensemble, Member
from .loop import CHUNK_CAPACITY, Answers, Chunk, Trainer, TrainingState, answers, join_batches
from .objective import Objective, Terms, sum_of_squares, task_loss

__all__ = [
    "CHUNK_CAPACITY",
    "Answers",
    "Chunk",
    "Ensemble",
    "Member",
    "Objective",
    "Terms",
    "Trainer",
    "TrainingState",
    "adam",
    "answers",
    "join_batches",
    "sum_of_squares",
    "task_loss",
]
