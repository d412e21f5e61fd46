"""Where tables go."""

from __future__ import annotations

from rich.console import Console

WIDTH_OF_A_FILE = 200


def table_console() -> Console:
    """Return standard output for a table; without a terminal there is no width to fit into."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    return console
