"""Timings beside the iteration itself: drawing trials, many networks, testing, starting, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax

from recurrent_memory import analysis, tasks
from recurrent_memory.course import fresh_state
from recurrent_memory.ensembles import run_many
from recurrent_memory.runner import run
from recurrent_memory.simulation import record_batches

from .sides import TRIALS, experiment

Rows = list[tuple[str, str]]


def drawing() -> Rows:
    """Time a batch of 50 trials of every task."""
    rows = []
    for name in tasks.names():
        task = tasks.make(name)
        task.sample(jax.random.key(0), TRIALS)
        best = min(_seconds(task.sample, jax.random.key(i), TRIALS) for i in range(30))
        rows.append((f"drawing 50 trials of {task.title}", f"{best * 1e3:.2f} ms (best of 30)"))
    return rows


def many(n_hidden: int, networks: int, iterations: int) -> Rows:
    """Time networks one after the other, and in one call, in turns."""
    made = [experiment(n_hidden, iterations=iterations, test_batches=50, seed=seed) for seed in range(networks)]
    run(made[0])
    ratios, rates = [], []
    for _ in range(3):
        alone = _seconds(lambda: [run(one) for one in made])
        together = _seconds(lambda: run_many(made))
        ratios.append(alone / together)
        rates.append(networks * iterations / together)
    title = f"{networks} networks of N = {n_hidden}, {iterations} iterations: loop ÷ one call"
    rate = 3600 * sorted(rates)[1] / 25_001
    return [
        (title, f"{sorted(ratios)[1]:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"),
        (f"networks an hour at N = {n_hidden} in one call, of 25,001 iterations (extrapolated)", f"{rate:.1f}"),
    ]


def testing(n_hidden: int) -> Rows:
    """Time activity and sequentiality of 300 test trials."""
    made = experiment(n_hidden)
    network, task = fresh_state(made).network, made.make_task()

    def measure() -> Any:
        _, _, activity = record_batches(network, task, jax.random.key(0), batches=6, batch_size=TRIALS)
        return analysis.sequentiality_index(activity), analysis.sequentiality_index(activity, variant="exact")

    measure()
    return [
        (
            f"activity and sequentiality of 300 trials, N = {n_hidden}",
            f"{min(_seconds(measure) for _ in range(3)):.2f} s",
        )
    ]


TRAIN = """
import sys, time; started = time.perf_counter()
from recurrent_memory.cli.train import cache_compiled_programs; cache_compiled_programs()
from recurrent_memory.course import fresh_state, trainer
from recurrent_memory.experiment import Experiment
e = Experiment(task="de1", n_hidden=500); t = trainer(e, e.make_task()); s = fresh_state(e)
imported = time.perf_counter() - started
s, _ = t.advance(s, 1)
print(f"{time.perf_counter() - started:.2f} {imported:.2f}", flush=True)
s, _ = t.advance(s, 20)
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]  # `getrusage` starts with the parent's
print(int(peak[0].split()[1]) / 1e6)
"""


def starting() -> Rows:
    """Time imports, help, and the first training iteration without and with compiled programs kept; and memory."""
    rows = []
    for title, words in (
        ("import recurrent_memory", ["-c", "import recurrent_memory"]),
        ("recurrent-memory --help", ["-m", "recurrent_memory", "--help"]),
    ):
        call = [sys.executable, *words]
        best = min(_seconds(subprocess.run, call, check=True, capture_output=True) for _ in range(5))
        rows.append((title, f"{best:.2f} s (best of 5)"))
    with tempfile.TemporaryDirectory() as folder:
        for title in ("first training iteration, nothing kept", "first training iteration, second start"):
            done = subprocess.run(
                [sys.executable, "-c", TRAIN], check=True, capture_output=True, text=True,
                env={**os.environ, "XDG_CACHE_HOME": folder},
            )  # fmt: skip
            first, imported, peak = done.stdout.split()
            rows.append((title, f"{first} s, of which imports and initial weights {imported} s"))
    rows.append(("peak memory of a training process, N = 500", f"{float(peak):.2f} GB"))
    return rows


def _seconds(call: Callable[..., Any], *given: Any, **named: Any) -> float:
    started = time.perf_counter()
    jax.block_until_ready(call(*given, **named))
    return time.perf_counter() - started
