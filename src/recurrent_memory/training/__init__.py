"""How a network learns: objective, optimizers, learning-rate schedules, and the compiled training loop."""

from .lockstep import Ensemble, Member
from .loop import CHUNK_CAPACITY, Answers, Chunk, Trainer, TrainingState, answers, copied, join_batches
from .objective import Objective, Terms, sum_of_squares, task_loss
from .optimizers import OPTIMIZERS, AdamState, Optimizer, check_optimizer_options, paper_adam
from .schedules import SCHEDULES, Schedule, check_schedule_options

__all__ = [
    "CHUNK_CAPACITY",
    "OPTIMIZERS",
    "SCHEDULES",
    "AdamState",
    "Answers",
    "Chunk",
    "Ensemble",
    "Member",
    "Objective",
    "Optimizer",
    "Schedule",
    "Terms",
    "Trainer",
    "TrainingState",
    "answers",
    "check_optimizer_options",
    "check_schedule_options",
    "copied",
    "join_batches",
    "paper_adam",
    "sum_of_squares",
    "task_loss",
]
