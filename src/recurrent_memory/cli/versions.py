"""What is installed, and how this machine computes."""

from __future__ import annotations

from importlib import metadata

import click


def print_versions(*, verbose: bool) -> None:
    """Print the version; if verbose also those of the libraries, the devices, and what computes the networks."""
    click.echo(f"recurrent-memory {metadata.version('recurrent-memory')}")
    if not verbose:
        return
    import platform

    import jax

    from .. import kernel
    from ..runs.result import VERSIONED

    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONED[1:])
    devices = jax.local_devices()
    click.echo(f"python {platform.python_version()}, {versions}")
    click.echo(f"{platform.system()} {platform.machine()}, {len(devices)} × {devices[0].device_kind}")
    click.echo(f"networks: {kernel.description()}")
