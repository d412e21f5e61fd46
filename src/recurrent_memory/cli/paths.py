"""Paths as arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import click.shell_completion

from ..storage.paths import expanded


class _Path(click.Path):
    """A path, in which ``~`` and variables are replaced where the shell has not done so, as in ``--out=~/runs``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(expanded(value), param, ctx)


PATH = _Path(path_type=Path)


class _Run(_Path):
    """A path, or the name of a network of the bank, which tab completion offers once its beginning is typed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; an unknown name is refused here, before anything is loaded."""
        from .. import bank

        if bank.is_name(path := super().convert(value, param, ctx)):
            bank.file_of(path)
        return path

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from .. import bank

        if incomplete.startswith(bank.PREFIX.rstrip(":")):
            known = [name for name in bank.names() if name.startswith(incomplete)]
            return [click.shell_completion.CompletionItem(name) for name in known]
        return super().shell_complete(ctx, param, incomplete)


RUN = _Run(path_type=Path)
