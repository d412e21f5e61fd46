"""Trials: what their description promises, statistically and exactly."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recurrent_memory import tasks
from recurrent_memory.errors import InputError

SPIKING = [name for name in tasks.names() if name != "sine"]
SHAPES = {  # displays, locations, outputs
    "de1": (1, 1, 1),
    "de2": (1, 2, 2),
    "gde": (1, 2, 1),
    "cd1": (2, 1, 1),
    "cd2": (2, 2, 1),
    "2afc": (1, 1, 1),
    "comp": (2, 1, 1),
}


def hidden(name: str, n: int, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Draw the hidden variables of many trials."""
    task = tasks.make(name, **changes)
    stimuli, label = jax.jit(jax.vmap(task.draw))(jr.split(jr.key(11), n))
    return np.asarray(stimuli), np.asarray(label)


@pytest.mark.parametrize("name", ["gde", "cd2", "2afc", "comp"])
def test_counts_match_their_rates(name: str) -> None:
    task = tasks.make(name)
    trials = task.sample(jr.key(5), 400)
    inputs, rates = np.asarray(trials.inputs, float), np.asarray(trials.rates, float)
    for start, stop in task.epochs.values():
        expected = rates[:, start:stop].sum(axis=(0, 1))
        z = (inputs[:, start:stop].sum(axis=(0, 1)) - expected) / np.sqrt(expected)
        assert np.abs(z).max() < 5
        assert stats.chi2.sf((z**2).sum(), z.size) > 1e-4


@pytest.mark.usefixtures("x64")
def test_double_precision_reaches_everything() -> None:
    trials = tasks.DE1(n_neurons=6, delay_dur=5).sample(jr.key(0), 7)
    floats = (trials.inputs, trials.targets, trials.stimuli, trials.rates)
    assert {x.dtype.name for x in floats} == {"float64"}


@pytest.mark.parametrize("name", SPIKING)
def test_shapes_types_and_epochs(name: str) -> None:
    n_displays, n_locations, n_outputs = SHAPES[name]
    task = tasks.make(name, n_neurons=6, stim_dur=3, delay_dur=5, resp_dur=4)
    trials = task.sample(jr.key(0), 7)
    assert task.epochs == {"stimulus": (0, 3), "delay": (3, 8), "response": (8, 12)}
    assert (task.n_steps, task.n_inputs, task.n_outputs) == (12, 6 * n_locations, n_outputs)
    assert trials.inputs.shape == trials.rates.shape == (7, 12, 6 * n_locations)
    assert trials.targets.shape == (7, 12, n_outputs)
    assert trials.stimuli.shape == (7, n_displays, n_locations)
    assert trials.label.shape == (7,)
    assert trials.mask.all()
    assert {x.dtype.name for x in (trials.inputs, trials.targets, trials.stimuli, trials.rates)} == {"float32"}
    evidence = task.evidence(trials)
    assert evidence.counts.shape == (7, n_displays, 6 * n_locations)
    for variant in tasks.VARIANTS:
        answer = task.observe(evidence, variant)
        assert answer.shape == ((7, n_outputs) if task.response == "angle" else (7,))
        assert answer.dtype == np.float64


@pytest.mark.usefixtures("x64")
def test_rates_are_the_published_formulas() -> None:
    stimuli, label = jnp.array([[0.4, 2.5]]), jnp.array(1)
    rates = np.asarray(tasks.at_every_step(tasks.GDE().rates(stimuli, label)))
    phi = np.linspace(0, np.pi, 50)
    shown = np.concatenate([np.exp(2 * (np.cos(2 * (s - phi)) - 1)) for s in (0.4, 2.5)]) / 25
    np.testing.assert_allclose(rates[:25], np.tile(shown, (25, 1)), rtol=1e-13)
    np.testing.assert_allclose(rates[25:125], 0.001, rtol=1e-13)
    np.testing.assert_allclose(rates[125:, :50], 0.004, rtol=1e-13)
    np.testing.assert_allclose(rates[125:, 50:], 0.02, rtol=1e-13)
    values = jnp.array([[12.0], [-30.0]])
    rates = np.asarray(tasks.at_every_step(tasks.COMP(resp_dur=10).rates(values, jnp.array(1))))
    gaussian = np.exp(-((-30 - np.linspace(-50, 50, 50)) ** 2) / 200) / 10
    np.testing.assert_allclose(rates[125:], np.tile(gaussian, (10, 1)), rtol=1e-13)


@pytest.mark.parametrize("name", ["de2", "cd2"])
def test_orientations_are_uniform(name: str) -> None:
    stimuli, _ = hidden(name, 5000)
    for values in stimuli.reshape(5000, -1).T:
        assert stats.kstest(values / np.pi, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("name", "chance"), [("cd1", 0.5), ("cd2", 0.5), ("gde", 0.5), ("2afc", 0.5), ("comp", 0.5)])
def test_classes_are_balanced(name: str, chance: float) -> None:
    _, label = hidden(name, 20_000)
    assert stats.binomtest(int(label.sum()), label.size, chance).pvalue > 1e-3


def test_changes_happen_where_and_as_often_as_they_should() -> None:
    stimuli, label = hidden("cd2", 20_000, change_prob=0.3)
    assert stats.binomtest(int(label.sum()), label.size, 0.3).pvalue > 1e-3
    changed = stimuli[:, 0] != stimuli[:, 1]
    np.testing.assert_array_equal(changed.sum(axis=1), label)
    assert stats.binomtest(int(changed[:, 0].sum()), int(label.sum()), 0.5).pvalue > 1e-3
    size = np.mod(stimuli[:, 1] - stimuli[:, 0], np.pi)[changed] / np.pi
    assert stats.kstest(size, "uniform").pvalue > 1e-3


def test_labels_say_what_was_shown() -> None:
    stimuli, label = hidden("comp", 1000)
    np.testing.assert_array_equal(label, stimuli[:, 0, 0] > stimuli[:, 1, 0])
    assert np.abs(stimuli).max() <= 40
    stimuli, label = hidden("2afc", 1000)
    np.testing.assert_array_equal(stimuli[:, 0, 0], np.where(label == 1, 15, -15))
    trials = tasks.GDE().sample(jr.key(0), 20)
    np.testing.assert_array_equal(trials.targets[:, 0, 0], trials.stimuli[np.arange(20), 0, trials.label])


def test_sine_is_noise_then_a_quarter_period() -> None:
    task = tasks.Sine()
    trials = task.sample(jr.key(1), 20)
    assert not trials.inputs[:, :25].any()
    assert not trials.inputs[:, 125:].any()
    assert stats.kstest(np.asarray(trials.inputs[:, 25:125]).ravel() / 0.1, "norm").pvalue > 1e-3
    course = np.sin(0.25 * np.linspace(0, np.pi, 25))
    np.testing.assert_allclose(trials.targets[:, 125:, 0], np.tile(course, (20, 1)), atol=1e-6)
    assert not trials.targets[:, :125].any()
    for variant in tasks.VARIANTS:
        np.testing.assert_allclose(task.ideal_observer(trials, variant), np.tile(course, (20, 1)), atol=1e-6)


@settings(max_examples=3, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(tasks.names()),
    durations=st.tuples(*[st.integers(1, 6)] * 3),
    n_neurons=st.integers(2, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_trials_depend_on_the_key_and_their_number_alone(
    name: str, durations: tuple[int, int, int], n_neurons: int, seed: int
) -> None:
    stim_dur, delay_dur, resp_dur = durations
    task = tasks.make(name, n_neurons=n_neurons, stim_dur=stim_dur, delay_dur=delay_dur, resp_dur=resp_dur)
    few, many = task.sample(jr.key(seed), 3), task.sample(jr.key(seed), 5)
    for a, b in zip(jax.tree.leaves(few), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(a, b[:3], rtol=1e-6)
    assert many.inputs.shape == (5, sum(durations), task.n_inputs)
    assert many.targets.shape == (5, sum(durations), task.n_outputs)


@pytest.mark.slow  # every operation is compiled by itself
def test_compiled_trials_equal_the_others() -> None:
    task = tasks.CD2(n_neurons=5)
    with jax.disable_jit():
        slow = task.sample(jr.key(1), 4)
    for a, b in zip(jax.tree.leaves(slow), jax.tree.leaves(task.sample(jr.key(1), 4)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_batches_larger_than_memory_are_refused() -> None:
    with pytest.raises(InputError, match=r"1,000,000,000 trials of .* steps .* this machine has .* draw fewer"):
        tasks.DE1().sample(jr.key(0), 10**9)


@pytest.mark.parametrize("size", [0, -3, True])
def test_bad_batch_sizes_are_refused(size: int) -> None:
    with pytest.raises(InputError, match=r"`batch_size` = .* must be a whole number, at least 1"):
        tasks.DE1().sample(jr.key(0), size)
