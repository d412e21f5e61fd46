"""Timings of everything but the iteration itself: drawing trials, many networks, testing, starting, memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from recurrent_memory import analysis, tasks
from recurrent_memory import kernel as compiled
from recurrent_memory.evaluation.test_trials import record_batches
from recurrent_memory.runs.many import run_many
from recurrent_memory.runs.run import run
from recurrent_memory.runs.start import fresh_state, trainer
from recurrent_memory.training.loop import CHUNK_CAPACITY

from .sides import PER_CALL, TRIALS, environment, experiment, ours

Rows = list[tuple[str, str]]

REPETITIONS = 5
"""Number of times that whole runs and starts are measured, in turns."""


def drawing() -> Rows:
    """Time a batch of 50 trials of every task."""
    rows = []
    for name in tasks.names():
        task = tasks.make(name)
        task.sample(jax.random.key(0), TRIALS)
        best = min(seconds(task.sample, jax.random.key(i), TRIALS) for i in range(30))
        rows.append((f"drawing 50 trials of {task.title}", f"{best * 1e3:.2f} ms (best of 30)"))
    return rows


def profile(n_hidden: int) -> Rows:
    """Time the parts of an iteration, with the kernel and in XLA's loop.

    Each part is a separate program here, which allocates memory for its results at each call. A single program reuses
    that memory, so the whole takes less time than the sum of its parts.
    """
    made = experiment(n_hidden)
    on, start = trainer(made, made.make_task()), fresh_state(made)
    rows = []
    for way in ("on", "off"):
        jax.clear_caches()  # the switch is read when a program is compiled
        with environment(compiled.SWITCH, way):
            draw = eqx.filter_jit(lambda key: (t := on.task.sample(key, TRIALS)).inputs + t.targets[:, :, :1])
            forward = eqx.filter_jit(lambda network, trials: network(trials.inputs, None, on.objective.resp_dur)[0])
            gradient = eqx.filter_jit(on.objective.gradient)
            trials = on.task.sample(jax.random.key(0), TRIALS)
            drawing = _least(draw, jax.random.key(1))
            there = _least(forward, start.network, trials)
            back = _least(gradient, start.network, trials) - there
            whole = _least(ours(n_hidden, by_kernel=way == "on")) / PER_CALL
        text = f"alone {drawing:.1f} drawing, {there:.1f} forth, {back:.1f} back; in one program {whole:.1f} ms"
        rows.append((f"an iteration at N = {n_hidden}, {'kernel' if way == 'on' else 'XLA loop'}", text))
    jax.clear_caches()  # otherwise the next timings would use programs without the kernel
    return rows


def _least(call: Callable[..., Any], *given: Any) -> float:
    call(*given)
    return min(seconds(call, *given) for _ in range(10)) * 1e3


def many(n_hidden: int, networks: int, iterations: int) -> Rows:
    """Time networks one after another and in one call, in turns."""
    made = [experiment(n_hidden, iterations=iterations, test_batches=50, seed=seed) for seed in range(networks)]
    run(made[0])
    ratios = []
    for _ in range(REPETITIONS):
        alone = seconds(lambda: [run(one) for one in made])
        together = seconds(lambda: run_many(made))
        ratios.append(alone / together)
    title = f"{networks} networks of N = {n_hidden}, {iterations} iterations: loop ÷ one call"
    return [(title, spread(ratios))]


def needed(n_hidden: int, after: int = 1000) -> float:
    """Return the share of the three large products' multiplications whose factors are both not zero.

    Measured in a network that has trained for some iterations. A unit without activity has no gradient either, so of
    the products with the weights, forward and backward, the share is that of the units that are active; of the product
    that gives the weights' gradient, it is that of the pairs of a unit active at a step and one active at the next.
    """
    made = experiment(n_hidden)
    on = trainer(made, made.make_task())
    state = fresh_state(made)
    for _ in range(0, after, CHUNK_CAPACITY):
        state, _ = on.advance(state, CHUNK_CAPACITY)
    trials = on.task.sample(jax.random.key(0), TRIALS)
    active = (np.asarray(state.network(trials.inputs)[1]) > 0).mean(axis=-1)  # (trial, time)
    return float((2 * active.mean() + (active[:, 1:] * active[:, :-1]).mean()) / 3)


def testing(n_hidden: int) -> Rows:
    """Time the computation of activity and sequentiality of 300 test trials."""
    made = experiment(n_hidden)
    network, task = fresh_state(made).network, made.make_task()

    def measure() -> Any:
        _, _, activity = record_batches(network, task, jax.random.key(0), batches=6, batch_size=TRIALS)
        return analysis.sequentiality_index(activity), analysis.sequentiality_index(activity, variant="exact")

    measure()
    return [
        (
            f"activity and sequentiality of 300 trials, N = {n_hidden}",
            f"{min(seconds(measure) for _ in range(3)):.2f} s",
        )
    ]


TRAIN = """
import sys, time; started = time.perf_counter()
from recurrent_memory.cli.process import cache_compiled_programs; cache_compiled_programs()
from recurrent_memory.runs.start import fresh_state, trainer
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
    """Time imports, help, and the first training iteration, without and with cached programs; measure memory."""
    rows = []
    for title, words in (
        ("import recurrent_memory", ["-c", "import recurrent_memory"]),
        ("recurrent-memory --help", ["-m", "recurrent_memory", "--help"]),
    ):
        call = [sys.executable, *words]
        best = min(seconds(subprocess.run, call, check=True, capture_output=True) for _ in range(5))
        rows.append((title, f"{best:.2f} s (best of 5)"))
    titles = ("first training iteration, nothing kept", "first training iteration, second start")
    found: dict[str, list[tuple[float, ...]]] = {title: [] for title in titles}
    for _ in range(REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            for title in titles:
                done = subprocess.run(
                    [sys.executable, "-c", TRAIN], check=True, capture_output=True, text=True,
                    env={**os.environ, "XDG_CACHE_HOME": folder},
                )  # fmt: skip
                found[title].append(tuple(map(float, done.stdout.split())))
    for title in titles:
        first, imported, peak = zip(*found[title], strict=True)
        rows.append((title, f"{spread(first)} s, of which imports and initial weights {spread(imported)} s"))
    rows.append(("peak memory of a training process, N = 500", f"{max(peak):.2f} GB"))
    return rows


def spread(values: Sequence[float]) -> str:
    """Return median, minimum and maximum."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def seconds(call: Callable[..., Any], *given: Any, **named: Any) -> float:
    """Return how long a call takes until all arrays that it returns are computed."""
    started = time.perf_counter()
    jax.block_until_ready(jax.tree.leaves(eqx.filter(call(*given, **named), eqx.is_array)))
    return time.perf_counter() - started
