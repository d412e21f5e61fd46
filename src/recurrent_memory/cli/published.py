"""The published commands, which are loaded once signals are handled."""

from __future__ import annotations

import sys

from .main import main

TYPE_CHECKING = False  # as in `main`
if TYPE_CHECKING:
    import click


def run_script(name: str) -> None:
    """Run the published script of this name: ``basic``, ``tethered``, ``dynamic`` or ``vardelay``."""

    def command() -> click.Command:
        from .scripts import single_task_command

        return single_task_command(name)

    main(command, _own_name())


def run_multitask(first: str, second: str) -> None:
    """Run the published script that trains a network on one task and then on another."""

    def command() -> click.Command:
        from .scripts import multitask_command

        return multitask_command(first, second)

    main(command, _own_name())


def _own_name() -> str:
    return sys.argv[0].rpartition("/")[2]
