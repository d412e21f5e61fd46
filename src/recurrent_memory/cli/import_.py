"""``recurrent-memory import``."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import InputError, counted
from .paths import PATH


@click.command(name="import", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=PATH, metavar="FILE.mat")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE.nc",
    help="File to write, which must not exist yet  [default: FILE.nc beside FILE.mat]",
)
def import_(file: Path, out: Path | None) -> None:
    """Convert FILE.mat, an output file of the published scripts, into a result that all analyses and pictures accept.

    The file may come from the published code or from this package's scripts of the same names. The experiment's
    settings are read from the file's name if it has the published form
    (basic_sigma…_lambda…_rho…_model…_task….mat). The result is a NetCDF file with the activity (trial, time, unit),
    the inputs, the recurrent weights and the sequentiality index.
    """
    from .. import storage
    from ..compat import load_mat

    out = out or file.with_suffix(".nc")
    if out.exists():
        raise InputError(f"{out} already exists: delete it, or give another name with --out.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"There is no folder {out.absolute().parent} for {out.name}: create it first.")
    result = load_mat(file)
    storage.save_dataset(out, result)
    sizes = result.sizes
    units, trials = (counted(sizes[dim], dim) for dim in ("unit", "trial"))
    click.echo(f"{out}: activity of {units} in {trials} of {counted(sizes['time'], 'step')}")
    click.echo(f"sequentiality index {float(result['sequentiality_index']):.6f} nats (as published)")
