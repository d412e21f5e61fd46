"""Clusters on the command line: ``sweep run --cluster`` and its options, ``sweep cancel``, ``sweep export-sbatch``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, counted
from .sweep_file import SweepFile, check_output

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sweeps import Network, Store, Sweep
    from ..sweeps.cluster.interface import AbstractCluster

Command = Callable[..., Any]

LOOK_EVERY = 30.0

_REQUEST = {
    "partition": "Partition, or several separated by commas",
    "time": "Time limit per job: minutes, H:MM:SS, D-HH or another notation of Slurm  [default: 1:00:00]",
    "cpus": "Cores per job, each of which trains one network  [default: 1]",
    "mem": "Memory per job, such as 8G",
    "gpus": "GPUs per job, such as 1 or a100:1",
    "account": "Account to charge",
    "qos": "Quality of service",
    "array_limit": "Largest number of jobs that run at the same time",
    "per_job": "Networks per job  [default: about as many as fit into its time]",
}
"""Help texts of what a cluster's request may have, here so that ``--help`` does not have to import the clusters."""
_WHOLE = ("cpus", "array_limit", "per_job")


def request_options(command: Command) -> Command:
    """Add an option for each field of a request; an option that is not given is None or empty."""
    command = click.option(
        "--slurm-option",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="Any other option of sbatch, such as constraint=skylake or exclusive; may be repeated",
    )(command)
    for name, help_text in reversed(_REQUEST.items()):
        kind = {"type": int, "metavar": "INTEGER"} if name in _WHOLE else {"metavar": name.upper()}
        command = click.option("--" + name.replace("_", "-"), name, help=help_text, **kind)(command)
    return command


def cluster_options(command: Command) -> Command:
    """Add ``--slurm``, ``--cluster``, the options that say how to submit, and those that say what to request.

    A command adds ``--dry-run`` itself, which may be about more than the submission.
    """
    own = (
        click.option(
            "--slurm", "cluster", flag_value="slurm", help="Submit the networks to Slurm as job arrays, and return"
        ),
        click.option("--cluster", metavar="NAME", help="Submit them to another scheduler, such as one of your own"),
        click.option(
            "--resubmit",
            is_flag=True,
            help="Keep running, and submit what the jobs leave undone until nothing is left",
        ),
        click.option(
            "--look-every",
            type=click.FloatRange(min=0.1),
            help=f"Seconds between looks at the queue with --resubmit  [default: {LOOK_EVERY:g}]",
        ),
    )
    command = request_options(command)
    for option in reversed(own):
        command = option(command)
    return command


def check_unused(options: dict[str, Any]) -> None:
    """Refuse options for a cluster that are given without one.

    Raises
    ------
    InputError
        For the first such option.
    """
    for name, value in options.items():
        if value not in (None, False, ()):
            raise InputError(
                f"`--{name.replace('_', '-')}` needs --slurm or --cluster NAME: add one, or leave the option out."
            )


def run_on_cluster(
    name: str, of: SweepFile, networks: Sequence[Network], sweep: Sweep, store: Store, options: dict[str, Any]
) -> int:
    """Submit networks to a cluster as the options of :func:`cluster_options` say; return the exit code."""
    from ..sweeps import left as left_of
    from ..sweeps.cluster.follow import told, without_jobs
    from ..sweeps.cluster.interface import CLUSTERS

    cluster = CLUSTERS.find(name)
    resubmit, dry_run, look_every = (options.pop(name) for name in ("resubmit", "dry_run", "look_every"))
    if resubmit and dry_run:
        raise InputError("Give either --resubmit or --dry-run.")
    if look_every is not None and not resubmit:
        raise InputError("`--look-every` needs --resubmit: add that, or leave the option out.")
    request = _request(cluster, options)
    _warn_of_damage(cluster, store)
    if resubmit:
        return _run_to_the_end(cluster, of, networks, sweep, store, request, look_every or LOOK_EVERY)
    left = left_of(networks, store)
    jobs = cluster.queued(store)
    todo = without_jobs(left, jobs)
    if len(todo) < len(left):
        click.echo(
            f"{len(left) - len(todo)} of {counted(len(left), 'network')} left belong to {counted(len(jobs), 'job')} "
            f"queued or running, and are not submitted again; to cancel these jobs: {of.advised('cancel')}",
            err=True,
        )
    if not todo:
        click.echo(
            f"nothing to submit: {len(networks) - len(left)} of {counted(len(networks), 'network')} done", err=True
        )
        return 0
    if dry_run:
        try:
            first, *others = cluster.preview(todo, sweep, store, request)
        except InputError as error:
            script = f"\nTo see a script without {cluster.title}: {of.advised(cluster.exported_by)}"
            raise InputError(f"{error}{script * bool(cluster.exported_by)}") from None
        click.echo(first)
        if others:
            more = counted(len(others), "more job array")
            click.echo(f"and {more} like this, because {cluster.title} allows no larger ones", err=True)
        return 0
    click.echo(told(cluster.submit(todo, sweep, store, request)))
    click.echo(
        f"to see the progress:                    {of.advised('status')}\n"
        f"to submit what these jobs leave undone: the same command again; with --resubmit it repeats this by itself\n"
        f"to cancel the jobs:                     {of.advised('cancel')}"
    )
    return 0


def _run_to_the_end(
    cluster: AbstractCluster,
    of: SweepFile,
    networks: Sequence[Network],
    sweep: Sweep,
    store: Store,
    request: Settings,
    look_every: float,
) -> int:
    from ..errors import StuckError
    from ..sweeps.cluster.follow import finish
    from .process import interruptible

    to_cancel = of.advised("cancel")
    try:
        with interruptible(f"To cancel them: {to_cancel}") as should_stop:
            finish(
                cluster,
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
    click.echo(
        f"{len(networks) - failed} of {counted(len(networks), 'network')} finished, {failed} failed; {store.path}"
    )
    return 3 if failed else 0


def _warn_of_damage(cluster: AbstractCluster, store: Store) -> None:
    """Name the submissions whose jobs are not known for sure: they may still be queued."""
    from ..sweeps.cluster.submission import submissions

    for known in submissions(store, cluster.name):
        if known.fault and not known.cancelled:
            click.echo(
                f"warning: {known.fault.splitlines()[0]}\nLook for jobs of {known.folder.name} in the queue yourself, "
                f"then move {known.folder} away.",
                err=True,
            )


def cancel_jobs(of: SweepFile, store: Store) -> None:
    """Cancel a sweep's queued and running jobs, on all clusters."""
    from ..sweeps.cluster.interface import CLUSTERS

    for cluster in CLUSTERS.values():
        _warn_of_damage(cluster, store)
    jobs = [job for cluster in CLUSTERS.values() for job in cluster.cancel(store)]
    running = sum(job.state == "RUNNING" for job in jobs)
    click.echo(
        f"{counted(len(jobs), 'job')} cancelled, {running} of them running"
        + (f"; what they computed is kept, and `{of.advised('run')}` resumes from there" if jobs else "")
    )


def write_script(
    of: SweepFile, networks: Sequence[Network], sweep: Sweep, out: Path | None, options: dict[str, Any]
) -> None:
    """Print a plain script for sbatch, or write it to a file."""
    from ..storage.atomic import write_atomically
    from ..storage.reading import read_bytes
    from ..sweeps.cluster.interface import CLUSTERS

    if out is not None:
        check_output(out, of.file)
        if out.exists() and read_bytes(out, head=2) != b"#!":
            raise InputError(f"{out} already exists and is not a script: give another name.")
    cluster = CLUSTERS["slurm"]
    script = cluster.plain_script(networks, sweep, of.file, _request(cluster, options))
    if out is None:
        sys.stdout.write(script)
        return
    write_atomically(out, script)
    click.echo(f"{out}: check it, then `sbatch {out}`")


def _request(cluster: AbstractCluster, options: dict[str, Any]) -> Settings:
    return cluster.request(**{name: value for name, value in options.items() if value not in (None, ())})
