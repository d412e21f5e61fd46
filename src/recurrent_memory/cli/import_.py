"""``recurrent-memory import``."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import InputError


@click.command(name="import", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.mat")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.nc",
    help="File to write; it must not exist  [default: FILE.nc beside FILE.mat]",
)
def import_(file: Path, out: Path | None) -> None:
    """Turn FILE.mat, an output file of the published scripts, into a result for all analyses and pictures.

    The file may come from the published code or from our scripts of the same names. A name of the published form
    (basic_sigma…_lambda…_rho…_model…_task….mat) says which experiment it is. The result is a NetCDF file with the
    activity (trial, time, unit), the inputs, the recurrent weights and the sequentiality index.
    """
    from .. import storage
    from ..compat import load_mat

    out = out or file.with_suffix(".nc")
    if out.exists():
        raise InputError(f"{out} exists already: delete it, or give another name with --out.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"There is no folder {out.absolute().parent} for {out.name}: make it first.")
    result = load_mat(file)
    storage.save_dataset(out, result)
    sizes = result.sizes
    click.echo(f"{out}: activity of {sizes['unit']} units in {sizes['trial']} trials of {sizes['time']} steps")
    click.echo(f"sequentiality index {float(result['sequentiality_index']):.6f} nats (as published)")
