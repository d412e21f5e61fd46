"""Sweeps on Slurm: job arrays whose elements each train a chunk of the networks.

Only the store says what is done, never the state of a job: jobs are killed, requeued, lost with their node or forgotten
by Slurm, and whatever they leave unfinished is submitted again. Jobs are identified by unique names, because job
numbers start again if Slurm loses its state.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
