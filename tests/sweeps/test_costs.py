"""How long a sweep will take, estimated on a machine that others use."""

from __future__ import annotations

import itertools

import pytest

from recurrent_memory.sweeps import Network, costs, estimate, identity
from small import small_experiment


class Clock:
    """A clock on which whatever is timed takes long at first, as while others are at work, and then little."""

    def __init__(self, busy: int) -> None:
        self.now, self._steps = 0.0, itertools.chain(itertools.repeat(1e-3, busy), itertools.repeat(1e-5))

    def perf_counter(self) -> float:
        self.now += next(self._steps)
        return self.now


def test_an_estimate_does_not_depend_on_what_others_do_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = small_experiment(n_hidden=200, iterations=100_000_000)
    every = [Network(experiment, {}, identity(experiment))]
    hours, took = [], []
    for busy in (0, 50):
        clock = Clock(busy)
        monkeypatch.setattr(costs, "time", clock)
        hours.append(estimate(every, ()).hours)
        took.append(clock.now)
    assert hours[0] > 0.01
    assert hours[1] == pytest.approx(hours[0])
    assert max(took) < 0.5


@pytest.mark.thorough
def test_a_core_takes_as_long_whatever_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = small_experiment()
    every = [Network(experiment, {}, identity(experiment))]
    found = []
    for number in (1, 64):
        monkeypatch.setattr(costs, "cores", lambda number=number: number)
        monkeypatch.setattr(costs, "time", Clock(0))
        found.append(costs.core_seconds(every))
    assert found[0] == found[1]
