"""A user's file with a task and a cell, and registries that forget what a test registers."""

from __future__ import annotations

from pathlib import Path

import pytest

from recurrent_memory.networks import CELLS
from recurrent_memory.own_code import importing
from recurrent_memory.tasks.registry import TASKS

TEXT = '''\
"""A task and a cell of my lab."""

from typing import ClassVar

import jax.numpy as jnp
import jax.random as jr

from recurrent_memory import networks, tasks

RATE = 0.5


@tasks.register
class Half(tasks.AbstractTask):
    """Which half of the neurons fired."""

    name: ClassVar[str] = "half"
    title: ClassVar[str] = "Half"
    remembered: ClassVar[str] = "one of two halves"
    response: ClassVar[str] = "probability"

    def draw(self, key):
        label = jr.bernoulli(key).astype(int)
        return label.astype(float).reshape(1, 1), label

    def rates(self, stimuli, label):
        half = jnp.arange(self.n_neurons) >= self.n_neurons // 2
        nothing = jnp.full(self.n_neurons, 0.02)
        return self.over_time(jnp.where(half == label, RATE, nothing), nothing, nothing)


@networks.register
class Squared(networks.ReluCell):
    """Rectified units with another gain."""

    model = "scaled"
    code = None

    def activity(self, state):
        return state * GAIN


GAIN = 0.9
'''

OPTIONS = {"stim_dur": 4, "delay_dur": 6, "resp_dur": 6, "n_neurons": 10}


def write(folder: Path, *, rate: float = 0.5) -> Path:
    """Write the file, with another rate if one is given."""
    path = folder / "my_lab.py"
    path.write_text(TEXT.replace("RATE = 0.5", f"RATE = {rate}"))
    return path


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget own tasks and cells at the end of a test, and those of earlier tests now."""
    for registry in (TASKS, CELLS):
        built_in = {name: of for name, of in registry.items() if of.__module__.startswith("recurrent_memory.")}
        monkeypatch.setattr(registry, "_entries", built_in)
    monkeypatch.setattr(importing, "_IMPORTED", {})


@pytest.fixture
def my_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, not imported yet."""
    forget(monkeypatch)
    folder = tmp_path / "lab"
    folder.mkdir()
    return write(folder)
