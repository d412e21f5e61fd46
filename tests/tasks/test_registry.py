"""Asking for tasks by name, refusing what is wrong, and adding a task of one's own."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float, Int, PRNGKeyArray

from recurrent_memory import tasks
from recurrent_memory.errors import InputError
from recurrent_memory.tasks import registry

CODES = {"de1": 0, "de2": 1, "cd1": 2, "cd2": 3, "gde": 4, "2afc": 6, "sine": 7, "comp": 8}


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the registry as it was."""
    monkeypatch.setattr(registry.TASKS, "_entries", dict(registry.TASKS._entries))


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_every_task_answers_to_its_name_and_code(name: str, code: int) -> None:
    made = tasks.make(name)
    assert (made.name, made.code) == (name, code)
    for alias in (code, str(code), name.upper(), f"{name[:-1]}-{name[-1]}", f" {name}_", made.title, made):
        assert tasks.make(alias) == made
    assert name in tasks.names()


def test_settings_reach_the_task() -> None:
    assert tasks.make("DE-1", kappa=3.0).kappa == 3.0  # type: ignore[attr-defined]
    assert tasks.make(tasks.DE1(kappa=3.0), stim_rate=2.0) == tasks.DE1(kappa=3.0, stim_rate=2.0)


@pytest.mark.parametrize("wanted", [9, "xyz", "", -1, "-1", True])
def test_unknown_tasks_are_answered_with_a_list(wanted: Any) -> None:
    with pytest.raises(InputError, match=r"There is no task .*de1 \(0\), .*2afc \(6\).*sine \(7\)"):
        tasks.make(wanted)


@pytest.mark.parametrize("wanted", [5, "5", "vde1", "VDE-1"])
def test_the_variable_delay_task_says_where_it_belongs(wanted: Any) -> None:
    with pytest.raises(InputError, match=r"VDE-1 exists only in the condition variable_delay"):
        tasks.make(wanted)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("de1", {"stim_dur": 0}, r"`stim_dur` = 0 is not allowed: must be greater than or equal to 1"),
        ("de1", {"delay_dur": -5}, r"`delay_dur` = -5 is not allowed"),
        ("sine", {"resp_dur": 0}, r"`resp_dur` = 0 is not allowed"),
        ("de1", {"n_neurons": 1}, r"`n_neurons` = 1 is not allowed"),
        ("cd1", {"kappa": 0.0}, r"`kappa` = 0.0 is not allowed: must be greater than 0"),
        ("de2", {"spon_rate": -0.1}, r"`spon_rate` = -0.1 is not allowed"),
        ("de2", {"stim_rate": 0.0}, r"`stim_rate` = 0.0 is not allowed"),
        ("de2", {"stim_rate": 2000.0}, r"80 expected spikes a step, over 50. Lower `stim_rate`"),
        ("gde", {"cue_gain": -1.0}, r"`cue_gain` = -1.0 is not allowed"),
        ("cd2", {"change_prob": 1.0}, r"`change_prob` = 1.0 is not allowed: must be less than 1"),
        ("2afc", {"value": 0.0}, r"`value` = 0.0 is not allowed"),
        ("2afc", {"tuning_width": 0.0}, r"`tuning_width` = 0.0 is not allowed"),
        ("2afc", {"preferred_min": 41.0}, r"`preferred_min` = 41 and `preferred_max` = 40 are not allowed"),
        ("comp", {"value_max": -40.0}, r"`value_min` = -40 and `value_max` = -40 are not allowed"),
        ("sine", {"noise": -1.0}, r"`noise` = -1.0 is not allowed"),
        ("de1", {"gain": 1.0}, r"`gain` is not a setting of DE1. Its settings: n_neurons"),
    ],
)
def test_bad_settings_are_explained(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tasks.make(name, **settings)


class Parity(tasks.AbstractTask):
    """Whether two numbers of flashes are both even or both odd."""

    name: ClassVar[str] = "Parity"
    title: ClassVar[str] = "parity"
    remembered: ClassVar[str] = "one bit"
    response: ClassVar[tasks.Response] = "probability"

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        bits = jr.bernoulli(key, shape=(2, 1))
        return bits.astype(float), (bits[0, 0] == bits[1, 0]).astype(int)

    def rates(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> tasks.HeldRates:
        shown = jnp.broadcast_to(stimuli, (2, self.n_inputs)) * 0.5
        return self.over_time(shown[0], jnp.zeros(self.n_inputs), shown[1])


def test_a_task_of_ones_own() -> None:
    tasks.register(Parity)
    task = tasks.make("parity", n_neurons=3)
    trials = task.sample(jr.key(0), 16)
    assert trials.inputs.shape == (16, 150, 3)
    assert not jnp.isnan(trials.inputs).any()
    np.testing.assert_array_equal(trials.targets[:, 70, 0], trials.label)
    # Without an observer of its own, the best answer is taken to be the truth.
    np.testing.assert_array_equal(task.ideal_observer(trials, "exact"), trials.label)


def test_taken_names_and_codes_are_refused() -> None:
    same_name = type("Other", (Parity,), {"name": "DE 1"})
    with pytest.raises(InputError, match=r"Other cannot have the name 'DE 1' .*DE1 has the name 'de1'"):
        tasks.register(same_name)
    same_code = type("Other", (Parity,), {"name": "other", "code": 8})
    with pytest.raises(InputError, match=r"Other cannot have .* code 8: COMP has"):
        tasks.register(same_code)


def test_the_same_class_may_be_registered_again() -> None:
    assert tasks.register(tasks.register(Parity)) is Parity


def test_incomplete_tasks_are_refused() -> None:
    class Nameless(tasks.AbstractTask):
        title: ClassVar[str] = "nameless"

    with pytest.raises(InputError, match=r"Nameless needs a name, for example"):
        tasks.register(Nameless)
    with pytest.raises(InputError, match=r"Digits needs a name"):
        tasks.register(type("Digits", (Parity,), {"name": "12"}))
    with pytest.raises(InputError, match=r"lacks `title`, `remembered`, `response`, `draw`, `rates`"):
        tasks.register(type("Half", (tasks.AbstractTask,), {"name": "half", "__annotations__": {}}))


def test_tasks_are_static_arguments() -> None:
    @functools.partial(jax.jit, static_argnums=0)
    def steps(task: tasks.AbstractTask) -> Array:
        return jnp.zeros(task.n_steps)

    assert steps(tasks.DE1(delay_dur=10)).shape == (60,)
    assert hash(tasks.DE1()) == hash(tasks.make("de1"))
    assert tasks.make("de1") != tasks.make("de2")
