"""What a report shows of one network: the same as the pictures and analyses, and of bounded size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from recurrent_memory import analysis
from recurrent_memory.report.details import MOST_ROWS, MOST_STEPS, averaged, by_chance, detail, most_telling


def result(n_units: int = 12, n_steps: int = 40, n_trials: int = 6, seed: int = 0) -> xr.Dataset:
    """Return a noisy sequence, with weights."""
    rng = np.random.default_rng(seed)
    peaks = np.linspace(2, n_steps - 3, n_units)[rng.permutation(n_units)]
    bumps = np.exp(-((np.arange(n_steps)[:, None] - peaks) ** 2) / 8)
    activity = bumps[None] * 3 + 0.3 * rng.random((n_trials, n_steps, n_units))
    return xr.Dataset(
        {
            "activity": (("trial", "time", "unit"), activity),
            "recurrent_weights": (("source", "target_unit"), rng.normal(size=(n_units, n_units))),
        },
        coords={"epoch": ("time", ["stimulus"] * 10 + ["delay"] * (n_steps - 10))},
        attrs={"readout_step": -5},
    )


def test_rows_are_cross_validated_and_scaled_to_their_peaks() -> None:
    made = result()
    found = detail(made)
    expected = analysis.cross_validated_order(made["activity"])["activity"].values
    np.testing.assert_allclose(found.rows, expected / expected.max(axis=1, keepdims=True))
    assert (found.n_active, found.n_units, found.per_row) == (12, 12, 1)
    assert found.epochs == (("stimulus", -0.5, 9.5), ("delay", 9.5, 39.5))
    assert found.readout == 35


def test_large_networks_and_long_trials_are_averaged() -> None:
    found = detail(result(n_units=250, n_steps=450, n_trials=2))
    assert found.per_row == 3
    assert found.rows.shape == (84, 150)
    assert found.rows.shape <= (MOST_ROWS, MOST_STEPS)
    assert found.time[:2].tolist() == [1.0, 4.0]


def test_groups_are_means_and_the_last_may_be_smaller() -> None:
    rows = np.random.default_rng(0).random((7, 3))
    found, size = averaged(rows, 3)
    assert size == 3
    np.testing.assert_allclose(found, [rows[:3].mean(axis=0), rows[3:6].mean(axis=0), rows[6]])


def test_the_profile_is_that_of_the_picture() -> None:
    made = result()
    found, order = detail(made).profile, analysis.peak_order(made["activity"])
    expected = analysis.connectivity_profile(made["recurrent_weights"], order)
    assert found is not None
    assert found.forward == pytest.approx(float(expected["forward_minus_backward"]))
    for difference, mean in zip(found.difference, found.mean, strict=True):
        assert mean == pytest.approx(float(expected["mean_weight"].sel(difference=difference)))
    assert 0 not in found.difference


def test_without_weights_or_with_those_of_other_units_there_is_no_profile() -> None:
    made = result()
    found = detail(made.drop_vars("recurrent_weights"))
    assert found.profile is None
    assert found.no_profile == "the weights are not known"
    other = made.drop_vars("recurrent_weights").assign(recurrent_weights=(("source", "target_unit"), np.eye(3)))
    assert detail(other).profile is None
    assert detail(other).no_profile


@pytest.mark.parametrize(("n_active", "count"), [(0, "0 units of 12 active"), (1, "1 unit of 12 active")])
def test_few_active_units_are_the_reason_why_there_is_no_profile(n_active: int, count: str) -> None:
    made = result()
    found = detail(made.assign(activity=made["activity"] * (np.arange(12) < n_active)))
    assert (found.n_active, found.profile) == (n_active, None)
    assert found.no_profile.startswith(count)


def test_a_sequence_is_above_chance_and_silence_has_no_index() -> None:
    made = result(n_trials=4)
    found = by_chance(made)
    assert not isinstance(found, str)
    expected = analysis.against_chance("sequentiality_index", made["activity"], n=1, n_bootstrap=0, variant="paper")
    assert found.value == pytest.approx(float(expected["value"]))
    assert (found.surrogates < found.value).all()
    silent = made.assign(activity=made["activity"] * 0)
    assert "no unit is active" in str(by_chance(silent))
    assert detail(silent).n_active == 0
    assert detail(silent).no_chance == by_chance(silent)


@pytest.mark.parametrize("most", [0, 1, 7, 12, 13, 24, 30, 36, 99])
def test_every_cell_has_a_network_before_any_has_two(most: int) -> None:
    cells = [(task, lambda0) for task in ("de1", "comp") for lambda0 in range(6)]
    table = pd.DataFrame([(*cell, seed) for cell in cells for seed in range(3)], columns=["task", "lambda0", "seed"])
    table["status"] = "finished"
    chosen = most_telling(table, ["task", "lambda0"], most)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(most, len(table))
    counts = table.iloc[chosen].groupby(["task", "lambda0"]).size().reindex(cells, fill_value=0)
    assert counts.max() - counts.min() <= 1


def test_only_finished_networks_are_shown() -> None:
    table = pd.DataFrame({"status": ["left", "finished", "diverged", "finished"], "seed": range(4)})
    assert most_telling(table, [], 5) == [1, 3]
