"""The list of pictures of a network, which ``train`` and ``show`` draw."""

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
"""Every picture by its name; each is a function that takes a result and needs nothing more."""


def picture(*needs: str) -> Callable[[Callable[Concatenate[xr.Dataset, P], Figure]], Callable[..., Figure]]:
    """Add a picture: a decorator of the function that draws it.

    Parameters
    ----------
    *needs
        Variables of a result without which the picture cannot be drawn. ``train`` and ``show`` leave it out if one is
        missing; called by itself, the picture says which.

    Returns
    -------
    A decorator. The function takes a result first and returns a Matplotlib figure; it is drawn in this package's style,
    and its file has its name.

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
    """Return the pictures, by name, whose variables a result has.

    Parameters
    ----------
    result
        Result of one network, finished or not.

    Examples
    --------
    >>> import xarray as xr
    >>> import recurrent_memory as rm
    >>> list(rm.figures.pictures_of(xr.Dataset({"activity": (("trial", "time", "unit"), [[[1.0]]])})))
    ['learning_curve', 'activity_heatmap', 'average_heatmap']
    """
    return {name: draw for name, draw in PICTURES.items() if all(variable in result for variable in _needs(draw))}


def _needs(draw: Any) -> tuple[str, ...]:
    needs: tuple[str, ...] = getattr(draw, "needs", ())  # one that is registered without `picture` needs nothing
    return needs
