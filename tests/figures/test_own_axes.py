"""What all pictures take alike: the user's axes, a title, some steps, and activity without a result."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from figures.test_pictures import image, make_result, texts, tiling
from made_up_sweeps import sweep
from recurrent_memory.errors import InputError
from recurrent_memory.figures import PICTURES, measure_lines, measure_map

RESULT = make_result(tiling(12, 8, 0), n_iterations=20)
ACTIVITY = RESULT["activity"].values
SWEEP = sweep({"lambda0": [0.8, 0.9, 0.98], "sigma0": [0.0, 0.4], "seed": [0, 1]})
N_PANELS = {"trial_structure": 2, "learning_curve": 2, "recurrent_weights": 2, "stimulus_heatmaps": 4}
OF_NETWORKS: dict[str, tuple[Callable[..., Figure], xr.Dataset, int]] = {
    name: (draw, RESULT, N_PANELS.get(name, 1)) for name, draw in PICTURES.items()
}
EVERY = OF_NETWORKS | {draw.__name__: (draw, SWEEP, 1) for draw in (measure_map, measure_lines)}
every = pytest.mark.parametrize("name", EVERY)
HEATMAPS = ("activity_heatmap", "average_heatmap")


@functools.cache
def new_figure(name: str) -> Figure:
    draw, data, _ = EVERY[name]
    figure: Figure = draw(data)
    return figure


def content(axes: Axes) -> list[Any]:
    """Numbers that an axes shows."""
    shown = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    return [*shown, *(image(axes) for _ in axes.images[:1]), *(np.asarray(c.get_array()) for c in axes.collections)]


def is_drawn(axes: Axes) -> bool:
    return bool(axes.has_data())


@every
def test_own_axes_show_the_same_as_a_new_figure(name: str) -> None:
    draw, data, n_panels = EVERY[name]
    own = Figure(layout="constrained")
    panels = own.subplots(3, 2).ravel()
    own.suptitle("mine")
    settings = dict(mpl.rcParams)
    assert draw(data, ax=panels[:n_panels], title="here") is own
    assert dict(mpl.rcParams) == settings
    new = new_figure(name)
    for axes, other in zip(panels[:n_panels], new.axes[:n_panels], strict=True):
        for one, expected in zip(content(axes), content(other), strict=True):
            np.testing.assert_array_equal(one, expected)
    assert panels[0].get_title().split("\n")[0] == "here"
    assert own.get_suptitle() == "mine"
    assert not own.legends
    assert not any(is_drawn(axes) for axes in panels[n_panels:])
    beside = sum(len(axes.child_axes) for axes in panels)  # colour bars inside the place of a wide matrix
    assert len(own.axes) + beside == 6 + len(new.axes) - n_panels  # the same number of colour bars
    # Any other takes its room from its own panels.
    assert {bar.get_label() for bar in own.axes[6:]} <= {"<colorbar>"}


@every
def test_a_title_of_ones_own(name: str) -> None:
    draw, data, _ = EVERY[name]
    assert draw(data, title="My title").get_suptitle() == "My title"


@pytest.mark.parametrize("name", ["average_heatmap", "recurrent_weights", "measure_map"])
def test_titles_by_default_and_none(name: str) -> None:
    draw, data, n_panels = EVERY[name]
    assert draw(data, title="").get_suptitle() == ""
    panels = Figure().subplots(1, n_panels, squeeze=False)[0]
    draw(data, ax=panels)
    first = new_figure(name).get_suptitle().split("\n")[0]
    assert panels[0].get_title().replace("\n", " ").startswith(first)


@pytest.mark.parametrize("name", [name for name, n_panels in N_PANELS.items() if n_panels == 2])
def test_panels_can_be_left_out(name: str) -> None:
    draw, data, _ = EVERY[name]
    new = new_figure(name)
    for place in (0, 1):
        axes = Figure().subplots()
        draw(data, ax=[None, axes] if place else axes)
        for one, expected in zip(content(axes), content(new.axes[place]), strict=True):
            np.testing.assert_array_equal(one, expected)


@every
def test_axes_that_do_not_fit(name: str) -> None:
    draw, data, n_panels = EVERY[name]
    panels = Figure().subplots(3)
    with pytest.raises(
        InputError, match=rf"`ax` has 3 axes, and this picture has {n_panels} panel.*: give axes for each"
    ):
        draw(data, ax=panels)
    assert not any(is_drawn(axes) for axes in panels)


def test_what_is_no_axes() -> None:
    draw, panels = PICTURES["trial_structure"], Figure().subplots(2)
    with pytest.raises(InputError, match=r"`ax` has 0 axes, and this picture has 2 panels \(input, answers\)"):
        draw(RESULT, ax=[None, None])
    for wrong in (3, "ax", [panels[0], 3], panels[0].figure):
        with pytest.raises(InputError, match="`ax` must be Matplotlib Axes, or several"):
            draw(RESULT, ax=wrong)
    assert not any(is_drawn(axes) for axes in panels)


def test_a_grid_of_stimuli_is_drawn_whole() -> None:
    panels = Figure().subplots(4)
    for wrong in (panels[0], [*panels[:3], None]):
        with pytest.raises(InputError, match=r"this picture has 4 panels \(.* radians.*\): give axes for each\.$"):
            PICTURES["stimulus_heatmaps"](RESULT, ax=wrong)


def test_a_figure_of_several_pictures_can_be_drawn() -> None:
    with mpl.rc_context({"font.size": 6}):
        own = Figure(figsize=(9, 6), dpi=30, layout="constrained")
        parts: Any = own.subfigures(1, 2)
        left, right = parts
        panels = left.subplots(3, 2)
        for (draw, data, n_panels), axes in zip(list(EVERY.values())[:3], panels, strict=True):
            assert draw(data, ax=axes[:n_panels]) is own
        measure_lines(SWEEP, ax=right.subplots())
    FigureCanvasAgg(own).draw()
    assert panels[2, 0].images[0].colorbar is not None
    assert "Activity in trial" in panels[2, 0].get_title()
    named = {text.get_text(): text.get_fontsize() for text in panels[0, 0].texts}
    assert named["delay"] == pytest.approx(0.833 * 6)  # in the user's settings


@pytest.mark.parametrize("name", [*HEATMAPS, "recurrent_weights", "stimulus_heatmaps"])
def test_steps_are_as_if_only_they_had_been_recorded(name: str) -> None:
    shown = PICTURES[name](RESULT, steps=(20, 130))
    trial: dict[str, int] = {}
    if name == "activity_heatmap":  # typical of whole trials, whatever steps are shown
        assert shown.get_suptitle() == new_figure(name).get_suptitle()
        trial = {"trial": int(shown.get_suptitle().split()[3])}
    expected = PICTURES[name](RESULT.isel(time=slice(20, 130)), **trial)
    np.testing.assert_array_equal(image(shown.axes[0]), image(expected.axes[0]))
    if name != "recurrent_weights":
        assert shown.axes[0].get_xlim() == (19.5, 129.5)
        readout = [line for line in shown.axes[0].lines if line.get_label() == "read-out step"]
        assert not readout


def test_steps_of_a_trial_structure() -> None:
    draw = PICTURES["trial_structure"]
    plain = RESULT.drop_vars(["time", "epoch"])  # without a coordinate, times are those of the whole trial, too
    for result in (RESULT, plain):
        above, below = draw(result, 3, steps=(100, 150)).axes[:2]
        np.testing.assert_array_equal(image(above), result["inputs"].values[3, 100:].T)
        assert above.get_xlim() == below.get_xlim() == (99.5, 149.5)
    for steps, observed in (((100, 150), [125, 149]), ((130, 140), [130, 139]), ((0, 100), None)):
        found = [line for line in draw(RESULT, 3, steps=steps).axes[1].lines if line.get_label() == "ideal observer"]
        assert [list(np.asarray(line.get_xdata())) for line in found] == ([observed] if observed else [])


@pytest.mark.parametrize("name", [name for name in OF_NETWORKS if name != "learning_curve"])
def test_steps_beyond_the_trial(name: str) -> None:
    steps = [(5, 5), (-1, 5), (0, 151)][len(name) % 3]
    with pytest.raises(InputError, match=r"`steps` = .* is not a part of the trial, which has 150 steps"):
        PICTURES[name](RESULT, steps=steps)


@pytest.mark.parametrize("name", HEATMAPS)
def test_activity_alone(name: str) -> None:
    trial = {"trial": 2} if name == "activity_heatmap" else {}
    expected = image(PICTURES[name](RESULT, **trial).axes[0])
    other_axes = RESULT["activity"].rename(trial="sweep", unit="neuron").transpose("neuron", ...)
    for given in (ACTIVITY, list(ACTIVITY), other_axes):
        figure = PICTURES[name](given, **trial)
        np.testing.assert_allclose(image(figure.axes[0]), expected, rtol=1e-6)
    unequal = [ACTIVITY[0, :100], *ACTIVITY[1:]]
    assert "longest delay" in PICTURES["average_heatmap"](unequal).get_suptitle()
    with pytest.raises(InputError, match=r"`activity` must have three axes \(trial, time, unit\), got 2"):
        PICTURES[name](ACTIVITY[0])
    missing = np.ma.masked_array(ACTIVITY, mask=np.zeros(ACTIVITY.shape, bool))
    missing[0, :, 3] = np.ma.masked
    with pytest.raises(InputError, match="lacks units in some trials"):
        PICTURES[name](missing)


def test_what_else_activity_needs() -> None:
    for name, words in {
        "trial_structure": r"`trial_structure` needs `inputs`, `targets`, `outputs`, and got one array \(ndarray \(8",
        "learning_curve": r"`learning_curve` needs `training_network_error` or `training_loss`, and got one array",
        "recurrent_weights": r"needs `activity`, `recurrent_weights`, and got .*\n.*or `weights` besides the activity",
        "stimulus_heatmaps": r"needs `activity`, `stimuli`, and got .*\n.*or `by` besides the activity",
    }.items():
        with pytest.raises(InputError, match=words):
            PICTURES[name](ACTIVITY)
    for draw in (measure_map, measure_lines):
        for wrong in (ACTIVITY, RESULT, None):
            with pytest.raises(InputError, match=rf"`{draw.__name__}` needs a data set .*sweep.*collect"):
                draw(wrong)


def test_weights_of_ones_own() -> None:
    draw, weights = PICTURES["recurrent_weights"], RESULT["recurrent_weights"].values
    expected = image(draw(RESULT).axes[0])
    np.testing.assert_allclose(image(draw(ACTIVITY, weights=weights).axes[0]), expected)
    np.testing.assert_allclose(image(draw(RESULT, weights=2 * weights).axes[0]), 2 * expected)
    with pytest.raises(InputError, match="`weights` is of 11 units, with 12 units in the activity"):
        draw(ACTIVITY, weights=weights[1:, 1:])
    with pytest.raises(InputError, match="`recurrent_weights` is 12 × 12, with 11 units in `activity`"):
        draw(RESULT.isel(unit=slice(11)))


@pytest.mark.parametrize("given", ["experiment", "attribute", "nothing", "nonsense", "too early"])
def test_the_readout_step_is_marked_if_it_is_known(given: str) -> None:
    attributes: dict[str, dict[str, Any]] = {
        "experiment": {"experiment": '{"readout_step": -10}'}, "attribute": {"readout_step": -10}, "nothing": {},
        "nonsense": {"experiment": '["{'}, "too early": {"readout_step": -151},
    }  # fmt: skip
    result = RESULT.drop_attrs(deep=False).assign_attrs(attributes[given]).assign_coords(time=np.arange(150) + 1000)
    figure = PICTURES["average_heatmap"](result)
    lines = [line for line in figure.axes[0].lines if line.get_label() == "read-out step"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in lines] == [1140.0] * (
        given in ("experiment", "attribute")
    )
    assert ("read-out" in texts(figure)) == bool(lines)
