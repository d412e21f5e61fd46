"""The console for tables."""

from __future__ import annotations

from rich.console import Console

WIDTH_OF_A_FILE = 200


def table_console() -> Console:
    """Return standard output for tables; if it is not a terminal, its width is fixed."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    return console
