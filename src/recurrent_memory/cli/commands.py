"""The group of all commands; a subcommand is imported only when it is called, so that ``--help`` is fast."""

from __future__ import annotations

import importlib
import os

import click

if "_RECURRENT_MEMORY_COMPLETE" in os.environ:
    from . import completion as completion

COMMANDS = {
    "train": "Train a network, test it, and measure how it remembers.",
    "sweep": "Train the many networks that one file describes.",
    "tasks": "List the tasks, the conditions and the models.",
    "analyse": "Measure whether activity is a sequence, and more so than by chance.",
    "reproduce": "Test whether the claims of the paper hold, from training to a scorecard.",
    "report": "Write a sweep, a run or a study as one HTML page to look through.",
    "show": "Show a finished or running run: summary and pictures.",
    "cite": "Print how to cite the paper and this package.",
    "import": "Convert a .mat file of the published scripts into a result.",
}

NAMES = {"import": "import_", "report": "html_report"}
"""Modules that are not called like their command: `import` is a keyword of Python, and `report` prints summaries."""

EPILOG = """\b
Examples:
  recurrent-memory train --preset quick    # delayed estimation, 100 units
  recurrent-memory train --task comp --n-hidden 200 --out runs/comp
  recurrent-memory show runs/comp
  recurrent-memory show bank:comp-sequential    # networks that come trained
  recurrent-memory analyse runs/comp --null circular_shift -o analysis.nc
  recurrent-memory COMMAND --help          # options and more examples

\b
Tab completion in bash (for other shells zsh_source or fish_source):
  eval "$(_RECURRENT_MEMORY_COMPLETE=bash_source recurrent-memory)"

\b
Exit codes: 0 done, 1 failed, 2 invalid input, 3 training diverged,
129, 130, 140 or 143 interrupted by HUP, INT, USR2 or TERM (the same
command resumes the work).
"""


class _Lazy(click.Group):
    """A group that lists its commands and their one-line descriptions without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = NAMES.get(name, name)
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), module)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Lazy, invoke_without_command=True, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--version", is_flag=True, help="Show the version")
@click.option(
    "--verbose", is_flag=True, help="With --version: also the libraries, the devices, and whether the kernel is used"
)
@click.pass_context
def cli(ctx: click.Context, version: bool, verbose: bool) -> None:
    """Train recurrent networks on short-term memory tasks, and measure how they remember.

    Do they remember with neurons that stay active (persistent activity), or with neurons that fire one after another
    (sequences)? The tasks, networks and measures are those of Orhan & Ma (2019), Nature Neuroscience 22:275-283.
    """
    if version:
        from .versions import print_versions

        print_versions(verbose=verbose)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)
