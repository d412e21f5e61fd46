"""The published commands' flags, lines on standard output, and output files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compat.codes import MODELS
from ..errors import InputError
from .paths import PATH

if TYPE_CHECKING:
    import xarray as xr

    from ..experiment import Experiment
    from ..networks import Network
    from ..runs.session import Progress

Option = Callable[[Any], Any]

TASK_CODES = "0 DE-1, 1 DE-2, 2 CD-1, 3 CD-2, 4 GDE, 5 VDE-1, 6 2AFC, 7 Sine, 8 COMP"


def _model_option(script: str) -> Option:
    models = ", ".join(f"{code} {model}" for code, model in enumerate(MODELS[script]))
    return click.option("--model", default="0", show_default=True, metavar="CODE", help=f"Code or name: {models}")


def _common_options(as_published: str) -> list[Option]:
    """Return the options that this package adds to those of every published script."""
    return [
        click.option("--n_hidden", default=500, show_default=True, help="Number of recurrent units N"),
        click.option("--n_iter", default=25_001, show_default=True, help="Training batches of each task"),
        click.option("--n_test", default=2_501, show_default=True, help="Test batches of each task"),
        click.option("--out", default=".", show_default=True, type=PATH, help="Folder for the output file"),
        click.option("--as-published", "--as_published", is_flag=True, help=as_published),
    ]


def _make_command(callback: Callable[..., None], text: str, options: list[Option]) -> click.Command:
    callback.__doc__ = text
    for option in reversed(options):
        callback = option(callback)
    return click.command(context_settings={"help_option_names": ["-h", "--help"]})(callback)


def single_task_command(name: str) -> click.Command:
    """Return the command that trains a network on one task: ``basic``, ``tethered``, ``dynamic`` or ``vardelay``."""
    options = [
        click.option("--task", default="0", show_default=True, metavar="CODE", help=f"Code or name: {TASK_CODES}"),
        _model_option(name),
        click.option("--lambda_val", default=0.98, show_default=True, help="λ0: initial self-connection of each unit"),
        click.option("--sigma_val", default=0.0, show_default=True, help="σ0/√N: initial SD of the other weights"),
        click.option(
            "--rho_val", default=0.0, show_default=True, help="ρ: coefficient of the sum of squared parameters"
        ),
        click.option("--seed", default=0, show_default=True, help="Seed of the weights and of all trials"),
        *_common_options("Reproduce the published script's errors, except those that stop it"),
    ]

    def script(**flags: Any) -> None:
        sys.exit(_run(name, **flags))

    text = f"""Train one network as the published {name} script does, and write its .mat file.

    The output file has the published name and fields. Beside it, a run folder of the same name holds the result
    (result.nc), the weights and the pictures. After an interruption, the same command resumes the run.
    """
    return _make_command(script, text, options)


def multitask_command(first: str, second: str) -> click.Command:
    """Return the command that trains a network on one task and then on another."""
    options = [
        click.option(
            "--jobidx", type=click.IntRange(1, 100), envvar="jobidx", required=True, show_envvar=True,
            help="Index in the 10 × 10 grid of λ0 (0.80 … 0.98, varies fastest) and σ0/√N (0 … 0.018)",
        ),
        _model_option("basic"),
        click.option("--seed", type=int, help="Seed of the weights and of all trials  [default: the job index]"),
        *_common_options("Mispair CD-1's trials, and report an index of 0 if the second task is not solved"),
    ]  # fmt: skip

    def script(**flags: Any) -> None:
        sys.exit(_run_multitask(first, second, **flags))

    text = f"""Train one network on {first}, then the same network on {second}, and write its .mat file.

    A job array that sets the environment variable jobidx to 1 … 100 covers the published grid. The output file has
    the published name and fields. Beside it, a run folder of the same name holds the result and the weights.
    """
    return _make_command(script, text, options)


def _run(
    name: str, *, out: Path, as_published: bool, seed: int, n_hidden: int, n_iter: int, n_test: int, **flags: Any
) -> int:
    from ..compat.matfile import save_mat
    from ..compat.scripts import SCRIPTS

    script = SCRIPTS[name]
    settings = {"seed": seed, "n_hidden": n_hidden, "iterations": n_iter, "test_batches": n_test}
    experiment = script.experiment(**flags, **settings, as_published=as_published)

    def save(path: Path, result: xr.Dataset, network: Network) -> list[str]:
        loss = save_mat(path, script, result, network, as_published=as_published)
        return [f"Test data; Fractional loss: {loss:.6f}"]

    def line(_: int, *values: Any) -> str:
        return script.report(*values)

    return _execute(experiment, out, script.stem(**flags), line, save, as_published=as_published)


def _run_multitask(
    first: str,
    second: str,
    *,
    out: Path,
    as_published: bool,
    jobidx: int,
    model: str,
    seed: int | None,
    n_hidden: int,
    n_iter: int,
    n_test: int,
) -> int:
    from ..compat.matfile import save_multitask_mat
    from ..compat.scripts import PriorTraining

    job = PriorTraining(first, second, jobidx, model)
    sizes = {"n_hidden": n_hidden, "iterations": n_iter, "test_batches": n_test}
    as_there = {"separate_clipping": as_published, "judge_after_step": as_published}
    experiment = job.experiment(seed=jobidx if seed is None else seed, **sizes, **as_there)

    def save(path: Path, result: xr.Dataset, network: Network) -> list[str]:
        loss, index = save_multitask_mat(path, job, result, network, as_published=as_published)
        return [f"Test data; Fractional loss: {loss:.6f}", f"Mean SI {index:f}"]

    return _execute(experiment, out, job.stem(n_hidden), job.report, save, as_published=as_published)


def _execute(
    experiment: Experiment,
    out: Path,
    stem: str,
    line: Callable[[int, int, float, float], str],
    save: Callable[[Path, xr.Dataset, Network], list[str]],
    *,
    as_published: bool,
) -> int:
    """Run an experiment in a run folder beside its output file; return the exit code.

    ``line`` formats a report from stage, batch, loss and fractional loss; ``save`` writes the output file and returns
    the last lines to print; ``as_published`` reports the mispaired fractional loss of CD-1, as the scripts do.
    """
    from ..compat.scripts import reports
    from ..runs.folder import RunFolder
    from ..runs.start import initial_network
    from .report import draw
    from .train import execute

    _check_free(out, stem)
    stages = [stage.make_task() for stage in experiment.stages]
    printed = [0] * len(stages)

    def report(now: Progress) -> None:
        task, after = stages[now.stage], printed[now.stage]
        for values in reports(task, now.history, after, as_published=as_published):
            click.echo(line(now.stage, *values))
            printed[now.stage] += 1

    result, code = execute(experiment, out / stem, on_progress=report)
    if result is None:
        return code
    place = RunFolder(out / stem)
    last = save(out / f"{stem}.mat", result, place.load_weights(initial_network(experiment)))
    draw(result, place.path, anew=False)
    for words in last:
        click.echo(words)
    return 0


def _check_free(out: Path, stem: str) -> None:
    """Refuse an output folder that is a file, or an output file that no run of this package wrote."""
    if out.exists() and not out.is_dir():
        raise InputError(f"`--out` = {out} is a file: give a folder.")
    if (out / f"{stem}.mat").exists() and not (out / stem).is_dir():
        raise InputError(
            f"{out / stem}.mat already exists, and no run folder belongs to it: move it, or give another folder with "
            "--out."
        )
