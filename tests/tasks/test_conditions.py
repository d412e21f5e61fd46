"""Conditions: what they change in a trial, what they leave alone, and how they combine."""

from __future__ import annotations

from typing import Any

import jax.random as jr
import numpy as np
import pytest
from scipy import stats

from recurrent_memory import tasks
from recurrent_memory.errors import InputError
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.run import run
from small import SHORT, small_experiment

BOTH = "variable_delay+dynamic"
POSSIBLE = [(name, condition) for condition in ("variable_delay", "dynamic", BOTH) for name in tasks.names(condition)]


def test_every_task_is_possible_but_for_those_refused() -> None:
    basic = {"de1", "de2", "gde", "cd1", "cd2", "2afc", "comp", "sine"}
    assert basic <= set(tasks.names())
    assert "vde1" not in tasks.names()
    assert basic | {"vde1"} <= set(tasks.names("variable_delay"))
    assert "sine" not in tasks.names("dynamic")


@pytest.mark.parametrize(("name", "condition"), POSSIBLE)
@pytest.mark.sampled(4)
def test_trials_without_the_condition_are_the_same_trials(name: str, condition: str) -> None:
    """What is shown and asked for does not depend on the condition, only on the key."""
    plain = "de1" if name == "vde1" else name
    changed, basic = tasks.make(name, condition), tasks.make(plain)
    ours, theirs = changed.sample(jr.key(1), 40), basic.sample(jr.key(1), 40)
    np.testing.assert_array_equal(ours.stimuli, theirs.stimuli)
    np.testing.assert_array_equal(ours.label, theirs.label)
    mask = np.asarray(ours.mask)[..., None]
    np.testing.assert_array_equal(ours.targets, np.where(mask, theirs.targets, 0))
    relevant = np.asarray(ours.inputs)[..., changed.input_locations >= 0]
    assert relevant.shape == theirs.inputs.shape
    assert (relevant[~mask[..., 0]] == 0).all()
    if condition == "variable_delay" and not changed.quiet_response:
        np.testing.assert_array_equal(relevant, np.where(mask, theirs.inputs, 0))
    answers = changed.ideal_observer(ours, "exact")
    assert np.isfinite(answers).all()
    assert answers.shape == basic.ideal_observer(theirs, "exact").shape


def test_delays_are_equally_likely_and_only_the_end_of_the_delay_is_missing() -> None:
    task = tasks.make("2afc", "variable_delay")
    mask = np.asarray(task.sample(jr.key(0), 4000).mask)
    delay = mask[:, 25:125].sum(axis=1)
    values, counts = np.unique(delay, return_counts=True)
    np.testing.assert_array_equal(values, [10, 40, 70, 100])
    assert stats.chisquare(counts).pvalue > 1e-3
    steps = np.arange(150)
    np.testing.assert_array_equal(mask, (steps < 25 + delay[:, None]) | (steps >= 125))


@pytest.mark.parametrize(("name", "gain"), [("de1", 1.0), ("2afc", 1.0), ("gde", 1.0), ("cd2", 0.1), ("comp", 0.1)])
@pytest.mark.sampled(3)
def test_irrelevant_neurons_sweep_and_say_nothing(name: str, gain: float) -> None:
    task = tasks.make(name, "dynamic")
    trials = task.sample(jr.key(0), 2000)
    irrelevant = task.input_locations < 0
    assert irrelevant[:50].all()
    assert not irrelevant[50:].any()
    rates = np.asarray(trials.rates)[..., irrelevant]
    assert (rates == rates[0]).all()
    assert rates.max() == pytest.approx(gain, rel=0.3)
    np.testing.assert_array_equal(rates[0].argmax(axis=0), np.sort(rates[0].argmax(axis=0)))
    counts = np.asarray(trials.inputs)[..., irrelevant]
    assert counts.sum() / len(counts) == pytest.approx(rates[0].sum(), rel=0.02)


def test_vde1_is_de1_with_variable_delays() -> None:
    one, other = (tasks.make(name, "variable_delay").sample(jr.key(3), 20) for name in ("vde1", "de1"))
    for name in ("inputs", "targets", "mask"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_equal_tasks_are_equal_however_they_are_spelled() -> None:
    first = tasks.make(0, "dynamic+Variable-Delay", delays="4, 8")
    assert first == tasks.make("DE-1", BOTH, delays=(4, 8))
    assert hash(first) == hash(tasks.make(tasks.DE1(), BOTH, delays=[4, 8]))
    assert first.replace(kappa=3.0).kappa == 3.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "vde1"}, "only in the condition variable_delay"),
        ({"task": "sine", "condition": "dynamic"}, "no stimulus whose range"),
        ({"task": "de1", "condition": "static"}, "no condition 'static'.*basic, variable_delay, dynamic"),
        ({"task": "de1", "condition": "tethered"}, "no condition 'tethered'"),
        ({"task": "de1", "condition": "variable_delay", "delays": (10, 101)}, "longest does not fit.*now 100 steps"),
        ({"task": "de1", "condition": "variable_delay", "delays": (0,)}, "greater than or equal to 1"),
        ({"task": "de1", "condition": "variable_delay", "delays": ()}, "at least 1 item"),
        ({"task": "de1", "condition": "dynamic", "irrelevant_gain": -1.0}, "`irrelevant_gain` = -1.0"),
        ({"task": "de1", "delays": (10,)}, "`delays` is not a setting"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tasks.make(**values)


def test_conditions_of_experiments() -> None:
    tethered = Experiment(task="de1", condition="tethered+vardelay")
    assert (tethered.condition, tethered.activity_penalty, tethered.readout_step) == (
        "variable_delay+tethered", 0.1, -10,
    )  # fmt: skip
    assert Experiment(**tethered.model_dump(mode="json")) == tethered
    assert tethered.replace(condition="basic") == Experiment(task="de1")
    assert tethered.replace(seed=1).readout_step == -10
    assert Experiment(task="de1", condition="tethered", readout_step=-3).readout_step == -3
    assert Experiment(task="de1", condition="hebbian") == Experiment(task="de1", model="fast_weights")
    with pytest.raises(InputError, match="hebbian selects the model fast_weights"):
        Experiment(task="de1", condition="hebbian", model="gru")
    with pytest.raises(InputError, match="Conditions: basic, variable_delay, dynamic, distractor, tethered, hebbian"):
        Experiment(task="de1", condition="nonsense")


@pytest.mark.parametrize("model", ["fast_weights", "gru"])  # the one with two states, the one with gates
@pytest.mark.sampled(2)
def test_states_are_held_at_steps_that_a_trial_does_not_have(model: str) -> None:
    result = run(
        small_experiment(
            task="cd1", condition=BOTH, model=model, lambda0=0.9, batch_size=20, task_options={"delays": (2, 10)}
        )
    )
    mask, activity = result["mask"].values, result["activity"].values
    for step in range(1, mask.shape[1]):
        held = ~mask[:, step]
        np.testing.assert_array_equal(activity[held, step], activity[held, step - 1])
    assert held.sum() == 0
    assert (~mask).any()


def test_measures_by_delay() -> None:
    result = run(
        small_experiment(
            task="de2", condition="variable_delay", n_hidden=20, batch_size=40, task_options={"delays": (6, 8, 10)}
        )
    )
    np.testing.assert_array_equal(result["delay"], [6, 8, 10])
    delay = result["mask"].values[:, 5:15].sum(axis=1)
    np.testing.assert_array_equal(result["trial_delay"], delay)
    longest = result["activity"].values[delay == 10]
    from recurrent_memory.analysis import sequentiality_index

    for ending, variant in (("", "paper"), ("_exact", "exact")):
        expected = float(sequentiality_index(longest, variant=variant)["sequentiality_index"])
        assert float(result[f"delay_sequentiality_index{ending}"].sel(delay=10)) == pytest.approx(expected)
    # As published, steps in which a state is held count; the exact index leaves them out.
    shortest = np.delete(result["activity"].values[delay == 6], np.s_[11:15], axis=1)
    exact = float(sequentiality_index(shortest, variant="exact")["sequentiality_index"])
    assert float(result["delay_sequentiality_index_exact"].sel(delay=6)) == pytest.approx(exact)
    paper = float(sequentiality_index(result["activity"].values[delay == 6])["sequentiality_index"])
    assert float(result["delay_sequentiality_index"].sel(delay=6)) == pytest.approx(paper)
    assert np.isfinite(result["delay_fractional_loss"]).all()
    assert SHORT["delay_dur"] == 10
