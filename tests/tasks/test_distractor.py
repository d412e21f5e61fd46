"""The distractor: where it is shown, that it means nothing, and that it leaves the rest of a trial alone."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.random as jr
import numpy as np
import pytest

from recurrent_memory import tasks
from recurrent_memory.errors import InputError
from recurrent_memory.tasks import conditions

SHORT: dict[str, Any] = {"stim_dur": 4, "delay_dur": 12, "resp_dur": 6, "n_neurons": 8, "distractor_dur": 5}


@pytest.mark.parametrize("name", ["de2", "gde", "cd1", "2afc", "comp"])
@pytest.mark.sampled(3)
def test_the_rest_of_the_trial_is_the_same(name: str) -> None:
    task = tasks.make(name, "distractor", **SHORT)
    basic = tasks.make(name, **{key: value for key, value in SHORT.items() if key != "distractor_dur"})
    ours, theirs = task.sample(jr.key(1), 30), basic.sample(jr.key(1), 30)
    n_displays = theirs.stimuli.shape[1]
    np.testing.assert_array_equal(ours.stimuli[:, :n_displays], theirs.stimuli)
    assert ours.stimuli.shape[1] == n_displays + 1
    np.testing.assert_array_equal(ours.targets, theirs.targets)
    np.testing.assert_array_equal(ours.label, theirs.label)
    start, stop = task.epochs["distractor"]
    assert (start, stop) == (4 + 3, 4 + 8)
    outside = np.r_[0:start, stop : task.n_steps]
    np.testing.assert_array_equal(ours.rates[:, outside], theirs.rates[:, outside])
    np.testing.assert_array_equal(task.ideal_observer(ours, "exact"), basic.ideal_observer(theirs, "exact"))
    assert task.epochs["delay"] == basic.epochs["delay"] == (4, 16)
    assert [epoch.name for epoch in task.epoch_list] == ["stimulus", "delay", "distractor", "delay", "response"]


def test_it_is_drawn_from_the_range_of_the_task_and_evokes_its_own_rate() -> None:
    task = tasks.make("comp", "distractor", distractor_rate=3.0, distractor_onset=10, distractor_dur=20)
    trials = task.sample(jr.key(0), 4000)
    values = np.asarray(trials.stimuli)[:, :, 0]
    assert np.abs(values[:, 2]).max() <= 40
    assert np.abs(values[:, 2]).max() > 39
    assert np.abs(np.corrcoef(values.T)[2, :2]).max() < 0.05
    tuning = np.exp(-((values[:, 2, None] - np.linspace(-50, 50, 50)) ** 2) / 200)
    np.testing.assert_allclose(trials.rates[:, 40], 3.0 / 20 * tuning, rtol=1e-4, atol=1e-6)
    classes = tasks.make("2afc", "distractor").sample(jr.key(0), 200).stimuli
    assert set(np.unique(classes)) == {-15.0, 15.0}
    assert (classes[:, 0] != classes[:, 1]).any()


def test_a_short_delay_cuts_it_off() -> None:
    task = tasks.make("de1", "distractor+vardelay+dynamic", delays=(2, 12), distractor_onset=4, **SHORT)
    trials = task.sample(jr.key(0), 40)
    start, stop = task.epochs["distractor"]
    short = ~np.asarray(trials.mask)[:, start]
    assert short.any()
    assert not short.all()
    assert not np.asarray(trials.inputs)[short, start:stop].any()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sine", {}, "Sine shows no stimulus to tuned neurons"),
        ("de1", {"delay_dur": 20}, "distractor of 25 steps does not fit into the delay of 20 steps"),
        ("de1", {"distractor_onset": 80}, "that begins after 80 steps does not fit.*Lower `distractor_onset`"),
        ("de1", {"distractor_dur": 0}, "`distractor_dur` = 0"),
        ("de1", {"distractor_rate": 0.0}, "`distractor_rate` = 0.0"),
        ("de1", {"distractor_rate": 2000.0}, "80 expected spikes a step"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tasks.make(name, "distractor", **settings)


def test_a_condition_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.CONDITIONS, "_entries", dict(tasks.CONDITIONS._entries))

    class Gap(tasks.Condition):
        """Nothing is shown for some steps before the trial begins."""

        condition_name: ClassVar[str] = "gap"

        @property
        def epoch_list(self) -> tuple[tasks.Epoch, ...]:
            return (tasks.Epoch("gap", 3), *super().epoch_list)

    tasks.CONDITIONS.register(Gap)
    task = tasks.make("de1", "gap+distractor", **SHORT)
    assert task.epochs["stimulus"] == (3, 7)
    assert task.sample(jr.key(0), 2).inputs.shape == (2, 25, 8)
    with pytest.raises(InputError, match="Do you mean distractor"):
        tasks.make("de1", "distracter")
    with pytest.raises(InputError, match="needs a name without"):
        tasks.CONDITIONS.register(type("Other", (conditions.Condition,), {"__doc__": "x", "condition_name": "a+b"}))
    with pytest.raises(InputError, match="is not a condition"):
        tasks.CONDITIONS.register(int)
