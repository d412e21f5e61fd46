"""A network on which a worker died is trained in a process of its own, and fails if that dies too."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from own import OPTIONS, forget, my_lab
from recurrent_memory.errors import InterruptedRunError
from recurrent_memory.own_code import import_file
from recurrent_memory.runs import apart
from recurrent_memory.runs.apart import can_run_apart, run_apart
from recurrent_memory.runs.claims import Claims
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.run import run
from recurrent_memory.runs.session import Watch
from recurrent_memory.sweeps import Network, Part, Store, execute, identity
from small import small_experiment

__all__ = ["my_lab"]

DEADLY = '''
"""A task that kills its process if a file is there, as a lack of memory would."""

import os
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import jax.random as jr

from recurrent_memory import tasks


@tasks.register
class Deadly(tasks.AbstractTask):
    """Which half of the neurons fired."""

    name: ClassVar[str] = "deadly"
    title: ClassVar[str] = "Deadly"
    remembered: ClassVar[str] = "one of two halves"
    response: ClassVar[str] = "probability"

    def draw(self, key):
        how = Path(__file__).with_name("how")
        if how.exists():
            os.kill(os.getpid(), int(how.read_text()))
        label = jr.bernoulli(key).astype(int)
        return label.astype(float).reshape(1, 1), label

    def rates(self, stimuli, label):
        half = jnp.arange(self.n_neurons) >= self.n_neurons // 2
        nothing = jnp.full(self.n_neurons, 0.02)
        return self.over_time(jnp.where(half == label, 0.5, nothing), nothing, nothing)
'''


def left_by_the_dead(path: Path) -> None:
    """Leave a claim of a process of this machine that is no more."""
    with Claims(lambda _: path) as claims:
        claims.acquire("")
        said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "process": 2**22 + 1}))


@pytest.mark.thorough
def test_only_the_network_that_kills_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)
    file = tmp_path / "deadly.py"
    file.write_text(DEADLY)
    import_file(file)
    (tmp_path / "how").write_text(str(int(signal.SIGKILL)))
    experiments = [small_experiment(), small_experiment(task="deadly", task_options=OPTIONS)]
    networks = [Network(experiment, {"task": experiment.task}, identity(experiment)) for experiment in experiments]
    store, lines, parts = Store(tmp_path / "store"), list[str](), list[Part](["curves"])
    store.prepare()
    for network in networks:
        left_by_the_dead(store.claim_path(network.identity))
    ended = execute(networks, store, parts, on_message=lines.append)
    assert (ended.finished, ended.failed) == (1, 1)
    assert sum("trained in a process of its own" in line for line in lines) == 2
    failure = store.failure(networks[1].identity)
    assert failure.kind == "out of memory", failure
    assert "a process of its own (SIGKILL)" in failure.message
    assert "about 0.0 GB (estimate)" in failure.message
    alone = run(experiments[0])
    curve = store.dataset(networks[0].identity)["training_loss"]
    np.testing.assert_array_equal(curve, alone["training_loss"])
    assert not list((tmp_path / "store" / "work").rglob("*.nc"))


@pytest.mark.parametrize("other", ["", "gone", "edited"])
def test_it_stops_when_told_to(other: str, my_lab: Path, tmp_path: Path) -> None:
    experiment, place = small_experiment(iterations=10**6), RunFolder(tmp_path / "run")
    if other:  # a file that this experiment does not need
        import_file(my_lab)
        my_lab.unlink()
    if other == "edited":
        my_lab.write_text("this is no Python")

    def has_begun() -> bool:
        return (place.path / "training.checkpoint").exists()

    with pytest.raises(InterruptedRunError):
        run_apart(experiment, place, Watch(should_stop=has_begun))
    assert len(place.load_history()) > 0


def test_what_a_process_has_finished_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(small_experiment(), tmp_path / "run")
    lines: list[str] = []
    monkeypatch.setattr(apart, "_call", lambda *_: pytest.fail("a process was started"))
    run_apart(small_experiment(), RunFolder(tmp_path / "run"), Watch(on_message=lines.append))
    assert not lines


@pytest.mark.parametrize("code", [-signal.SIGTERM, 128 + signal.SIGUSR2])
def test_a_process_that_is_ended_before_it_can_listen_is_started_again(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = [(code, ""), (0, "")]
    monkeypatch.setattr(apart, "_call", lambda *_: ends.pop(0))
    run_apart(small_experiment(), RunFolder(tmp_path / "run"), Watch())
    assert not ends


def test_code_that_no_file_has_cannot_run_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_run_apart(small_experiment())
    monkeypatch.setattr(type(small_experiment()), "own_files", ["notebook"])
    assert not can_run_apart(small_experiment())


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [(-9, MemoryError, "SIGKILL.*lack of memory"), (-11, RuntimeError, "SIGSEGV"), (134, RuntimeError, "SIGABRT")],
)
def test_the_cause_of_death_is_named(code: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        raise apart._death(small_experiment(), code, "LLVM ERROR: out of maps")
