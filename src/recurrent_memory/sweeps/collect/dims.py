"""The dimensions of a sweep's data set, the place of each network in it, and the blocks in which it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from ..grid import Network


class Arrangement(NamedTuple):
    """Places of the networks in the data set.

    If every combination of the fields in which they differ occurs once, these fields are its dimensions; otherwise the
    networks lie along the single dimension ``network``.
    """

    axes: dict[str, list[Any]]
    """Fields that vary independently, and their values in order; empty if some combination is missing."""
    tied: dict[str, tuple[str, list[Any]]]
    """Fields that vary together with an axis, as in a zip: the axis, and their values along it."""
    order: Int[np.ndarray, "..."]
    """Number of the network at each place, with one dimension for each of `dims`."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions: the axes, or ``network``."""
        return tuple(self.axes) or ("network",)


def arranged(networks: Sequence[Network]) -> Arrangement:
    """Find the place of each network in a data set of all of them."""
    values, codes = _coded(networks)
    axes, tied = _independent(values, codes)
    shape = [len(values[name]) for name in axes]
    if axes and math.prod(shape) == len(networks):
        order = np.full(len(networks), -1)
        order[np.ravel_multi_index([codes[name] for name in axes], shape)] = np.arange(len(networks))
        if order.min() == 0:  # no place is empty, so each is taken once
            return Arrangement({name: values[name] for name in axes}, tied, order.reshape(shape))
    return Arrangement({}, {}, np.arange(len(networks)))


def blocks(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Yield the index ranges of consecutive parts of an array in C order, of at most so many elements each.

    Examples
    --------
    >>> list(blocks((2, 3), 3))
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
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
    """Return the values of each field in the order of their appearance, and the number of each network's value."""
    known: dict[str, dict[Any, int]] = {name: {} for name in networks[0].point}
    codes = {name: np.empty(len(networks), np.int64) for name in known}
    for i, network in enumerate(networks):
        for name, of_name in known.items():
            codes[name][i] = of_name.setdefault(network.point[name], len(of_name))
    return {name: list(of_name) for name, of_name in known.items()}, codes


def _independent(
    values: Mapping[str, list[Any]], codes: Mapping[str, Int[np.ndarray, " network"]]
) -> tuple[list[str], dict[str, tuple[str, list[Any]]]]:
    """Return the fields that vary independently, and those that vary together with one of these, as in a zip."""
    names: list[str] = []
    tied: dict[str, tuple[str, list[Any]]] = {}
    for name, own in values.items():
        along = next(
            (other for other in names if 1 < len(own) == len(values[other]) == _pairs(codes, name, other)), None
        )
        if along is None:
            names.append(name)
        else:
            tied[name] = along, own  # tied values appear in the same order
    return names, tied


def _pairs(codes: Mapping[str, Int[np.ndarray, " network"]], name: str, other: str) -> int:
    """Return how many combinations of two fields occur."""
    return len(np.unique(codes[name] * (codes[other].max() + 1) + codes[other]))
