"""Slurm on the command line: options of ``recurrent-memory sweep run``, and ``sweep cancel`` and ``export-sbatch``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .sweep_file import SweepFile, check_output

if TYPE_CHECKING:
    from ..sweeps import Network, Store, Sweep
    from ..sweeps.cluster.slurm import Request

Command = Callable[..., Any]

LOOK_EVERY = 30.0

_REQUEST = {
    "partition": "Partition, or several with commas",
    "time": "Time of each job: minutes, H:MM:SS, D-HH or another of Slurm's notations  [default: 1:00:00]",
    "cpus": "Cores of each job, a network on each  [default: 1]",
    "mem": "Memory of each job, such as 8G",
    "gpus": "GPUs of each job, such as 1 or a100:1",
    "account": "Account to charge",
    "qos": "Quality of service",
    "array_limit": "Jobs that may run at the same time",
    "per_job": "Networks of each job  [default: about as many as its time is enough for]",
}
"""Fields of a request, in short: so that --help need not wait for what checks them."""
_WHOLE = ("cpus", "array_limit", "per_job")


def request_options(command: Command) -> Command:
    """Add an option for each value of a request; those not given are None or empty."""
    command = click.option(
        "--slurm-option",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="Any other option of sbatch, as constraint=skylake or exclusive; may be repeated",
    )(command)
    for name, help_text in reversed(_REQUEST.items()):
        kind = {"type": int, "metavar": "INTEGER"} if name in _WHOLE else {"metavar": name.upper()}
        command = click.option("--" + name.replace("_", "-"), name, help=help_text, **kind)(command)
    return command


def slurm_options(command: Command) -> Command:
    """Add --slurm, how to use it, and what to ask for."""
    own = (
        click.option("--slurm", is_flag=True, help="Submit it to Slurm as job arrays, and return"),
        click.option("--resubmit", is_flag=True, help="Stay, and submit what jobs leave until nothing is left"),
        click.option("--dry-run", is_flag=True, help="Show what sbatch would be given; submit nothing"),
        click.option(
            "--look-every", type=click.FloatRange(min=0.1), help=f"Seconds of --resubmit  [default: {LOOK_EVERY:g}]"
        ),
    )
    command = request_options(command)
    for option in reversed(own):
        command = option(command)
    return command


def check_unused(options: dict[str, Any]) -> None:
    """Refuse options for Slurm where it is not used.

    Raises
    ------
    InputError
        With the first of them.
    """
    for name, value in options.items():
        if value not in (None, False, ()):
            raise InputError(f"`--{name.replace('_', '-')}` is for Slurm: give --slurm as well, or leave it out.")


def run_on_slurm(
    of: SweepFile, networks: Sequence[Network], sweep: Sweep, store: Store, options: dict[str, Any]
) -> int:
    """Do what the options of :func:`slurm_options` ask for; return the exit code."""
    from ..sweeps import left as left_of
    from ..sweeps.cluster.slurm import counted, preview, queued, submit, told, without_jobs

    resubmit, dry_run, look_every = (options.pop(name) for name in ("resubmit", "dry_run", "look_every"))
    if resubmit and dry_run:
        raise InputError("Give either --resubmit or --dry-run.")
    if look_every is not None and not resubmit:
        raise InputError("`--look-every` is for --resubmit: give that as well, or leave it out.")
    request = _request(options)
    if resubmit:
        return _run_to_the_end(of, networks, sweep, store, request, look_every or LOOK_EVERY)
    left = left_of(networks, store)
    jobs = queued(store)
    todo = without_jobs(left, jobs)
    if len(todo) < len(left):
        click.echo(
            f"{len(left) - len(todo)} of {counted(len(left), 'network')} left belong to {counted(len(jobs), 'job')} "
            f"queued or running, and stay with them; to cancel those: {of.advised('cancel')}",
            err=True,
        )
    if not todo:
        click.echo(f"nothing to submit: {len(networks) - len(left)} of {len(networks)} networks are done", err=True)
        return 0
    if dry_run:
        try:
            first, *others = preview(todo, sweep, store, request)
        except InputError as error:
            script = of.advised("export-sbatch")
            raise InputError(f"{error}\nTo look at a script without Slurm: {script}") from None
        click.echo(first)
        if others:
            more = counted(len(others), "more job array")
            click.echo(f"and {more} like this, as Slurm allows no larger ones", err=True)
        return 0
    click.echo(told(submit(todo, sweep, store, request)))
    click.echo(
        f"to see how far it is:             {of.advised('status')}\n"
        f"to submit what these jobs leave:  the same command again; with --resubmit it stays until nothing is left\n"
        f"to stop:                          {of.advised('cancel')}"
    )
    return 0


def _run_to_the_end(
    of: SweepFile, networks: Sequence[Network], sweep: Sweep, store: Store, request: Request, look_every: float
) -> int:
    from ..errors import StuckError
    from ..sweeps.cluster.slurm import finish
    from .process import interruptible

    to_cancel = of.advised("cancel")
    try:
        with interruptible(f"To cancel them: {to_cancel}") as should_stop:
            finish(
                networks,
                sweep,
                store,
                request,
                on_message=click.echo,
                should_stop=should_stop,
                look_every=look_every,
            )
    except StuckError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    failed = len(store.failed() & {network.identity for network in networks})
    click.echo(f"{len(networks) - failed} of {len(networks)} networks finished, {failed} failed; {store.path}")
    return 3 if failed else 0


def cancel_jobs(of: SweepFile, store: Store) -> None:
    """Cancel what of a sweep is queued or running on Slurm."""
    from ..sweeps.cluster.slurm import cancel, counted

    jobs = cancel(store)
    running = sum(job.state == "RUNNING" for job in jobs)
    click.echo(
        f"{counted(len(jobs), 'job')} cancelled, {running} of them running"
        + (f"; what they reached is kept, and `{of.advised('run')}` goes on from there" if jobs else "")
    )


def write_script(
    of: SweepFile, networks: Sequence[Network], sweep: Sweep, out: Path | None, options: dict[str, Any]
) -> None:
    """Print a plain script for sbatch, or write it."""
    from ..storage.atomic import write_atomically
    from ..sweeps.cluster.slurm import plain_script

    if out is not None:
        check_output(out, of.file)
        if out.exists() and not out.read_bytes().startswith(b"#!"):
            raise InputError(f"{out} is there already, and is no script: give another name.")
    script = plain_script(networks, sweep, of.file, _request(options))
    if out is None:
        sys.stdout.write(script)
        return
    write_atomically(out, lambda path: path.write_text(script, encoding="utf-8"))
    click.echo(f"{out}: look at it, then `sbatch {out}`")


def _request(options: dict[str, Any]) -> Request:
    from ..sweeps.cluster.slurm import Request

    return Request(**{name: value for name, value in options.items() if value not in (None, ())})
