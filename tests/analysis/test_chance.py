"""Surrogates and what they keep; p-values, intervals and options of measures against chance."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import xarray as xr

from made_up_activity import planted
from recurrent_memory.analysis import (
    ACTIVITY_MEASURES,
    NULLS,
    against_chance,
    chance,
    peak_consistency,
    sequentiality_index,
    sqi,
)
from recurrent_memory.errors import InputError

Activity = np.ndarray[Any, np.dtype[Any]]
SHAPE = (6, 30, 12)


def noise(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Activity:
    return np.random.default_rng(seed).random(shape)


def draw(null: str, block: Activity, seed: int = 0) -> Activity:
    return NULLS[null](np.random.default_rng(seed), block)


@pytest.mark.parametrize("null", NULLS.names())
class TestNulls:
    def test_each_trial_keeps_its_values(self, null: str) -> None:
        block = noise()
        before = block.copy()
        drawn = draw(null, block)
        np.testing.assert_array_equal(block, before)
        assert drawn.shape == block.shape
        assert not np.array_equal(drawn, block)
        np.testing.assert_array_equal(np.sort(drawn.reshape(6, -1)), np.sort(block.reshape(6, -1)))
        if null != "shuffled_units":
            np.testing.assert_array_equal(np.sort(drawn, axis=1), np.sort(block, axis=1))

    def test_the_seed_decides(self, null: str) -> None:
        assert np.array_equal(draw(null, noise(), 1), draw(null, noise(), 1))
        assert not np.array_equal(draw(null, noise(), 1), draw(null, noise(), 2))


def test_circular_shift_shifts_each_unit_in_each_trial_by_its_own_amount() -> None:
    block = noise()
    drawn = draw("circular_shift", block)
    shifts = np.array([
        [
            next(s for s in range(30) if np.array_equal(np.roll(block[k, :, u], s), drawn[k, :, u]))
            for u in range(12)
        ]
        for k in range(6)
    ])  # fmt: skip
    assert len(np.unique(shifts)) > 20
    many = draw("circular_shift", np.tile(np.arange(5.0)[None, :, None], (2000, 1, 1)))
    np.testing.assert_allclose(np.bincount(many[:, 0, 0].astype(int)) / 2000, 0.2, atol=4 * 0.4 / np.sqrt(2000))


def test_shuffled_units_and_permuted_time_move_whole_units_and_whole_steps() -> None:
    block = noise()
    for null, axis in (("shuffled_units", 2), ("permuted_time", 1)):
        drawn = draw(null, block)
        orders = set()
        for trial in range(6):
            one, other = (np.moveaxis(of[trial], axis - 1, 0) for of in (block, drawn))
            order = tuple(int(np.abs(one - row).sum(axis=1).argmin()) for row in other)
            np.testing.assert_array_equal(one[list(order)], other)
            orders.add(order)
        assert len(orders) == 6


def test_phase_randomised_keeps_about_the_spectrum_and_breaks_ties_at_random() -> None:
    rng = np.random.default_rng(0)
    smooth = np.exp(np.cumsum(rng.normal(size=(40, 128, 20)), axis=1) / 10)
    drawn = draw("phase_randomised", smooth)
    power = [np.log((np.abs(np.fft.rfft(of - of.mean(axis=1, keepdims=True), axis=1)) ** 2).mean(axis=(0, 2))[1:])
             for of in (smooth, drawn, draw("permuted_time", smooth))]  # fmt: skip
    assert np.abs(power[0] - power[1])[:10].mean() < 0.3 * np.abs(power[0] - power[2])[:10].mean()
    sparse = np.zeros((400, 20, 1))
    sparse[:, 0] = 1
    assert np.abs(draw("phase_randomised", sparse).mean(axis=0) - 0.05).max() < 4 * np.sqrt(0.05 / 400)


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e6, 1), (0, 1e-60)])
def test_phase_randomised_is_as_rough_as_short_smooth_noise(offset: float, scale: float) -> None:
    """Surrogates that are not iterated are more than twice as rough: any peak of the activity would then seem wide."""
    rng = np.random.default_rng(0)
    kernel = np.exp(-0.5 * (np.minimum(np.arange(60), 60 - np.arange(60)) / 3) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=(20, 20, 60))) * np.fft.rfft(kernel), n=60).transpose(0, 2, 1)
    smooth = offset + scale * np.exp(noise / np.linalg.norm(kernel))
    both = smooth, draw("phase_randomised", smooth)
    roughness = [float((np.diff(of / scale, axis=1) ** 2).mean()) for of in both]
    assert roughness[1] == pytest.approx(roughness[0], rel=0.2)


def spectra(block: Activity) -> Activity:
    """Return the power spectrum of each unit in each trial."""
    return np.abs(np.fft.rfft(block, axis=1)) ** 2


def population(block: Activity) -> Activity:
    """Return the mean of all units at each step."""
    return np.asarray(block.mean(axis=2))


def covariances(block: Activity) -> Activity:
    """Return the covariances between different units over the steps of each trial."""
    centred = block - block.mean(axis=1, keepdims=True)
    return np.asarray((centred.transpose(0, 2, 1) @ centred) * ~np.eye(block.shape[2], dtype=bool))


@pytest.mark.parametrize(
    ("null", "kept"),
    [("circular_shift", spectra), ("shuffled_units", population), ("phase_randomised", None),
     ("permuted_time", covariances)],
)  # fmt: skip
class TestWhatANullKeeps:
    """Of activity that has them all: a course in time, the same in each trial, in which groups of units agree."""

    @staticmethod
    def block(n_trials: int = 100) -> Activity:
        rng = np.random.default_rng(0)
        time, peaks = np.arange(30)[:, None], np.repeat([5, 6, 20], 4) + rng.uniform(0, 2, 12)
        return np.exp(-0.5 * ((time - peaks) / np.linspace(1, 6, 12)) ** 2) + 0.1 * rng.random((n_trials, 30, 12))

    def test_one_thing_exactly_and_nothing_else(self, null: str, kept: Any) -> None:
        block = self.block()
        drawn = draw(null, block)
        for what in (spectra, population, covariances):
            before, after = what(block), what(drawn)
            if what is kept:
                np.testing.assert_allclose(after, before, atol=1e-9)
            elif not (what is spectra and null == "phase_randomised"):  # about kept: see below
                assert np.abs(after - before).mean() > 0.1 * np.abs(before).mean(), what.__name__

    def test_nothing_repeats_over_trials(self, null: str, kept: Any) -> None:
        def repeating(block: Activity) -> float:
            """Return the variance, over steps and units, of the average over trials, without each unit's mean."""
            average = block.mean(axis=0)
            return float((average - average.mean(axis=0)).var())

        block = self.block()
        if null == "shuffled_units":  # what is left is common to all units
            block = block - population(block)[:, :, None]
        assert repeating(draw(null, block)) < 0.05 * repeating(block)

    def test_trials_are_drawn_independently(self, null: str, kept: Any) -> None:
        block = np.repeat(self.block(1), 2, axis=0)
        one, other = draw(null, block)
        assert not np.array_equal(one, other)


def test_a_planted_sequence_is_more_than_chance_and_noise_is_not() -> None:
    found = against_chance("peak_consistency", planted(True, n_units=30), null="circular_shift", n=40, n_bootstrap=20)
    assert float(found["p"]) == pytest.approx(1 / 41)
    assert found["p"].attrs["resolution"] == pytest.approx(1 / 41)
    assert float(found["z"]) > 3
    assert float(found["effect"]) == pytest.approx(float(found["value"] - found["null_mean"]))
    assert found["trial_interval"][0] > 0.9
    assert found["unit_interval"][0] > 0.8
    anew = against_chance("peak_consistency", planted(False, n_units=30), null="shuffled_units", n=40, n_bootstrap=40)
    assert float(anew["p"]) > 0.05
    low, high = anew["trial_interval"].values
    assert low < 0 < high  # copies of a trial, which would be in both halves, stay together


def test_p_is_uniform_if_the_null_holds() -> None:
    def highest(activity: Activity) -> float:
        return float(activity.mean(axis=0).max())

    p = [
        float(against_chance(highest, noise(seed), n=19, n_bootstrap=0, seed=seed, threads=1)["p"])
        for seed in range(100)
    ]
    counts = np.bincount(np.rint(np.array(p) * 20).astype(int) - 1, minlength=20)
    assert ((counts - 5) ** 2 / 5).sum() < 43.8  # chi square with 19 degrees of freedom, p = 0.001


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_the_numbers_are_those_of_the_draws(alternative: str) -> None:
    activity = noise()
    found = against_chance("sqi", activity, n=30, seed=4, n_bootstrap=0, alternative=alternative)
    drawn, value = found["null_value"].values, float(sqi(activity)["sqi"])
    assert float(found["value"]) == value
    assert float(found["null_mean"]) == pytest.approx(drawn.mean())
    assert float(found["null_sd"]) == pytest.approx(drawn.std(ddof=1))
    assert float(found["z"]) == pytest.approx((value - drawn.mean()) / drawn.std(ddof=1))
    above, below = (1 + (drawn >= value).sum()) / 31, (1 + (drawn <= value).sum()) / 31
    expected = {"greater": above, "less": below, "two-sided": min(1, 2 * min(above, below))}[alternative]
    assert float(found["p"]) == pytest.approx(expected)
    assert np.isnan(found["trial_interval"]).all()


def test_threads_and_number_of_draws_do_not_change_a_draw() -> None:
    activity = noise()
    one = against_chance("sqi", activity, n=4, n_bootstrap=5, threads=1)
    assert one.identical(against_chance("sqi", activity, n=4, n_bootstrap=5, threads=3))
    longer = against_chance("sqi", activity, n=9, n_bootstrap=5)
    np.testing.assert_array_equal(longer["null_value"][:4], one["null_value"])


@pytest.mark.parametrize("measure", ACTIVITY_MEASURES.names())
@pytest.mark.parametrize("null", NULLS.names())
def test_each_measure_with_each_null(measure: str, null: str) -> None:
    found = against_chance(measure, noise() + 0.1, null=null, n=3, n_bootstrap=3)
    assert np.isfinite(found["value"])
    assert np.isfinite(found["null_value"]).all()
    assert (found["unit_interval"][0] <= found["unit_interval"][1]).all()
    assert found["value"].attrs["units"] == found["null_value"].attrs["units"]
    assert found.attrs["measure"] == measure


def test_intervals_over_trials_are_those_of_the_mean_of_trials() -> None:
    activity = planted(True, n_trials=30)
    of_trials = sequentiality_index(activity)["trial_sequentiality_index"].values
    found = against_chance("sequentiality_index", activity, n=1, n_bootstrap=400)
    half = np.diff(found["trial_interval"].values)[0] / 2
    assert half == pytest.approx(1.96 * of_trials.std() / np.sqrt(30), rel=0.2)

    def own(activity: Activity) -> float:  # whose values of the trials are unknown
        return float(sequentiality_index(activity)["sequentiality_index"])

    np.testing.assert_allclose(
        against_chance(own, activity, n=1, n_bootstrap=5)["trial_interval"],
        against_chance("sequentiality_index", activity, n=1, n_bootstrap=5)["trial_interval"],
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("measure", ["sequentiality_index", "sqi", "transient_index"])
def test_intervals_over_units_hold_what_networks_of_such_units_have(measure: str) -> None:
    # A sample with replacement has units twice, which peak in the same bin: its entropy is lower.
    time, n_units = np.arange(60)[:, None], 30

    def network(seed: int) -> Activity:
        rng = np.random.default_rng(seed)
        bumps = np.exp(-0.5 * ((time - rng.uniform(5, 55, n_units)) / rng.uniform(2, 6, n_units)) ** 2)
        return (rng.uniform(0.5, 2, n_units) * bumps + rng.uniform(0.05, 0.2, n_units))[None]

    function = ACTIVITY_MEASURES[measure].function
    expected = np.mean([chance.number_of(function(network(seed), min_rate=0.0)) for seed in range(1000, 1200)])
    held = 0
    for seed in range(40):
        found = against_chance(measure, network(seed), n=1, n_bootstrap=60, threads=1, min_rate=0.0)
        low, high = found["unit_interval"].values
        assert low < found["value"] < high
        held += low <= expected <= high
    assert held >= 34  # of 40; 95 % are 38


def test_a_single_trial_or_unit_has_no_interval() -> None:
    found = against_chance("sqi", noise()[:1], n=2, n_bootstrap=5)
    assert np.isnan(found["trial_interval"]).all()
    assert found["trial_interval"].attrs["reason"] == "a single trial does not say how much trials differ"
    assert np.isfinite(found["unit_interval"]).all()
    one = against_chance(lambda activity: activity.mean(), noise()[:, :, :1], n=2, n_bootstrap=5)
    assert np.isnan(one["unit_interval"]).all()
    assert "unit" in one["unit_interval"].attrs["reason"]


def test_only_the_measured_entries_are_random() -> None:
    activity = noise()
    mask = np.ones(SHAPE[:2], bool)
    mask[2:, 25:] = False
    missing = np.zeros(SHAPE, bool)
    missing[3, :, 4] = True
    given = np.ma.masked_array(np.where(mask[:, :, None], activity, np.nan), missing)
    seen: list[Any] = []

    def see(values: Any, steps: tuple[int, int]) -> float:
        assert steps == (5, 28)
        seen.append(np.ma.copy(values))
        return float(len(seen))

    for null in NULLS.names():
        against_chance(see, given, null=null, n=1, n_bootstrap=0, mask=mask, steps=(5, 28), threads=1)
    gone = ~mask[:, :, None] | missing
    for values in seen:
        assert isinstance(values, np.ma.MaskedArray)
        np.testing.assert_array_equal(np.ma.getmaskarray(values), gone)
        for part in (slice(0, 5), slice(28, 30)):
            np.testing.assert_array_equal(values[:, part].filled(0), seen[0][:, part].filled(0))
        for trial in range(6):
            one, other = (of[trial, 5:28].compressed() for of in (seen[0], values))
            np.testing.assert_array_equal(np.sort(one), np.sort(other))
    assert not np.array_equal(seen[0].filled(0), seen[1].filled(0))
    found = against_chance("peak_consistency", given, mask=mask, n=2, n_bootstrap=2)
    assert np.isfinite(found["null_value"]).all()


def test_options_reach_the_measure() -> None:
    activity = noise()
    found = against_chance(
        "sequentiality_index", activity, n=2, n_bootstrap=0, variant="exact", n_bins=7, steps=(5, 25)
    )
    expected = sequentiality_index(activity, variant="exact", n_bins=7, steps=(5, 25))
    assert float(found["value"]) == float(expected["sequentiality_index"])
    assert found.attrs["steps"] == [5, 25]
    groups = [0, 0, 1, 1, 2, 2]
    found = against_chance("peak_consistency", activity, n=2, n_bootstrap=2, groups=groups)
    assert float(found["value"]) == float(peak_consistency(activity, groups=groups)["peak_consistency"])


@pytest.mark.parametrize(
    ("measure", "null"),
    [(name, "shuffled_units") for name in ("sequentiality_index", "sqi", "transient_index")]
    + [("sqi", "permuted_time")],
)
def test_a_null_that_leaves_the_measure_as_it_is_says_so(measure: str, null: str) -> None:
    found = against_chance(measure, noise(), null=null, n=5, n_bootstrap=0)
    assert float(found["p"]) == 1
    assert np.isnan(found["z"])
    assert found.attrs["reason"] == "the surrogates have the same value: this null leaves the measure as it is"


def test_infinite_surrogates_count_for_p_and_not_for_the_mean() -> None:
    values = iter([2.0, -np.inf, 1.0, 3.0, -np.inf])
    found = against_chance(lambda _: next(values), np.ones((2, 3, 4)), n=4, n_bootstrap=0, threads=1)
    assert (float(found["null_mean"]), float(found["null_sd"])) == (2.0, np.sqrt(2))
    assert np.isnan(found["z"])
    assert float(found["p"]) == 2 / 5
    assert (int(found["n_infinite"]), int(found["n_undefined"])) == (2, 0)
    assert "2 of 4 surrogates are infinite" in found.attrs["reason"]


def test_undefined_and_infinite_values() -> None:
    silent = against_chance("sqi", np.zeros(SHAPE), n=3, n_bootstrap=3)
    assert np.isnan(silent["p"])
    assert int(silent["n_undefined"]) == 3
    assert "no unit is active enough" in silent.attrs["reason"]
    assert np.isnan(silent["trial_interval"]).all()
    activity = np.zeros((4, 30, 5))
    activity[:, 10:12] = 3
    infinite = against_chance("sequentiality_index", activity, n=3, n_bootstrap=3)
    assert float(infinite["value"]) == np.inf
    assert "zero background" in infinite.attrs["reason"]


def test_own_measures_may_return_numbers_or_data_sets() -> None:
    def spread(activity: Activity) -> xr.Dataset:
        return xr.Dataset({"spread": ((), activity.std(), {"units": "Hz"}), "other": ("unit", np.ones(3))})

    found = against_chance(spread, noise(), n=2, n_bootstrap=2)
    assert found.attrs["measure"] == "spread"
    assert found["value"].attrs["units"] == found["unit_interval"].attrs["units"] == "Hz"
    assert float(against_chance(lambda activity: activity.max(), noise(), n=2, n_bootstrap=0)["value"]) > 0.9


def test_the_result_can_be_stored(tmp_path: Any) -> None:
    found = against_chance("sqi", noise(), n=2, n_bootstrap=2)
    found.to_netcdf(tmp_path / "chance.nc", engine="h5netcdf")
    assert xr.load_dataset(tmp_path / "chance.nc", engine="h5netcdf")["p"].attrs["resolution"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        ("sqy", {}, "There is no activity measure 'sqy'. Do you mean sqi"),
        ("sqi", {"null": "shift"}, "There is no null 'shift'"),
        ("sqi", {"n": 0}, "`n` must be a whole number, 1 or more, got 0"),
        ("sqi", {"n_bootstrap": -1}, "`n_bootstrap` must be a whole number, 0 or more, got -1"),
        ("sqi", {"threads": 0}, "`threads` must be a whole number, 1 or more, got 0"),
        ("sqi", {"n_bin": 3}, "`n_bin` is no option of sqi. Do you mean n_bins"),
        (lambda activity, power: 1.0, {"pawer": 3}, "`pawer` is no option of <lambda>. Do you mean power"),
        ("sqi", {"alternative": "both"}, "`alternative` must be one of greater, less, two-sided, got 'both'"),
        (lambda activity: activity, {}, r"must return a number, .* got ndarray of float64 \(6, 30, 12\)"),
        (lambda activity: xr.Dataset(), {}, "must return a number"),
    ],
)
def test_settings_out_of_range(measure: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        against_chance(measure, noise(), **options)


@pytest.mark.parametrize("masked", [False, True])
def test_a_measure_that_writes_into_its_activity_leaves_the_users_as_it_is(masked: bool) -> None:
    def lowest_at_the_end(activity: Activity) -> float:
        np.ma.getdata(activity).sort(axis=1)
        return float(activity[:, -1].mean())

    activity = noise()
    before, mask = activity.copy(), np.ones(SHAPE[:2], bool)
    mask[0, -5:] = not masked
    against_chance(lowest_at_the_end, activity, mask=mask, null="circular_shift", n=2, n_bootstrap=2)
    np.testing.assert_array_equal(activity, before)


def test_a_null_that_writes_into_its_block_leaves_the_users_activity_as_it_is() -> None:
    def shuffled(rng: np.random.Generator, block: Activity) -> Activity:
        rng.shuffle(block, axis=1)
        return block

    activity = noise()
    before = activity.copy()
    NULLS.register(shuffled)
    try:
        against_chance("sqi", activity, null="shuffled", n=2, n_bootstrap=0)
    finally:
        NULLS.remove("shuffled")
    np.testing.assert_array_equal(activity, before)


def test_a_null_of_another_shape_is_refused() -> None:
    NULLS.register(shortened)
    try:
        with pytest.raises(InputError, match=r"The null must return numbers of the shape .* = \(6, 30, 12\)"):
            against_chance("sqi", noise(), null="shortened", n=2, n_bootstrap=0)
    finally:
        NULLS.remove("shortened")


def shortened(rng: np.random.Generator, block: Activity) -> Activity:
    return block[:, 1:]


def test_a_measure_without_a_value_says_so() -> None:
    found = against_chance(lambda activity: np.nan, noise(), n=2, n_bootstrap=0)
    assert found.attrs["reason"] == "the measure of the activity is not a number (NaN)"


def test_negative_seeds_and_what_is_no_measure_are_refused() -> None:
    with pytest.raises(InputError, match=r"`seed` must be a whole number from 0 to 2\^63 - 1, got -1"):
        against_chance("sqi", noise(), seed=-1)
    no_measure: Any = 3
    with pytest.raises(InputError, match="`measure` must be the name of a measure, or a function of activity, got 3"):
        inspect.unwrap(chance._entry)(no_measure)
