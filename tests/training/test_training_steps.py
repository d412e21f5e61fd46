"""Objective, Adam and the compiled loop against NumPy and against themselves."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from helpers import TOLERANCE, assert_close
from recurrent_memory.runs.run import run
from recurrent_memory.runs.session import initial_network, stream, trainer
from recurrent_memory.tasks import Response
from recurrent_memory.training import Objective, Trainer, TrainingState, adam, sum_of_squares, task_loss
from small import small_experiment


def start(**changes: Any) -> tuple[Trainer, TrainingState]:
    experiment = small_experiment(**changes)
    made = trainer(experiment, experiment.make_task())
    return made, made.start(initial_network(experiment))


def identical(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def copy(tree: Any) -> Any:
    """Advancing reuses a state's memory, so what is needed again is copied."""
    return jax.tree.map(lambda x: jnp.array(x) if eqx.is_array(x) else x, tree)


@pytest.mark.usefixtures("x64")
def test_task_losses_are_the_formulas() -> None:
    rng = np.random.default_rng(0)
    y, t = rng.uniform(0.05, 4, (3, 5, 1)), rng.uniform(0, 3, (3, 5, 1))
    p, label = rng.uniform(0.05, 0.95, (3, 5, 1)), rng.integers(0, 2, (3, 5, 1)).astype(float)
    expected = {
        "angle": np.mean(np.abs(y - t) % math.pi),
        "value": np.mean(np.abs(y - t)),
        "probability": -np.mean(label * np.log(p) + (1 - label) * np.log(1 - p)),
    }
    given = {"angle": (y, t), "value": (y, t), "probability": (p, label)}
    for response, (a, b) in given.items():
        loss = task_loss(response, jnp.asarray(a), jnp.asarray(b))
        assert_close(loss, expected[response], TOLERANCE["float64"], response)


@pytest.mark.usefixtures("x64")
def test_terms_are_the_formulas() -> None:
    made, state = start(rho=0.01, activity_penalty=0.2)
    trials = made.task.sample(jr.key(1), 4)
    outputs, activity = state.network(trials.inputs)
    terms, _ = made.objective.terms(state.network, trials)
    y, t, h = (np.asarray(x) for x in (outputs[:, -6:], trials.targets[:, -6:], activity[:, -5:]))
    squares = sum(float(np.sum(np.asarray(x) ** 2)) for x in jax.tree.leaves(eqx.filter(state.network, eqx.is_array)))
    assert_close(terms.task, np.mean(np.abs(y - t) % math.pi), TOLERANCE["float64"])
    assert_close(terms.activity, 0.2 * np.mean(h**2), TOLERANCE["float64"])
    assert_close(terms.weights, 0.01 * squares, TOLERANCE["float64"])
    assert_close(sum_of_squares(state.network), squares, TOLERANCE["float64"])


@pytest.mark.usefixtures("x64")
def test_adam_is_the_published_loop() -> None:
    _, state = start()
    network, optimizer = state.network, state.optimizer
    theta = np.asarray(network.W_out)
    m = v = np.zeros_like(theta)
    for t in range(1, 6):
        g = np.random.default_rng(t).normal(size=theta.shape) * 1e-7  # small, so that ε counts
        gradient = jax.tree.map(jnp.zeros_like, eqx.filter(network, eqx.is_inexact_array))
        gradient = eqx.tree_at(lambda n: n.W_out, gradient, jnp.asarray(g))
        network, optimizer = adam.step(network, gradient, optimizer, jnp.asarray(1e-3))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - 1e-3 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
    assert_close(network.W_out, theta, TOLERANCE["float64"])


def test_cutting_into_chunks_changes_nothing() -> None:
    made, state = start()
    whole, chunk = made.advance(copy(state), 7)
    part, first = made.advance(copy(state), 3)
    part, second = made.advance(part, 4)
    assert (chunk.n_done, first.n_done, second.n_done) == (7, 3, 4)
    assert identical(whole, part)
    np.testing.assert_array_equal(chunk.losses, np.concatenate([first.losses, second.losses]))


def test_answers_are_those_before_the_step_or_after_it() -> None:
    made, state = start()
    after, _ = start(judge_after_step=True)
    trials = made.task.sample(jr.fold_in(made.key, 0), made.batch_size)
    stepped, first = made.advance(copy(state), 1)
    also_stepped, second = after.advance(copy(state), 1)
    assert identical(stepped, also_stepped)
    for chunk, network in ((first, state.network), (second, stepped.network)):
        assert_close(chunk.answers.outputs[0], network(trials.inputs)[0][:, -6:], TOLERANCE["float32"])
    assert not np.array_equal(first.answers.outputs, second.answers.outputs)


def test_divergence_leaves_the_state_before_the_step() -> None:
    made, state = start()
    broken = eqx.tree_at(lambda s: s.network.b_out, state, jnp.full_like(state.network.b_out, jnp.inf))
    after, chunk = made.advance(copy(broken), 5)
    assert chunk.diverged
    assert chunk.n_done == 1
    assert identical(after, broken)


def test_clipping_jointly_or_separately_is_the_same_where_nothing_is_clipped() -> None:
    made, state = start()
    other, _ = start(separate_clipping=True)
    trials = made.task.sample(jr.key(1), 4)
    _, _, joint = made.objective.gradient(state.network, trials)
    _, _, separate = other.objective.gradient(state.network, trials)
    for a, b in zip(jax.tree.leaves(joint), jax.tree.leaves(separate), strict=True):
        assert_close(a, b, TOLERANCE["float32"])


def test_a_mask_without_steps_to_skip_changes_nothing() -> None:
    made, state = start()
    trials = made.task.sample(jr.key(1), 4)
    masked = Objective(response="angle", resp_dur=6, masked=True)
    for a, b in zip(
        masked.terms(state.network, trials)[0], made.objective.terms(state.network, trials)[0], strict=True
    ):
        assert_close(a, b, TOLERANCE["float32"])


def test_streams_never_share_trials() -> None:
    experiment = small_experiment()
    keys = [jr.fold_in(stream(experiment, name), i) for name in ("training", "test") for i in range(2_600)]
    assert len({tuple(np.asarray(jr.key_data(key)).tolist()) for key in keys}) == len(keys)


def test_training_stops_at_a_multiple_of_100_iterations() -> None:
    result = run(small_experiment(iterations=250, stop_at=1e9))
    assert result.sizes["iteration"] == 100


@pytest.mark.parametrize("response", ["angle", "value"])
def test_an_answer_that_hits_its_target_has_no_gradient(response: Response) -> None:
    # sign(0) = 0, as published; JAX's own `abs` has the derivative 1 at 0.
    target = jnp.full((3, 1), 0.7)
    slopes = [jax.grad(lambda y: task_loss(response, y, target))(target + step)[0, 0] for step in (-0.1, 0.0, 0.1)]
    np.testing.assert_allclose(slopes, [-1 / 3, 0, 1 / 3], rtol=1e-6)
