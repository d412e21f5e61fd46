"""From what is left of a sweep to job arrays: chunks of networks that take about the time asked for."""

from __future__ import annotations

import contextlib
import io
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
from .commands import complaint, largest_array
from .request import Request

if TYPE_CHECKING:
    from submitit import SlurmExecutor

SLURM = "slurm"
"""Name of the scheduler, and of the folder of its submissions."""
MOST_TIMES = 100
"""How often a job is put back because its time is over; what is left then is for the next submission."""


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
        What to train; at least one.
    sweep
        The sweep that they belong to, read from a file. The jobs read a copy of it.
    store
        Where the results go, on a file system that the nodes share.
    request
        What each job gets.
    checkpoint_after
        Seconds between checkpoints of each network.

    Raises
    ------
    InputError
        Where submitit or Slurm is missing, or Slurm refuses; then nothing has been submitted.
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
        Where submitit or Slurm is missing.
    """
    plan = _Plan.made(networks, sweep, store, request)
    scripts = []
    for number, size in enumerate(plan.sizes):
        executor = plan.executor(number)
        if size > 1:
            executor.parameters["map_count"] = size
        scripts.append(executor._make_submission_file_text(executor._submitit_command_str, ""))
    return scripts


class _Plan(NamedTuple):
    """A submission before it is one."""

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
            raise InputError("A sweep that was made in Python cannot be submitted: write it into a file, and load it.")
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
        """Return what submits a job array."""
        try:
            import submitit
        except ImportError:
            raise InputError("Slurm needs submitit: pip install 'recurrent-memory[slurm]'.") from None
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
            setup=_setup(self.folder.parent),
            srun_args=[f"--cpus-per-task={request.cpus}"],  # which srun does not take from the job since Slurm 22.05
            additional_parameters={"requeue": True, **request.own_flags},
        )
        return executor

    def write(self) -> None:
        for number in range(len(self.sizes)):
            # Before a job starts: Slurm makes no folders for what jobs print.
            (self.folder / f"array{number}").mkdir(parents=True)
        write(self.folder, self.sweep, self.chunks, self.name, self.sizes, self.request)


def _setup(folder: Path) -> list[str]:
    """Return lines of a script that let jobs share compiled programs, each kind of processor its own."""
    kind = "$(grep -m 1 ^flags /proc/cpuinfo | md5sum | cut -c 1-8)"
    place = f"{shlex.quote(str(folder / 'programs'))}-{kind}"
    return [
        f"export JAX_COMPILATION_CACHE_DIR=${{JAX_COMPILATION_CACHE_DIR:-{place}}}",
        "export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.2",
    ]


def _submitted(executor: SlurmExecutor, chunks: list[Chunk]) -> str:
    """Submit a job array and return its number."""
    import submitit

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # submitit also prints what it raises
            jobs = executor.submit_array(chunks)
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        raise InputError(f"Slurm refuses: {complaint(str(error)) or 'it does not say why'}.") from None
    return str(jobs[0].job_id).partition("_")[0]


def _folder(store: Store) -> Path:
    return store.path / SLURM
