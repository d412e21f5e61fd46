"""``recurrent-memory tasks``."""

from __future__ import annotations

from typing import Any

import click

from .options import import_option


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@import_option
def tasks() -> None:
    """List the tasks: name, published code, what must be remembered, inputs, outputs, epochs, conditions.

    Epochs are in steps of 10 ms; every duration is an option of the task (train --task-option delay_dur=50). Conditions
    combine (train --condition variable_delay+dynamic); tethered and hebbian go with every task.

    A second table lists the models with their options (train --model leaky --model-option alpha=0.5).
    """
    from rich.box import SIMPLE
    from rich.table import Table

    from .. import tasks as known
    from .tables import table_console

    table = Table(box=SIMPLE, header_style="bold")
    for column in ("name", "code", "what must be remembered", "inputs", "outputs", "epochs (steps)", "conditions"):
        table.add_column(column, justify="right" if column in ("code", "inputs") else "left", no_wrap=True)
    in_which: dict[str, list[str]] = {}
    for condition in ("basic", *known.CONDITIONS):
        for name in known.names(condition):
            in_which.setdefault(name, []).append(condition)
    all_tasks = [known.make(name, conditions[0]) for name, conditions in in_which.items()]
    for task in sorted(all_tasks, key=lambda t: (t.code is None, t.code)):
        epochs = " + ".join(f"{stop - start} {epoch}" for epoch, (start, stop) in task.epochs.items())
        outputs = f"{task.n_outputs} {task.response}"
        code = "" if task.code is None else str(task.code)
        table.add_row(
            task.name, code, task.remembered, str(task.n_inputs), outputs, epochs, ", ".join(in_which[task.name])
        )
    table_console().print(table)
    table_console().print(_models())


def _models() -> Any:
    """Return the table of models, one line for each option."""
    from rich.box import SIMPLE
    from rich.table import Table

    from ..networks import describe

    table = Table(box=SIMPLE, header_style="bold")
    for column in ("model", "code", "option", "default", "allowed", "meaning"):
        table.add_column(column, justify="right" if column == "code" else "left", no_wrap=column != "meaning")
    for model in describe():
        table.add_row(model.model, "" if model.code is None else str(model.code), "", "", "", model.summary)
        for option in model.options:
            default = "" if option.is_required else str(option.default).lower()
            table.add_row("", "", option.name, default, option.allowed, option.description)
    return table
