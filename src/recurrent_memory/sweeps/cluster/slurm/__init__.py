"""Sweeps on Slurm: elements of job arrays that train a chunk of networks each.

What is done is told by the store alone, never by the state of a job: jobs are killed, put back into the queue, lost
with their node or forgotten by Slurm, and whatever they leave unfinished is submitted again. Jobs are known by a name
that no other job ever had, since numbers of jobs begin anew where Slurm's state was lost.
"""

from ....errors import StuckError
from .chunk import Chunk
from .follow import counted, finish, told, without_jobs
from .jobs import Job, cancel, queued
from .plain import plain_script
from .request import Request, minutes
from .submission import Submission, Submitted, preview, submissions, submit

__all__ = [
    "Chunk",
    "Job",
    "Request",
    "StuckError",
    "Submission",
    "Submitted",
    "cancel",
    "counted",
    "finish",
    "minutes",
    "plain_script",
    "preview",
    "queued",
    "submissions",
    "submit",
    "told",
    "without_jobs",
]
