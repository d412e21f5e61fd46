"""The pictures: that they show the right numbers, say what they show, and survive every kind of network."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from recurrent_memory import figures
from recurrent_memory.analysis import connectivity_profile, cross_validated_order, peak_order
from recurrent_memory.errors import InputError
from recurrent_memory.figures import (
    PICTURES,
    activity_heatmap,
    average_heatmap,
    learning_curve,
    recurrent_weights,
    trial_structure,
)
from recurrent_memory.figures.learning import running_mean

Array = np.ndarray[Any, np.dtype[Any]]

N_STEPS = 150


def tiling(n_units: int, n_trials: int, seed: int, *, width: float = 6.0) -> Array:
    """Bumps whose peaks tile the trial, in shuffled units, the same in every trial but for noise."""
    rng = np.random.default_rng(seed)
    peak = rng.permutation(np.linspace(0, N_STEPS - 1, n_units))
    step = np.arange(N_STEPS)[:, None]
    bump = 2 * np.exp(-((step - peak) ** 2) / (2 * width**2))
    noise = 0.05 * rng.random((n_trials, N_STEPS, n_units))
    return np.asarray(bump + noise, dtype=np.float32)


def persistent(n_units: int, n_trials: int, seed: int) -> Array:
    """Each unit at its own level all through, with noise."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.3, 2, n_units)
    return (level + 0.05 * rng.random((n_trials, N_STEPS, n_units))).astype(np.float32)


def make_result(
    activity: Array,
    *,
    n_locations: int = 1,
    n_outputs: int = 1,
    n_iterations: int = 500,
    response: str = "angle",
    irrelevant: bool = False,
    short_delay: bool = False,
    seed: int = 0,
) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    n_trials, _, n_units = activity.shape
    n_neurons = 50 * (n_locations + irrelevant)
    rate = np.full((N_STEPS, n_neurons), 0.004)
    rate[:25] = (
        0.04 * np.exp(2 * (np.cos(np.linspace(-np.pi, np.pi, 50)) - 1))[None].repeat(n_neurons // 50, axis=0).ravel()
    )
    if irrelevant:
        rate[:, :50] = np.exp(-10 * (np.linspace(0, 3, N_STEPS)[:, None] - np.linspace(0, 3, 50)) ** 2)
    inputs = rng.poisson(rate, (n_trials, N_STEPS, n_neurons)).astype(np.uint8)
    low, high = {"angle": (0, np.pi), "probability": (0, 1), "value": (-1, 1)}[response]
    truth = rng.uniform(low, high, (n_trials, n_outputs))
    if response == "probability":
        truth = np.round(truth)
    targets = np.broadcast_to(truth[:, None], (n_trials, N_STEPS, n_outputs))
    approach = (1 - np.exp(-np.arange(N_STEPS) / 40))[None, :, None]
    outputs = targets * approach + 0.03 * rng.normal(size=targets.shape)
    mask = np.ones((n_trials, N_STEPS), bool)
    if short_delay:
        mask[:, 65:125] = False
    iteration = np.arange(n_iterations)
    fall = np.exp(-iteration / 300)
    network_error = 0.2 + 0.6 * fall + 0.05 * rng.normal(size=n_iterations)
    observer_error = 0.17 + 0.02 * rng.normal(size=n_iterations)
    weights = rng.normal(0, 0.2 / np.sqrt(n_units), (n_units, n_units))
    order = np.argsort(activity.mean(0).argmax(0), kind="stable")
    place = np.argsort(order)
    ahead = place[None] - place[:, None]
    weights += 0.04 * ((ahead > 0) & (ahead < n_units / 8))
    np.fill_diagonal(weights, 0.98)
    locations = (["irrelevant"] * 50 if irrelevant else []) + [f"{i // 50}" for i in range(50 * n_locations)]
    return xr.Dataset(
        {
            "activity": (("trial", "time", "unit"), activity),
            "inputs": (("trial", "time", "neuron"), inputs),
            "targets": (("trial", "time", "output"), targets),
            "outputs": (("trial", "time", "output"), outputs.astype(np.float32)),
            "mask": (("trial", "time"), mask),
            "observer_estimate": (("trial", "output"), truth + 0.05),
            "training_loss": ("iteration", network_error),
            "training_fractional_loss": ("iteration", 3.5 * fall + 0.18),
            "training_network_error": ("iteration", network_error),
            "training_observer_error": ("iteration", observer_error),
            "recurrent_weights": (("source", "target_unit"), weights.astype(np.float32)),
            "stimuli": (("trial", "display", "stimulus_location"), truth[:, None, :1], {"units": "radians"}),
            "fractional_loss": ((), 0.21),
            "sequentiality_index": ((), 4.31),
        },
        coords={
            "time": ("time", np.arange(N_STEPS), {"units": "steps of 10 ms"}),
            "epoch": ("time", np.repeat(["stimulus", "delay", "response"], [25, 100, 25])),
            "trial": np.arange(n_trials),
            "unit": np.arange(n_units),
            "iteration": iteration,
            "location": ("neuron", locations),
        },
        attrs={
            "task": "de1", "task_title": "DE-1", "response": response, "model": "relu", "condition": "basic",
            "n_hidden": n_units, "lambda0": 0.98, "sigma0": 1.5, "rho": 0.0, "seed": seed,
            "experiment": '{"task": "de1", "readout_step": -5}',
        },
    )  # fmt: skip


def draw(figure: Figure) -> int:
    """Render as a user would; warnings are errors. Return the size of the file."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return len(file.getvalue())


def texts(figure: Figure) -> str:
    """All words in a figure."""
    found = [figure.get_suptitle()]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_title(loc="right"), axes.get_xlabel(), axes.get_ylabel()]
        found += [text.get_text() for text in axes.texts]
        found += [label.get_text() for label in (*axes.get_yticklabels(), *axes.get_xticklabels())]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return " | ".join(found)


def image(axes: Axes) -> Array:
    data = axes.images[0].get_array()
    assert data is not None
    return np.asarray(np.ma.filled(data.astype(float), np.nan))


def line(axes: Axes, label: str) -> Array:
    found = [found for found in axes.lines if found.get_label() == label]
    assert len(found) == 1, [found.get_label() for found in axes.lines]
    return np.asarray(found[0].get_ydata(), dtype=float)


def times(line: Line2D) -> list[float]:
    return [float(time) for time in np.asarray(line.get_xdata())]


def few_active(n_active: int) -> xr.Dataset:
    activity = tiling(40, 4, 0)
    activity[:, :, n_active:] = 0
    return make_result(activity)


ALL = tuple(PICTURES)
SHOWING_ACTIVITY = ("activity_heatmap", "average_heatmap", "recurrent_weights")
BY_STIMULUS = "stimulus_heatmaps"

EDGE_CASES: dict[str, tuple[Callable[[], xr.Dataset], tuple[str, ...]]] = {
    "sequence, N = 500": (lambda: make_result(tiling(500, 6, 0)), ALL),
    "persistent, N = 100": (lambda: make_result(persistent(100, 4, 0)), SHOWING_ACTIVITY),
    "two stimuli": (lambda: make_result(tiling(40, 12, 0), response="probability"), (BY_STIMULUS,)),
    "four bins": (lambda: make_result(tiling(40, 12, 0), short_delay=True), (BY_STIMULUS,)),
    "two locations, dynamic": (
        lambda: make_result(tiling(40, 4, 0), n_locations=2, n_outputs=2, irrelevant=True),
        ("trial_structure",),
    ),
    "variable delay": (
        lambda: make_result(tiling(40, 4, 0), short_delay=True),
        ("trial_structure", "activity_heatmap"),
    ),
    "no active unit": (lambda: few_active(0), (*SHOWING_ACTIVITY, BY_STIMULUS)),
    "one active unit": (lambda: few_active(1), SHOWING_ACTIVITY),
    "two active units": (lambda: few_active(2), ("recurrent_weights",)),
    "one trial": (lambda: make_result(tiling(40, 1, 0)), ("average_heatmap", BY_STIMULUS)),
    "one unit": (lambda: make_result(persistent(1, 3, 0)), SHOWING_ACTIVITY),
    "probability": (
        lambda: make_result(tiling(40, 4, 0), response="probability"),
        ("trial_structure", "learning_curve"),
    ),
    "value": (lambda: make_result(tiling(40, 4, 0), response="value"), ("trial_structure",)),
    "one iteration": (lambda: make_result(tiling(40, 4, 0), n_iterations=1), ("learning_curve",)),
    "no coordinates, no attributes": (
        lambda: (
            make_result(tiling(40, 4, 0))
            .drop_vars(["time", "epoch", "trial", "unit", "iteration", "location", "mask", "observer_estimate"])
            .drop_attrs()
        ),
        ALL,
    ),
    "weights all zero but the diagonal": (
        lambda: make_result(tiling(40, 4, 0)).assign(recurrent_weights=(("source", "target_unit"), 0.9 * np.eye(40))),
        ("recurrent_weights",),
    ),
    "silent input": (
        lambda: make_result(tiling(40, 4, 0)).assign(
            inputs=(("trial", "time", "neuron"), np.zeros((4, N_STEPS, 50), np.uint8))
        ),
        ("trial_structure",),
    ),
    "observer undefined": (
        lambda: make_result(tiling(40, 4, 0)).assign(observer_estimate=(("trial", "output"), np.full((4, 1), np.nan))),
        ("trial_structure",),
    ),
    "index undefined": (
        lambda: few_active(0).assign(sequentiality_index=np.nan, fractional_loss=np.nan),
        ("learning_curve",),
    ),
}


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.sampled(5)
def test_pictures_of_every_kind_of_network_stay_within_their_edges(case: str) -> None:
    make, names = EDGE_CASES[case]
    result = make()
    for name in names:
        figure = PICTURES[name](result)
        figure.set_dpi(60)  # for speed; sizes are in points and scale along
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        boxes += [legend.get_window_extent() for legend in figure.legends]
        assert boxes, name
        for box in boxes:
            assert box is not None, name
            assert box.x0 > -2, name
            assert box.y0 > -2, name
            assert box.x1 < width + 2, name
            assert box.y1 < height + 2, name


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_says_of_which_network_it_is(name: str) -> None:
    title = PICTURES[name](make_result(tiling(40, 4, 0))).get_suptitle()
    for words in ("DE-1", "basic", "relu", "N = 40", "$λ_0$ = 0.98", "$σ_0$ = 1.5", "SI = 4.31"):
        assert words in title
    assert "ρ" not in title
    title = PICTURES[name](make_result(tiling(40, 4, 0)).assign_attrs(rho=1e-5)).get_suptitle()
    assert "ρ = 1e-05" in title


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_leaves_matplotlib_and_the_result_alone(name: str) -> None:
    result = make_result(tiling(40, 4, 0))
    before, settings = result.copy(deep=True), dict(mpl.rcParams)
    figure = PICTURES[name](result)
    assert dict(mpl.rcParams) == settings
    xr.testing.assert_identical(result, before)
    assert figure.get_size_inches().tolist() == [7, 5]
    assert figure.dpi == 150


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_do_not_depend_on_the_users_settings(name: str) -> None:
    result = make_result(tiling(40, 4, 0))
    plain = PICTURES[name](result)
    with mpl.rc_context({"font.size": 30, "axes.labelsize": 30, "image.cmap": "jet"}):
        styled = PICTURES[name](result)
    for one, other in zip(plain.axes, styled.axes, strict=True):
        assert one.yaxis.label.get_fontsize() == other.yaxis.label.get_fontsize()


@pytest.mark.parametrize("name", PICTURES)
def test_errors(name: str) -> None:
    result = make_result(tiling(40, 4, 0))
    with pytest.raises(InputError, match=r"`result` has no `.*`, which this picture shows\.\nIt has: nothing"):
        PICTURES[name](xr.Dataset())
    with pytest.raises(InputError, match=r"holds 2 networks, a picture shows one: give result.isel\(network=0\)"):
        PICTURES[name](xr.concat([result, result], "network"))


@pytest.mark.parametrize("picture", [trial_structure, activity_heatmap])
@pytest.mark.parametrize("trial", [-1, 4])
def test_trial_that_does_not_exist(picture: Any, trial: int) -> None:
    with pytest.raises(InputError, match=rf"`trial` must be from 0 to 3 \(4 trials are stored\), got {trial}"):
        picture(make_result(tiling(40, 4, 0)), trial=trial)


class TestTrialStructure:
    def test_shows_the_trial_asked_for(self) -> None:
        result = make_result(tiling(40, 4, 0), n_outputs=2, n_locations=2)
        inputs, answers = trial_structure(result, trial=2).axes[:2]
        np.testing.assert_array_equal(image(inputs), result["inputs"].values[2].T)
        for output in range(2):
            shown = line(answers, f"network's output {output + 1}")
            np.testing.assert_allclose(shown, result["outputs"].values[2, :, output])
            assert line(answers, f"target {output + 1}")[0] == result["targets"].values[2, 0, output]
            observer = line(answers, f"ideal observer {output + 1}")
            np.testing.assert_allclose(observer, result["observer_estimate"].values[2, output])

    def test_says_what_is_what(self) -> None:
        figure = trial_structure(make_result(tiling(40, 4, 0), n_locations=2, irrelevant=True))
        draw(figure)
        words = texts(figure)
        for word in (
            "stimulus", "delay", "response", "Spikes per step", "Orientation (rad)", "π/2", "ideal observer",
            "Time in the trial (steps of 10 ms)", "irrelevant", "location 1", "location 2", "target",
        ):  # fmt: skip
            assert word in words

    def test_observer_with_other_answers_than_the_outputs_is_not_shown(self) -> None:
        result = make_result(tiling(40, 4, 0)).drop_vars("observer_estimate")
        result = result.assign(observer_estimate=(("trial", "answer"), np.zeros((4, 25))))
        assert "ideal observer" not in texts(trial_structure(result))

    def test_observer_answers_in_the_response_epoch(self) -> None:
        axes = trial_structure(make_result(tiling(40, 4, 0))).axes[1]
        found = next(found for found in axes.lines if found.get_label() == "ideal observer")
        assert times(found) == [125, 149]

    def test_axes_share_time(self) -> None:
        above, below = trial_structure(make_result(tiling(40, 4, 0))).axes[:2]
        assert above.get_xlim() == below.get_xlim() == (-0.5, 149.5)

    @pytest.mark.parametrize(("response", "label"), [("probability", "Probability"), ("value", "Output")])
    def test_response(self, response: str, label: str) -> None:
        axes = trial_structure(make_result(tiling(40, 4, 0), response=response)).axes[1]
        assert axes.get_ylabel() == label
        if response == "probability":
            assert axes.get_ylim()[0] <= 0
            assert axes.get_ylim()[1] >= 1

    def test_noise_input_has_signed_colours(self) -> None:
        result = make_result(tiling(40, 4, 0))
        noise = 0.1 * np.random.default_rng(0).normal(size=result["inputs"].shape)
        figure = trial_structure(result.assign(inputs=(("trial", "time", "neuron"), noise)))
        low, high = figure.axes[0].images[0].get_clim()
        assert low == -high
        assert "Input (noise)" in texts(figure)

    def test_masked_steps_are_hatched(self) -> None:
        figure = trial_structure(make_result(tiling(40, 4, 0), short_delay=True))
        for axes in figure.axes[:2]:
            (patch,) = [patch for patch in axes.patches if patch.get_hatch()]
            assert patch.get_extents().transformed(axes.transData.inverted()).intervalx.tolist() == (
                pytest.approx([64.5, 124.5])
            )
        assert "hatched: steps left out of this trial" in texts(figure)
        assert not trial_structure(make_result(tiling(40, 4, 0))).axes[0].patches

    def test_the_trained_epoch_is_shaded_and_named(self) -> None:
        figure = trial_structure(make_result(tiling(40, 4, 0), n_outputs=2, n_locations=2))
        (patch,) = figure.axes[1].patches
        assert patch.get_extents().transformed(figure.axes[1].transData.inverted()).intervalx.tolist() == (
            pytest.approx([124.5, 149.5])
        )
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [
            "target 1", "target 2", "network's output 1", "network's output 2", "ideal observer 1", "ideal observer 2",
            "read-out step", "trained epoch",
        ]  # fmt: skip

    def test_epochs_and_the_readout_step_are_marked(self) -> None:
        above, below = trial_structure(make_result(tiling(40, 4, 0))).axes[:2]
        for axes in (above, below):
            edges = {times(found)[0] for found in axes.lines if len(set(times(found))) == 1}
            assert edges == {24.5, 124.5, 145}


class TestActivityHeatmap:
    def test_units_are_sorted_by_peak_and_scaled_to_it(self) -> None:
        result = make_result(tiling(40, 4, 0))
        shown = image(activity_heatmap(result, trial=1).axes[0])
        assert shown.shape == (40, N_STEPS)
        peak = shown.argmax(axis=1)
        np.testing.assert_array_equal(peak, np.sort(peak))
        np.testing.assert_allclose(shown.max(axis=1), 1)
        one = result["activity"].values[1]
        order = peak_order(one[None])
        np.testing.assert_allclose(shown, (one[:, order] / one[:, order].max(axis=0)).T, rtol=1e-6)

    def test_only_active_units_are_shown_and_counted(self) -> None:
        axes = activity_heatmap(few_active(7)).axes[0]
        assert image(axes).shape[0] == 7
        assert "7 of 40 active" in axes.get_ylabel()
        assert image(activity_heatmap(few_active(7), min_rate=-1.0).axes[0]).shape[0] == 40

    def test_says_so_where_no_unit_is_active(self) -> None:
        figure = activity_heatmap(few_active(0))
        assert "No unit is active enough to show\n(none of 40" in texts(figure)
        assert not figure.axes[0].images

    def test_labels(self) -> None:
        words = texts(activity_heatmap(make_result(tiling(40, 4, 0)), trial=3))
        for word in ("Activity in trial 3", "peak of the unit in trial 3", "sorted by peak time", "delay"):
            assert word in words

    @pytest.mark.parametrize("draw", [figures.activity_heatmap, figures.average_heatmap])
    def test_padding_gets_advice_that_a_picture_can_follow(self, draw: Any) -> None:
        activity = np.random.default_rng(0).random((4, 12, 5))
        activity[0, 8:] = np.nan
        with pytest.raises(InputError, match="give a masked array, such as") as error:
            draw(activity)
        assert "`mask`" not in str(error.value)
        draw(np.ma.masked_invalid(activity))
        draw([activity[0, :8], *activity[1:]])

    def test_activity_that_is_not_finite(self) -> None:
        result = make_result(tiling(40, 4, 0))
        result["activity"].values[0, 0, 0] = np.nan
        with pytest.raises(InputError, match="1 NaN or infinite numbers"):
            activity_heatmap(result)


class TestAverageHeatmap:
    def test_sorting_is_cross_validated(self) -> None:
        result = make_result(np.random.default_rng(0).random((8, N_STEPS, 60)).astype(np.float32))
        figure = average_heatmap(result)
        shown = image(figure.axes[0])
        expected = cross_validated_order(result["activity"])["activity"].values
        np.testing.assert_allclose(shown, expected / expected.max(axis=1, keepdims=True))
        peak = shown.argmax(axis=1)
        assert (np.diff(peak) < 0).any()  # noise must not look like a sequence
        assert "odd trials" in figure.get_suptitle()

    def test_one_trial_says_that_it_is_not_cross_validated(self) -> None:
        assert "not cross-validated" in average_heatmap(make_result(tiling(40, 1, 0))).get_suptitle()


class TestLearningCurve:
    def test_curves_are_running_means(self) -> None:
        result = make_result(tiling(40, 2, 0))
        above, below = learning_curve(result, window=50).axes
        for name, label in (("network", "network"), ("observer", "ideal observer")):
            expected = running_mean(result[f"training_{name}_error"].values, 50)
            np.testing.assert_allclose(line(above, label), expected)
        np.testing.assert_allclose(line(below, "training trials"), result["training_fractional_loss"])
        assert line(below, "solved: below 0.5").tolist() == [0.5, 0.5]
        assert line(below, "test trials: 0.21 (solved)").tolist() == [0.21]
        assert above.get_yscale() == "log"

    def test_running_mean_matches_a_loop(self) -> None:
        values = np.random.default_rng(0).random(30)
        values[[3, 4, 5, 20]] = np.nan
        for window in (1, 2, 5, 100):
            parts = [values[max(i - window // 2, 0) : i + (window + 1) // 2] for i in range(30)]
            expected = [float(np.nanmean(part)) if np.isfinite(part).any() else np.nan for part in parts]
            np.testing.assert_allclose(running_mean(values, window), expected)
        assert running_mean(np.array([1e20, 0.5, 0.5, 0.5]), 2)[-1] == 0.5

    def test_not_solved(self) -> None:
        assert "0.8 (not solved)" in texts(learning_curve(make_result(tiling(40, 2, 0)).assign(fractional_loss=0.8)))

    def test_network_that_is_still_learning(self) -> None:
        result = make_result(tiling(40, 2, 0))
        names = [name for name in result.data_vars if str(name).startswith("training_")]
        figure = learning_curve(result[names].drop_vars(["time", "trial", "unit"], errors="ignore").drop_attrs())
        assert draw(figure)
        assert "test trials" not in texts(figure)

    def test_network_that_has_not_begun_to_learn(self) -> None:
        figure = learning_curve(make_result(tiling(40, 2, 0), n_iterations=0).drop_vars("fractional_loss"))
        assert draw(figure)
        assert "no error recorded yet" in texts(figure)

    def test_recorded_errors_are_drawn_as_they_are(self) -> None:
        result = make_result(tiling(40, 2, 0))
        figure = learning_curve(result)
        np.testing.assert_array_equal(line(figure.axes[0], "network"), result["training_network_error"])
        assert "running mean" not in texts(figure)

    def test_the_errors_in_the_test_are_drawn_where_the_fractional_loss_is_made_of_them(self) -> None:
        result = make_result(tiling(40, 2, 0)).assign(
            fractional_loss_network_error=0.2339, fractional_loss_reference_error=0.1727
        )
        above = learning_curve(result).axes[0]
        assert line(above, "in the test: 0.234").tolist() == [0.2339]
        assert line(above, "in the test: 0.173").tolist() == [0.1727]
        legend = above.get_legend()
        assert legend is not None
        labels = [text.get_text() for text in legend.get_texts()]
        assert labels == ["network", "ideal observer", "in the test: 0.234", "in the test: 0.173"]

    def test_steps_are_iterations(self) -> None:
        result = make_result(tiling(40, 2, 0))
        figure = learning_curve(result, steps=(100, 200))
        np.testing.assert_array_equal(line(figure.axes[0], "network"), result["training_network_error"][100:200])
        np.testing.assert_allclose(figure.axes[1].get_xlim(), (98.02, 200.98))
        assert "test trials" not in texts(figure)
        assert "test trials" in texts(learning_curve(result, steps=(100, 500)))
        with pytest.raises(InputError, match=r"`steps` = \(0, 501\) is not a part of the training, which has 500"):
            learning_curve(result, steps=(0, 501))

    def test_window(self) -> None:
        with pytest.raises(InputError, match="`window` must be at least 1 iteration, got 0"):
            learning_curve(make_result(tiling(40, 2, 0)), window=0)

    @pytest.mark.parametrize("gone", ["absent", "nan"])
    def test_task_without_an_observer(self, gone: str) -> None:
        result = make_result(tiling(40, 2, 0), response="value").drop_vars("fractional_loss")
        for name in ("training_fractional_loss", "training_observer_error"):
            result = result.drop_vars(name) if gone == "absent" else result.assign({name: result[name] * np.nan})
        figure = learning_curve(result)
        assert draw(figure)
        assert "no fractional loss" in texts(figure)
        assert [found.get_label() for found in figure.axes[0].lines] == ["network"]

    def test_loss_takes_the_place_of_missing_errors(self) -> None:
        result = make_result(tiling(40, 2, 0)).drop_vars(["training_network_error", "training_observer_error"])
        axes = learning_curve(result).axes[0]
        assert [found.get_label() for found in axes.lines] == ["training loss"]
        assert axes.get_ylabel() == "Loss"

    def test_large_fractional_loss_leaves_the_line_of_solved_readable(self) -> None:
        result = make_result(tiling(40, 2, 0))
        below = learning_curve(result.assign(training_fractional_loss=50 * result["training_fractional_loss"])).axes[1]
        assert below.get_yscale() == "symlog"

    def test_negative_and_missing_errors_need_no_logarithm(self) -> None:
        result = make_result(tiling(40, 2, 0))
        result["training_network_error"].values[:] -= 0.5
        result["training_observer_error"].values[:] = np.nan
        figure = learning_curve(result)
        assert draw(figure)
        assert figure.axes[0].get_yscale() == "linear"

    @pytest.mark.parametrize(("response", "label"), [("angle", "Error (rad)"), ("probability", "Divergence (nats)")])
    def test_units(self, response: str, label: str) -> None:
        result = make_result(tiling(40, 2, 0), response=response)
        assert learning_curve(result).axes[0].get_ylabel() == label
        result["training_network_error"].attrs["units"] = "bits"
        assert learning_curve(result).axes[0].get_ylabel() == "Error (bits)"


class TestRecurrentWeights:
    def test_matrix_is_sorted_by_peak_without_its_diagonal(self) -> None:
        result = make_result(tiling(40, 4, 0))
        shown = image(recurrent_weights(result).axes[0])
        order = peak_order(result["activity"])
        expected = result["recurrent_weights"].values[np.ix_(order, order)].astype(float)
        np.fill_diagonal(expected, np.nan)
        np.testing.assert_allclose(shown, expected)

    def test_colours_are_centred_on_zero_and_not_set_by_the_diagonal(self) -> None:
        axes = recurrent_weights(make_result(tiling(100, 4, 0))).axes[0]
        low, high = axes.images[0].get_clim()
        assert low == -high
        assert high < 0.2

    def test_profile_is_that_of_the_analysis(self) -> None:
        result = make_result(tiling(100, 4, 0))
        axes = recurrent_weights(result).axes[1]
        profile = connectivity_profile(result["recurrent_weights"], peak_order(result["activity"]), bin_width=5)
        bars: list[Any] = axes.containers
        drawn = np.concatenate([np.asarray(side.lines[0].get_ydata()) for side in bars])
        kept = (profile["difference"].values != 0) & (profile["n_weights"].values >= 5)
        np.testing.assert_allclose(drawn, profile["mean_weight"].values[kept])
        assert f"forward − backward = {float(profile['forward_minus_backward']):.2g}" in axes.get_title()

    def test_candidate_weights_of_a_gru(self) -> None:
        result = make_result(tiling(40, 4, 0))
        weights = result["recurrent_weights"].values
        three = np.concatenate([9 * weights, weights.T, weights], axis=1)
        gated = result.drop_vars("recurrent_weights").assign(recurrent_weights=(("source", "target_unit"), three))
        figure = recurrent_weights(gated)
        np.testing.assert_array_equal(image(figure.axes[0]), image(recurrent_weights(result).axes[0]))
        assert "candidate" in figure.get_suptitle()

    @pytest.mark.parametrize("n_active", [2, 3, 9])
    def test_profile_of_few_units_is_drawn_whole(self, n_active: int) -> None:
        bars: list[Any] = recurrent_weights(few_active(n_active)).axes[1].containers
        assert sum(len(side.lines[0].get_ydata()) for side in bars) == 2 * (n_active - 1)

    def test_labels(self) -> None:
        words = texts(recurrent_weights(few_active(12)))
        for word in ("12 of 40 units active", "From unit", "To unit", "standard error", "grey: onto itself"):
            assert word in words

    @pytest.mark.parametrize("n_active", [0, 1])
    def test_too_few_active_units_leave_the_matrix_in_its_own_order(self, n_active: int) -> None:
        result = few_active(n_active)
        figure = recurrent_weights(result)
        assert f"{n_active} of 40 units active:\ntoo few to sort" in texts(figure)
        shown = image(figure.axes[0])
        expected = result["recurrent_weights"].values.astype(float)
        np.testing.assert_allclose(shown[~np.eye(40, dtype=bool)], expected[~np.eye(40, dtype=bool)])

    def test_units_that_all_peak_in_one_step_have_no_profile(self) -> None:
        ramp = np.linspace(0, 1, N_STEPS)[None, :, None] * np.linspace(1, 2, 30)
        words = texts(draw_and_return(recurrent_weights(make_result(np.repeat(ramp, 3, axis=0)))))
        assert "all 30 active units peak in the same step:\nnone is earlier than another" in words


def draw_and_return(figure: Figure) -> Figure:
    draw(figure)
    return figure


class TestRecordings:
    """Pictures of activity read it as all measures do."""

    def recording(self, activity: Array, mask: Array, **dims: str) -> xr.Dataset:
        variables = {"activity": (("trial", "time", "unit"), activity), "mask": (("trial", "time"), mask)}
        weights = (("source", "target_unit"), np.random.default_rng(0).normal(size=(activity.shape[2],) * 2))
        return xr.Dataset({**variables, "recurrent_weights": weights}).rename(dims)

    @pytest.mark.parametrize("name", SHOWING_ACTIVITY)
    @pytest.mark.parametrize("n_complete", [0, 2])
    def test_what_stands_under_the_mask_does_not_matter(self, name: str, n_complete: int) -> None:
        activity = tiling(30, 4, 0).astype(float)
        mask = np.ones(activity.shape[:2], bool)
        mask[n_complete:, 100:] = False
        images = []
        for value in (np.nan, 1e9):
            figure = PICTURES[name](self.recording(np.where(mask[..., None], activity, value), mask))
            images.append(image(figure.axes[0]))
        draw(figure)
        np.testing.assert_array_equal(images[0], images[1])

    @pytest.mark.parametrize("name", SHOWING_ACTIVITY)
    def test_axes_may_have_other_names_and_another_order(self, name: str) -> None:
        activity = tiling(30, 4, 0)
        result = self.recording(activity, np.ones(activity.shape[:2], bool))
        other = result.rename(trial="epoch", time="bin", unit="neuron").transpose("neuron", "bin", ...)
        drawn, expected = (image(PICTURES[name](of).axes[0]) for of in (other, result))
        np.testing.assert_array_equal(drawn, expected)

    def test_negative_activity_is_marked_at_the_colour_bar(self) -> None:
        activity = tiling(30, 4, 0)
        mask = np.ones(activity.shape[:2], bool)
        bars = [
            activity_heatmap(self.recording(activity - shift, mask)).axes[0].images[0].colorbar for shift in (0.0, 0.1)
        ]
        assert [bar.extend for bar in bars if bar is not None] == ["neither", "min"]


def test_a_picture_of_your_own_is_one_function() -> None:
    @figures.picture("activity")
    def mean_activity(result: xr.Dataset) -> Figure:
        figure = Figure()
        figure.subplots().plot(result["activity"].mean(["trial", "unit"]))
        return figure

    try:
        result = make_result(tiling(40, 4, 0))
        assert list(figures.pictures_of(result)) == [*ALL, "mean_activity"]
        assert len(figures.PICTURES["mean_activity"](result).get_axes()) == 1
        assert "mean_activity" not in figures.pictures_of(result.drop_vars("activity"))
        with pytest.raises(InputError, match="`activity`"):
            mean_activity(result.drop_vars("activity"))
    finally:
        figures.PICTURES.remove("mean_activity")
