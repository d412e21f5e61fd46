"""The networks of a sweep: every combination of the values in its file, each as an experiment.

A sweep of 100,000 networks has few shapes. One experiment of each shape is validated in full; the others are copies of
it with other numbers, and each number has been validated by itself.
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
    """One network of a sweep.

    Examples
    --------
    >>> sweep = Sweep(experiment={"task": "de1"}, axes=[{"lambda0": [0.9, 0.98]}])
    >>> network = networks(sweep)[0]
    >>> network.point, network.experiment.lambda0, len(network.identity)
    ({'lambda0': 0.9}, 0.9, 20)
    """

    experiment: Experiment
    point: dict[str, Any]
    """Its values on the axes of the sweep, in the order of the file."""
    identity: str
    """See :func:`recurrent_memory.sweeps.identity`."""


class Networks(Sequence[Network]):
    """The networks of a sweep as a sequence: each is built when it is indexed, and takes 28 bytes otherwise.

    Examples
    --------
    >>> found = networks(Sweep(experiment={"task": "de1"}, axes=[{"seed": range(1000)}]))
    >>> len(found), found[-1].experiment.seed, len(found[:10])
    (1000, 999, 10)
    """

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
        """Leave out some networks.

        Parameters
        ----------
        identities
            Identities of the networks to leave out.

        Returns
        -------
        The other networks, in the same order.
        """
        others = np.array([one.decode() not in identities for one in self._identities], dtype=bool)
        return Networks(self._of, self._numbers[others], self._identities[others])


def listed(networks: Iterable[Network]) -> list[Network]:
    """Build all networks at once, for code that goes through them often."""
    # Searching a million objects that all stay for garbage takes longer than building them.
    was_on = gc.isenabled()
    gc.disable()
    try:
        return list(networks)
    finally:
        if was_on:
            gc.enable()


class Expansion(NamedTuple):
    """All networks of a sweep, and what became of the other combinations.

    Examples
    --------
    >>> expansion = expand(Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}], exclude=["seed == 1"]))
    >>> len(expansion.networks), expansion.excluded, expansion.duplicates
    (1, 1, 0)
    """

    networks: Networks
    excluded: int
    """Number of combinations that a condition leaves out."""
    duplicates: int
    """Number of combinations that mean the same experiment as an earlier one."""


def networks(sweep: Sweep) -> Networks:
    """Return the networks of a sweep: those of :func:`expand`.

    Parameters
    ----------
    sweep
        The sweep.

    Returns
    -------
    The networks, the last axis varying fastest, each experiment once.

    Raises
    ------
    InputError
        If a combination is impossible, or the conditions leave out all of them.

    Examples
    --------
    >>> axes = [{"lambda0": [0.9, 0.98]}, {"seed": [0, 1]}]
    >>> [network.point for network in networks(Sweep(experiment={"task": "de1"}, axes=axes))][:2]
    [{'lambda0': 0.9, 'seed': 0}, {'lambda0': 0.9, 'seed': 1}]
    """
    return expand(sweep).networks


def expand(sweep: Sweep) -> Expansion:
    """Combine the values on all axes of a sweep into networks.

    Parameters
    ----------
    sweep
        The sweep.

    Returns
    -------
    The networks, the last axis varying fastest, each experiment once; and how many combinations were left out.

    Raises
    ------
    InputError
        If a combination is impossible, or the conditions leave out all of them.

    Examples
    --------
    >>> expand(Sweep(experiment={"task": "de1"}, axes=[{"rho": [0.0, 0, 1e-5]}])).duplicates
    1
    """
    numbers = sweep.kept()
    of = _Combinations(sweep)
    identities = np.fromiter(map(of.identity, map(int, numbers)), f"S{DIGITS}", len(numbers))
    _, first = np.unique(identities, return_index=True)
    first.sort()
    excluded, duplicates = sweep.n_combinations - len(numbers), len(numbers) - len(first)
    return Expansion(Networks(of, numbers[first], identities[first]), excluded, duplicates)


class _Combinations:
    """All combinations of a sweep's axes, numbered with the last axis varying fastest."""

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
        """Return the network of a combination."""
        place = self._place(number)
        of_shape, _, _ = self._of_shape(place)
        experiment = of_shape.model_copy(update=_joined(self._numbers, place))
        return Network(experiment, _joined(self._choices, place), identity)

    def identity(self, number: int) -> str:
        """Return the identity of a combination's network.

        Raises
        ------
        InputError
            If the combination is impossible.
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
        """Return an experiment of the same shape, and the parts of its identity."""
        shape = tuple([place[axis] for axis in self._shaping])
        if shape not in self._shapes:
            point = _joined(self._choices, place)
            experiment = _possible({**self._shared, **point}, point, self._sweep)
            numbers = {name: getattr(experiment, name) for name in OF_ONE_PROGRAM}
            self._shapes[shape] = experiment, structure(experiment), numbers
        return self._shapes[shape]


def _joined(choices: Sequence[Sequence[Mapping[str, Any]]], place: Sequence[int]) -> dict[str, Any]:
    """Merge the values chosen on all axes."""
    found: dict[str, Any] = {}
    for of_axis, i in zip(choices, place, strict=True):
        found.update(of_axis[i])
    return found


def left(networks: Sequence[Network], store: Layout) -> list[Network]:
    """Return the networks that have neither a result nor a failure.

    Parameters
    ----------
    networks
        Networks of a sweep.
    store
        Store with their results.

    Returns
    -------
    The networks still to be trained, in the same order.

    Examples
    --------
    >>> found = networks(Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}]))
    >>> len(left(found, Layout("no/such/folder")))
    2
    """
    ended = set.union(*store.ended())
    return listed(network for network in networks if network.identity not in ended)


def select(sweep: Sweep, among: Sequence[Network], where: str) -> list[Network]:
    """Return the networks for which a condition holds, such as ``task == 'comp' and lambda0 > 0.95``.

    Parameters
    ----------
    sweep
        The sweep that the networks belong to.
    among
        Some or all of its networks.
    where
        The condition, written as below ``[[exclude]]``.

    Returns
    -------
    The networks for which it holds, in the same order.

    Raises
    ------
    InputError
        If it is not a condition, or names a field to which the sweep gives no value.

    Examples
    --------
    >>> sweep = Sweep(experiment={"task": "de1"}, axes=[{"lambda0": [0.90, 0.94, 0.98]}])
    >>> [network.point["lambda0"] for network in select(sweep, networks(sweep), "lambda0 > 0.9")]
    [0.94, 0.98]
    """
    shared = sweep.shared
    found = sweep.holds(where, lambda name: [one.point.get(name, shared.get(name)) for one in among])
    return list(itertools.compress(among, found.tolist()))


def _possible(values: Mapping[str, Any], point: Mapping[str, Any], sweep: Sweep) -> Experiment:
    """Return the experiment with these values; if it is invalid, name the combination in the error."""
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
