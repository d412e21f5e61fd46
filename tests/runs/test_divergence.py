"""A network that breaks is never finished, whenever it breaks; and what is not the network's fault is not called so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from own import forget
from recurrent_memory.errors import DivergedError, InputError
from recurrent_memory.runs.many import run_many
from recurrent_memory.runs.run import run
from recurrent_memory.tasks import AbstractTask, register
from small import small_experiment

HUGE = {"iterations": 1, "learning_rate": 1e30}
"""The loss of the only iteration is finite; its step is what breaks the network."""


def test_a_network_that_breaks_in_its_last_step_has_diverged(tmp_path: Path) -> None:
    for _ in range(2):  # the second time from its checkpoint
        with pytest.raises(DivergedError, match="answers in the test are not finite") as caught:
            run(small_experiment(**HUGE), tmp_path / "run")
        assert len(caught.value.history) == 1
    assert not (tmp_path / "run" / "result.nc").exists()


@pytest.mark.parametrize("batched", [False, True])
def test_of_many_only_those_diverge_that_break(batched: bool) -> None:
    both = [small_experiment(iterations=1), small_experiment(**HUGE)]
    found = run_many(both, batched=batched)
    assert [result.attrs["status"] for result in found] == ["finished", "diverged"]


class Wrong(AbstractTask):
    """A task with impossible rates after a while."""

    name: ClassVar[str] = "wrong"
    title: ClassVar[str] = "Wrong"
    remembered: ClassVar[str] = "nothing"
    response: ClassVar[str] = "value"
    rate: ClassVar[float]

    def draw(self, key: Any) -> Any:
        return jr.bernoulli(key, 0.05).astype(float).reshape(1, 1), jnp.zeros((), int)

    def rates(self, stimuli: Any, label: Any) -> Any:
        here = jnp.where(stimuli[0, 0] > 0, self.rate, 0.1) * jnp.ones(self.n_neurons)
        return self.over_time(here, here, here)

    def targets(self, stimuli: Any, label: Any) -> Any:
        return jnp.zeros((self.n_steps, 1))


@pytest.mark.parametrize("impossible", [-1.0, np.nan, 1e9])
@pytest.mark.sampled(3)
def test_impossible_rates_are_the_tasks_fault(impossible: float, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)

    @register
    class WrongOne(Wrong):
        rate: ClassVar[float] = impossible

    with pytest.raises(InputError, match=r"The task wrong drew inputs that are not finite, in batch \d+ of the"):
        run(small_experiment(task="wrong", iterations=60))


def test_random_settings_of_jax_change_no_result() -> None:
    experiment = small_experiment(iterations=3)
    before = run(experiment)
    seed_offset = jax.config.jax_random_seed_offset  # type: ignore[attr-defined]
    with jax.threefry_partitionable(False), jax.default_prng_impl("rbg"):
        try:
            jax.config.update("jax_random_seed_offset", 7)
            found = [run(experiment), *run_many([experiment])]
        finally:
            jax.config.update("jax_random_seed_offset", seed_offset)
    for result in found:
        np.testing.assert_array_equal(result["training_loss"], before["training_loss"])
        np.testing.assert_array_equal(result["activity"], before["activity"])
