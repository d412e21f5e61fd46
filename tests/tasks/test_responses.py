"""Tasks of one's own with every kind of answer and several outputs, from training to pictures."""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float, Int, PRNGKeyArray

from recurrent_memory import evaluation, tasks
from recurrent_memory.errors import InputError
from recurrent_memory.experiment import Experiment
from recurrent_memory.figures import learning_curve, trial_structure
from recurrent_memory.runs.run import run
from recurrent_memory.tasks import registry

SHORT = {"stim_dur": 5, "delay_dur": 6, "resp_dur": 6, "n_neurons": 9}


class Which(tasks.AbstractTask):
    """Which third of the neurons was active."""

    name: ClassVar[str] = "which"
    title: ClassVar[str] = "Which"
    remembered: ClassVar[str] = "a third of the neurons"
    response: ClassVar[tasks.Response] = "category"
    n_categories: ClassVar[int] = 3

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        label = jr.randint(key, (), 0, 3)
        return label.astype(float).reshape(1, 1), label

    def rates(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> tasks.HeldRates:
        noise = jnp.full(self.n_neurons, 0.02)
        third = jnp.arange(self.n_neurons) // (self.n_neurons // 3)
        return self.over_time(jnp.where(third == label, 0.6, noise), noise, noise)


class Each(Which):
    """How probable each third is, as separate probabilities."""

    name: ClassVar[str] = "each"
    response: ClassVar[tasks.Response] = "probability"

    @property
    def n_outputs(self) -> int:
        return 3

    def targets(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> Float[Array, "time output"]:
        return jnp.broadcast_to((jnp.arange(3) == label).astype(float), (self.n_steps, 3))


class Traces(Each):
    """Three values, 1 for the third that was active."""

    name: ClassVar[str] = "traces"
    response: ClassVar[tasks.Response] = "value"


class Observed(Which):
    """The same with an observer."""

    name: ClassVar[str] = "observed"

    def observe(
        self, evidence: tasks.Evidence, variant: str = "paper", until: int | None = None
    ) -> Float[np.ndarray, " trial *answer"]:
        counts = np.asarray(evidence.counts[:, 0], float).reshape(len(evidence.counts), 3, -1).sum(axis=-1)
        odds = np.exp(counts * np.log(0.6 / 0.02))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


@pytest.fixture(autouse=True)
def own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.TASKS, "_entries", dict(registry.TASKS._entries))
    for task in (Which, Each, Traces, Observed):
        tasks.register(task)


def trained(name: str, **changes: Any) -> Any:
    values = {"n_hidden": 20, "iterations": 300, "batch_size": 20, "learning_rate": 5e-3, "test_batches": 5}
    return run(Experiment(**{"task": name, "task_options": SHORT, **values, **changes}))


@pytest.mark.parametrize("name", ["which", "each", "traces", "observed"])
@pytest.mark.sampled(2)
def test_it_is_learned_and_drawn(name: str) -> None:
    result = trained(name)
    assert float(result["fractional_loss"]) < 0.5
    assert bool(result["solved"])
    assert result["outputs"].sizes["output"] == 3
    assert result["training_fractional_loss"].values[-1] < result["training_fractional_loss"].values[0]
    if name in ("which", "observed"):
        np.testing.assert_allclose(result["outputs"].sum("output"), 1, atol=1e-4)
    if name == "which":
        assert float(result["fractional_loss"]) == pytest.approx(float(result["test_loss"]) / math.log(3), rel=1e-4)
    if name == "each":
        assert float(result["fractional_loss"]) == pytest.approx(float(result["test_loss"]) / math.log(2), rel=1e-4)
    assert result["fractional_loss"].attrs["formula"] == {
        "traces": "mean absolute error", "observed": "mean KL(observer‖network) / mean KL(observer‖chance)",
    }.get(name, "network's cross-entropy / cross-entropy of chance")  # fmt: skip
    label = trial_structure(result).axes[1].get_ylabel()
    assert label == ("Output" if name == "traces" else "Probability")
    learning_curve(result)


def test_it_stops_when_it_is_solved() -> None:
    assert trained("which", iterations=1000, stop_at=0.4).sizes["iteration"] < 1000


def test_divergence_of_categories() -> None:
    observer, network = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]), np.array([[0.5, 0.3, 0.2], [0.5, 0.25, 0.25]])
    found = evaluation.errors("category", np.eye(3)[[0, 0]], observer, network)
    first = 0.7 * math.log(0.7 / 0.5) + 0.2 * math.log(0.2 / 0.3) + 0.1 * math.log(0.1 / 0.2)
    np.testing.assert_allclose(found.network, [first, math.log(2)])
    chance = 0.7 * math.log(2.1) + 0.2 * math.log(0.6) + 0.1 * math.log(0.3)
    np.testing.assert_allclose(found.reference, [chance, math.log(3)])
    of = evaluation.performance("category", found)
    assert of.fractional_loss == pytest.approx((first + math.log(2)) / (chance + math.log(3)))
    assert evaluation.loss("category", np.eye(3)[[0, 0]], network) == pytest.approx(math.log(2))


def test_a_population_task_may_give_one_observer() -> None:
    class Exact(tasks.PopulationTask):
        name: ClassVar[str] = "exact-only"
        title: ClassVar[str] = "Exact"
        remembered: ClassVar[str] = "a value"
        response: ClassVar[tasks.Response] = "probability"

        def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
            return jnp.zeros((1, 1)), jr.bernoulli(key).astype(int)

        def preferred(self, xp: Any = jnp) -> Any:
            return xp.zeros(self.n_neurons)

        def log_tuning(self, values: Any, xp: Any = jnp) -> Any:
            return 0 * (values[..., None] - self.preferred(xp))

    class Given(Exact):
        def observe_exact(
            self, counts: Float[np.ndarray, "..."], label: Int[np.ndarray, " trial"], n_seen: tuple[int, ...]
        ) -> Float[np.ndarray, " trial"]:
            return np.full(len(label), n_seen[0] / 100)

    task = Given()
    trials = task.sample(jr.key(0), 4)
    assert task.has_observer
    np.testing.assert_array_equal(task.ideal_observer(trials), 0.25)
    np.testing.assert_array_equal(task.ideal_observer(trials, "exact", until=10), 0.1)
    assert not Exact().has_observer
    np.testing.assert_array_equal(Exact().ideal_observer(trials), trials.label)


def test_a_seed_is_no_key() -> None:
    with pytest.raises(InputError, match=r"`key` = 0 is not allowed: it must be a random key, such as jax.random.key"):
        inspect.unwrap(tasks.AbstractTask.sample)(tasks.DE1(), 0, 5)


def test_numbers_of_numpy_are_settings() -> None:
    experiment = Experiment(task="de1", n_hidden=np.int64(9), task_options={"delay_dur": np.int64(6)})
    assert experiment == Experiment(task="de1", n_hidden=9, task_options={"delay_dur": 6})
    assert type(experiment.model_dump(mode="json")["task_options"]["delay_dur"]) is int
    assert tasks.make("de1", delay_dur=np.int32(6)) == tasks.DE1(delay_dur=6)
