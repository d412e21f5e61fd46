"""``recurrent-memory tasks``."""

from __future__ import annotations

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def tasks() -> None:
    """List the tasks: name, published code, what must be remembered, inputs, outputs, epochs (in steps of 10 ms)."""
    from rich.console import Console
    from rich.table import Table

    from .. import tasks as known

    table = Table(header_style="bold")
    for column in ("name", "code", "title", "what must be remembered", "inputs", "outputs", "epochs (steps)"):
        table.add_column(column, justify="right" if column in ("code", "inputs") else "left")
    for name in known.names():
        task = known.make(name)
        epochs = ", ".join(f"{epoch} {start}-{stop}" for epoch, (start, stop) in task.epochs.items())
        outputs = f"{task.n_outputs} {task.response}"
        code = "" if task.code is None else str(task.code)
        table.add_row(task.name, code, task.title, task.remembered, str(task.n_inputs), outputs, epochs)
    Console(highlight=False, soft_wrap=True).print(table)
