"""The console for tables."""

from __future__ import annotations

from rich.console import Console

WIDTH_OF_A_FILE = 200


def table_console() -> Console:
    """Return a console on standard output; in a file or a pipe, its width is fixed, so that no column is cut off."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    return console
