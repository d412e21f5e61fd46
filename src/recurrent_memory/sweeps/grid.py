"""From a file that says which values to combine to the experiments that it stands for.

A sweep of 100,000 networks has few that differ in shape. Of these each is validated in full; the rest are copies with
other numbers, every one of which has been validated for itself.
"""

from __future__ import annotations

import gc
import itertools
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, overload

import numpy as np
from jaxtyping import Bool, Int, Shaped
from pydantic import Field, field_validator, model_validator

from ..errors import InputError
from ..experiment import OF_ONE_PROGRAM, Experiment, preset
from ..settings import Settings
from .file.axes import MOST_NETWORKS
from .file.fields import check_first, spelled
from .file.source import Source, flat
from .file.where import parse
from .store.identity import DIGITS, name_of, structure


class Sweep(Settings):
    """The content of a sweep's file: values that all networks share, values to combine, and what to leave out.

    Raises
    ------
    InputError
        Where a value is unknown or out of range, a field is given twice, or there are too many networks.
    """

    source: Annotated[Source, Field(repr=False, description="Where the sweep comes from, for messages")] = Source()
    store: Annotated[Path, Field(description="Folder for the results")] = Path("sweep-results")
    save: Annotated[
        tuple[Literal["curves", "weights", "activity"], ...],
        Field(description="What to keep of each network besides its measures: any of curves, weights, activity"),
    ] = ("curves", "weights")
    experiment: Annotated[
        dict[str, Any],
        Field(description="Values that all networks share; `preset` names a set of values that come first"),
    ] = {}  # noqa: RUF012 (copied for each sweep)
    axes: Annotated[
        tuple[dict[str, tuple[Any, ...]], ...],
        Field(description="Values of one field, or of several that go together; every combination is trained"),
    ] = ()
    exclude: Annotated[tuple[str, ...], Field(description="Conditions of combinations that are left out")] = ()

    @field_validator("experiment")
    @classmethod
    def _known_values(cls, experiment: dict[str, Any], info: Any) -> dict[str, Any]:
        source = info.data["source"]
        found: dict[str, Any] = {}
        for name, value in flat(experiment):
            check_first(name, found, source)
            with source.at(name):
                if name == "preset":
                    preset(str(value))
                    found[name] = value
                elif (
                    isinstance(value, list | tuple | dict) and name in Experiment.model_fields and name != "curriculum"
                ):
                    raise InputError(
                        f"`{name}` = {value!r} is not allowed: networks share one value; several belong below [axes]."
                    )
                else:
                    (found[name],) = spelled(name, [value])
        return found

    @field_validator("axes")
    @classmethod
    def _known_axes(
        cls, axes: tuple[dict[str, tuple[Any, ...]], ...], info: Any
    ) -> tuple[dict[str, tuple[Any, ...]], ...]:
        source = info.data["source"]
        seen: dict[str, Any] = {}
        found = []
        for axis in axes:
            checked: dict[str, tuple[Any, ...]] = {}
            for name, values in flat(axis):
                check_first(name, seen, source)
                seen[name] = values
                with source.at(name):
                    checked[name] = spelled(name, values)
            lengths = {name: len(values) for name, values in checked.items()}
            if min(lengths.values(), default=0) == 0:
                raise InputError("An axis without values is not allowed: give it some, or leave it out.")
            if len(set(lengths.values())) > 1:
                told = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
                with source.at(next(iter(checked))):
                    raise InputError(f"The values of a zip go together, so that it needs equally many, but {told}.")
            found.append(checked)
        return tuple(found)

    @model_validator(mode="after")
    def _fits_together(self) -> Sweep:
        for name in itertools.chain(*self.axes):
            check_first(name, self.experiment, self.source)
        if self.n_combinations > MOST_NETWORKS:
            told = " × ".join(f"{len(next(iter(axis.values())))} {'+'.join(axis)}" for axis in self.axes)
            raise InputError(
                f"{self.source.path or 'The sweep'}: {told} = {self.n_combinations:,} networks, of at most "
                f"{MOST_NETWORKS:,}: shorten an axis, or make several sweeps."
            )
        for number in range(len(self.exclude)):
            self._condition(number)
        return self

    @property
    def n_combinations(self) -> int:
        """How many networks there are before any are left out."""
        return math.prod(len(next(iter(axis.values()))) for axis in self.axes)

    @property
    def shared(self) -> dict[str, Any]:
        """Values that all networks share, those of the preset included."""
        own = dict(self.experiment)
        return {**preset(own.pop("preset", "paper")), **own}

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values that each field takes, so far as the sweep says."""
        found = {name: (value,) for name, value in self.shared.items()}
        for axis in self.axes:
            found.update(axis)
        return found

    def _condition(self, number: int) -> Any:
        with self.source.at("where", number, "exclude"):
            return parse(self.exclude[number], self.values, lambda name, value: spelled(name, [value])[0])

    def left_out(self) -> Bool[np.ndarray, "..."]:
        """Return which combinations are left out, with a dimension for each of `axes`.

        Raises
        ------
        InputError
            Where a condition compares what cannot be compared.
        """
        shape = [len(next(iter(axis.values()))) for axis in self.axes]
        axis_of = {name: number for number, axis in enumerate(self.axes) for name in axis}
        every = self.values
        found = np.zeros(shape, dtype=bool)
        for number in range(len(self.exclude)):
            condition = self._condition(number)
            # The condition is told once for each combination of the axes that it names, and holds along all others.
            involved = sorted({axis_of[name] for name in condition.columns if name in axis_of})
            part = [shape[axis] for axis in involved]
            at = dict(zip(involved, np.indices(part).reshape(len(part), math.prod(part)), strict=True))
            nowhere = np.zeros(math.prod(part), dtype=int)
            rows = {
                name: [every[name][i] for i in at.get(axis_of.get(name, -1), nowhere)] for name in condition.columns
            }
            with self.source.at("where", number, "exclude"):
                holds = condition.holds(rows)
            found |= holds.reshape([n if axis in involved else 1 for axis, n in enumerate(shape)])
        return found


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
    left_out = sweep.left_out().ravel()
    numbers = np.flatnonzero(~left_out)
    if not len(numbers):
        with sweep.source.at("where", 0, "exclude"):
            raise InputError("[[exclude]] leaves out all combinations: take out a condition, or weaken it.")
    of = _Combinations(sweep)
    identities = np.fromiter(map(of.identity, map(int, numbers)), f"S{DIGITS}", len(numbers))
    _, first = np.unique(identities, return_index=True)
    first.sort()
    excluded, duplicates = len(left_out) - len(numbers), len(numbers) - len(first)
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
    condition = parse(where, sweep.values, lambda name, value: spelled(name, [value])[0])
    rows = {name: [one.point.get(name, shared.get(name)) for one in among] for name in condition.columns}
    return list(itertools.compress(among, condition.holds(rows).tolist()))


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
    with sweep.source.at(culprit):
        raise InputError(message)
