"""Pictures of sweeps: that each cell and point has the right number, and what has none cannot be mistaken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection, PathCollection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from made_up_sweeps import flat, sweep
from recurrent_memory.errors import InputError
from recurrent_memory.figures import has_map, measure_lines, measure_map, sweep_axes, sweep_measures
from recurrent_memory.figures.style import NOT_SHOWN

Array = np.ndarray[Any, np.dtype[Any]]

LAMBDA0, SIGMA0 = [0.8, 0.9, 0.98], [0.0, 0.1, 0.2, 0.4]
TASKS = ["de1", "de2", "cd1", "cd2", "gde", "2afc", "comp"]
GRID: dict[str, list[Any]] = {"task": ["de1", "comp"], "lambda0": LAMBDA0, "sigma0": SIGMA0, "seed": [0, 1, 2]}


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def mesh(axes: Axes) -> Array:
    """Values of the cells, NaN where there is none."""
    (found,) = [of for of in axes.collections if isinstance(of, QuadMesh)]
    data = found.get_array()
    assert data is not None
    return np.asarray(np.ma.filled(data.astype(float), np.nan))


def cells(axes: Axes, *, hatched: bool) -> set[tuple[float, float]]:
    """Places of the grey cells."""
    found = set()
    for of in axes.collections:
        if isinstance(of, PatchCollection) and bool(of.get_hatch()) == hatched:
            assert not len(of.get_paths()) or np.asarray(of.get_facecolor()).tolist() == [list(to_rgba(NOT_SHOWN))]
            for path in of.get_paths():
                center = path.get_extents().get_points().mean(axis=0)
                found.add((float(center[0]), float(center[1])))
    return found


def words(figure: Figure) -> str:
    found = [figure.get_suptitle(), figure.get_supylabel()]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
    for legend in figure.legends:
        found += [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]
    return " | ".join(found).replace("\N{NO-BREAK SPACE}", " ")


def ticks(axes: Axes, which: str) -> list[str]:
    axis = axes.xaxis if which == "x" else axes.yaxis
    return [label.get_text() for label in axis.get_ticklabels()]


class TestMap:
    def test_a_cell_is_the_mean_over_seeds(self) -> None:
        dataset = sweep(GRID)
        for given in (dataset, flat(dataset)):
            figure = measure_map(given, "fractional_loss")
            assert len(panels(figure)) == 2
            for axes, task in zip(panels(figure), GRID["task"], strict=True):
                expected = dataset["fractional_loss"].sel(task=task).mean("seed").transpose("sigma0", "lambda0")
                np.testing.assert_allclose(mesh(axes), expected)
                assert axes.get_title() == task
            assert ticks(panels(figure)[0], "x") == ["0.8", "0.9", "0.98"]
            assert ticks(panels(figure)[0], "y") == ["0", "0.1", "0.2", "0.4"]
            said = words(figure)
            for word in ("mean over 3 seeds", "λ_0", "σ_0", "Networks: 72 finished", "all that finished", "N = 100"):
                assert word in said

    def test_axes_that_are_asked_for(self) -> None:
        dataset = sweep(GRID)
        figure = measure_map(dataset, "test_loss", x="task", y="seed", by=["sigma0"])
        assert len(panels(figure)) == 4
        for axes, sigma0 in zip(panels(figure), SIGMA0, strict=True):
            expected = dataset["test_loss"].sel(sigma0=sigma0).mean("lambda0").transpose("seed", "task")
            np.testing.assert_allclose(mesh(axes), expected)
        assert "mean over $λ_0$" in words(figure)
        assert "$σ_0$ = 0.4" in words(figure)
        assert "Test loss (radians)" in words(figure)

    def test_failed_and_unfinished_networks_are_grey(self) -> None:
        dataset = sweep(
            {"lambda0": LAMBDA0, "sigma0": SIGMA0, "seed": [0, 1]},
            left=lambda t: (t.lambda0 == 0.98) | ((t.sigma0 == 0) & (t.seed == 1)),
            failed=lambda t: (t.sigma0 == 0.4) & (t.lambda0 == 0.8),
        )
        figure = measure_map(dataset, "fractional_loss")
        (axes,) = panels(figure)
        unfinished = {(2.0, 0.0), (2.0, 1.0), (2.0, 2.0), (2.0, 3.0), (0.0, 3.0)}
        assert cells(axes, hatched=False) == unfinished
        assert cells(axes, hatched=True) == set()
        assert {(float(i), float(j)) for j, i in np.argwhere(np.isnan(mesh(axes)))} == unfinished
        said = words(figure)
        for word in ("12 finished, 2 failed, 10 left", "mean over up to 2 seeds", "no network has finished"):
            assert word in said
        assert "none has solved" not in said

    @pytest.mark.parametrize("solved_only", [None, True, False])
    def test_networks_that_did_not_solve_their_task(self, solved_only: bool | None) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "sigma0": SIGMA0, "seed": [0, 1, 2]})
        unsolved = {(0.0, 3.0), (2.0, 0.0)}
        for measure, by_default in (("sequentiality_index", True), ("fractional_loss", False), ("solved", False)):
            only = by_default if solved_only is None else solved_only
            figure = measure_map(dataset, measure, solved_only=solved_only)
            assert cells(panels(figure)[0], hatched=True) == (unsolved if only else set())
            assert ("that solved their task (fractional loss < 0.5)" in figure.get_suptitle()) == only
            assert ("none has solved its task" in words(figure)) == only

    def test_undefined_measures_are_no_unfinished_networks(self) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "sigma0": SIGMA0})
        dataset["test_loss"][0, 0] = np.nan
        figure = measure_map(dataset, "test_loss")
        assert cells(panels(figure)[0], hatched=True) == {(0.0, 0.0)}
        assert "finished, but the measure is undefined" in words(figure)
        assert "the 11 in which it is defined" in words(figure)
        dataset["sequentiality_index"][1, 1] = np.nan
        assert "none has solved its task or the measure is undefined" in words(measure_map(dataset))

    def test_what_is_not_part_of_a_sweep_is_white(self) -> None:
        dataset = flat(sweep({"lambda0": LAMBDA0, "sigma0": SIGMA0}), lambda d: (d.lambda0 > 0.85) | (d.sigma0 < 0.3))
        figure = measure_map(dataset, "fractional_loss")
        (axes,) = panels(figure)
        assert np.isnan(mesh(axes)).sum() == 1
        assert cells(axes, hatched=False) == cells(axes, hatched=True) == set()
        assert axes.get_facecolor() == to_rgba("white")
        assert "not part of the sweep" in words(figure)

    def test_colours_are_those_of_all_panels_and_end_where_losses_are_as_bad_as_a_guess(self) -> None:
        dataset = sweep(GRID)
        limits = {of.get_clim() for axes in panels(measure_map(dataset, "test_loss")) for of in axes.collections[:1]}
        means = dataset["test_loss"].mean("seed")
        assert limits == {(float(means.min()), float(means.max()))}
        assert panels(measure_map(dataset, "solved"))[0].collections[0].get_clim() == (0, 1)
        dataset["fractional_loss"][0, 0, 0] = 30.0
        assert panels(measure_map(dataset, "fractional_loss"))[0].collections[0].get_clim() == (0, 1)

    def test_all_grey(self) -> None:
        figure = measure_map(sweep({"lambda0": LAMBDA0, "sigma0": SIGMA0}, left=lambda t: t.lambda0 > 0))
        assert len(cells(panels(figure)[0], hatched=False)) == 12
        assert "Networks: 0 finished, 12 left" in figure.get_suptitle()

    def test_unevenly_spaced_values_words_and_switches_are_labelled_as_they_are(self) -> None:
        rho = [0.0, 1e-7, 1e-6, 1e-3]
        figure = measure_map(sweep({"rho": rho, "n_hidden": [100, 100_000]}), "solved")
        assert ticks(panels(figure)[0], "x") == ["0", "1e-07", "1e-06", "0.001"]
        assert ticks(panels(figure)[0], "y") == ["100", "100000"]
        dataset = flat(sweep({"separate_clipping": [True, False], "task": TASKS, "stop_at": [0.1, np.nan]}))
        figure = measure_map(dataset, "solved", x="task", y="separate_clipping")
        assert ticks(panels(figure)[0], "x") == TASKS
        assert ticks(panels(figure)[0], "y") == ["yes", "no"]
        assert "stop at = none" in words(figure)
        assert len(panels(figure)) == 2
        close = [0.9, 0.9001, 0.9002]
        assert ticks(panels(measure_map(sweep({"lambda0": close, "rho": rho})))[0], "x") == ["0.9", "0.9001", "0.9002"]

    def test_many_values_have_fewer_labels(self) -> None:
        values = np.linspace(0, 1, 101).tolist()
        labels = ticks(panels(measure_map(sweep({"lambda0": values, "sigma0": values})))[0], "x")
        assert labels[0] == "0"
        assert 5 <= len(labels) <= 12

    def test_errors(self) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "task": TASKS})
        assert not has_map(dataset)
        assert has_map(dataset, y="task")
        with pytest.raises(InputError, match="another field besides 'lambda0': give `y`"):
            measure_map(dataset)
        with pytest.raises(InputError, match=r"'test_los' is not .* Do you mean test_loss\?"):
            measure_map(dataset, "test_los", y="task")
        with pytest.raises(InputError, match="'delay_loss' is not a measure"):
            measure_map(dataset, "delay_loss", y="task")
        with pytest.raises(InputError, match=r"'identity' is not a field.*They differ in: lambda0, task"):
            measure_map(dataset, x="identity")
        with pytest.raises(InputError, match="'task' is given twice"):
            measure_map(dataset, y="task", by=["task"])
        with pytest.raises(InputError, match=r"There would be 101 panels for lambda0, and a picture has at most 64"):
            measure_map(sweep({"lambda0": np.linspace(0, 1, 101).tolist()}), x="task", y="model", by=["lambda0"])


class TestLines:
    def test_a_point_is_the_mean_and_its_bar_the_t_interval(self) -> None:
        dataset = sweep(GRID)
        figure = measure_lines(dataset, "test_loss")
        assert len(panels(figure)) == 2
        for axes, task in zip(panels(figure), GRID["task"], strict=True):
            (bars,) = (of for of in axes.collections if isinstance(of, LineCollection))
            ends = np.array([segment[:, 1] for segment in bars.get_segments()]).reshape(len(LAMBDA0), len(SIGMA0), 2)
            for number, (line, sigma0) in enumerate(zip(axes.lines, SIGMA0, strict=True)):
                values = dataset["test_loss"].sel(task=task, sigma0=sigma0).transpose("lambda0", "seed").values
                np.testing.assert_allclose(np.asarray(line.get_ydata(), float), values.mean(axis=1))
                assert np.asarray(line.get_xdata()).tolist() == LAMBDA0
                interval = scipy.stats.ttest_1samp(values, 0, axis=1).confidence_interval(0.95)
                np.testing.assert_allclose(ends[:, number], np.stack([interval.low, interval.high], axis=1))
        said = words(figure)
        for word in ("bars: 95% t interval of the mean over seeds", "$σ_0$", "0.4", "Test loss (radians)"):
            assert word in said

    def test_each_network_is_a_point_behind_the_mean(self) -> None:
        dataset = sweep(GRID, left=lambda t: (t.lambda0 == 0.9) & (t.seed > 0))
        figure = measure_lines(dataset, "test_loss")
        for axes, task in zip(panels(figure), GRID["task"], strict=True):
            points = [of for of in axes.collections if isinstance(of, PathCollection)]
            shown = np.concatenate([np.asarray(of.get_offsets()) for of in points])
            assert all(of.get_zorder() < line.get_zorder() for of in points for line in axes.lines)
            for lambda0, n_shown in ((0.8, 12), (0.9, 0), (0.98, 12)):  # a single network is its own mean
                here = np.abs(shown[:, 0] - lambda0) < 0.01
                assert here.sum() == n_shown
                assert len(set(shown[here, 0])) == n_shown // 4
                if n_shown:
                    expected = dataset["test_loss"].sel(task=task, lambda0=lambda0).values
                    np.testing.assert_allclose(np.sort(shown[here, 1]), np.sort(expected.ravel()))
            low, high = axes.get_ylim()
            assert (low < shown[:, 1]).all()
            assert (shown[:, 1] < high).all()
        assert "small points: single networks" in words(figure)
        again = panels(measure_lines(dataset, "test_loss"))[0].collections[-1].get_offsets()
        np.testing.assert_array_equal(np.asarray(panels(figure)[0].collections[-1].get_offsets()), np.asarray(again))

    @pytest.mark.parametrize("rho", [[1e-7, 1e-6, 1e-5, 1e-3], [0.0, 1e-7, 1e-6, 1e-3], [1.0, 2, 3, 4]])
    def test_points_lie_beside_their_value_on_any_scale(self, rho: list[float]) -> None:
        (axes,) = panels(measure_lines(sweep({"rho": rho, "seed": [0, 1, 2]}), "test_loss"))
        means = np.asarray(axes.transData.transform([(value, 0) for value in rho]))[:, 0]
        (points,) = (of for of in axes.collections if isinstance(of, PathCollection))
        places = np.asarray(axes.transData.transform(np.asarray(points.get_offsets())))[:, 0]
        for of, mean in zip(places.reshape(len(rho), 3), means, strict=True):
            aside = of - mean
            assert 0 < np.abs(aside).max() < 0.015 * axes.bbox.width

    def test_what_is_0_or_1_or_too_much_has_no_points(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "seed": [0, 1]})
        for measure, most in (("solved", 2000), ("test_loss", 5)):
            monkeypatch.setattr("recurrent_memory.figures.sweep_points.MOST_POINTS", most)
            figure = measure_lines(dataset, measure)
            assert not any(isinstance(of, PathCollection) for of in panels(figure)[0].collections)
            assert "single networks" not in words(figure)

    def test_fractions_have_wilsons_interval(self) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "seed": list(range(8))})
        dataset["solved"][1, 3:] = 0
        figure = measure_lines(dataset, "solved")
        (axes,) = panels(figure)
        (bar,) = [of for of in axes.collections if isinstance(of, LineCollection)]
        expected = scipy.stats.binomtest(3, 8).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(bar.get_segments()[1][:, 1], [expected.low, expected.high])
        assert "95% Wilson interval of the fraction over seeds" in words(figure)

    def test_lines_break_where_no_network_is_shown(self) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "seed": [0, 1]}, left=lambda t: t.lambda0 == 0.9)
        figure = measure_lines(dataset, "fractional_loss")
        assert np.isnan(np.asarray(panels(figure)[0].lines[0].get_ydata(), float)).tolist() == [False, True, False]
        assert "gaps: no network is shown" in words(figure)
        assert "4 finished, 2 left" in words(figure)

    def test_single_networks_have_no_bars(self) -> None:
        figure = measure_lines(sweep({"task": ["de1", "comp"], "lambda0": LAMBDA0}), "fractional_loss")
        assert "bars" not in words(figure)
        assert "mean" not in words(figure)
        assert figure.legends[0].get_title().get_text() == "task"

    def test_words_are_not_joined_and_do_not_hide_each_other(self) -> None:
        figure = measure_lines(sweep({"task": TASKS[:3], "model": ["relu", "gru"], "seed": [0, 1]}), "solved")
        (axes,) = panels(figure)
        assert ticks(axes, "x") == TASKS[:3]
        first, second = axes.lines
        assert first.get_linestyle() == second.get_linestyle() == "None"
        assert not set(np.asarray(first.get_xdata())) & set(np.asarray(second.get_xdata()))

    def test_logarithmic_values_have_a_logarithmic_axis(self) -> None:
        for rho, scale in (
            ([1e-7, 1e-6, 1e-5, 1e-3], "log"),
            ([0.0, 1e-7, 1e-6, 1e-3], "symlog"),
            ([1.0, 2, 3, 4], "linear"),
        ):
            assert panels(measure_lines(sweep({"rho": rho})))[0].get_xscale() == scale

    def test_points_at_the_ends_are_whole_where_others_are_not_shown(self) -> None:
        for values in ([0.9, 1e30], [0.9, 0.91, 0.98], [1e-7, 1e-6, 1e-5, 1e-3], [0.0, 1e-7, 1e-6, 1e-3]):
            dataset = sweep({"lambda0": values, "seed": [0, 1]}, failed=lambda t: t.lambda0 == t.lambda0.max())
            figure = measure_lines(dataset, "fractional_loss")
            FigureCanvasAgg(figure).draw()
            (axes,) = panels(figure)
            points = axes.transData.transform([(value, 0) for value in values])[:, 0]
            assert points.min() > axes.bbox.x0 + 5
            assert points.max() < axes.bbox.x1 - 5

    def test_huge_intervals_do_not_hide_the_means(self) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "seed": [0, 1]})
        dataset["test_loss"][0] = [0.0, 0.3]
        figure = measure_lines(dataset, "test_loss")
        low, high = panels(figure)[0].get_ylim()
        assert high - low < 1.5
        assert "some end outside the panel" in words(figure)

    def test_equal_values_have_an_interval_without_width(self) -> None:
        dataset = sweep({"lambda0": LAMBDA0, "seed": [0, 1]})
        dataset["test_loss"][:] = 0.25
        (bar,) = [
            of for of in panels(measure_lines(dataset, "test_loss"))[0].collections if isinstance(of, LineCollection)
        ]
        np.testing.assert_allclose([segment[:, 1] for segment in bar.get_segments()], 0.25)


def test_which_axes_a_sweep_has() -> None:
    assert sweep_axes(sweep(GRID)) == ["lambda0", "sigma0", "task"]
    conditions = flat(sweep({"condition": ["basic", "tethered"], "lambda0": LAMBDA0, "seed": [0, 1]}))
    penalty = np.where(conditions["condition"] == "tethered", 0.1, 1e-4)
    assert sweep_axes(conditions.assign_coords(activity_penalty=("network", penalty))) == ["lambda0", "condition"]
    delays = flat(sweep({"task_options.delay_dur": [50, 100], "seed": [0, 1]}))
    options = delays["task_options.delay_dur"].astype(str)
    assert sweep_axes(delays.assign_coords(task_options=options)) == ["task_options.delay_dur"]
    assert sweep_measures(delays) == ["sequentiality_index", "fractional_loss", "test_loss", "solved"]


def test_fields_with_too_many_panels_are_averaged_over_and_reported() -> None:
    axes = {"lambda0": LAMBDA0, "sigma0": SIGMA0, "rho": np.linspace(0, 1, 15).tolist(), "task": TASKS}
    figure = measure_map(sweep(axes), "solved")
    assert len(panels(figure)) == 7
    assert "of ρ" in figure.get_suptitle()


def all_notes() -> xr.Dataset:
    """A sweep of which both pictures have all there is to say below them."""
    dataset = sweep(
        {"lambda0": LAMBDA0, "sigma0": SIGMA0, "seed": [0, 1]},
        left=lambda t: (t.lambda0 == 0.98) & ((t.sigma0 == 0) | (t.seed == 1)),
    )
    dataset["fractional_loss"][0] = [[0.1, 2.0], [0.1, 0.1], [2.0, 2.0], [0.2, 0.2]]
    dataset["solved"][0] = dataset["fractional_loss"][0] < 0.5
    dataset["sequentiality_index"][0, 1] = np.nan
    return flat(dataset, lambda d: (d.lambda0 > 0.85) | (d.sigma0 < 0.3))


CASES = {
    "one network": sweep({"lambda0": [0.9]}),
    "one network without axes": flat(sweep({"seed": [0]})),
    "seeds": sweep({"seed": [0, 1, 2]}),
    "3 values × 2 seeds": sweep({"lambda0": LAMBDA0, "seed": [0, 1]}),
    "the paper's grid": sweep(
        {
            "task": TASKS,
            "lambda0": np.linspace(0.8, 0.98, 10).tolist(),
            "sigma0": np.linspace(0, 0.402492, 10).tolist(),
        },
        left=lambda t: t.task == "comp",
    ),
    "words": sweep(
        {"task": TASKS, "model": ["relu", "gru"], "condition": ["basic", "dynamic+variable_delay", "hebbian"]}
    ),
    "lines of many values": sweep({"lambda0": LAMBDA0, "sigma0": np.linspace(0, 1, 40).tolist(), "seed": [0, 1]}),
    "long labels of panels": flat(
        sweep({"lambda0": LAMBDA0, "task": TASKS, "rho": [1e-7, 2e-7], "batch_size": [50, 100]})
    ),
    "all notes": all_notes(),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.sampled(3)
def test_everything_is_within_the_edges_and_nothing_overlaps(case: str) -> None:
    dataset = CASES[case]
    about = "sweep.toml where task == '$' and " + "lambda0 > 0.95 and " * 20
    before = dataset.copy(deep=True)
    measures = ("sequentiality_index", "fractional_loss", "solved")
    figures = [measure_lines(dataset, measure, about=about) for measure in measures]
    if has_map(dataset):
        figures.append(measure_map(dataset, about=about))
    xr.testing.assert_identical(dataset, before)
    for figure in figures:
        figure.set_dpi(60)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        boxes = [axes.get_tightbbox() for axes in panels(figure)]
        boxes += [legend.get_window_extent() for legend in figure.legends]
        suptitle = figure.texts[0] if figure.texts else None
        boxes += [text.get_window_extent() for text in ([suptitle] if suptitle else [])]
        for i, box in enumerate(boxes):
            assert box is not None
            assert min(box.x0, box.y0) > -2
            assert box.x1 < width + 2
            assert box.y1 < height + 2
            for other in boxes[:i]:
                assert other is not None
                overlap_x = min(box.x1, other.x1) - max(box.x0, other.x0)
                overlap_y = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert min(overlap_x, overlap_y) < 6, (box, other)
