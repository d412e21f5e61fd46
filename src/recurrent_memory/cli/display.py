"""Progress on standard error: a live bar on a terminal, otherwise a plain line every ten seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..errors import plain
from ..runs.many import ManyProgress
from ..runs.session import Progress as RunProgress
from ..sweeps import SweepProgress, duration

SECONDS_BETWEEN_LINES = 10.0


class Display:
    """Shows the progress of a command (a context manager)."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        self.live = self.console.is_terminal
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.live,
        )
        self.phase = ""
        self.started, self.first, self.last_line = 0.0, 0.0, 0.0

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def message(self, line: str) -> None:
        """Print a line above the bar, where it stays."""
        self.console.print(plain(line))

    def update(self, now: RunProgress) -> None:
        """Show the progress of a run: its phase, iterations or test batches, and losses."""
        # During the test these would still be the training's.
        words = f"loss {now.loss:.4f}  fractional loss {now.fractional_loss:.3f}" if now.phase == "training" else ""
        self._show(now.phase, now.done, now.total, words)

    def update_many(self, now: ManyProgress) -> None:
        """Show the progress of many networks."""
        words = f"networks {now.finished}/{now.networks}"
        if now.diverged:
            words += f", {now.diverged} diverged"
        self._show("training", now.done, now.total, words)

    def update_sweep(self, now: SweepProgress) -> None:
        """Show the progress of a sweep."""
        words = f"{now.finished} finished, {now.failed} failed, {now.running} running here"
        # `now.done` is a fraction, and its product with the number of networks may round to just below a whole number.
        done = max(now.finished + now.failed, now.done * now.networks)
        self._show("networks", done, now.networks, words, per="h", seconds=3600.0)

    def update_reading(self, done: int, total: int) -> None:
        """Show how many results have been read."""
        self._show("results", done, total, "")

    def update_curves(self, done: int, total: int) -> None:
        """Show of how many networks the learning curves have been read."""
        self._show("curves", done, total, "")

    def update_activity(self, done: int, total: int) -> None:
        """Show of how many networks the activity is known."""
        self._show("activity", done, total, "")

    def update_analysis(self, done: float, total: int) -> None:
        """Show how many networks have been measured, fractions included."""
        self._show("networks", done, total, "", per="h", seconds=3600.0)

    def update_measuring(self, done: float) -> None:
        """Show how much of the measuring of one recording is done, from 0 to 1."""
        self._show("measuring", 100 * done, 100, "per cent")

    def update_judging(self, done: int, total: int) -> None:
        """Show how many claims have been judged."""
        self._show("claims", done, total, "")

    def update_drawing(self, done: int, total: int) -> None:
        """Show how many pictures have been drawn."""
        self._show("pictures", done, total, "")

    def _show(
        self, phase: str, done: int | float, total: int, words: str, *, per: str = "s", seconds: float = 1.0
    ) -> None:
        if phase != self.phase:
            self._begin(phase, done, total, words)
        elapsed = time.monotonic() - self.started
        rate = (done - self.first) / elapsed if elapsed > 0 else 0.0
        speed = f"{rate * seconds:.1f}/{per}"
        if self.live:
            self.bar.update(self.task, completed=done, words=words, rate=speed)
        elif done == total or time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            left = f"{duration((total - done) / rate)} left" if rate > 0 else ""
            self.message(f"{phase} {int(done)}/{total}  {words}  {speed}  {left}")

    def _begin(self, phase: str, done: int | float, total: int, words: str) -> None:
        self.phase, self.started, self.first = phase, time.monotonic(), done
        self.last_line = self.started
        self.task = self.bar.add_task(phase, total=total, completed=int(done), words=words, rate="")
