"""The registry of pictures of a network, which ``train`` and ``show`` draw."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import xarray as xr
from matplotlib.figure import Figure

from ..registry import Registry
from .style import need, styled

P = ParamSpec("P")

PICTURES: Registry[Callable[..., Figure]] = Registry("picture")
"""All pictures by name; each is a function that needs only a result."""


def picture(*needs: str) -> Callable[[Callable[Concatenate[xr.Dataset, P], Figure]], Callable[..., Figure]]:
    """Register a picture with a decorator for the function that draws it.

    Parameters
    ----------
    *needs
        Variables of a result without which the picture cannot be drawn. If one is missing, ``train`` and ``show`` leave
        the picture out, and a direct call raises an `InputError` that names it.

    Returns
    -------
    A decorator. The function takes a result first and returns a Matplotlib figure, which gets this package's style and,
    as a file, the function's name.

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
        @functools.wraps(draw)
        def drawn(result: xr.Dataset, *args: P.args, **kwargs: P.kwargs) -> Figure:
            need(result, *needs)
            return styled(draw)(result, *args, **kwargs)

        vars(drawn)["needs"] = needs
        return PICTURES.register(drawn)

    return decorate


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
    ['learning_curve', 'activity_heatmap', 'average_heatmap']
    """
    return {name: draw for name, draw in PICTURES.items() if all(variable in result for variable in _needs(draw))}


def _needs(draw: Any) -> tuple[str, ...]:
    needs: tuple[str, ...] = getattr(draw, "needs", ())  # absent if it was registered without `picture`
    return needs
