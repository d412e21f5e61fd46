"""Where the networks of a sweep are in its data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .grid import Network


class Arrangement(NamedTuple):
    """Over the fields in which networks differ where every combination is there once, otherwise one after the other."""

    dims: tuple[str, ...]
    """Fields that vary on their own; ``network`` where not every combination is there."""
    axes: dict[str, list[Any]]
    """Values of each field along its dimension, in order; empty where the dimension is ``network``."""
    tied: dict[str, str]
    """Other fields that vary, and along which dimension, as in a zip."""
    places: list[tuple[int, ...]]
    """Of each network, along each dimension."""


def arranged(networks: Sequence[Network]) -> Arrangement:
    """Return where each network is in a data set of all of them."""
    values = {name: [network.point[name] for network in networks] for name in networks[0].point}
    names, tied = _independent(values)
    axes = {name: list(dict.fromkeys(values[name])) for name in names}
    if names and math.prod(map(len, axes.values())) == len(networks):
        places = list(zip(*(_places(values[name], axes[name]) for name in names), strict=True))
        if len(set(places)) == len(networks):
            return Arrangement(tuple(names), axes, tied, places)
    return Arrangement(("network",), {}, {}, [(number,) for number in range(len(networks))])


def _independent(values: Mapping[str, list[Any]]) -> tuple[list[str], dict[str, str]]:
    """Return the fields that vary on their own, and of the others the field that each goes along with, as in a zip."""
    names: list[str] = []
    tied: dict[str, str] = {}
    for name, own in values.items():
        number = len(set(own))
        along = next(
            (
                other
                for other in names
                if number > 1 and number == len(set(values[other])) == len(set(zip(own, values[other], strict=True)))
            ),
            None,
        )
        if along is None:
            names.append(name)
        else:
            tied[name] = along
    return names, tied


def _places(values: list[Any], axis: list[Any]) -> list[int]:
    where = {value: i for i, value in enumerate(axis)}
    return [where[value] for value in values]
