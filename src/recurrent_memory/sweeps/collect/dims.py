"""Where the networks of a sweep are in its data set, and the parts in which that is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from ..grid import Network


class Arrangement(NamedTuple):
    """Over the fields in which networks differ where every combination is there once, otherwise one after the other."""

    axes: dict[str, list[Any]]
    """Fields that vary on their own, and their values in order; empty where not every combination is there."""
    tied: dict[str, tuple[str, list[Any]]]
    """Other fields that vary, as in a zip: along which of the axes, and their values there."""
    order: Int[np.ndarray, "..."]
    """Which network is at each place, with a dimension for each of `dims`."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions: the axes, or ``network``."""
        return tuple(self.axes) or ("network",)


def arranged(networks: Sequence[Network]) -> Arrangement:
    """Return where each network is in a data set of all of them."""
    values, codes = _coded(networks)
    axes, tied = _independent(values, codes)
    shape = [len(values[name]) for name in axes]
    if axes and math.prod(shape) == len(networks):
        order = np.full(len(networks), -1)
        order[np.ravel_multi_index([codes[name] for name in axes], shape)] = np.arange(len(networks))
        if order.min() == 0:  # then no place is empty, so that each is taken once
            return Arrangement({name: values[name] for name in axes}, tied, order.reshape(shape))
    return Arrangement({}, {}, np.arange(len(networks)))


def blocks(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Yield parts of an array, each without gaps in C order and of at most so many elements, one after the other."""
    whole, axis = 1, len(shape)
    while axis and whole * shape[axis - 1] <= most:
        axis -= 1
        whole *= shape[axis]
    inner = tuple(slice(0, size) for size in shape[axis:])
    if axis == 0:
        yield inner
        return
    step = max(1, most // whole)
    for outer in np.ndindex(*shape[: axis - 1]):
        for start in range(0, shape[axis - 1], step):
            yield (*(slice(i, i + 1) for i in outer), slice(start, min(start + step, shape[axis - 1])), *inner)


def _coded(networks: Sequence[Network]) -> tuple[dict[str, list[Any]], dict[str, Int[np.ndarray, " network"]]]:
    """Return the values that each field takes, in the order in which they come, and which of them each network has."""
    known: dict[str, dict[Any, int]] = {name: {} for name in networks[0].point}
    codes = {name: np.empty(len(networks), np.int64) for name in known}
    for i, network in enumerate(networks):
        for name, of_name in known.items():
            codes[name][i] = of_name.setdefault(network.point[name], len(of_name))
    return {name: list(of_name) for name, of_name in known.items()}, codes


def _independent(
    values: Mapping[str, list[Any]], codes: Mapping[str, Int[np.ndarray, " network"]]
) -> tuple[list[str], dict[str, tuple[str, list[Any]]]]:
    """Return the fields that vary on their own, and those that go along with one of these, as in a zip."""
    names: list[str] = []
    tied: dict[str, tuple[str, list[Any]]] = {}
    for name, own in values.items():
        along = next(
            (other for other in names if 1 < len(own) == len(values[other]) == _pairs(codes, name, other)), None
        )
        if along is None:
            names.append(name)
        else:
            tied[name] = along, own  # values that go together come in the same order
    return names, tied


def _pairs(codes: Mapping[str, Int[np.ndarray, " network"]], name: str, other: str) -> int:
    """Return how many combinations of two fields there are."""
    return len(np.unique(codes[name] * (codes[other].max() + 1) + codes[other]))
