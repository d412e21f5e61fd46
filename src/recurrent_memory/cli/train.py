"""``recurrent-memory train``."""

from __future__ import annotations

import itertools
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import InputError
from ..experiment import FOLLOWING, PRESETS, Experiment, preset
from .options import MOST_NETWORKS, Numbers, Several, formats_option, import_option, options_from
from .paths import PATH
from .process import interruptible

if TYPE_CHECKING:
    import xarray as xr

    from ..runs.session import Progress


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--preset", "preset_name", metavar="NAME", help=f"Set of values to start from: {' | '.join(PRESETS)}")
@import_option
@options_from(Experiment, without=FOLLOWING)
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    help="Run folder  [default: a new one in ./runs]",
)
@click.option(
    "--checkpoint-every",
    type=int,
    metavar="INTEGER",
    help="Iterations between checkpoints  [default: about one second's worth]",
)
@click.option(
    "--seeds",
    type=Numbers(int),
    metavar="A:B",
    help="Seeds of several networks: A … B−1, or a list a,b,c",
)
@formats_option
def train(
    preset_name: str | None,
    seeds: int | Several | None,
    out: Path | None,
    checkpoint_every: int | None,
    formats: tuple[str, ...],
    **options: Any,
) -> None:
    """Train a network, test it on fresh trials, and measure and draw how it remembers.

    The run folder gets the result (result.nc), the final weights (weights.safetensors) and the pictures. The summary
    goes to standard output, progress to standard error. If the run is interrupted, the same command with the same
    --out resumes it; if it is finished, the command prints its summary again, and with more --iterations it goes on.

    Options that take a number also take several, and a network is trained for each combination: a list (--rho 0,1e-5),
    a range (--seeds 0:20 is 0 … 19), or evenly spaced values (--lambda0 0.9:0.98:5 is five). Each has its
    own run folder in --out, and one trains on each core. Pictures of several networks are drawn only with --format.

    \b
    Examples:
      recurrent-memory train --preset quick
      recurrent-memory train --task 2afc --lambda0 0.9 --seed 3 --out runs/2afc
      recurrent-memory train --task de1 --task-option delay_dur=50 --stop-at 0.4
      recurrent-memory train --task comp --condition variable_delay+dynamic
      recurrent-memory train --curriculum cd1,2afc --n-hidden 100
      recurrent-memory train --preset quick --seeds 0:4 --lambda0 0.9:0.98:5
    """
    given = {name: value for name, value in options.items() if value is not None}
    if seeds is not None:
        if "seed" in given:
            raise InputError("`--seed` and `--seeds` were both given: give only one of them.")
        given["seed"] = seeds
    values = {**preset(preset_name), **given} if preset_name else given
    values = ({} if values.get("curriculum") else {"task": "de1"}) | values
    if checkpoint_every is not None and checkpoint_every < 1:
        raise InputError(f"`checkpoint_every` = {checkpoint_every} is not allowed: must be 1 or more iterations.")
    axes = {name: value for name, value in values.items() if isinstance(value, Several)}
    if axes:
        from .many import train_many

        number = math.prod(map(len, axes.values()))
        if number > MOST_NETWORKS:
            told = " × ".join(f"{len(several):,} {name}" for name, several in axes.items())
            raise InputError(
                f"{told} = {number:,} networks, of at most {MOST_NETWORKS:,}: give fewer values, or use "
                "`recurrent-memory sweep`."
            )
        points = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
        experiments = [Experiment(**values | point) for point in points]
        # Drawing takes longer than training some networks, so several networks get no pictures unless asked for.
        given_formats = formats if _is_given("formats") else ()
        folder = out or _new_folder(experiments[0], "many")
        sys.exit(train_many(experiments, points, folder, checkpoint_every, given_formats))
    experiment = Experiment(**values)
    sys.exit(_train(experiment, out or _new_folder(experiment, f"seed{experiment.seed}"), checkpoint_every, formats))


def _is_given(name: str) -> bool:
    """Return whether the user gave an option."""
    return click.get_current_context().get_parameter_source(name) != ParameterSource.DEFAULT


def _train(experiment: Experiment, folder: Path, checkpoint_every: int | None, formats: tuple[str, ...]) -> int:
    from ..runs.folder import RESULT, RunFolder
    from ..runs.start import initial_network
    from .report import draw, print_summary

    def written() -> int | None:
        path = RunFolder(folder) / RESULT
        return path.stat().st_mtime_ns if path.exists() else None

    before = written()
    result, code = execute(experiment, folder, checkpoint_every=checkpoint_every)
    if result is not None:
        is_new = written() != before
        if not is_new:
            # The result of an earlier run is whole; what the summary lists beside it should be, too.
            RunFolder(folder).load_weights(initial_network(experiment))
        print_summary(result, RunFolder(folder), draw(result, folder, formats, anew=is_new))
    return code


def execute(
    experiment: Experiment,
    folder: Path,
    *,
    checkpoint_every: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[xr.Dataset | None, int]:
    """Run an experiment and show its progress; return its result (None if it diverged) and the exit code."""
    from ..errors import DivergedError
    from ..runs.run import run
    from .display import Display

    try:
        with interruptible() as should_stop, Display() as display:

            def show(now: Progress) -> None:
                display.update(now)
                on_progress(now)

            result = run(
                experiment,
                folder,
                on_progress=show,
                on_message=display.message,
                should_stop=should_stop,
                checkpoint_every=checkpoint_every,
            )
    except DivergedError as error:
        click.echo(f"Error: {error}", err=True)
        return None, 3
    return result, 0


def _new_folder(experiment: Experiment, which: str) -> Path:
    """Return an unused path in ./runs, named after the time, the task, the model and what distinguishes the run."""
    words = f"{experiment.task}-{experiment.model}-n{experiment.n_hidden}-{which}"
    base = Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{re.sub(r'[^a-z0-9_-]', '', words)}"
    return next(p for i in range(1_000_000) if not (p := base if i == 0 else Path(f"{base}-{i}")).exists())
