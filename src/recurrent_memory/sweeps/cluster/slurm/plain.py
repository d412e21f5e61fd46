"""A script for sbatch that needs nothing but the command line, for those who want to see or change all of it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ...costs import core_seconds
from ...file.sweep import Sweep
from ...grid import Network
from ..submission import cut, short_name
from .commands import LARGEST_ARRAY
from .request import Request

SIGNALLED = 140
"""Exit code of `sweep run` after USR2."""


def plain_script(networks: Sequence[Network], sweep: Sweep, file: Path, request: Request) -> str:
    """Return a script for sbatch that trains the networks of a sweep's file.

    Each element of the job array trains a part of the networks, told by their order in the file, and passes over those
    that are finished. So the same script can be submitted again until nothing is left.

    Parameters
    ----------
    networks
        All networks of the sweep.
    sweep, file
        The sweep, and the file it was read from.
    request
        What each job gets.
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
    command = [sys.executable, "-m", "recurrent_memory", "sweep", "run", str(file.absolute())]
    command += [word for words in dict.fromkeys(sweep.source.overrides.values()) for word in ("--set", words)]
    command += [word for own in sweep.source.imports for word in ("--import", str(own.path.absolute()))]
    header = "\n".join(lines)
    return f"""\
#!/bin/bash
{header}

# Networks: {len(networks)}; jobs, each of which trains a part of them: {parts}.
# A part that was cut off goes on where it was, and one that is finished ends at once: submit this again until
# `recurrent-memory sweep status` says that nothing is left. To stop it: scancel --name {name}

srun --cpus-per-task={request.cpus} {shlex.join(command)} --part "$SLURM_ARRAY_TASK_ID/{parts}"
code=$?

# Slurm sent USR2, as the time is nearly over, and the state has been saved: back into the queue.
if [ $code -eq {SIGNALLED} ]; then
    exec scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
exit $code
"""
