"""Paths as arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..storage.paths import expanded


class _Path(click.Path):
    """A path, in which ``~`` and variables are replaced where the shell has not done so, as in ``--out=~/runs``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(expanded(value), param, ctx)


PATH = _Path(path_type=Path)
