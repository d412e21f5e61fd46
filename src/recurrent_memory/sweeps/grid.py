"""From a file that says which values to combine to the experiments that it stands for.

A sweep of 100,000 networks has few that differ in shape. Of these each is validated in full; the rest are copies with
other numbers, every one of which has been validated for itself.
"""

from __future__ import annotations

import gc
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
from jaxtyping import Int, Shaped

from ..errors import InputError
from ..experiment import OF_ONE_PROGRAM, Experiment
from .file.sweep import Sweep
from .store.identity import DIGITS, name_of, structure
from .store.layout import Layout


class Network(NamedTuple):
    """One network of a sweep."""

    experiment: Experiment
    point: dict[str, Any]
    """Its values of the fields in which networks may differ, in the order of the file."""
    identity: str
    """See :func:`recurrent_memory.sweeps.identity`."""


class Networks(Sequence[Network]):
    """Networks of a sweep, each made when it is looked at: of each one that is not, 28 bytes are in memory."""

    def __init__(
        self, of: _Combinations, numbers: Int[np.ndarray, " network"], identities: Shaped[np.ndarray, " network"]
    ) -> None:
        self._of, self._numbers, self._identities = of, numbers, identities

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> Network: ...

    @overload
    def __getitem__(self, at: slice) -> Networks: ...

    def __getitem__(self, at: int | slice) -> Network | Networks:
        if isinstance(at, slice):
            return Networks(self._of, self._numbers[at], self._identities[at])
        return self._of.network(int(self._numbers[at]), self._identities[at].decode())

    def without(self, identities: Collection[str]) -> Networks:
        """Return the networks that have other identities than these."""
        others = np.array([one.decode() not in identities for one in self._identities], dtype=bool)
        return Networks(self._of, self._numbers[others], self._identities[others])


def listed(networks: Iterable[Network]) -> list[Network]:
    """Return networks that have all been made, for whoever looks at them often."""
    # To search for garbage among a million objects that all stay takes longer than to make them.
    was_on = gc.isenabled()
    gc.disable()
    try:
        return list(networks)
    finally:
        if was_on:
            gc.enable()


class Expansion(NamedTuple):
    """All networks of a sweep, and what became of the other combinations."""

    networks: Networks
    excluded: int
    """Combinations that were left out by a condition."""
    duplicates: int
    """Combinations that stand for the same experiment as an earlier one."""


def networks(sweep: Sweep) -> Networks:
    """Return the networks of a sweep; see :func:`expand`."""
    return expand(sweep).networks


def expand(sweep: Sweep) -> Expansion:
    """Return the networks of a sweep, the last axis varying fastest, each of them once.

    Raises
    ------
    InputError
        Where a combination is not possible, or all are left out.
    """
    numbers = sweep.kept()
    of = _Combinations(sweep)
    identities = np.fromiter(map(of.identity, map(int, numbers)), f"S{DIGITS}", len(numbers))
    _, first = np.unique(identities, return_index=True)
    first.sort()
    excluded, duplicates = sweep.n_combinations - len(numbers), len(numbers) - len(first)
    return Expansion(Networks(of, numbers[first], identities[first]), excluded, duplicates)


class _Combinations:
    """The combinations of the axes of a sweep, by their number, the last axis varying fastest."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._shared = sweep, sweep.shared
        self._choices = [
            [dict(zip(axis, row, strict=True)) for row in zip(*axis.values(), strict=True)] for axis in sweep.axes
        ]
        self._numbers = [
            [{name: value for name, value in choice.items() if name in OF_ONE_PROGRAM} for choice in of_axis]
            for of_axis in self._choices
        ]
        self._shaping = [number for number, axis in enumerate(sweep.axes) if not axis.keys() <= set(OF_ONE_PROGRAM)]
        self._shapes: dict[tuple[int, ...], tuple[Experiment, bytes, dict[str, Any]]] = {}

    def network(self, number: int, identity: str) -> Network:
        """Return what a combination stands for."""
        place = self._place(number)
        of_shape, _, _ = self._of_shape(place)
        experiment = of_shape.model_copy(update=_joined(self._numbers, place))
        return Network(experiment, _joined(self._choices, place), identity)

    def identity(self, number: int) -> str:
        """Return the identity of a combination's network.

        Raises
        ------
        InputError
            Where the combination is not possible.
        """
        place = self._place(number)
        _, begin, numbers = self._of_shape(place)
        return name_of(begin, {**numbers, **_joined(self._numbers, place)}.values())

    def _place(self, number: int) -> tuple[int, ...]:
        place = []
        for of_axis in reversed(self._choices):
            number, i = divmod(number, len(of_axis))
            place.append(i)
        return tuple(reversed(place))

    def _of_shape(self, place: tuple[int, ...]) -> tuple[Experiment, bytes, dict[str, Any]]:
        """Return an experiment of the same shape, and what its identity is made of."""
        shape = tuple([place[axis] for axis in self._shaping])
        if shape not in self._shapes:
            point = _joined(self._choices, place)
            experiment = _possible({**self._shared, **point}, point, self._sweep)
            numbers = {name: getattr(experiment, name) for name in OF_ONE_PROGRAM}
            self._shapes[shape] = experiment, structure(experiment), numbers
        return self._shapes[shape]


def _joined(choices: Sequence[Sequence[Mapping[str, Any]]], place: Sequence[int]) -> dict[str, Any]:
    """Return what is chosen on all axes."""
    found: dict[str, Any] = {}
    for of_axis, i in zip(choices, place, strict=True):
        found.update(of_axis[i])
    return found


def left(networks: Sequence[Network], store: Layout) -> list[Network]:
    """Return the networks that have not come to an end."""
    ended = set.union(*store.ended())
    return listed(network for network in networks if network.identity not in ended)


def select(sweep: Sweep, among: Sequence[Network], where: str) -> list[Network]:
    """Return the networks for which a condition holds, such as ``task == 'comp' and lambda0 > 0.95``.

    Parameters
    ----------
    sweep
        The sweep that they are of.
    among
        Some or all of its networks.
    where
        The condition, as below ``[[exclude]]``.

    Raises
    ------
    InputError
        Where it is no condition, or names what no field of the sweep is.
    """
    shared = sweep.shared
    found = sweep.holds(where, lambda name: [one.point.get(name, shared.get(name)) for one in among])
    return list(itertools.compress(among, found.tolist()))


def _possible(values: Mapping[str, Any], point: Mapping[str, Any], sweep: Sweep) -> Experiment:
    """Return an experiment; where there is none with these values, say of which combination they are."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        table, dot, setting = name.partition(".")
        if dot:
            nested[table] = {**nested.get(table, {}), setting: value}
        else:
            nested[name] = value
    try:
        return Experiment(**nested)
    except InputError as error:
        message = str(error)
    named = re.findall(r"[`'](\w+)[`']", message) + re.findall(r"\w+", message)
    fields = {name.rpartition(".")[2]: name for name in values}
    culprit = next((fields[word] for word in named if word in fields), "")
    combination = ", ".join(f"{name} = {value!r}" for name, value in point.items() if name not in OF_ONE_PROGRAM)
    if combination:
        message = f"{message}\nThat is the combination {combination}. An [[exclude]] can leave it out."
    with sweep.at(culprit):
        raise InputError(message)
