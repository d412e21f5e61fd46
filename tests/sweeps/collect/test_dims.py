"""Where networks are in a data set, and the blocks it is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrent_memory import Experiment
from recurrent_memory.sweeps import Network, Store, collect
from recurrent_memory.sweeps.collect.dims import arranged, blocks


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 200))
def test_blocks_are_all_of_an_array_in_its_order(shape: list[int], most: int) -> None:
    array = np.arange(math.prod(shape)).reshape(shape)
    found = [array[block] for block in blocks(shape, most)]
    np.testing.assert_array_equal(np.concatenate([block.ravel() for block in found]), array.ravel())
    assert all(block.size <= most for block in found)


def test_blocks_are_few() -> None:
    assert len(list(blocks((5, 10, 10, 10, 20), 4096))) == 25
    assert len(list(blocks((100_000,), 4096))) == 25
    assert len(list(blocks((3, 100_000), 4096))) == 75


def at(*points: tuple[Any, ...]) -> list[Network]:
    experiment = Experiment(task="de1")
    return [
        Network(experiment, dict(zip("abc", point, strict=False)), str(i).zfill(20)) for i, point in enumerate(points)
    ]


def test_values_are_in_the_order_in_which_they_come() -> None:
    found = arranged(at((2, "y"), (1, "y"), (2, "x"), (1, "x")))
    assert (found.dims, found.axes, found.tied) == (("a", "b"), {"a": [2, 1], "b": ["y", "x"]}, {})
    assert found.order.tolist() == [[0, 2], [1, 3]]


def test_what_goes_together_is_one_dimension() -> None:
    found = arranged(at((2, "y", 0), (1, "x", 0), (1, "x", 5), (2, "y", 5)))
    assert (found.axes, found.tied) == ({"a": [2, 1], "c": [0, 5]}, {"b": ("a", ["y", "x"])})
    assert found.order.tolist() == [[0, 3], [1, 2]]


def test_what_is_missing_or_there_twice_makes_no_grid() -> None:
    for points in ([(0, 0), (0, 1), (1, 0)], [(0, 0), (0, 1), (1, 0), (0, 0)], [(), ()]):
        found = arranged(at(*points))
        assert (found.dims, found.axes, found.order.tolist()) == (("network",), {}, list(range(len(points))))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 2.5, 1), [1.0, 2.5, 1.0]),
        ((None, 2, 1), [math.nan, 2.0, 1.0]),
        ((True, 2, 0), [1, 2, 0]),
        ((True, False, True), [True, False, True]),
        ((1, "x", (1, 2)), ["1", "x", "[1, 2]"]),
    ],
)
def test_values_of_one_field_are_of_one_kind(values: tuple[Any, ...], expected: list[Any], tmp_path: Any) -> None:
    experiment = Experiment(task="de1")
    networks = [
        Network(experiment, {"task_options.x": value, "seed": i // 2}, str(i).zfill(20))
        for i, value in enumerate(values)
    ]
    found = collect(networks, Store(tmp_path / "store"))["task_options.x"]
    assert found.dims == ("network",)
    np.testing.assert_array_equal(found.values, np.array(expected))
    assert found.dtype.kind == np.array(expected).dtype.kind
