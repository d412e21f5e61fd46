"""The content of a sweep's file, validated."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Int, Shaped
from pydantic import Field, field_validator, model_validator

from ...errors import InputError
from ...experiment import Experiment, preset
from ...settings import Settings
from .axes import MOST_NETWORKS
from .fields import LISTS, check_first, spelled
from .source import Source, flat
from .where import Columns, column, holds


class Sweep(Settings):
    """The content of a sweep's file: values that all networks share, values to combine, and what to leave out.

    Raises
    ------
    InputError
        If a value is unknown or out of range, a field is given twice, or there are too many networks.

    Examples
    --------
    >>> sweep = Sweep(experiment={"task": "de1"}, axes=[{"lambda0": [0.9, 0.98]}, {"seed": [0, 1, 2]}])
    >>> sweep.n_combinations
    6
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
                elif isinstance(value, list | tuple | dict) and name in Experiment.model_fields and name not in LISTS:
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
                    raise InputError(f"The fields of a zip need equally many values, but {told}.")
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
        self._left_out()  # raises an error for a condition that cannot be evaluated
        return self

    @property
    def n_combinations(self) -> int:
        """Number of combinations of the axes, before any are left out."""
        return math.prod(len(next(iter(axis.values()))) for axis in self.axes)

    @property
    def shared(self) -> dict[str, Any]:
        """Values that all networks share, those of the preset included."""
        own = dict(self.experiment)
        return {**preset(own.pop("preset", "paper")), **own}

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values of each field that the sweep sets."""
        found = {name: (value,) for name, value in self.shared.items()}
        for axis in self.axes:
            found.update(axis)
        return found

    def at(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Put the place where the sweep sets a field in front of the message of an InputError raised inside.

        Parameters
        ----------
        name
            The field.

        Returns
        -------
        A context manager.
        """
        return self.source.at(name)

    def kept(self) -> Int[np.ndarray, " combination"]:
        """Find the combinations that no condition leaves out.

        Returns
        -------
        Their numbers, counted from 0 with the last axis varying fastest.

        Raises
        ------
        InputError
            If there is none.
        """
        found = np.flatnonzero(~self._left_out())
        if not len(found):
            with self.source.at("where", 0, "exclude"):
                raise InputError("[[exclude]] leaves out all combinations: remove a condition, or weaken it.")
        return found

    def holds(self, where: str, of: Callable[[str], Sequence[Any]]) -> Bool[np.ndarray, " row"]:
        """Evaluate a condition.

        Parameters
        ----------
        where
            The condition, such as ``lambda0 > 0.95``.
        of
            Returns the values of a field, one per row.

        Returns
        -------
        Whether the condition holds in each row.

        Raises
        ------
        InputError
            If it is not a condition, or names a field to which the sweep gives no value.
        """
        return holds(where, Columns(self.values, lambda name: column(of(name)), _spelled))

    def _left_out(self) -> Bool[np.ndarray, "..."]:
        """Return whether each combination is left out, with one dimension per axis."""
        n_axes = len(self.axes)
        axis_of = {name: number for number, axis in enumerate(self.axes) for name in axis}
        every = self.values

        def along_axis(name: str) -> Shaped[np.ndarray, "..."]:
            shape = [-1 if axis == axis_of.get(name) else 1 for axis in range(n_axes)]
            return column(every[name]).reshape(shape)

        found = np.zeros([len(next(iter(axis.values()))) for axis in self.axes], dtype=bool)
        for number, where in enumerate(self.exclude):
            with self.source.at("where", number, "exclude"):
                found |= holds(where, Columns(every, along_axis, _spelled))
        return found


def _spelled(name: str, value: Any) -> Any:
    return spelled(name, [value])[0]
