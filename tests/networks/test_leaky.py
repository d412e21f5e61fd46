"""The leaky model: equal to relu where it should be, Dale's law, connectivity, noise; and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from helpers import TOLERANCE, assert_trees_close
from recurrent_memory import Experiment, networks, run
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import preset
from recurrent_memory.networks import LeakyCell, ReluCell, recur_by_loop

SHORT: dict[str, Any] = {
    "task": "de1",
    "n_hidden": 12,
    "iterations": 6,
    "batch_size": 4,
    "test_batches": 2,
    "learning_rate": 0.01,
    "sigma0": 0.5,
    "task_options": {"stim_dur": 4, "delay_dur": 4, "resp_dur": 6},
}


def made(n_hidden: int = 20, lambda0: float = 0.9, sigma0: float = 0.5, **options: Any) -> LeakyCell:
    cell = LeakyCell.initialize(jr.key(0), 5, n_hidden, lambda0=lambda0, sigma0=sigma0, **options)
    assert isinstance(cell, LeakyCell)
    return cell


def test_without_leak_and_noise_it_is_the_relu_model(x64: None) -> None:
    plain = ReluCell.initialize(jr.key(0), 5, 20, lambda0=0.9, sigma0=0.5)
    inputs, signal = jr.uniform(jr.key(1), (15, 3, 5)), jr.normal(jr.key(2), (15, 3, 20))

    def loss(cell: Any) -> Any:
        return jnp.sum(signal * recur_by_loop(cell, inputs))

    expected, actual = (jax.value_and_grad(loss)(cell) for cell in (plain, made(alpha=1.0)))
    for name in ("W_in", "b_in", "W_rec", "b_rec"):
        assert_trees_close(getattr(actual[1], name), getattr(expected[1], name), TOLERANCE["float64"])
    assert float(actual[0]) == pytest.approx(float(expected[0]), rel=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus", "elu", "sigmoid"])
def test_a_step_is_the_formula(activation: str, x64: None) -> None:
    function = {
        "relu": lambda x: max(x, 0.0),
        "tanh": np.tanh,
        "softplus": lambda x: np.log1p(np.exp(x)),
        "elu": lambda x: x if x > 0 else np.expm1(x),
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    }[activation]
    state, drive, feedback = np.random.default_rng(0).normal(size=(3, 4, 20))
    vectorized: Any = np.vectorize(function)  # type: ignore[arg-type]
    new = made(alpha=0.3, activation=activation).update(*map(jnp.asarray, (state, drive, feedback)))
    np.testing.assert_allclose(new, 0.7 * state + 0.3 * vectorized(drive + feedback), rtol=1e-12)


def test_noise_is_added_inside_the_nonlinearity(x64: None) -> None:
    cell, nothing = made(alpha=0.5, activation="tanh", noise=0.4), jnp.zeros((3000, 20))
    new = cell.update(nothing, nothing, nothing, jr.split(jr.key(0), 3000))
    drawn = np.arctanh(2 * np.asarray(new)) / 0.4
    assert np.mean(drawn) == pytest.approx(0, abs=0.02)
    assert np.std(drawn) == pytest.approx(1, abs=0.02)
    assert not made().is_random


@pytest.mark.parametrize("sigma0", [0.0, 0.5])
def test_dales_law_holds_and_is_balanced(sigma0: float) -> None:
    weights = np.asarray(made(500, 0.9, sigma0, fraction_excitatory=0.8).recurrent_weights())
    assert (weights[:400] >= 0).all()
    assert (weights[400:] <= 0).all()
    np.testing.assert_allclose(np.diag(weights), np.where(np.arange(500) < 400, 0.9, 0.0), rtol=1e-6)
    off_diagonal = weights[~np.eye(500, dtype=bool)]
    assert off_diagonal.std() == pytest.approx(sigma0 / np.sqrt(500), rel=0.02, abs=0)
    assert off_diagonal.mean() == pytest.approx(0, abs=0.02 * sigma0 / np.sqrt(500))


def test_training_keeps_signs_and_connections() -> None:
    options: dict[str, Any] = {"fraction_excitatory": 0.75, "connection_probability": 0.4, "self_connections": False}
    experiment = Experiment(**SHORT, model="leaky", model_options=options)
    weights = run(experiment)["recurrent_weights"].values
    start = networks.LeakyCell.initialize(jr.key(0), 5, 12, lambda0=0.98, sigma0=0.5, **options)
    assert (weights[:9] >= 0).all()
    assert (weights[9:] <= 0).all()
    assert (np.diag(weights) == 0).all()
    assert 0.2 < np.mean(weights != 0) < 0.55
    assert not np.array_equal(weights != 0, np.asarray(start.connections))  # of another seed


def test_the_share_of_connections_is_the_probability() -> None:
    cell = made(300, connection_probability=0.3)
    assert cell.connections is not None
    between = np.asarray(cell.connections)[~np.eye(300, dtype=bool)]
    assert between.mean() == pytest.approx(0.3, abs=0.01)
    assert np.diag(cell.connections).all()
    assert not np.asarray(cell.W_rec)[~np.asarray(cell.connections)].any()


@pytest.mark.thorough
def test_noisy_training_resumes_from_a_checkpoint_as_if_never_stopped(tmp_path: Path) -> None:
    options = {"noise": 0.3, "connection_probability": 0.5, "activation": "tanh"}
    experiment = Experiment(**SHORT, model="leaky", model_options=options)
    whole = run(experiment)
    asked = iter([False, False, True])
    with pytest.raises(InterruptedRunError):
        run(experiment, tmp_path / "run", checkpoint_every=2, should_stop=lambda: next(asked, True))
    resumed = run(experiment, tmp_path / "run", checkpoint_every=2)
    for name in ("training_loss", "recurrent_weights", "activity", "outputs"):
        np.testing.assert_array_equal(resumed[name], whole[name])
    quiet = run(experiment.replace(model_options=options | {"noise": 0.0}))
    np.testing.assert_array_equal(quiet["inputs"], whole["inputs"])  # noise is a stream of its own
    assert not np.allclose(quiet["activity"], whole["activity"], atol=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, r"`model_options.alpha` = 0 is not allowed: must be greater than 0"),
        ({"alpha": 1.5}, r"`model_options.alpha` = 1.5"),
        ({"noise": -1}, r"`model_options.noise` = -1"),
        ({"activation": "tan"}, r"`model_options.activation` = 'tan' is not allowed: must be 'relu', 'tanh'"),
        ({"fraction_excitatory": 1}, r"`model_options.fraction_excitatory` = 1 is not allowed: must be less than 1"),
        ({"connection_probability": 0}, r"`model_options.connection_probability` = 0"),
        ({"self_connections": "maybe"}, r"`model_options.self_connections` = 'maybe'"),
        ({"beta": 1}, r"model 'leaky' has no option 'beta'. Its options: .*alpha"),
    ],
)
def test_refuses_with_a_message_that_names_it(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        Experiment(task="de1", model="leaky", model_options=options)
    assert len(str(error.value).splitlines()) <= 2


def test_options_take_their_types_from_words() -> None:
    given = {"activation": "tanh", "noise": 1, "alpha": "0.5", "self_connections": "false"}
    experiment = Experiment(task="de1", model="leaky", model_options=given)
    expected = {"activation": "tanh", "noise": 1.0, "alpha": 0.5, "self_connections": False}
    assert experiment.model_options == expected
    assert [type(value) for value in experiment.model_options.values()] == [str, float, float, bool]
    assert Experiment(**experiment.model_dump(mode="json")) == experiment


@pytest.mark.slow
@pytest.mark.parametrize(("lambda0", "sigma0"), [(0.98, 0.0), (0.9, 0.2)])
@pytest.mark.parametrize("task", ["de1", "2afc"])
def test_learns_under_dales_law(task: str, lambda0: float, sigma0: float) -> None:
    values = preset("quick") | {"task": task, "lambda0": lambda0, "sigma0": sigma0}
    solved = 0
    for seed in range(5):
        result = run(Experiment(**values, seed=seed, model="leaky", model_options={"fraction_excitatory": 0.8}))
        solved += float(result["fractional_loss"]) < 0.5
        signs = np.where(np.arange(100) < 80, 1, -1)
        assert (result["recurrent_weights"].values * signs[:, None] >= 0).all()
    assert solved >= 4
