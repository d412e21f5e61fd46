"""``python -m benchmarks.shapes``: train networks of many shapes in one process, and watch its memory.

Each shape has compiled programs of its own. ``--kept`` never lets go of them, for comparison: the memory grows until
the process dies, with Linux's limit on memory maps after about 120 shapes.
"""

from __future__ import annotations

import time

import click
import psutil

import recurrent_memory as rm
from recurrent_memory.runs import programs
from recurrent_memory.runs.many import ManyProgress

EVERY = 20
"""Shapes between two lines of output."""


def experiment(number: int) -> rm.Experiment:
    """Return a small experiment whose shape no other number has."""
    options = {"stim_dur": 5, "delay_dur": 10 + number, "resp_dur": 6, "n_neurons": 10}
    sizes = {"n_hidden": 8, "batch_size": 4, "iterations": 12, "test_batches": 2}
    return rm.Experiment(task="de1", task_options=options, **sizes)


@click.command()
@click.option("--shapes", default=300, show_default=True, help="Number of shapes")
@click.option("--at-once", default=None, type=int, help="Networks that train at the same time  [default: one a core]")
@click.option("--kept", is_flag=True, help="Keep all compiled programs")
def main(shapes: int, at_once: int | None, kept: bool) -> None:
    """Train networks of many shapes in one process, and print its memory and its memory maps."""
    if kept:
        programs.release_from_memory = lambda most_maps=0: None
    me, begun, most = psutil.Process(), time.monotonic(), [0, 0]
    click.echo("| shapes | memory (MB) | memory maps | time (s) |\n|---|---|---|---|")

    def look(done: int) -> None:
        memory, maps = me.memory_info().rss // 10**6, len(me.memory_maps(grouped=False))
        most[:] = max(most[0], memory), max(most[1], maps)
        if done % EVERY == 0 or done == shapes:
            click.echo(f"| {done} | {memory} | {maps} | {time.monotonic() - begun:.0f} |")

    seen = [0]

    def on_progress(now: ManyProgress) -> None:
        finished = now.finished
        if finished > seen[0]:
            seen[0] = finished
            look(finished)

    rm.run_many([experiment(number) for number in range(shapes)], at_once=at_once, on_progress=on_progress)
    click.echo(f"at most {most[0]} MB and {most[1]} memory maps")


if __name__ == "__main__":
    main()
