"""``recurrent-memory tasks``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from .options import import_option

if TYPE_CHECKING:
    from rich.table import Table


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@import_option
def tasks() -> None:
    """List the tasks, the conditions and the models.

    For each task: its name, published code, what must be remembered, numbers of inputs and outputs, epochs, and the
    conditions in which it exists. Epochs are in steps of 10 ms. Each duration is an option of the task
    (as in train --task-option delay_dur=50).

    For each condition: what it changes. Conditions combine (train --condition variable_delay+distractor), and
    tethered and hebbian combine with every task.

    For each model: its options (train --model leaky --model-option alpha=0.5).
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
        epochs = " + ".join(f"{epoch.duration} {epoch.name}" for epoch in task.epoch_list)
        outputs = f"{task.n_outputs} {task.response}"
        code = "" if task.code is None else str(task.code)
        table.add_row(
            task.name, code, task.remembered, str(task.n_inputs), outputs, epochs, ", ".join(in_which[task.name])
        )
    console = table_console()
    for shown in (table, _conditions(), _models()):
        console.print(shown)


def _conditions() -> Table:
    """Return the table of conditions: the name of each, and what it changes."""
    from rich.box import SIMPLE
    from rich.table import Table

    from .. import tasks as known
    from ..experiment import OWN_CONDITIONS

    table = Table(box=SIMPLE, header_style="bold")
    for column in ("condition", "what it changes"):
        table.add_column(column, no_wrap=True)
    for name, condition in known.CONDITIONS.items():
        table.add_row(name, (inspect.getdoc(condition) or "").partition("\n")[0])
    for name, values in OWN_CONDITIONS.items():
        table.add_row(name, f"Short for {', '.join(f'{field} = {value}' for field, value in values.items())}.")
    return table


def _models() -> Table:
    """Return the table of models, with one line for each option."""
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
