"""Submitting networks as job arrays, in chunks that take about the requested time."""

from __future__ import annotations

import shlex
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....errors import InputError
from ...costs import core_seconds
from ...execute import SECONDS_PER_CHECKPOINT
from ...file.sweep import Sweep
from ...grid import Network
from ...store.store import Store
from ..submission import Submission, Submitted, cut, short_name, split, write
from ..submission import submissions as submissions_to
from .chunk import Chunk
from .commands import call, job_number, largest_array, may_be_queued, refusal, surely_number
from .queue import numbers
from .request import Request

if TYPE_CHECKING:
    from submitit import SlurmExecutor

SLURM = "slurm"
"""Name of the scheduler, and of the folder of its submissions."""
MOST_TIMES = 100
"""How often a job is requeued because its time is over; the next submission trains what is left then."""


def submissions(store: Store) -> list[Submission]:
    """Return all submissions of a store to Slurm, the oldest first."""
    return submissions_to(store, SLURM)


def submit(
    networks: Sequence[Network],
    sweep: Sweep,
    store: Store,
    request: Request,
    *,
    checkpoint_after: float = SECONDS_PER_CHECKPOINT,
) -> Submitted:
    """Submit networks as job arrays.

    Parameters
    ----------
    networks
        Networks to train; at least one.
    sweep
        The sweep that they belong to, read from a file. The jobs read a copy of it.
    store
        Where the results go, on a file system that the nodes share.
    request
        What each job gets.
    checkpoint_after
        Seconds between checkpoints of each network.

    Returns
    -------
    What Slurm accepted.

    Raises
    ------
    InputError
        If submitit or Slurm is missing, or Slurm refuses (a :class:`RefusedError` if waiting will not change that).
        Then nothing has been submitted, or the message says that it is not known; in that case the folder stays, by
        which :func:`queued` finds the jobs.
    """
    plan = _Plan.made(networks, sweep, store, request)
    executors = [plan.executor(number) for number in range(len(plan.sizes))]
    store.prepare()
    plan.write()
    submission, ids, jobs = Submission(plan.folder), [], 0
    for executor, size in zip(executors, plan.sizes, strict=True):
        path = store.path.absolute()
        chunks = [Chunk(path, plan.folder, number, checkpoint_after) for number in range(jobs, jobs + size)]
        try:
            ids.append(_submitted(executor, chunks))
        except InputError as error:
            if not ids:
                if not isinstance(error, _PerhapsQueuedError):
                    shutil.rmtree(plan.folder, ignore_errors=True)
                raise
            return Submitted(submission, ids, sum(map(len, plan.chunks[:jobs])), jobs, str(error))
        jobs += size
    return Submitted(submission, ids, len(networks), jobs, "")


def preview(networks: Sequence[Network], sweep: Sweep, store: Store, request: Request) -> list[str]:
    """Return the scripts that :func:`submit` would give to sbatch, one for each job array; nothing is written.

    Raises
    ------
    InputError
        If submitit or Slurm is missing.
    """
    plan = _Plan.made(networks, sweep, store, request)
    scripts = []
    for number, size in enumerate(plan.sizes):
        scripts.append(_script(plan.executor(number), size))
    return scripts


class _Plan(NamedTuple):
    """A submission that has not been made yet."""

    folder: Path
    name: str
    chunks: list[list[str]]
    sizes: list[int]
    """Jobs of each job array."""
    sweep: Sweep
    request: Request

    @classmethod
    def made(cls, networks: Sequence[Network], sweep: Sweep, store: Store, request: Request) -> _Plan:
        if sweep.source.path is None:
            raise InputError("A sweep that was made in Python cannot be submitted: write it to a file, and load that.")
        token = uuid.uuid4().hex[:8]
        folder = _folder(store).absolute() / f"{time.strftime('%Y%m%d-%H%M%S')}-{token}"
        names = iter([network.identity for network in networks])
        sizes = cut(core_seconds(networks), request)
        chunks = [[next(names) for _ in range(size)] for size in sizes]
        return cls(
            folder,
            f"{short_name(sweep.source.path)}-{token}",
            chunks,
            split(len(chunks), largest_array()),
            sweep,
            request,
        )

    def executor(self, number: int) -> SlurmExecutor:
        """Return the submitit executor of a job array."""
        try:
            import submitit
        except ImportError:
            raise InputError("Slurm needs submitit: pip install submitit.") from None
        try:
            executor = submitit.SlurmExecutor(self.folder / f"array{number}", max_num_timeout=MOST_TIMES)
        except RuntimeError:
            raise InputError("There is no Slurm here: no command srun. Use a login node of the cluster.") from None
        request = self.request
        executor.update_parameters(
            job_name=f"{self.name}-{number}",
            time=request.minutes,
            signal_delay_s=request.signal_delay,
            array_parallelism=request.array_limit or self.sizes[number],
            wckey=None,
            stderr_to_stdout=True,
            setup=_setup(self.folder.parent, self.folder / f"array{number}"),
            srun_args=[f"--cpus-per-task={request.cpus}"],  # since Slurm 22.05, srun no longer takes this from the job
            additional_parameters={"requeue": True, **request.own_flags},
        )
        return executor

    def write(self) -> None:
        for number in range(len(self.sizes)):
            # Before a job starts: Slurm does not create folders for the output of jobs.
            (self.folder / f"array{number}").mkdir(parents=True)
        write(self.folder, self.sweep, self.chunks, self.name, self.sizes, self.request)


def _setup(folder: Path, array: Path) -> list[str]:
    """Return script lines that let jobs on the same kind of processor share compiled programs, and find their chunk.

    submitit looks for a chunk under the job's number, which only the job itself knows for sure: what sbatch prints may
    be a wrapper's words. A job that is requeued has its chunk already.
    """
    kind = "$(grep -m 1 ^flags /proc/cpuinfo | md5sum | cut -c 1-8)"
    place = f"{shlex.quote(str(folder / 'programs'))}-{kind}"
    return [
        f"export JAX_COMPILATION_CACHE_DIR=${{JAX_COMPILATION_CACHE_DIR:-{place}}}",
        "export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.2",
        'number="${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}"',
        f'chunk={shlex.quote(str(array))}/"${{number:-$SLURM_JOB_ID}}_submitted.pkl"',
        f'[ -e "$chunk" ] || cp {shlex.quote(str(array))}/"chunk${{SLURM_ARRAY_TASK_ID:-0}}.pkl" "$chunk"',
    ]


class _PerhapsQueuedError(InputError):
    """It is not known whether Slurm has queued a job array."""


def _submitted(executor: SlurmExecutor, chunks: list[Chunk]) -> str:
    """Submit a job array, and return its number, or its name if nobody says the number."""
    from submitit.core.utils import DelayedSubmission

    for number, chunk in enumerate(chunks):
        delayed = DelayedSubmission(chunk)
        delayed.set_timeout(executor.parameters["time"], executor.max_num_timeout)
        delayed.dump(executor.folder / f"chunk{number}.pkl")
    script = executor.folder / "array_submission.sh"
    script.write_text(_script(executor, len(chunks)), encoding="utf-8")
    done = call("sbatch", str(script))
    name = executor.parameters["job_name"]
    if done.code == 0:
        return job_number(done.out) or numbers(name) or job_number(done.err) or name
    # Names are unique: they say whether these jobs are queued, whatever sbatch, or a wrapper that fails later, says.
    found = numbers(name) or surely_number(done.out)
    if found is None:
        if not may_be_queued(done):
            raise refusal(done)
        raise _PerhapsQueuedError(f"{refusal(done)} If its jobs are queued nevertheless, they are known by {name}.")
    return found


def _script(executor: SlurmExecutor, jobs: int) -> str:
    """Return the script of a job array."""
    if jobs > 1:
        executor.parameters["map_count"] = jobs
    script: str = executor._make_submission_file_text(executor._submitit_command_str, "")
    return script


def _folder(store: Store) -> Path:
    return store.path / SLURM
