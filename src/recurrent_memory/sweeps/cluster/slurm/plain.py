"""A script for sbatch that uses the command line alone, for users who want to read or change all of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ...costs import core_seconds
from ...file.sweep import Sweep
from ...grid import Network
from ..submission import command_of_jobs, cut, short_name
from .commands import LARGEST_ARRAY
from .request import Request

SIGNALLED = 140
"""Exit code of `sweep run` after USR2."""


def plain_script(networks: Sequence[Network], sweep: Sweep, file: Path, request: Request) -> str:
    """Return a script for sbatch that trains the networks of a sweep's file.

    Each element of the job array trains a part of the networks, by their order in the file, and skips those that are
    finished. So the same script can be submitted again until nothing is left.

    Parameters
    ----------
    networks
        All networks of the sweep.
    sweep, file
        The sweep, and the file it was read from.
    request
        What each job gets.

    Returns
    -------
    Text of the script.
    """
    parts = min(len(cut(core_seconds(networks), request)), LARGEST_ARRAY)
    limit = "" if request.array_limit is None else f"%{request.array_limit}"
    name = short_name(file)
    flags = {
        "job-name": name,
        "array": f"0-{parts - 1}{limit}",
        "time": request.time,
        "nodes": 1,
        "ntasks": 1,
        "signal": f"USR2@{request.signal_delay}",
        "requeue": True,
        "open-mode": "append",
        "output": f"{name}-%A_%a.log",
        **request.own_flags,
    }
    lines = [
        f"#SBATCH --{key}" + ("" if value is True else f"={shlex.quote(str(value))}") for key, value in flags.items()
    ]
    header = "\n".join(lines)
    return f"""\
#!/bin/bash
{header}

# Networks: {len(networks)}; jobs, each of which trains a part of them: {parts}.
# An interrupted part resumes from its last checkpoint, and a finished one ends at once: submit this again until
# `recurrent-memory sweep status` says that nothing is left. To stop it: scancel --name {name}

srun --cpus-per-task={request.cpus} {shlex.join(command_of_jobs(sweep, file))} --part "$SLURM_ARRAY_TASK_ID/{parts}"
code=$?

# Slurm sent USR2 because the time is nearly over, and the state has been saved: requeue the job.
if [ $code -eq {SIGNALLED} ]; then
    exec scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
exit $code
"""
