"""The ideal observer answers once for all variants that ask it the same."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from recurrent_memory import evaluation, tasks
from recurrent_memory.runs.measured_on import answered
from recurrent_memory.training import Answers, answers


def a_batch(task: tasks.AbstractTask, readout_step: int) -> Answers:
    """Return the answers of a network that always says 0.5."""
    trials = task.sample(jax.random.key(0), 6)
    half = 0 * trials.targets[:, slice(*task.epochs["response"])] + 0.5
    return answers(task, trials, half, until=task.n_steps + readout_step + 1)


def counting(task: type[tasks.AbstractTask], hook: str, **more: Any) -> tuple[tasks.AbstractTask, list[str]]:
    """Return a task that notes each exact answer of its observer, and the notes."""
    asked: list[str] = []
    plain = getattr(task, hook)

    def noted(self: Any, *given: Any, **options: Any) -> Any:
        if hook != "observe" or "exact" in (*given, *options.values()):
            asked.append(hook)
        return plain(self, *given, **options)

    return type("Counting", (task,), {hook: noted})(**more), asked


@pytest.mark.parametrize("readout_step", [-1, -5, -25])
@pytest.mark.parametrize("name", ["de1", "de2", "comp", "2afc", "cd1", "cd2", "gde", "sine"])
def test_the_causal_variant_is_that_of_an_observer_that_stops_at_the_readout_step(name: str, readout_step: int) -> None:
    task = tasks.make(name)
    of = a_batch(task, readout_step)
    found = answered(task, of, readout_step, batch_size=6)["exact_causal"]
    expected = evaluation.given(task, of, readout_step, "exact", causal=True)
    np.testing.assert_array_equal(found.observer, expected.observer)
    assert found.variant == "exact_causal"


@pytest.mark.parametrize(("name", "readout_step", "times"), [("de1", -25, 1), ("comp", -1, 1), ("comp", -5, 2)])
def test_the_exact_observer_answers_twice_only_if_it_sees_less_by_the_readout_step(
    name: str, readout_step: int, times: int
) -> None:
    task, asked = counting(type(tasks.make(name)), "observe_exact")
    answered(task, a_batch(task, readout_step), readout_step, batch_size=6)
    assert len(asked) == times


def test_an_observer_of_the_users_own_is_asked_for_each_variant() -> None:
    task, asked = counting(type(tasks.make("de1")), "observe")
    answered(task, a_batch(task, -5), -5, batch_size=6)
    assert len(asked) == 2
