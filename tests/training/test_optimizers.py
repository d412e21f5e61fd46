"""Optimizers and schedules against optax by hand, alone and in step, interrupted and not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers import TOLERANCE, assert_trees_close
from recurrent_memory import storage
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.run import run
from recurrent_memory.runs.start import carry_over, fresh_state, trainer
from recurrent_memory.settings import checked_options, plain_options_of
from recurrent_memory.training import (
    OPTIMIZERS,
    SCHEDULES,
    AdamState,
    Ensemble,
    Member,
    Optimizer,
    Schedule,
    paper_adam,
)
from small import small_experiment, stops_after

UNFINISHED = Path(__file__).parent / "data" / "unfinished"
"""A run that version 0.1.0 left after 10 of its 30 iterations, before experiments had an optimizer."""

OPTIONS: dict[str, dict[str, Any]] = {
    "adamw": {"weight_decay": 0.01},
    "sgd": {"momentum": 0.9, "nesterov": True},
    "rmsprop": {"centered": True, "momentum": 0.5},
}
"""Options with which an optimizer is tried, where its defaults would leave a part of it out."""


def arrays(tree: Any) -> Any:
    return eqx.filter(tree, eqx.is_array)


def weights() -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(0))
    return {"W": jax.random.normal(keys[0], (4, 3)), "b": jax.random.normal(keys[1], (3,))}


def gradients(n: int) -> Iterator[dict[str, jax.Array]]:
    for step in range(n):
        keys = jax.random.split(jax.random.key(step + 1))
        yield {"W": jax.random.normal(keys[0], (4, 3)), "b": jax.random.normal(keys[1], (3,))}


def stepped(optimizer: Optimizer, n: int, rates: Any) -> Any:
    """Return weights after some steps of one compiled program, the learning rate being traced."""
    network: Any = weights()
    state, step = optimizer.start(network), eqx.filter_jit(lambda *given: optimizer.step(*given))
    for gradient, rate in zip(gradients(n), rates, strict=True):
        network, state = step(network, gradient, state, jnp.asarray(rate))
    return network


def by_hand(transformation: Any, n: int) -> Any:
    parameters: Any = weights()
    state = transformation.init(parameters)
    for gradient in gradients(n):
        change, state = transformation.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, change)
    return parameters


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS.names() if name != "paper_adam"])
@pytest.mark.sampled(3)
def test_an_optimizer_is_optaxs_step_by_step(name: str) -> None:
    options = OPTIONS.get(name, {})
    expected = by_hand(getattr(optax, name)(0.01, **options), 5)
    assert_trees_close(stepped(Optimizer.named(name, options), 5, [0.01] * 5), expected, TOLERANCE["float64"])


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.sampled(5)
def test_the_loss_falls(name: str) -> None:
    rate = {"adagrad": 0.1, "lion": 1e-3}.get(name, 1e-2)
    experiment = small_experiment(optimizer=name, optimizer_options=OPTIONS.get(name, {}), learning_rate=rate)
    _, chunk = trainer(experiment, experiment.make_task()).advance(fresh_state(experiment), 250)
    assert chunk.losses[-30:].mean() < 0.9 * chunk.losses[:10].mean()


def test_options_are_those_of_optax_that_are_numbers_or_truth_values() -> None:
    for name, options in {"adamw": ("b1", "weight_decay", "nesterov"), "sgd": ("momentum", "nesterov")}.items():
        for option in options:
            Optimizer.named(name, {option: 0})
        for option in ("learning_rate", "mask", "mu_dtype", "accumulator_dtype"):
            with pytest.raises(InputError, match=f"`{option}` is not a setting of the optimizer {name}"):
                Optimizer.named(name, {option: None})


def test_the_published_adam_is_an_optax_transformation() -> None:
    chained = optax.chain(optax.clip_by_global_norm(1.0), paper_adam(0.01))
    clipped = Optimizer(gradient_clip_norm=1.0)
    assert_trees_close(stepped(clipped, 4, [0.01] * 4), by_hand(chained, 4), TOLERANCE["float32"])


def test_its_epsilon_is_on_the_uncorrected_root() -> None:
    tiny = {"x": jnp.asarray([1e-9])}
    ours, _ = paper_adam(1.0).update(tiny, paper_adam(1.0).init(tiny))
    optaxs, _ = optax.adam(1.0).update(tiny, optax.adam(1.0).init(tiny))
    root = np.sqrt(1e-3)
    np.testing.assert_allclose(ours["x"], -root * 1e-9 / (root * 1e-9 + 1e-8), rtol=1e-4)
    np.testing.assert_allclose(optaxs["x"], -1e-9 / (1e-9 + 1e-8), rtol=1e-4)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("norm", [0.5, 1e6])
def test_a_long_gradient_is_shortened_and_a_short_one_is_left(norm: float) -> None:
    first = next(gradients(1))
    length = float(jnp.sqrt(sum(jnp.sum(g**2) for g in first.values())))
    change = jax.tree.map(jnp.subtract, weights(), stepped(Optimizer.named("sgd", {}, norm), 1, [1.0]))
    expected = jax.tree.map(lambda g: g * min(1, norm / length), first)
    assert_trees_close(change, expected, TOLERANCE["float64"])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("constant", {}, optax.constant_schedule(0.3)),
        ("linear", {"end": 0.1}, optax.linear_schedule(0.3, 0.03, 40)),
        ("cosine", {"end": 0.1}, optax.cosine_decay_schedule(0.3, 40, alpha=0.1)),
        ("exponential", {"end": 0.1}, optax.exponential_decay(0.3, 40, 0.1)),
    ],
)
def test_a_schedule_is_that_of_optax(name: str, options: dict[str, Any], expected: Any) -> None:
    schedule = Schedule.named(name, options, 40)
    rates = [float(schedule.rate(jnp.asarray(0.3), jnp.asarray(i))) for i in range(41)]
    np.testing.assert_allclose(rates, [float(expected(i)) for i in range(41)], rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_a_warm_up_rises_to_the_learning_rate_and_then_follows_the_schedule(name: str) -> None:
    schedule, late = Schedule.named(name, {"warmup": 0.2}, 50), Schedule.named(name, {}, 40)
    rates = [float(schedule.rate(jnp.asarray(0.3), jnp.asarray(i))) for i in range(50)]
    np.testing.assert_allclose(rates[:10], 0.3 * np.arange(1, 11) / 10, rtol=1e-5)
    after = [float(late.rate(jnp.asarray(0.3), jnp.asarray(i))) for i in range(40)]
    np.testing.assert_allclose(rates[10:], after, rtol=1e-4, atol=1e-6)


@pytest.mark.thorough
def test_training_follows_its_schedule() -> None:
    experiment = small_experiment(optimizer="sgd", learning_rate_schedule="linear", schedule_options={"warmup": 0.25})
    made, state = trainer(experiment, experiment.make_task()), fresh_state(experiment)
    for iteration in range(5):
        trials = made.task.sample(jax.random.fold_in(made.key, iteration), made.batch_size)
        gradient = made.objective.gradient(state.network, trials)[2]
        rate = experiment.learning_rate * min((iteration + 1) / 3, 1) * (1 - max(iteration - 3, 0) / 9)
        expected = eqx.apply_updates(state.network, jax.tree.map(lambda g, rate=rate: -rate * g, gradient))
        state, _ = made.advance(state, 1)
        assert_trees_close(arrays(state.network), arrays(expected), TOLERANCE["float32"])


def test_interrupted_with_a_schedule_ends_the_same(tmp_path: Path) -> None:
    experiment = small_experiment(
        iterations=20, optimizer="rmsprop", optimizer_options=OPTIONS["rmsprop"], gradient_clip_norm=0.1,
        learning_rate_schedule="cosine", schedule_options={"warmup": 0.3},
    )  # fmt: skip
    for every in (3, 5):
        with pytest.raises(InterruptedRunError):
            run(experiment, tmp_path / "cut", should_stop=stops_after(2), checkpoint_every=every)
    assert run(experiment, tmp_path / "cut").identical(run(experiment))


@pytest.mark.parametrize("name", ["paper_adam", "adamw", "sgd", "radam"])
@pytest.mark.sampled(2)
def test_networks_in_step_are_as_alone(name: str) -> None:
    course = {"learning_rate_schedule": "cosine", "gradient_clip_norm": 0.5, "optimizer": name}
    experiments = [
        small_experiment(seed=i, learning_rate=rate, iterations=n, optimizer_options=OPTIONS.get(name, {}), **course)
        for i, (rate, n) in enumerate([(1e-3, 12), (5e-3, 20)])
    ]
    assert experiments[0].shape == experiments[1].shape
    ways = [trainer(one, one.make_task()) for one in experiments]
    together = Ensemble([Member(way, fresh_state(one)) for way, one in zip(ways, experiments, strict=True)])
    together.advance(6)
    for number, (way, one) in enumerate(zip(ways, experiments, strict=True)):
        alone, _ = way.advance(fresh_state(one), 6)
        assert_trees_close(arrays(together.member(number).state), arrays(alone), TOLERANCE["float32"])


@pytest.mark.parametrize("name", ["adamw", "radam", "rmsprop"])
def test_divergence_leaves_any_optimizers_state_as_before_the_step(name: str) -> None:
    experiment = small_experiment(optimizer=name, optimizer_options=OPTIONS.get(name, {}))
    made = trainer(experiment, experiment.make_task())
    state, _ = made.advance(fresh_state(experiment), 3)
    broken = eqx.tree_at(lambda s: s.network.b_out, state, jnp.full_like(state.network.b_out, jnp.inf))
    before = jax.tree.map(np.array, arrays(broken))
    after, chunk = made.advance(broken, 5)
    assert chunk.diverged
    for a, b in zip(jax.tree.leaves(arrays(after)), jax.tree.leaves(before), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_next_task_goes_on_with_any_optimizers_state() -> None:
    experiment = small_experiment(curriculum=("de1", "de2"), task="de2", optimizer="adamw")
    first, _ = experiment.stages
    last, _ = trainer(first, first.make_task()).advance(fresh_state(first), 5)
    moments = optax.tree_utils.tree_get(carry_over(last, fresh_state(experiment)).optimizer, "mu")
    theirs = optax.tree_utils.tree_get(last.optimizer, "mu")
    np.testing.assert_array_equal(moments.cell.W_rec, theirs.cell.W_rec)
    assert not np.any(moments.cell.W_in)
    assert int(optax.tree_utils.tree_get(carry_over(last, fresh_state(experiment)).optimizer, "count")) == 5


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    shutil.copytree(UNFINISHED, tmp_path / "run")
    experiment = RunFolder(tmp_path / "run").experiment()
    assert experiment == small_experiment(iterations=30, n_hidden=6)
    resumed, whole = run(experiment, tmp_path / "run"), run(experiment)
    assert "going on from iteration 10 of 30" in (tmp_path / "run" / "run.log").read_text()
    np.testing.assert_allclose(resumed["training_loss"], whole["training_loss"], rtol=TOLERANCE["float32"])


def test_the_published_adams_state_keeps_its_names_in_files() -> None:
    found, _ = storage.load_arrays(UNFINISHED / "training.checkpoint")
    state = fresh_state(RunFolder(UNFINISHED).experiment())
    assert isinstance(state.optimizer, AdamState)
    ours = storage.flatten(arrays(state), "state.")
    assert {name: a.shape for name, a in ours.items()} == {
        name: a.shape for name, a in found.items() if name.startswith("state.")
    }


def test_a_first_state_that_holds_the_weights_is_a_copy_of_them() -> None:
    def with_average(learning_rate: Any) -> optax.GradientTransformation:
        def update(gradient: Any, state: Any, parameters: Any) -> Any:
            moved = jax.tree.map(lambda g: -learning_rate * g, gradient)
            return moved, tuple(jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, of, parameters) for of in state)

        return optax.GradientTransformation(lambda parameters: (parameters, parameters), update)

    made = weights()
    state = Optimizer(with_average).start(made)
    assert_trees_close(state, (made, made), 0.0)
    places = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((made, state))]
    assert len(set(places)) == len(places)  # each may be written over without the others


def test_an_own_optimizer_is_a_decorated_function() -> None:
    try:

        @OPTIMIZERS.register
        def own(learning_rate: Any, pull: float = 0.5, *, required: int) -> Any:
            # Its state holds the parameters themselves, so that it must be given memory of its own.
            return optax.GradientTransformation(
                lambda parameters: parameters,
                lambda gradient, state, parameters: (
                    jax.tree.map(lambda s, p: learning_rate * pull * required * (s - p), state, parameters),
                    state,
                ),
            )

        with pytest.raises(InputError, match="the optimizer own needs `required`"):
            Experiment(task="de1", optimizer="own")
        experiment = small_experiment(optimizer="own", optimizer_options={"required": "2", "pull": 0.25})
        assert experiment.optimizer_options == {"required": 2, "pull": 0.25}
        state, chunk = trainer(experiment, experiment.make_task()).advance(fresh_state(experiment), 2)
        assert chunk.n_done == 2
        assert_trees_close(arrays(state.network), arrays(fresh_state(experiment).network), TOLERANCE["float32"])
    finally:
        OPTIMIZERS._entries.pop("own", None)


def test_options_with_unreadable_annotations_take_the_types_of_their_defaults() -> None:
    def function(x: Any, share: Nowhere = 0.5, on: Nowhere = False, mask: Nowhere = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert checked_options("it", plain_options_of(function), {"share": 1, "on": "yes"}) == {"share": 1.0, "on": True}
    with pytest.raises(InputError, match=r"`mask` is not a setting of it. Its settings: share, on\."):
        checked_options("it", plain_options_of(function), {"mask": 1})
