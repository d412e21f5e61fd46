"""Several pictures in one figure of a journal, with letters."""

from __future__ import annotations

import string
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from ..errors import InputError, counted
from .canvas import PLACES
from .journal import MM, TALLEST, WIDTHS, Picture, journal
from .style import DPI, of_pictures

ROW = 0.75
"""Height of a row, relative to the width of one of its pictures."""
LETTER_SIZE = 8.0
"""Points."""
LEAST = (15.0, 10.0)
"""Width and height (millimetres) of axes below which the words at neighbouring ones run into each other."""


def panel(
    pictures: Sequence[Callable[..., Any]], layout: str | None = None, *, columns: int = 2,
    height: float | int | None = None, letters: str = string.ascii_lowercase,
) -> Figure:  # fmt: skip
    """Draw several pictures into one figure at the size of a journal, with letters.

    Parameters
    ----------
    pictures
        Functions that draw into `ax`, such as ``functools.partial(recurrent_memory.figures.average_heatmap, result)``
        or a function of your own that takes Matplotlib axes as `ax`. A picture of this package that has several panels
        has all of them, in its part of the figure.
    layout
        Where each picture is: rows of letters, separated by semicolons, where a is the first picture. "ab;cc" has the
        third below the first two. None: as many in a row as the figure has columns.
    columns
        Width of the figure, as in `journal`.
    height
        Height of the figure (mm); None: three quarters of a picture's width for each row, at most a page.
    letters
        The letters to write, one for each picture; "": none.

    Returns
    -------
    The figure.

    Raises
    ------
    InputError
        If there is no picture, a value is not allowed, the layout does not fit the pictures, or they have no room.

    Examples
    --------
    >>> import functools
    >>> import numpy as np
    >>> from recurrent_memory import figures
    >>> activity = np.eye(5)[None].repeat(4, axis=0)
    >>> draw = functools.partial(figures.average_heatmap, activity)
    >>> figure = figures.panel([draw, lambda ax: ax.plot([0, 1])], columns=2)
    >>> [part.texts[0].get_text() for part in figure.subfigs]
    ['a', 'b']
    """
    if not isinstance(pictures, Sequence) or not pictures or not all(map(callable, pictures)):
        raise InputError(
            "`pictures` must be functions that draw into `ax`, such as functools.partial(average_heatmap, result)."
        )
    with journal(columns, height=height):
        rows = _rows(layout, len(pictures), columns)
        figure = _empty(rows, columns, height)
        grid = GridSpec(len(rows), len(rows[0]), figure=figure)
        for number, draw in enumerate(pictures):
            top, bottom, left, right = _rectangle(rows, number)
            part = figure.add_subfigure(grid[top:bottom, left:right])
            PLACES.add(part)
            draw(ax=part.subplots())
            if number < len(letters):
                part.text(0, 1, letters[number], ha="left", va="top", weight="bold", fontsize=LETTER_SIZE)
        _check_room(figure, columns)
        return figure


def _check_room(figure: Figure, columns: int) -> None:
    """Refuse pictures whose text leaves no room for themselves, which Matplotlib would draw one over the other."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "constrained_layout not applied")
        try:
            figure.draw_without_rendering()
            fit = True
        except UserWarning:
            fit = False
    width, height = (inches / MM for inches in figure.get_size_inches())
    sizes = [
        axes.get_position().size * np.array([width, height]) for axes in figure.axes if axes.get_label() != "<colorbar>"
    ]
    if not fit or any(bool((size < np.array(LEAST)).any()) for size in sizes):
        wider = "" if columns == max(WIDTHS) else f"`columns={max(WIDTHS)}`, "
        raise InputError(
            f"The figure, {width:.0f} × {height:.0f} mm, has too little room for these pictures side by side: give "
            f"{wider}a larger `height`, or a `layout` with fewer in a row, such as 'a;b'."
        )


def _empty(rows: list[str], columns: int, height: float | int | None) -> Picture:
    """Return a figure of the size for these rows, and use the settings of pictures from now on."""
    mpl.rcParams.update(of_pictures())
    tall = ROW * WIDTHS[columns] / len(rows[0]) * len(rows) if height is None else height
    return Picture(figsize=(WIDTHS[columns] * MM, min(tall, TALLEST) * MM), dpi=DPI, layout="constrained")


def _rows(layout: str | None, n_pictures: int, columns: int) -> list[str]:
    """Return the rows of the layout, in each of which a letter stands for a picture, and a point for nothing."""
    known = string.ascii_letters[:n_pictures]
    if n_pictures > len(string.ascii_letters):
        raise InputError(f"`pictures` are {n_pictures}, and one figure has at most {len(string.ascii_letters)}.")
    if layout is None:
        wide = min(columns, n_pictures)
        return [known[start : start + wide].ljust(wide, ".") for start in range(0, n_pictures, wide)]
    rows = [row.strip() for row in layout.strip().replace("\n", ";").split(";")]
    if len({len(row) for row in rows}) != 1 or {*"".join(rows)} - {"."} != {*known}:
        raise InputError(
            f"`layout` = {layout!r} does not fit {counted(n_pictures, 'picture')}: give rows of equal length with the "
            f"letters {', '.join(known)}, such as 'ab;cc' for three."
        )
    return rows


def _rectangle(rows: list[str], number: int) -> tuple[int, int, int, int]:
    """Return first and last row and column of a picture, the last ones plus one."""
    letter = string.ascii_letters[number]
    found = [(y, x) for y, row in enumerate(rows) for x, of in enumerate(row) if of == letter]
    top, left = (min(place[axis] for place in found) for axis in (0, 1))
    bottom, right = (max(place[axis] for place in found) + 1 for axis in (0, 1))
    if len(found) != (bottom - top) * (right - left):
        raise InputError(f"`layout` = {';'.join(rows)!r} is not allowed: the places of {letter!r} are no rectangle.")
    return top, bottom, left, right
