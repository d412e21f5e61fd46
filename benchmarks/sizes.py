"""Cost against size: time per iteration for different numbers of units, trials, steps and networks, and its limit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import matplotlib.pyplot as plt

from recurrent_memory import kernel as compiled
from recurrent_memory.runs.resources import cores
from recurrent_memory.runs.start import fresh_state, trainer

from .measure import milliseconds
from .sides import PER_CALL, RESPONSE, STEPS, TRIALS, Iteration, experiment, limit, ours

N_HIDDEN = 100
"""Number of units if another size is varied."""


class Costs(NamedTuple):
    """Milliseconds per iteration of one network, for several values of one size."""

    size: str
    values: list[int]
    ours: list[float]
    limit: list[float]


def measure(say: Callable[[str], None]) -> list[Costs]:
    """Time training at each size, at its start, when few units are silent and the kernel can skip little."""
    delays = [25, 50, 100, 200, 400, 800]
    ways: list[tuple[str, list[int], Callable[[int], Iteration], Callable[[int], Iteration]]] = [
        ("units", [50, 100, 200, 500, 1000, 2000], ours, limit),
        (
            f"trials in a batch (N = {N_HIDDEN})",
            [10, 25, 50, 100, 250, 500],
            lambda n: ours(N_HIDDEN, batch_size=n),
            lambda n: limit(N_HIDDEN, STEPS * n),
        ),
        (
            f"steps of a trial (N = {N_HIDDEN})",
            [delay + STEPS - 100 for delay in delays],
            lambda n: ours(N_HIDDEN, task_options={"delay_dur": n - 2 * RESPONSE}),
            lambda n: limit(N_HIDDEN, n * TRIALS),
        ),
    ]
    found = []
    for size, values, side, bound in ways:
        say(f"cost against {size}")
        times = [milliseconds({"ours": side(n), "limit": bound(n)}) for n in values]
        found.append(Costs(size, values, [of["ours"] for of in times], [of["limit"] for of in times]))
    say("cost against networks")
    numbers = [1, 2, 4, 8, 16]
    of_limit = milliseconds({"limit": limit(N_HIDDEN)})["limit"]
    found.append(
        Costs(
            f"networks trained at once (N = {N_HIDDEN})",
            numbers,
            [milliseconds({"ours": networks(n)})["ours"] / n for n in numbers],
            [of_limit] * len(numbers),
        )
    )
    return found


def networks(number: int) -> Iteration:
    """Return ``PER_CALL`` iterations of several networks, one per core, as in :func:`recurrent_memory.run_many`."""
    made = [experiment(N_HIDDEN, seed=seed) for seed in range(number)]
    trainers = [trainer(one, one.make_task()) for one in made]
    states = [fresh_state(one) for one in made]
    at_once = min(number, cores())

    def advance(i: int) -> Any:
        # A copy, because `advance` reuses the memory of the state that it is given.
        state = jax.tree.map(lambda leaf: leaf.copy() if eqx.is_array(leaf) else leaf, states[i])
        return trainers[i].advance(state, PER_CALL)[1].losses

    advance(0)

    def iterations() -> None:
        compiled.limit_threads(max(1, cores() // at_once))
        try:
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(advance, range(number)))
        finally:
            compiled.limit_threads(0)

    return iterations


def draw(found: list[Costs], path: Path) -> None:
    """Draw the time per iteration against each size."""
    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.1), layout="constrained")
    for ax, costs in zip(axes, found, strict=True):
        ax.plot(costs.values, costs.ours, "o-", color="C0", label="ours, first iterations")
        ax.plot(costs.values, costs.limit, "--", color="0.5", label="limit: three large products")
        ax.set(xlabel=costs.size, xscale="log", yscale="log")
        ax.set_xticks(costs.values, map(str, costs.values), minor=False)
        ax.minorticks_off()
        ax.set_yticks(ticks := [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)], map(str, ticks))
        ax.set_ylim(0.8 * min(costs.ours + costs.limit), 1.25 * max(costs.ours + costs.limit))
    axes[-1].set_ylim(1, 30)
    axes[0].set_ylabel("ms per iteration of one network")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
