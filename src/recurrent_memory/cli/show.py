"""``recurrent-memory show``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import formats_option, import_option
from .paths import PATH


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=PATH)
@import_option
@formats_option
def show(run: Path, formats: tuple[str, ...]) -> None:
    """Print the summary of RUN, a run folder, and draw its pictures anew.

    If the run is not finished, print its progress and draw the learning curve so far.
    """
    from ..runs import result as results
    from ..runs.folder import RunFolder
    from ..runs.start import initial_network
    from .report import draw, print_summary

    place = RunFolder(run)
    experiment = place.experiment()
    if place.finished:
        result = results.load(place)
        place.load_weights(initial_network(experiment))  # raises if they are damaged or have another shape
        print_summary(result, place, draw(result, run, formats))
        return
    so_far = results.training_so_far(experiment, place.load_history())
    done = so_far.sizes["iteration"]
    click.echo(f"{run}: not finished, {done} of {experiment.iterations} iterations saved.")
    if done:
        loss, fraction = (float(so_far[name][-1]) for name in ("training_loss", "training_fractional_loss"))
        click.echo(f"loss {loss:.4f}, fractional loss {fraction:.3f} (over the last 100 iterations)")
        click.echo("pictures: " + ", ".join(str(path) for path in draw(so_far, run, formats)))
