"""The registry of pictures of a network, which ``train`` and ``show`` draw."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec

import xarray as xr
from matplotlib.figure import Figure

from ..analysis import read_activity
from ..errors import InputError
from ..registry import Registry
from .style import has, in_words, kind_of, need, styled, with_readout

P = ParamSpec("P")
Needs = tuple[str | tuple[str, ...], ...]

PICTURES: Registry[Callable[..., Figure]] = Registry("picture")
"""All pictures by name; each is a function that needs only a result."""


def picture(
    *needs: str | tuple[str, ...], given: Mapping[str, str] | None = None
) -> Callable[[Callable[Concatenate[xr.Dataset, P], Figure]], Callable[..., Figure]]:
    """Register a picture with a decorator for the function that draws it.

    Parameters
    ----------
    *needs
        Variables of a result without which the picture cannot be drawn; of a tuple, any one is enough. If one is
        missing, ``train`` and ``show`` leave the picture out, and a direct call raises an `InputError` that names it.
    given
        Keyword arguments of the function that take the place of a variable, with its name.

    Returns
    -------
    A decorator. The function takes a result first and returns a Matplotlib figure, which gets this package's style and,
    as a file, the function's name. If activity is all that it needs, the user may give an array (trial, time, unit), or
    whatever `read_activity` reads, in place of the result. If it has an argument `ax`, style and settings of the user
    stay as they are when that is given.

    Examples
    --------
    >>> import recurrent_memory as rm
    >>> from matplotlib.figure import Figure
    >>> @rm.figures.picture("activity")
    ... def mean_activity(result):
    ...     figure = Figure()
    ...     figure.subplots().plot(result["activity"].mean(["trial", "unit"]))
    ...     return figure
    >>> "mean_activity" in rm.figures.PICTURES
    True
    >>> rm.figures.PICTURES.remove("mean_activity")
    """

    def decorate(draw: Callable[Concatenate[xr.Dataset, P], Figure]) -> Callable[..., Figure]:
        name = getattr(draw, "__name__", "picture")

        @functools.wraps(draw)
        def drawn(result: Any, *args: P.args, **kwargs: P.kwargs) -> Figure:
            instead = {of: variable for of, variable in (given or {}).items() if kwargs.get(of) is None}
            wanted = tuple(one for one in needs if one not in (given or {}).values() or one in instead.values())
            result = result if isinstance(result, xr.Dataset) else _data_set(name, result, wanted, instead)
            need(result, *wanted)
            return styled(draw)(with_readout(result), *args, **kwargs)

        vars(drawn)["needs"] = needs
        return PICTURES.register(drawn)

    return decorate


def _data_set(name: str, activity: Any, needs: Needs, instead: Mapping[str, str]) -> xr.Dataset:
    """Return activity without a data set as one, if the picture needs nothing else; say what else it needs."""
    if needs != ("activity",):
        arguments = [f"`{of}`" for of, variable in instead.items() if variable in needs]
        how = f", or {', '.join(arguments)} besides the activity" if arguments else ""
        raise InputError(
            f"`{name}` needs {', '.join(map(in_words, needs))}, and got one array ({kind_of(activity)}).\n"
            f"Give a data set (xarray.Dataset) that has them, such as a result{how}."
        )
    found = read_activity(activity)
    mask = found.notnull().any("unit")
    if bool((found.isnull() & mask).any()):
        raise InputError(
            "`activity` lacks units in some trials, and a picture needs every unit in every trial: leave out these "
            "units or these trials."
        )
    return xr.Dataset({"activity": found, "mask": mask})


def pictures_of(result: xr.Dataset) -> dict[str, Callable[..., Figure]]:
    """Return the pictures whose variables a result has.

    Parameters
    ----------
    result
        Result of one network, finished or not.

    Returns
    -------
    The functions that draw them, by name.

    Examples
    --------
    >>> import xarray as xr
    >>> import recurrent_memory as rm
    >>> list(rm.figures.pictures_of(xr.Dataset({"activity": (("trial", "time", "unit"), [[[1.0]]])})))
    ['activity_heatmap', 'average_heatmap']
    """
    return {name: draw for name, draw in PICTURES.items() if all(has(result, one) for one in _needs(draw))}


def _needs(draw: Any) -> Needs:
    needs: Needs = getattr(draw, "needs", ())  # absent if it was registered without `picture`
    return needs
