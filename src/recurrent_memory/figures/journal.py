"""Pictures at the sizes of journals, and files whose text can be edited."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from ..errors import InputError

MM = 1 / 25.4
"""Inches of a millimetre."""
WIDTHS = {1: 89.0, 2: 183.0}
"""Millimetres of one and of two columns, as *Nature* and its sisters have them."""
TALLEST = 247.0
"""Millimetres of a page's text."""
TALLER = 1.2
"""How much taller than the same picture of any other size, as text takes a larger part of a small one."""
SMALLEST = 5.0
"""Points of the smallest text that journals accept."""
EDITABLE: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42}
"""Settings with which text stays text in a file; Matplotlib's own turn it into outlines."""
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],  # the first that is installed
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.0,
    "ytick.labelsize": 6.0,
    "legend.fontsize": 6.0,
    "figure.titlesize": 7.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}


class Size(NamedTuple):
    """Size of a picture in a journal (millimetres)."""

    width: float
    height: float | None
    """None: in proportion to the width."""

    def inches(self, size: tuple[float, float]) -> tuple[float, float]:
        """Return width and height of a picture that would have another size otherwise (inches)."""
        height = TALLER * self.width * size[1] / size[0] if self.height is None else self.height
        return self.width * MM, min(height, TALLEST) * MM


_size: ContextVar[Size | None] = ContextVar("size of a picture in a journal", default=None)


class Picture(Figure):
    """A figure that a notebook shows, and whose text stays text when it is saved as PDF, SVG or EPS."""

    def _repr_png_(self) -> bytes:
        """Return the figure as an image, also in a notebook that has not imported `matplotlib.pyplot`."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Save the figure, as `matplotlib.figure.Figure.savefig`."""
        with mpl.rc_context(EDITABLE):
            super().savefig(*args, **kwargs)


@contextlib.contextmanager
def journal(columns: int = 1, *, height: float | int | None = None) -> Iterator[None]:
    """Draw pictures at the width of a journal's columns (a context).

    Parameters
    ----------
    columns
        1: 89 mm, 2: 183 mm, the widths of *Nature* and its sisters.
    height
        Height of the pictures (mm); None: in proportion to the width.

    Yields
    ------
    Nothing. All pictures of this package that are drawn inside have this width, text of 5 to 7 points (in Arial or
    Helvetica, if it is installed), and no title unless they are given one, because in a paper the caption says it. It
    is also the size and the text of figures of your own.

    Raises
    ------
    InputError
        If a value is not allowed.

    Notes
    -----
    Text in files (PDF, SVG, EPS) of this package's pictures stays text, inside and outside.

    Examples
    --------
    >>> import numpy as np
    >>> from recurrent_memory import figures
    >>> with figures.journal(columns=1, height=60):
    ...     figure = figures.average_heatmap(np.eye(5)[None].repeat(4, axis=0))
    >>> [round(25.4 * float(inches)) for inches in figure.get_size_inches()]
    [89, 60]
    """
    size = size_of_columns(columns, height)
    before = _size.set(size)
    try:
        with mpl.rc_context({**SETTINGS, **EDITABLE, "figure.figsize": size.inches((7.0, 5.0))}):
            yield
    finally:
        _size.reset(before)


def size_of_columns(columns: int, height: float | int | None) -> Size:
    """Return the size of a picture, checked; see `journal`."""
    if columns not in WIDTHS or isinstance(columns, bool):
        raise InputError(f"`columns` = {columns!r} is not allowed: give 1 (89 mm) or 2 (183 mm).")
    is_number = isinstance(height, int | float) and not isinstance(height, bool)
    if height is not None and not (is_number and 20 <= height <= TALLEST):
        raise InputError(f"`height` = {height!r} is not allowed: give from 20 to {TALLEST:g} mm, the height of a page.")
    return Size(WIDTHS[columns], height)


def brief(words: str, fewer: str) -> str:
    """Return the words for a picture, or inside `journal`, where there is less room, the fewer ones."""
    return words if current() is None else fewer


def current() -> Size | None:
    """Return the size of pictures inside `journal`; None outside."""
    return _size.get()
