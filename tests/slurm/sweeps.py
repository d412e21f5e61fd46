"""Small sweeps, their results without disturbance, and their logs."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from recurrent_memory.sweeps import Network, Store, Sweep, collect, execute, load, networks

TEXT = """\
[experiment]
task = "de1"
n_hidden = 8
batch_size = 4
iterations = {iterations}
test_batches = 2
task_options = {{ stim_dur = 5, delay_dur = 10, resp_dur = 6, n_neurons = 10 }}
[axes]
seed = {{ range = [0, {number}] }}
"""

CHECKPOINT_AFTER = 0.5


class Case(NamedTuple):
    """A sweep in a folder of its own."""

    file: Path
    sweep: Sweep
    networks: list[Network]
    store: Store

    @classmethod
    def made(cls, folder: Path, number: int, iterations: int) -> Case:
        folder.mkdir(exist_ok=True)
        file = folder / "sweep.toml"
        file.write_text(TEXT.format(number=number, iterations=iterations))
        sweep = load(file)
        return cls(file, sweep, list(networks(sweep)), Store(sweep.store))

    def events(self) -> list[dict[str, Any]]:
        """Return all that has been logged, in the order of time."""
        lines = [line for path in (self.store.path / "log").glob("*.jsonl") for line in path.read_text().splitlines()]
        return sorted(map(json.loads, lines), key=lambda event: event["time"])

    def events_of(self, event: str) -> Counter[str]:
        return Counter(found["network"] for found in self.events() if found["event"] == event)

    def went_on(self) -> int:
        """Return how often a network was taken up from a checkpoint."""
        return sum("going on from" in event.get("how", "") for event in self.events())

    def saved(self) -> dict[str, float]:
        """Return when the networks that have a checkpoint now have saved it."""
        found = {}
        for path in (self.store.path / "work").rglob("training.checkpoint"):
            with contextlib.suppress(FileNotFoundError):  # its network is finished by now
                found[path.parent.name] = path.stat().st_mtime
        return found

    def done(self) -> bool:
        return len(self.store.finished()) == len(self.networks)

    def check(self) -> None:
        """Check that each network was finished once, and that all are what they are undisturbed."""
        self.check_ends()
        other = Store(self.store.path.with_name("undisturbed"))
        execute(self.networks, other, self.sweep.save)
        xr.testing.assert_identical(_measures(self.networks, self.store), _measures(self.networks, other))

    def check_ends(self) -> None:
        """Check that each network was finished once."""
        # Others see a result a moment before its worker notes it in its log and gives the claim back.
        until(20, lambda: not self.store.claimed())
        assert self.events_of("finished") == Counter({network.identity: 1 for network in self.networks})


def iterations_per_second(folder: Path) -> float:
    """Return how fast a network of these sweeps is trained on this machine, compilation left out."""

    def seconds(iterations: int, number: int = 0) -> float:
        case = Case.made(folder / f"{iterations}-{number}", 1, iterations)
        execute(case.networks, case.store, case.sweep.save)
        return float(case.store.read(case.networks[0].identity).provenance["training_seconds"])

    seconds(12)  # compiles
    few, many = 20_000, 100_000
    # What else the machine does makes it slower for a while: networks would be too short to be disturbed in training.
    fastest = {iterations: min(seconds(iterations, number) for number in range(3)) for iterations in (few, many)}
    return (many - few) / (fastest[many] - fastest[few])


def _measures(chosen: list[Network], store: Store) -> xr.Dataset:
    found = collect(chosen, store)
    return found.drop_vars(
        [name for name in ("host", "device", "training_seconds", "testing_seconds") if name in found]
    )


def until(seconds: float, condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.2)
