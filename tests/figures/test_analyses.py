"""Pictures of the measures of an analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.text import Text

from recurrent_memory.errors import InputError
from recurrent_memory.figures import measures_by_chance


def made(n_networks: int | None = None, **more: Any) -> xr.Dataset:
    """Return an analysis with two measures, of which one has no value."""
    dims = ("measure",) if n_networks is None else ("network", "measure")
    shape = (2,) if n_networks is None else (n_networks, 2)
    value = np.arange(np.prod(shape), dtype=float).reshape(shape)
    value[..., 1] = np.nan
    variables: dict[str, Any] = {
        "value": (dims, value),
        "null_mean": (dims, np.full(shape, 0.5)),
        "null_sd": (dims, np.full(shape, 0.25)),
        "reason": (dims, np.full(shape, "activity below zero", object)),
    }
    coords = {"measure": ["sequentiality_index", "sqi"], "units": ("measure", ["nats", "1"]), **more}
    return xr.Dataset(variables, coords=coords, attrs={"null": "circular_shift"})


def places(axes: Any, marker: str) -> list[list[float]]:
    """Return the values of the points with a marker, row by row."""
    return [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_marker() == marker]


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return " | ".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


def test_the_value_stands_beside_its_range_by_chance() -> None:
    figure = measures_by_chance(made())
    first, second = figure.axes
    bar: Any = first.patches[0]
    assert (bar.get_x(), bar.get_width()) == (0.0, 1.0)  # 0.5 ± 2 · 0.25
    assert places(first, "D") == [[0.0]]
    low, high = first.get_xlim()
    assert low < 0
    assert high > 1
    assert first.get_xlabel() == "nats"
    assert "activity below zero" in texts(figure)
    assert not second.lines
    assert "circular_shift" in figure.get_suptitle()


def test_networks_are_points_in_rows_of_their_task() -> None:
    tasks = ["de1", "comp", "de1", "comp"]
    axes = measures_by_chance(made(4, task=("network", tasks), seed=("network", [0, 0, 1, 1]))).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["de1", "comp"]
    assert places(axes, ".") == [[0.0, 4.0], [2.0, 6.0]]
    assert places(axes, "D") == [[2.0], [4.0]]
    by_seed = measures_by_chance(made(4, seed=("network", [0, 0, 1, 1])), by="seed").axes[0]
    assert [label.get_text() for label in by_seed.get_yticklabels()] == ["0", "1"]


def test_without_surrogates_there_is_no_range() -> None:
    figure = measures_by_chance(made(3, task=("network", ["de1"] * 3)).drop_vars(["null_mean", "null_sd"]))
    assert not figure.axes[0].patches
    assert figure.get_suptitle() == "Measures of sequences"


def test_what_is_no_analysis_is_refused() -> None:
    with pytest.raises(InputError, match="This is no analysis"):
        measures_by_chance(xr.Dataset())
    with pytest.raises(InputError, match="is of one network"):
        measures_by_chance(made(), by="task")
    with pytest.raises(InputError, match="must be one of seed"):
        measures_by_chance(made(2, seed=("network", [0, 1])), by="task")
