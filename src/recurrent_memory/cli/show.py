"""``recurrent-memory show``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import formats_option, import_option
from .paths import PATH, RUN


class _WithBank(click.Command):
    """A command whose help lists the networks that come with the package, which are looked up only then."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from .. import bank

        with formatter.section("Networks that come with the package"):
            for name in bank.names():
                formatter.write_text(name)


@click.command(cls=_WithBank, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=RUN)
@import_option
@click.option(
    "-o", "--out", type=PATH, help="Folder for the pictures  [default: RUN; of a single network in a file, no pictures]"
)
@formats_option
def show(run: Path, out: Path | None, formats: tuple[str, ...]) -> None:
    """Print the summary of RUN, a run folder, and draw its pictures anew.

    If the run is not finished, print its progress and draw the learning curve so far. RUN may also be a trained network
    in a file of `rm.save`, or one of the bank, such as bank:comp-sequential, which is then tested anew.
    """
    from ..loading import is_single_network
    from ..runs import result as results
    from ..runs.folder import RunFolder
    from ..runs.start import initial_network
    from .report import draw, print_summary

    if is_single_network(run):
        _show_single(run, out, formats)
        return
    place = RunFolder(run)
    experiment = place.experiment()
    pictures = _made(out) or run
    if place.finished:
        result = results.load(place)
        place.load_weights(initial_network(experiment))  # raises if they are damaged or have another shape
        print_summary(result, place, draw(result, pictures, formats))
        return
    so_far = results.training_so_far(experiment, place.load_history())
    done = so_far.sizes["iteration"]
    click.echo(f"{run}: not finished, {done} of {experiment.iterations} iterations saved.")
    if done:
        loss, fraction = (float(so_far[name][-1]) for name in ("training_loss", "training_fractional_loss"))
        click.echo(f"loss {loss:.4f}, fractional loss {fraction:.3f} (over the last 100 iterations)")
        click.echo("pictures: " + ", ".join(str(path) for path in draw(so_far, pictures, formats)))


def _show_single(path: Path, out: Path | None, formats: tuple[str, ...]) -> None:
    """Test a network that is alone in its file."""
    import numpy as np

    from ..loading import load
    from .report import draw, print_measures

    net, folder = load(path), _made(out)
    result = net.test()
    print_measures(result.assign_coords(iteration=np.arange(net.iterations_done)))
    if folder is None:
        click.echo("no pictures: give a folder for them by --out")
    else:
        click.echo("pictures: " + ", ".join(str(path) for path in draw(result, folder, formats)))


def _made(folder: Path | None) -> Path | None:
    """Make the folder for pictures, before any work starts."""
    from .report import make_folder

    if folder is not None:
        make_folder(folder)
    return folder
