"""One call on a trained network: other delays, noise, lesions by peak time, Schur cuts, fixed points."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.errors import InputError
from recurrent_memory.runs.result import numbers_of
from recurrent_memory.runs.start import initial_network
from recurrent_memory.runs.trained import TrainedNetwork
from small import small_experiment


def untrained(**changes: Any) -> TrainedNetwork:
    """Return a network that can be asked as one that is trained, without the time that training takes."""
    experiment = small_experiment(sigma0=0.5, **changes)
    return TrainedNetwork(experiment, initial_network(experiment), 0)


@pytest.fixture
def net() -> TrainedNetwork:
    return untrained()


def assert_numbers_of(one: xr.Dataset, test: xr.Dataset) -> None:
    """Compare with the measures of a test, which have no prefix."""
    numbers = numbers_of(test)
    assert {"fractional_loss", "sequentiality_index", "solved"} <= set(numbers.data_vars)
    for name, values in numbers.data_vars.items():
        np.testing.assert_array_equal(one[name], values, str(name))


def test_delays(net: TrainedNetwork) -> None:
    found = net.over_delays(np.array([10, 12]), n_batches=1)
    assert found["delay"].values.tolist() == [10, 12]
    assert found["delay"].attrs["units"] == "steps"
    assert found.attrs["task_settings"] == net.test(1).attrs["task_settings"]
    for delay in (10, 12):
        assert_numbers_of(found.sel(delay=delay), net.test(1, task_options={"delay_dur": delay}))
    same, longer = (net.test(1, task_options={"delay_dur": delay}) for delay in (10, 12))
    np.testing.assert_array_equal(same.stimuli, longer.stimuli)


def test_delays_where_they_vary() -> None:
    net = untrained(condition="variable_delay", task_options={"delays": (5, 10)})
    found = net.over_delays([14], n_batches=1)
    tested = net.test(1, task_options={"delay_dur": 14, "delays": (14,)})
    assert tested.trial_delay.values.tolist() == [14] * 4
    assert_numbers_of(found.sel(delay=14), tested)


def test_noise(net: TrainedNetwork) -> None:
    found = net.with_noise(3).over_noise((0, 0.5), n_batches=1, key=3)
    assert_numbers_of(found.sel(noise=0), net.test(1, key=3))
    assert_numbers_of(found.sel(noise=0.5), net.with_noise(0.5).test(1, key=3))
    assert "added_noise" not in found.attrs


def test_lesions_by_peak(net: TrainedNetwork) -> None:
    found = net.lesions_by_peak(2, n_batches=1, n_control=2, epoch="delay")
    intact = net.test(1)
    mean = intact.activity.mean("trial").values[5:15]
    peak = np.where(mean.mean(axis=0) > 0, 5 + mean.argmax(axis=0), -1)
    groups = [np.flatnonzero(of) for of in found.in_group.values]
    assert sorted(np.concatenate(groups)) == np.flatnonzero(peak >= 0).tolist()
    assert abs(len(groups[0]) - len(groups[1])) <= 1
    assert peak[groups[0]].max() <= peak[groups[1]].min()
    np.testing.assert_array_equal(found.first_peak, [peak[of].min() for of in groups])
    np.testing.assert_array_equal(found.last_peak, [peak[of].max() for of in groups])
    np.testing.assert_array_equal(found.n_units, [*map(len, groups)])
    assert_numbers_of(found.sel(group=1), net.lesion(groups[1]).test(1))
    loss = found["fractional_loss"] - intact["fractional_loss"]
    np.testing.assert_array_equal(found["change_fractional_loss"], loss)
    np.testing.assert_array_equal(found["intact_fractional_loss"], intact["fractional_loss"])
    assert found["control_change_sequentiality_index"].dims == ("draw", "group")
    assert found["control_change_fractional_loss"].std() > 0
    assert "minus that of the intact network" in found["change_fractional_loss"].attrs["long_name"]


def test_a_random_lesion_of_all_units_is_the_lesion(net: TrainedNetwork) -> None:
    found = net.lesions_by_peak(1, n_batches=1, n_control=1)
    np.testing.assert_array_equal(found["control_change_fractional_loss"][0], found["change_fractional_loss"])
    without = net.lesions_by_peak(1, n_batches=1, n_control=0)
    assert not [name for name in without.data_vars if str(name).startswith("control")]


def test_schur_cuts(net: TrainedNetwork) -> None:
    chain = np.diag(np.linspace(0.9, 0.2, 8)) + 0.3 * np.eye(8, k=1)  # is its own Schur form
    net = net.with_weights(W_rec=chain)
    found = net.schur_cuts(2, n_batches=1, n_control=1)
    assert found["cut"].values.tolist() == ["feedforward", "modes", "0 to 0", "0 to 1", "1 to 1"]
    own, forward, between = np.diag(np.diag(chain)), chain - np.diag(np.diag(chain)), np.zeros((8, 8))
    between[3, 4] = 0.3
    cuts = {"feedforward": own, "modes": forward, "0 to 1": chain - between}
    for cut, left in cuts.items():
        other = net.with_weights(W_rec=left).test(1)
        for name in ("fractional_loss", "sequentiality_index_exact"):
            np.testing.assert_allclose(found[name].sel(cut=cut), other[name], rtol=1e-3)
        share = ((chain - left) ** 2).sum() / (chain**2).sum()
        np.testing.assert_allclose(found.cut_share.sel(cut=cut), share, rtol=1e-6)
    assert found["control_change_fractional_loss"].dims == ("draw", "cut")
    assert (abs(found["control_change_fractional_loss"] - found["change_fractional_loss"]) > 0).any()
    assert net.schur_cuts(n_batches=1, n_control=0)["cut"].values.tolist() == ["feedforward", "modes"]


def test_of_a_gru_the_candidate_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    net = untrained(model="gru")
    seen = []

    def test(self: TrainedNetwork, *_: Any, **__: Any) -> xr.Dataset:
        seen.append(self)
        return xr.Dataset()

    monkeypatch.setattr(TrainedNetwork, "test", test)
    net.schur_cuts(n_control=0)
    before, (intact, cut, _) = net.weights.W_rec.values, [of.weights.W_rec.values for of in seen]
    np.testing.assert_array_equal(intact, before)
    np.testing.assert_array_equal(cut[:, :16], before[:, :16])
    np.testing.assert_allclose(np.linalg.eigvals(cut[:, 16:]).sum(), np.trace(before[:, 16:]), rtol=1e-4)
    assert not np.allclose(cut[:, 16:], before[:, 16:])


@pytest.mark.parametrize("options", [{"fraction_excitatory": 0.5}, {"connection_probability": 0.5}])
def test_weights_that_obey_a_rule_are_not_cut(options: dict[str, Any]) -> None:
    net = untrained(model="leaky", model_options=options)
    with pytest.raises(InputError, match=r"of this leaky network cannot be cut: .* Dale's law or missing connections"):
        net.schur_cuts()


@pytest.mark.parametrize("model", ["relu", "fast_weights"])
def test_fixed_points(model: str) -> None:
    net = untrained(model=model)
    net = net.with_weights(W_rec=0.5 * np.eye(8)).lesion([2])
    found = net.fixed_points(n_starts=4, tolerance=1e-8)
    w = net.weights
    assert found.sizes["unit"] == (16 if model == "fast_weights" else 8)
    assert found.n_fixed_points == 1
    point = found.state.values[0][:8]
    mean = net.simulate(n_trials=4, key=0).inputs.values[:, 5:15].reshape(-1, 10).mean(axis=0)
    drive = mean @ w.W_in.values + w.b_in.values + w.b_rec.values
    rest = np.maximum(drive, 0) / 0.5 * (np.arange(8) != 2)
    np.testing.assert_allclose(point, rest, rtol=0.05 if model == "fast_weights" else 1e-3, atol=1e-3)


def test_wrong_requests(net: TrainedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainedNetwork, "test", types.MethodType)  # nothing is tested before a value is refused
    for call, told in (
        (lambda: net.over_delays([]), "`delays` = \\[\\] is not allowed"),
        (lambda: net.over_delays([5, 5]), "different values"),
        (lambda: net.over_delays([5, 0]), "`delay_dur` = 0"),
        (lambda: net.over_noise([0.1, -1]), "must be 0 or more"),
        (lambda: net.lesions_by_peak(0), "`n_groups` must be a whole number, 1 or more, got 0"),
        (lambda: net.lesions_by_peak(n_control=-1), "`n_control` must be a whole number, 0 or more, got -1"),
        (lambda: net.lesions_by_peak(epoch="dealy"), "no epoch 'dealy' in DE-1: choose from stimulus, delay, response"),
        (lambda: net.schur_cuts(0), "`n_blocks`"),
        (lambda: net.schur_cuts(9), "`n_blocks` = 9 is not allowed"),
        (lambda: net.fixed_points("test"), "no epoch 'test'"),
    ):
        with pytest.raises(InputError, match=told):
            call()
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"`n_groups` = 9 is not allowed: \d units are active"):
        net.lesions_by_peak(9, n_batches=1)
