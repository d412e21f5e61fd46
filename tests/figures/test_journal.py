"""Pictures at the sizes of journals: millimetres, letters, and text that can be edited."""

from __future__ import annotations

import functools
import io
import re
import weakref
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from figures.test_own_axes import EVERY, N_PANELS, RESULT, every
from recurrent_memory import figures
from recurrent_memory.errors import InputError

MM = 25.4
PARTS: dict[str, Any] = {name: functools.partial(draw, data) for name, (draw, data, _) in EVERY.items()}


def millimetres(figure: Figure) -> list[float]:
    return [round(MM * float(inches), 1) for inches in figure.get_size_inches()]


def saved(figure: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind)
    return file.getvalue()


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Text and place of all words in a figure, once it is laid out."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    words = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in words]


@every
def test_every_picture_has_the_width_of_a_column_and_no_title(name: str) -> None:
    draw, data, _ = EVERY[name]
    for columns, width in ((1, 89), (2, 183)):
        with figures.journal(columns):
            figure = draw(data)
        assert millimetres(figure)[0] == width
        assert not figure.get_suptitle()
    sizes = [float(text.get_fontsize()) for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert 5 <= min(sizes) < max(sizes) == 7


def test_height_and_title_are_the_users() -> None:
    with figures.journal(1, height=50):
        figure = figures.average_heatmap(RESULT, title="Mine")
        own = mpl.figure.Figure()
    assert millimetres(figure) == [89, 50]
    assert millimetres(own) == [89, 50]
    assert figure.get_suptitle() == "Mine"
    outside = figures.average_heatmap(RESULT)
    assert millimetres(outside)[0] == round(7 * MM, 1)
    assert outside.get_suptitle()


def test_settings_are_as_before() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), figures.journal(2):
        _ = 1 / 0
    figures.panel([PARTS["average_heatmap"]], columns=1)
    assert dict(mpl.rcParams) == before
    assert millimetres(figures.average_heatmap(RESULT))[0] == round(7 * MM, 1)


def test_text_stays_text() -> None:
    figure = figures.activity_heatmap(RESULT, title="Persistent λ")
    svg = saved(figure, "svg").decode()
    assert re.search(r"<text[^>]*>Persistent λ</text>", svg)
    pdf = saved(figure, "pdf")
    assert b"/Subtype /Type0" in pdf  # TrueType, which Matplotlib calls 42
    assert b"/Type3" not in pdf


def test_text_of_ones_own_figure_stays_text_inside() -> None:
    with figures.journal(1):
        figure = Figure()
        figure.subplots().set_title("Mine")
        assert "Mine</text>" in saved(figure, "svg").decode()


@every
def test_a_picture_has_all_its_panels_in_its_part(name: str) -> None:
    figure = figures.panel([PARTS[name], lambda ax: ax.plot([0, 1])], columns=2)
    part, other = figure.subfigs
    n_panels = N_PANELS.get(name, 1)
    drawn = [axes for axes in part.get_axes() if axes.has_data() and axes.get_label() != "<colorbar>"]
    assert len(drawn) == n_panels
    assert [len(axes.lines) for axes in other.axes] == [1]


def test_letters_are_in_the_corners_and_hide_nothing() -> None:
    names = ["average_heatmap", "trial_structure", "stimulus_heatmaps", "measure_lines"]
    figure = figures.panel([PARTS[name] for name in names], "ab;cc;.d", columns=2)
    assert millimetres(figure)[0] == 183
    every_word = boxes(figure)
    letters = [(word, box) for word, box in every_word if word in "abcd"]
    assert [word for word, _ in letters] == ["a", "b", "c", "d"]
    width, height = figure.get_size_inches() * figure.dpi
    corners = [(0, height), (width / 2, height), (0, 2 * height / 3), (width / 2, height / 3)]
    for (letter, box), corner in zip(letters, corners, strict=True):
        np.testing.assert_allclose([box.x0, box.y1], corner, atol=8)
        assert not [word for word, other in every_word if word != letter and box.overlaps(other)]


def test_in_a_wide_place_the_colours_of_a_matrix_are_beside_it() -> None:
    figure = figures.panel([PARTS["recurrent_weights"]], height=60)
    FigureCanvasAgg(figure).draw()
    matrix = figure.axes[0]
    bar, place = matrix.child_axes[0].get_window_extent(), matrix.get_window_extent()
    assert 0 < bar.x0 - place.x1 < 0.1 * place.width
    assert place.y0 <= bar.y0 < bar.y1 <= place.y1


def test_letters_of_ones_own() -> None:
    draw = PARTS["average_heatmap"]
    assert [part.texts[0].get_text() for part in figures.panel([draw, draw], letters="AB").subfigs] == ["A", "B"]
    assert not any(part.texts for part in figures.panel([draw, draw], letters="").subfigs)


@pytest.mark.parametrize("name", ["learning_curve", "trial_structure", "average_heatmap", "recurrent_weights"])
def test_words_stay_inside_a_column(name: str) -> None:
    with figures.journal(1):
        figure = PARTS[name]()
    used = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    assert 0 <= used.x0 < used.x1 <= width
    assert 0 <= used.y0 < used.y1 <= height


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda draw: figures.panel([]), "`pictures` must be functions"),
        (lambda draw: figures.panel([draw], columns=3), "`columns` = 3 is not allowed"),
        (lambda draw: figures.panel([draw], height=1000), "`height` = 1000 is not allowed"),
        (lambda draw: figures.panel([draw] * 4, "abcd", columns=1), "too little room for these pictures side by side"),
        (lambda draw: figures.panel([draw], height=20), "183 × 20 mm, has too little room"),
        (lambda draw: figures.panel([draw] * 2, "a"), "does not fit 2 pictures"),
        (lambda draw: figures.panel([draw] * 2, "ab;a"), "does not fit 2 pictures"),
        (lambda draw: figures.panel([draw] * 2, "ab;ba"), "the places of 'a' are no rectangle"),
        (lambda draw: figures.journal(0).__enter__(), "`columns` = 0 is not allowed"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(InputError, match=re.escape(message)):
        call(PARTS["average_heatmap"])
    assert dict(mpl.rcParams) == before


def test_pictures_on_the_command_line_have_editable_text(tmp_path: Path) -> None:
    from recurrent_memory.cli.report import save_figures

    own = Figure()
    own.subplots().set_title("Mine")
    (path,) = save_figures({"own": own}, tmp_path, ("svg",))
    assert "Mine</text>" in path.read_text(encoding="utf-8")


def test_one_figure_is_in_memory_at_a_time_and_an_error_leaves_none(tmp_path: Path) -> None:
    from recurrent_memory.cli.report import save_figures

    alive: list[weakref.ref[Figure]] = []

    def draw() -> Figure:
        assert not [figure for figure in alive if figure() is not None]
        figure = figures.average_heatmap(RESULT)
        alive.append(weakref.ref(figure))
        return figure

    def fail() -> Figure:
        raise InputError("no such field")

    with pytest.raises(InputError, match="no such field"):
        save_figures({"one": draw, "two": fail}, tmp_path / "none", ("png",))
    assert not (tmp_path / "none").exists()
    paths = save_figures({"one": draw, "two": draw}, tmp_path / "both", ("png", "svg"))
    assert [path.name for path in paths] == ["one.png", "one.svg", "two.png", "two.svg"]
    assert len(alive) == 3


def test_a_notebook_shows_a_picture_without_pyplot() -> None:
    assert figures.average_heatmap(RESULT)._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
