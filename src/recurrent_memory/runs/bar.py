"""A progress bar for a run that is started from Python, in a terminal or a notebook; only on request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from .session import Progress


@contextlib.contextmanager
def bar(shown: bool, then: Callable[[Progress], None]) -> Iterator[Callable[[Progress], None]]:
    """Show a bar on standard error while the context lasts.

    Parameters
    ----------
    shown
        Whether to show one.
    then
        Called with each progress, too.

    Yields
    ------
    What to call with the progress of a run.
    """
    if not shown:
        yield then
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if console.is_jupyter:
        # As in a terminal, in one line: rich's own way needs widgets, which many notebooks lack.
        console = Console(stderr=True, force_jupyter=False, force_terminal=True, width=100)
    words = TextColumn("{task.fields[words]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), words, TimeElapsedColumn())
    with Bar(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as live:
        tasks: dict[tuple[str, int], TaskID] = {}

        def show(now: Progress) -> None:
            stage = (now.phase, now.stage)
            if stage not in tasks:
                for earlier in tasks.values():
                    live.update(earlier, visible=False)
                tasks[stage] = live.add_task(now.phase, total=now.total, words="")
            told = f"loss {now.loss:.4f}, fractional loss {now.fractional_loss:.3f}" if now.phase == "training" else ""
            live.update(tasks[stage], completed=now.done, words=told)
            then(now)

        yield show
