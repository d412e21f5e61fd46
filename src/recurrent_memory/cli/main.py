"""The command ``recurrent-memory``: signals and streams first, and only then what takes time to load."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import signals

TYPE_CHECKING = False  # importing it from `typing` would take longer than all else until signals are handled
if TYPE_CHECKING:
    import click


def _recurrent_memory() -> click.Command:
    from .commands import cli

    return cli


def main(command: Callable[[], click.Command] = _recurrent_memory, name: str = "recurrent-memory") -> None:
    """Run the command line; errors that a user can cause end in one short message instead of a traceback.

    Parameters
    ----------
    command
        Loads the command, once signals are handled.
    name
        Name of the program, for messages.
    """
    signals.leave_on_signals()
    from . import streams  # only now, because it takes time

    try:
        streams.prepare()
        code = streams.checked(_run(command, name))
    except SystemExit as left:
        code = streams.checked(left.code if isinstance(left.code, int) else left.code is not None)
    finally:
        signals.let_go()
    sys.exit(code)


def _run(command: Callable[[], click.Command], name: str) -> int:
    """Run a command and return its exit code."""
    import click

    loaded = None
    try:
        loaded = command()
        code = loaded.main(prog_name=name, standalone_mode=False)
        return code if isinstance(code, int) else 0  # without standalone mode, `ctx.exit(2)` returns 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except Exception as error:
        return _refused_by_jax() or _explain(error, loaded)


def _refused_by_jax() -> int:
    """Return the exit code, and print what is wrong, if JAX could not be imported for its environment; else return 0.

    It reads its environment variables wherever it is imported first, so that its errors seem to be about anything.
    """
    import os

    import click

    from ..errors import plain

    if "jax" in sys.modules or "jax._src" not in sys.modules:
        return 0
    set_to = ", ".join(
        f"{name}={plain(os.environ[name], lines=1)}" for name in sorted(os.environ) if name[:4] == "JAX_"
    )
    if not set_to:
        return 0
    click.echo(f"Error: JAX does not start with {set_to}.\nCorrect the one that is wrong, or unset it.", err=True)
    return 2


def _explain(error: Exception, command: click.Command | None = None) -> int:
    """Print an expected error of a command and return its exit code; raise any other error again."""
    import click

    from ..errors import InputError, plain

    if isinstance(error, InputError):
        click.echo(f"Error: {_with_flags(error.for_command, command)}", err=True)
        return 2
    if isinstance(error, OSError):
        place = f" ({plain(error.filename, lines=1)})" if error.filename else ""
        click.echo(
            f"Error: {error.strerror or error}{place}. Finished work is kept: once this is fixed, the same command "
            "resumes.",
            err=True,
        )
        return 1
    # Wherever JAX was first asked for a device.
    if isinstance(error, RuntimeError) and "Unable to initialize backend" in str(error):
        from ..runs.resources import no_device

        return _explain(no_device(error))
    if isinstance(error, AssertionError):
        from ..runs.resources import check_device

        try:
            check_device()
        except InputError as cause:
            return _explain(cause)
    raise error


def _with_flags(message: str, command: click.Command | None) -> str:
    """Return a message of the library with the options of a command in place of the fields that they set.

    Only in its first line; the others explain the field, by the name that it has in Python and in files.
    """
    import re

    import click

    if command is None or ".toml" in message:  # in a file, a field goes by its own name
        return message
    for word in sys.argv[1:]:  # to the subcommand that was called
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), word) or command
    options = {of.name: of for of in command.params if isinstance(of, click.Option)}

    def flag(found: re.Match[str]) -> str:
        option = options.get(found["name"])
        if option is None:
            return found[0]
        # `model_options.gamma` is set by `--model-option gamma`; `snapshots.0` is one of the values of `--snapshots`.
        part = f" {found['part']}" if found["part"] and option.metavar == "NAME=VALUE" else ""
        return f"`{max(option.opts, key=len)}{part}`"

    first, newline, others = message.partition("\n")
    return re.sub(r"`(?P<name>\w+)(\.(?P<part>\w+))?`", flag, first) + newline + others
