"""Sweeps on Slurm: elements of job arrays that train a chunk of networks each.

What is done is told by the store alone, never by the state of a job: jobs are killed, put back into the queue, lost
with their node or forgotten by Slurm, and whatever they leave unfinished is submitted again. Jobs are known by a name
that no other job ever had, since numbers of jobs begin anew where Slurm's state was lost.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
