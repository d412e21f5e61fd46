"""The published commands: the same flags, the same lines on standard output, the same output files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..compat.codes import MODELS
from ..settings import InputError
from .main import main

TASK_CODES = "0 DE-1, 1 DE-2, 2 CD-1, 3 CD-2, 4 GDE, 5 VDE-1, 6 2AFC, 7 Sine, 8 COMP"


def run_script(name: str) -> None:
    """Be the published script of this name: ``basic``, ``tethered``, ``dynamic`` or ``vardelay``."""
    main(_command(name), Path(sys.argv[0]).name)


def _command(name: str) -> click.Command:
    models = ", ".join(f"{code} {model}" for code, model in enumerate(MODELS[name]))
    options: list[Callable[[Any], Any]] = [
        click.option("--task", default="0", show_default=True, metavar="CODE", help=f"Code or name: {TASK_CODES}"),
        click.option("--model", default="0", show_default=True, metavar="CODE", help=f"Code or name: {models}"),
        click.option("--lambda_val", default=0.98, show_default=True, help="λ0: initial self-connection of every unit"),
        click.option("--sigma_val", default=0.0, show_default=True, help="σ0/√N: initial spread of the other weights"),
        click.option("--rho_val", default=0.0, show_default=True, help="ρ: coefficient of the weights' sum of squares"),
        click.option("--seed", default=0, show_default=True, help="Seed of the weights and of all trials"),
        click.option("--n_hidden", default=500, show_default=True, help="Number of recurrent units N"),
        click.option("--n_iter", default=25_001, show_default=True, help="Training batches"),
        click.option("--n_test", default=2_501, show_default=True, help="Test batches"),
        click.option(
            "--out", default=".", show_default=True, type=click.Path(path_type=Path), help="Folder for the output file"
        ),
        click.option(
            "--as-published", "--as_published", is_flag=True,
            help="Do what the published script did where it did something else than meant",
        ),
    ]  # fmt: skip

    def script(out: Path, **flags: Any) -> None:
        sys.exit(_run(name, out, flags))

    script.__doc__ = f"""Train one network as the published {name} script does, and write its .mat file.

    The output file has the published name and fields. Beside it a run folder of the same name holds the result
    (result.nc), the weights and the pictures; cut off at any moment, the same command goes on where it was.
    """
    for option in reversed(options):
        script = option(script)
    return click.command(context_settings={"help_option_names": ["-h", "--help"]})(script)


def _check_free(out: Path, stem: str) -> None:
    """Refuse a folder that is none, or that holds an output file which no run of ours made."""
    if out.exists() and not out.is_dir():
        raise InputError(f"`--out` = {out} is a file: give a folder.")
    if (out / f"{stem}.mat").exists() and not (out / stem).is_dir():
        raise InputError(
            f"{out / stem}.mat exists already, from elsewhere: move it, or give another folder with --out."
        )


def run_multitask(first: str, second: str) -> None:
    """Be the published script that trains on one task and goes on with another."""
    main(_multitask_command(first, second), Path(sys.argv[0]).name)


def _multitask_command(first: str, second: str) -> click.Command:
    models = ", ".join(f"{code} {model}" for code, model in enumerate(MODELS["basic"]))

    @click.command(context_settings={"help_option_names": ["-h", "--help"]})
    @click.option(
        "--jobidx",
        type=click.IntRange(1, 100),
        envvar="jobidx",
        required=True,
        show_envvar=True,
        help="Place in the 10 × 10 grid of λ0 (0.80 … 0.98, fastest) and σ0/√N (0 … 0.018), and seed",
    )
    @click.option("--model", default="0", show_default=True, metavar="CODE", help=f"Code or name: {models}")
    @click.option("--seed", type=int, help="Seed of the weights and of all trials  [default: the job index]")
    @click.option("--n_hidden", default=500, show_default=True, help="Number of recurrent units N")
    @click.option("--n_iter", default=25_001, show_default=True, help="Training batches of each task")
    @click.option("--n_test", default=2_501, show_default=True, help="Test batches of each task")
    @click.option(
        "--out", default=".", show_default=True, type=click.Path(path_type=Path), help="Folder for the output file"
    )
    @click.option(
        "--as-published",
        "--as_published",
        is_flag=True,
        help="Store and print 0 for the sequentiality index where the second task is not solved",
    )
    def script(out: Path, **flags: Any) -> None:
        sys.exit(_run_multitask(first, second, out, flags))

    script.help = f"""Train one network on {first}, then on {second} with all its weights, and write its .mat file.

    Called by a cluster's job array with the variable jobidx, 1 to 100, it goes through the published grid. The output
    file has the published name and fields; beside it a run folder of the same name holds results and weights.
    """
    command: click.Command = script
    return command


def _run_multitask(first: str, second: str, out: Path, flags: dict[str, Any]) -> int:
    from ..compat.matfile import save_multitask_mat
    from ..compat.scripts import PriorTraining, reports
    from ..runfolder import RunFolder
    from ..runner import Progress, initial_network
    from .report import draw
    from .train import execute

    job = PriorTraining(first, second, flags["jobidx"], flags["model"])
    seed = flags["jobidx"] if flags["seed"] is None else flags["seed"]
    sizes = {"n_hidden": flags["n_hidden"], "iterations": flags["n_iter"], "test_batches": flags["n_test"]}
    experiment = job.experiment(seed=seed, **sizes)
    stem = job.stem(flags["n_hidden"])
    _check_free(out, stem)
    printed = [0, 0]

    def report(now: Progress) -> None:
        task = (experiment, experiment.before or experiment)[now.stage == 0].make_task()
        for line in reports(task, now.history, after=printed[now.stage]):
            click.echo(job.report(now.stage, *line))
            printed[now.stage] += 1

    result, code = execute(experiment, out / stem, on_progress=report)
    if result is None:
        return code
    place = RunFolder(out / stem)
    network = place.load_weights(initial_network(experiment))
    index = save_multitask_mat(out / f"{stem}.mat", job, result, network, as_published=flags["as_published"])
    draw(result, place.path, anew=False)
    click.echo(f"Test data; Fractional loss: {float(result['fractional_loss']):.6f}")
    click.echo(f"Mean SI {index:f}")
    return 0


def _run(name: str, out: Path, flags: dict[str, Any]) -> int:
    from ..compat.matfile import save_mat
    from ..compat.scripts import SCRIPTS, reports
    from ..runfolder import RunFolder
    from ..runner import Progress, initial_network
    from .report import draw
    from .train import execute

    script = SCRIPTS[name]
    settings = {"iterations": flags.pop("n_iter"), "test_batches": flags.pop("n_test")}
    settings |= {field: flags.pop(field) for field in ("seed", "n_hidden")}
    as_published = flags.pop("as_published")
    experiment = script.experiment(**flags, **settings, as_published=as_published)
    stem = script.stem(**flags)
    _check_free(out, stem)
    printed = 0

    def report(now: Progress) -> None:
        nonlocal printed
        for line in reports(experiment.make_task(), now.history, after=printed):
            click.echo(script.report(*line))
            printed += 1

    result, code = execute(experiment, out / stem, on_progress=report)
    if result is None:
        return code
    place = RunFolder(out / stem)
    network = place.load_weights(initial_network(experiment))
    loss = save_mat(out / f"{stem}.mat", script, result, network, as_published=as_published)
    draw(result, place.path, anew=False)
    click.echo(f"Test data; Fractional loss: {loss:.6f}")
    return 0
