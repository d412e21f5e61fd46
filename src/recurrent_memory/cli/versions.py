"""Versions of the package and its libraries, and how this machine runs the networks."""

from __future__ import annotations

from importlib import metadata

import click

from .. import __version__


def print_versions(*, verbose: bool) -> None:
    """Print the version; if verbose, also the libraries' versions, the devices, and whether the kernel is used."""
    click.echo(f"recurrent-memory {__version__}")
    if not verbose:
        return
    import platform

    import jax

    from .. import kernel
    from ..runs.result import LIBRARIES

    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    devices = jax.local_devices()
    click.echo(f"python {platform.python_version()}, {versions}")
    click.echo(f"{platform.system()} {platform.machine()}, {len(devices)} × {devices[0].device_kind}")
    click.echo(f"networks: {kernel.description()}")
