"""The command ``recurrent-memory``: its subcommands are imported only when they are called."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType

import click

COMMANDS = {
    "train": "Train one network, test it, measure and draw how it remembers.",
    "sweep": "Train the many networks that a file names, lose nothing, and get one data set.",
    "tasks": "List the tasks: what must be remembered, inputs, outputs, epochs, conditions.",
    "show": "Show a finished or a running run: summary and pictures.",
    "import": "Turn a .mat file of the published scripts into a result.",
}

EPILOG = """\b
Examples:
  recurrent-memory train --preset quick               delayed estimation, a minute or two
  recurrent-memory train --task comp --n-hidden 200 --sigma0 0.5 --out runs/comp
  recurrent-memory show runs/comp

\b
Tab completion (bash; for zsh write zsh_source, for fish fish_source):
  eval "$(_RECURRENT_MEMORY_COMPLETE=bash_source recurrent-memory)"

\b
Exit codes: 0 done, 1 it failed, 2 something given cannot be used,
3 training diverged, 129, 130, 140 or 143 interrupted by HUP, INT, USR2 or
TERM (the same command goes on).
"""


class _Lazy(click.Group):
    """A group that knows the names and one-line helps of its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = "import_" if name == "import" else name  # a word that Python keeps for itself
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), module)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Lazy, invoke_without_command=True, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--version", is_flag=True, help="Show the version; with --verbose also how this machine computes")
@click.option("--verbose", is_flag=True, help="With --version: libraries, devices, and which code runs the networks")
@click.pass_context
def cli(ctx: click.Context, version: bool, verbose: bool) -> None:
    """Train recurrent networks on short-term memory tasks, and measure how they remember.

    With neurons that stay on (persistent activity), or with neurons that fire in turn (sequences)? The tasks,
    networks and measures are those of Orhan & Ma (2019), Nature Neuroscience 22:275-283.
    """
    if version:
        from .versions import print_versions

        print_versions(verbose=verbose)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def main(command: click.Command = cli, name: str = "recurrent-memory") -> None:
    """Run the command line; the errors a user can cause end in one short message."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        code = command.main(prog_name=name, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)  # what `ctx.exit` was given comes back as a value
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except Exception as error:
        sys.exit(_explain(error))


def _leave(number: int, _: FrameType | None) -> None:
    """End as with Ctrl-C, which removes the file that is being written; commands that save a state do so first."""
    sys.exit(128 + number)


def _explain(error: Exception) -> int:
    """Print an expected error and return its exit code; raise any other again."""
    from ..errors import InputError

    if isinstance(error, InputError):
        click.echo(f"Error: {error}", err=True)
        return 2
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        click.echo(
            f"Error: {error.strerror or error}{place}. What was finished is kept; "
            "mend this, and the same command goes on.",
            err=True,
        )
        return 1
    raise error
