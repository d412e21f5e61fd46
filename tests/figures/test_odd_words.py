"""Words that anyone's file may hold: each picture can be drawn and saved, and none is taken for a formula."""

from __future__ import annotations

import io
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.text import Text

from figures.test_pictures import make_result, tiling
from made_up_sweeps import sweep
from recurrent_memory.figures import PICTURES, measure_lines, measure_map

ODD = {
    "control": "\x00a\x1b[31m\x07\x9b\r\n\tb",
    "long": "W" * 60_000,
    "long words": "word " * 12_000,
    "formula": r"$\frac{$ $x$ \$ $$",
    "no formula": "$",
    "backslashes": r"\\$\mathbf{x}\$$",
    "markup": "<b>&amp;</b><script>]]>",
    "many lines": "a\n" * 500,
    "other direction": "a\u202eb\u2028c\ufeff",
    "empty": "",
    "underscore": "_hidden",
    "braces": "{0} {name} %s %(a)s",
}
"""Not among them are letters that the font lacks: they are drawn as boxes."""
LONGEST = 1000
"""Characters of a text in a picture."""


def check(figure: Figure) -> None:
    """Draw a figure as a file that is XML, and look at all its words."""
    saved = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):  # letters, which is also faster
        figure.savefig(saved, format="svg")
    ET.fromstring(saved.getvalue())
    for text in figure.findobj(Text):
        shown = text.get_text()
        assert len(shown) < LONGEST
        assert all(letter.isprintable() or letter in "\n\xa0" for letter in shown), repr(shown)


def in_turn(first: int) -> Iterator[str]:
    """Yield the odd words one after the other, for ever."""
    return itertools.islice(itertools.cycle(ODD.values()), first, None)


@pytest.mark.parametrize("first", range(0, len(ODD), 4))
@pytest.mark.sampled(3)
def test_of_a_network(first: int) -> None:
    result, words = make_result(tiling(6, 2, 0), n_iterations=20).isel(neuron=slice(10)), in_turn(first)
    result = result.assign_attrs({name: next(words) for name, value in result.attrs.items() if isinstance(value, str)})
    for variable in result.variables.values():
        variable.attrs.update(long_name=next(words), units=next(words))
    for name in ("epoch", "location"):
        odd = [next(words) if number % 3 == 0 else "other" for number in range(result[name].size)]
        result[name] = (result[name].dims, np.array(odd, dtype=object))
    for draw in PICTURES.values():
        check(draw(result))


@pytest.mark.parametrize("first", range(0, len(ODD), 4))
@pytest.mark.sampled(3)
def test_of_a_sweep(first: int) -> None:
    words = in_turn(first)
    dataset = sweep({"model": [next(words), "relu"], "lambda0": [0.9, 0.98], "sigma0": [0.1, 0.2], "seed": [0, 1]})
    dataset = dataset.assign_coords(task=next(words), condition=next(words)).assign_attrs(title=next(words))
    for variable in dataset.variables.values():
        variable.attrs.update(long_name=next(words), units=next(words))
    check(measure_map(dataset, "fractional_loss", about=next(words)))
    check(measure_lines(dataset, "sequentiality_index", about=next(words)))
    check(measure_lines(dataset, "fractional_loss", x="model"))


def test_names_of_variables_are_words_too() -> None:
    name = "$\x1b" + "x" * 500
    dataset = sweep({"lambda0": [0.9, 0.98], "sigma0": [0.1, 0.2], "seed": [0, 1]})
    odd: xr.Dataset = dataset.rename({"fractional_loss": name, "sigma0": "a$b_\x1b"})
    for draw in (measure_map, measure_lines):
        check(draw(odd, name))
