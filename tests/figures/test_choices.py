"""What pictures choose by themselves: a typical trial, and the trials of each stimulus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from figures.test_pictures import few_active, image, make_result, texts, tiling
from recurrent_memory.analysis import cross_validated_order
from recurrent_memory.errors import InputError
from recurrent_memory.figures import activity_heatmap, stimulus_heatmaps, trial_structure
from recurrent_memory.figures.typical import typical_trial

Array = np.ndarray[Any, np.dtype[Any]]


def varied(n_trials: int, seed: int = 0, **options: Any) -> xr.Dataset:
    """A result whose trials differ in noise and in error."""
    rng = np.random.default_rng(seed)
    noise = rng.random((n_trials, 1, 1)) * rng.random((n_trials, 150, 8))
    result = make_result((tiling(8, n_trials, 0) + noise).astype(np.float32), n_iterations=1, **options)
    wrong = rng.normal(0, 1.5, (n_trials, 1, 1))
    return result.assign(outputs=result["targets"] + wrong)


class TestTypicalTrial:
    def expected(self, result: xr.Dataset, trials: Array) -> int:
        """By another way: ranks of SciPy, all correlations at once."""
        some = result.isel(trial=trials)
        error = np.abs(some["outputs"].values - some["targets"].values)[:, -5, 0]
        if result.attrs["response"] == "angle":
            error = np.abs(np.angle(np.exp(2j * error)) / 2)
        activity = some["activity"].values.astype(float).reshape(len(trials), -1)
        likeness = np.corrcoef([*activity, activity.mean(axis=0)])[-1, :-1]
        ranks = np.stack([scipy.stats.rankdata(of) - 0.5 for of in (error, likeness)]) / len(trials)
        return int(trials[np.abs(ranks - 0.5).max(axis=0).argmin()])

    @pytest.mark.parametrize("response", ["angle", "probability"])
    @pytest.mark.parametrize("n_trials", [2, 9, 40])
    def test_it_is_in_the_middle(self, n_trials: int, response: str) -> None:
        result = varied(n_trials, response=response)
        assert typical_trial(result.assign_attrs(readout_time=145.0)) == self.expected(result, np.arange(n_trials))

    def test_it_is_complete_if_any_is(self) -> None:
        result = varied(20)
        mask = np.ones((20, 150), bool)
        mask[::2, 60:90] = False
        result = result.assign(mask=(("trial", "time"), mask), readout_time=0).assign_attrs(readout_time=145.0)
        assert typical_trial(result) == self.expected(result, np.arange(1, 20, 2))
        mask[:] = mask[0]
        junk = result["activity"].where(result["mask"], np.nan)
        assert typical_trial(result.assign(activity=junk)) == typical_trial(result)

    def test_it_follows_its_trial(self) -> None:
        result = varied(21).assign_attrs(readout_time=145.0)
        order = np.random.default_rng(1).permutation(21)
        assert order[typical_trial(result.isel(trial=order))] == typical_trial(result)

    def test_pictures_show_the_same_and_say_so(self) -> None:
        result = varied(12)
        chosen = typical_trial(result.assign_attrs(readout_time=145.0))
        assert f"Activity in trial {chosen} (typical)" in activity_heatmap(result).get_suptitle()
        figure = trial_structure(result)
        assert f"Trial {chosen} (typical): input" in figure.get_suptitle()
        np.testing.assert_array_equal(image(figure.axes[0]), result["inputs"].values[chosen].T)
        assert "typical" not in activity_heatmap(result, trial=chosen).get_suptitle()
        assert "typical" not in activity_heatmap(result.isel(trial=[3])).get_suptitle()

    def test_it_needs_neither_activity_nor_answers(self) -> None:
        result = varied(9)
        assert "typical" in trial_structure(result.drop_vars("activity")).get_suptitle()
        assert "typical" in activity_heatmap(result[["activity"]]).get_suptitle()
        infinite = result.assign(activity=result["activity"] * np.inf, outputs=result["outputs"] * np.nan)
        assert "Trial 0 (typical)" in trial_structure(infinite).get_suptitle()


class TestStimulusHeatmaps:
    def by_hand(self, result: xr.Dataset, groups: list[Array]) -> Array:
        order = cross_validated_order(result["activity"])["unit"].values
        means = np.stack([result["activity"].values[group][:, :, order].mean(axis=0).T for group in groups])
        return np.asarray(means / means.max(axis=(0, 2))[None, :, None])

    def test_a_panel_is_the_mean_of_the_odd_trials_of_a_stimulus(self) -> None:
        stimulus = np.array([-15, 15, 15])[np.arange(20) % 3]
        result = varied(20).drop_vars("stimuli").assign(
            stimuli=(("trial", "display", "stimulus_location"), np.stack([stimulus, stimulus[::-1]], 1)[:, :, None])
        )  # fmt: skip
        result["activity"].values[stimulus == 15] *= np.linspace(0.2, 1, 8)
        odd = np.arange(20) % 2 == 1
        figure = stimulus_heatmaps(result)
        expected = self.by_hand(result, [odd & (stimulus == value) for value in (-15, 15)])
        for axes, of in zip(figure.axes, expected, strict=False):
            np.testing.assert_allclose(image(axes), of, rtol=1e-5)
        assert [axes.get_title() for axes in figure.axes[:2]] == ["\N{MINUS SIGN}15 (3 trials)", "15 (7 trials)"]
        assert len(figure.axes) == 3
        assert "Mean activity by stimulus: odd trials" in figure.get_suptitle()

    @pytest.mark.parametrize("n_bins", [1, 3, 4])
    def test_bins_have_equally_many_trials_and_no_trial_is_left_out(self, n_bins: int) -> None:
        result = varied(50)
        figure = stimulus_heatmaps(result, n_bins=n_bins)
        values = result["stimuli"].values[1::2, 0, 0]
        sizes = [int(axes.get_title().split("(")[1].split()[0]) for axes in figure.axes[:n_bins]]
        assert sum(sizes) == 25
        assert max(sizes) - min(sizes) <= 1
        edges = np.quantile(values, np.arange(1, n_bins) / n_bins)
        groups = [1 + 2 * np.flatnonzero((values[:, None] >= edges).sum(axis=1) == i) for i in range(n_bins)]
        for axes, of in zip(figure.axes, self.by_hand(result, groups), strict=False):
            np.testing.assert_allclose(image(axes), of, rtol=1e-5)
        assert len(figure.axes) == n_bins + 1

    def test_other_values_to_divide_the_trials_by(self) -> None:
        result = varied(16)
        label = np.arange(16) // 2 % 2
        named = result.assign(class_label=("trial", label)).drop_vars("stimuli")
        words = np.array(["left", "right"])[label]
        pictures = [
            stimulus_heatmaps(named, by="class_label"), stimulus_heatmaps(result, by=label),
            stimulus_heatmaps(result["activity"].values, by=words), stimulus_heatmaps(named, by=label.astype(bool)),
        ]  # fmt: skip
        for figure in pictures:
            for axes, expected in zip(figure.axes[:2], pictures[0].axes, strict=False):
                np.testing.assert_allclose(image(axes), image(expected), rtol=1e-6)
        assert "by class label" in pictures[0].get_suptitle()
        assert [axes.get_title() for axes in pictures[2].axes[:2]] == ["left (4 trials)", "right (4 trials)"]

    def test_trials_without_a_value_are_in_no_panel(self) -> None:
        values = np.where(np.arange(16) < 8, np.nan, 2.0)
        figure = stimulus_heatmaps(varied(16), by=values)
        assert [axes.get_title() for axes in figure.axes[:-1]] == ["2 (4 trials)"]
        for result, by in ((varied(16), np.full(16, np.nan)), (varied(1), None)):
            assert "no stimulus to show" in texts(stimulus_heatmaps(result, by=by))

    def test_nothing_to_show(self) -> None:
        assert "No unit is active enough" in texts(stimulus_heatmaps(few_active(0)))

    def test_errors(self) -> None:
        result = varied(32)
        for by, words in (
            ("stimulus", r"`by` = 'stimulus' is not a variable with a value for each trial"),
            (np.zeros(15), r"a number or a word for each of the 32 trials, got float64 \(15,\)"),
            ([str(i) for i in range(32)], r"`by` has 16 different words, and a picture at most 12 panels"),
        ):
            with pytest.raises(InputError, match=words):
                stimulus_heatmaps(result, by=by)
        with pytest.raises(InputError, match="`n_bins` must be from 1 to 12, got 0"):
            stimulus_heatmaps(result, n_bins=0)
        with pytest.raises(InputError, match="`result` has no `stimuli`, which this picture shows"):
            stimulus_heatmaps(result.drop_vars("stimuli"))
        with pytest.raises(InputError, match="`stimuli` must be over trial"):
            stimulus_heatmaps(result.assign(stimuli=("display", [1.0])))
