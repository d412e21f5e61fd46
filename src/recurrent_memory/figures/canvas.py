"""Where a picture is drawn: in a figure of its own, or in axes that the user has."""

from __future__ import annotations

import textwrap
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..errors import InputError, counted
from .journal import Picture, current
from .style import DPI, SIZE, describe_network

NARROW = 4.5
"""Width (inches) up to which a legend needs several lines."""
TITLE_PAD = 16
"""Points between axes and their title, room for the names of the epochs."""

PLACES: weakref.WeakSet[SubFigure] = weakref.WeakSet()
"""Parts of a figure that are a picture's alone: if it has several panels, they take the place of the axes there."""


class Canvas(NamedTuple):
    """A figure and the panels of a picture in it."""

    figure: Figure
    panels: list[Axes | None]
    """None: a panel that the user leaves out."""
    is_grid: bool
    """Whether all panels show the same, each with a title of its own."""
    is_new: bool
    """Whether the figure is the picture's own. If not, its size, its layout and other axes in it are the user's."""
    is_laid_out: bool
    """Whether the panels are where the picture wants them, in a figure or a part of one; they share their axes."""

    @property
    def drawn(self) -> list[Axes]:
        """The panels that are not left out."""
        return [axes for axes in self.panels if axes is not None]

    @property
    def is_wide(self) -> bool:
        """Whether there is room for a line of text as long as a legend."""
        of = self.drawn[0].figure
        return of is not None and bool(of.bbox.width / self.figure.dpi > NARROW)

    def explain_hatching(self) -> None:
        """Explain hatched steps above the first panel of a figure of its own."""
        if self.is_new:
            note = "hatched: steps left out of this trial"
            self.drawn[0].set_title(note, loc="right", fontsize="small", pad=TITLE_PAD)

    def entitled(self, result: xr.Dataset, what: str, title: str | None) -> Figure:
        """Draw the title and return the figure.

        Parameters
        ----------
        result
            What is drawn; in a figure of its own, the title describes the network.
        what
            The picture's own title.
        title
            The user's; None: the picture's own, unless it is that of several axes of the user, or at the size of a
            journal; "": none.
        """
        if self.is_new:
            network = describe_network(result)
            own = (f"{what}\n{network}" if network else what) if current() is None else ""
            words = own if title is None else title
            if words:
                self.figure.suptitle(words)
        else:
            first = self.drawn[0]
            if title is None and current() is not None:
                title = ""
            elif title is None:
                is_whole = self.is_grid and len(self.panels) > 1  # what is said of all panels has no place in one
                title = "" if is_whole else textwrap.fill(what, max(20, int(14 * size_of(first)[0])))
            if title:
                first.set_title("\n".join(line for line in (title, first.get_title()) if line), pad=TITLE_PAD)
        return self.figure


def canvas(
    ax: Any, panels: Sequence[str] = ("",), *, shape: tuple[int, int] | None = None, is_grid: bool = False,
    size: tuple[float, float] = SIZE, **options: Any,
) -> Canvas:  # fmt: skip
    """Return a new figure with the panels of a picture, or take the user's axes for them.

    Parameters
    ----------
    ax
        None: a new figure. Axes: the first panel is drawn there, alone. Several: one for each panel, in which None
        leaves a panel out.
    panels
        Names of the panels, for messages.
    shape
        Rows and columns of a new figure; None: one row.
    is_grid
        Whether all panels show the same, so that the first alone would be misleading.
    size
        Width and height of a new figure (inches).
    **options
        Options of `Figure.subplots`.

    Returns
    -------
    The figure and its panels.

    Raises
    ------
    InputError
        If `ax` is not axes, or not as many as there are panels.
    """
    if ax is None:
        in_journal = current()
        figure = Picture(figsize=in_journal.inches(size) if in_journal else size, dpi=DPI, layout="constrained")
        return Canvas(figure, _laid_out(figure, len(panels), shape, options), is_grid, True, True)
    if isinstance(ax, Axes) and (part := ax.figure) in PLACES and len(panels) > 1:
        whole = figure_of(ax)
        ax.remove()
        return Canvas(whole, _laid_out(part, len(panels), shape, options), is_grid, False, True)
    given = _given(ax)
    if isinstance(ax, Axes) and not is_grid:
        given += [None] * (len(panels) - 1)
    if len(given) != len(panels) or not any(given) or (is_grid and None in given):
        names = f" ({', '.join(textwrap.shorten(name, 30) for name in panels[:8])})" if len(panels) > 1 else ""
        leave_out = "" if len(panels) == 1 or is_grid else ", or None in the place of a panel to leave out"
        raise InputError(
            f"`ax` has {sum(axes is not None for axes in given)} axes, and this picture has "
            f"{counted(len(panels), 'panel')}{names}: give axes for each{leave_out}."
        )
    return Canvas(figure_of(next(axes for axes in given if axes is not None)), given, is_grid, False, False)


def _laid_out(
    into: Figure | SubFigure, n_panels: int, shape: tuple[int, int] | None, options: dict[str, Any]
) -> list[Axes | None]:
    every: list[Axes | None] = into.subplots(*(shape or (1, n_panels)), squeeze=False, **options).ravel().tolist()
    for axes in every[n_panels:]:
        if axes is not None:
            axes.remove()
    return every[:n_panels]


def _given(ax: Any) -> list[Axes | None]:
    """Return the user's axes as a list; an array, as from `subplots`, row by row."""
    ravel = getattr(ax, "ravel", None)
    several = [ax] if isinstance(ax, Axes) or not isinstance(ax, Iterable) else list(ravel() if ravel else ax)
    for one in several:
        if not (one is None or isinstance(one, Axes)):
            raise InputError(
                f"`ax` must be Matplotlib Axes, or several, as from `matplotlib.pyplot.subplots`; got "
                f"{type(one).__name__}."
            )
    return several


def figure_of(axes: Axes) -> Figure:
    """Return the figure that axes are in, also if they are in a part of it (`SubFigure`)."""
    figure: Any = axes.figure
    return figure if isinstance(figure, Figure) else figure.figure


def size_of(axes: Axes) -> tuple[float, float]:
    """Return the approximate width and height of a panel (inches)."""
    place, (width, height) = axes.get_position(), figure_of(axes).get_size_inches()
    return place.width * width, place.height * height
