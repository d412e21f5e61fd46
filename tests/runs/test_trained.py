"""A trained network: loaded from everywhere, simulated, perturbed, tested, trained further."""

from __future__ import annotations

import dataclasses
import errno
import inspect
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

import recurrent_memory as rm
from own import OPTIONS, my_lab
from recurrent_memory.errors import InputError, UnreadableFileError
from recurrent_memory.networks import LeakyCell, PerturbedCell
from recurrent_memory.own_code import import_file
from recurrent_memory.runs.start import with_task_options
from recurrent_memory.runs.trained import TrainedNetwork
from recurrent_memory.tasks import make
from small import SHORT, small_experiment

__all__ = ["my_lab"]

MODELS = ("relu", "gru", "fast_weights", "leaky", "orthogonal")
CURVES = {"training_loss", "training_fractional_loss", "training_network_error", "training_observer_error"}
OF_TRAINING = {*CURVES, "report_fractional_loss", "report_iteration", "iterations_done"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, xr.Dataset]]:
    """Folder and result of one run of each model."""
    found = {}
    for model in MODELS:
        folder = tmp_path_factory.mktemp("runs") / model
        found[model] = folder, rm.run(small_experiment(model=model, sigma0=0.5, iterations=20), folder)
    return found


@pytest.fixture(params=("relu", "gru", "fast_weights", "leaky"))
def net(finished: dict[str, tuple[Path, xr.Dataset]], request: pytest.FixtureRequest) -> TrainedNetwork:
    return rm.load(finished[request.param][0])


@pytest.fixture
def relu(finished: dict[str, tuple[Path, xr.Dataset]]) -> TrainedNetwork:
    return rm.load(finished["relu"][0])


def by_hand(net: TrainedNetwork, inputs: np.ndarray, silent: tuple[int, ...] = ()) -> np.ndarray:
    """Return the activity of a network, computed one step at a time in NumPy, with some units set to 0."""
    w = {name: array.astype(np.float64) for name, array in net.weights_numpy().items()}
    spared = np.ones(len(w["W_out"]))
    spared[list(silent)] = 0
    h = before = np.zeros((len(inputs), len(spared)))
    steps = []
    for x in np.moveaxis(inputs.astype(np.float64), 1, 0):
        drive, back = x @ w["W_in"] + w["b_in"] + w.get("b_rec", 0), h @ w["W_rec"]
        if net.experiment.model == "gru":
            (dr, du, dc), (kr, ku, kc) = np.split(drive, 3, axis=1), np.split(back, 3, axis=1)
            u = 1 / (1 + np.exp(-(du + ku)))
            new = (1 - u) * h + u * np.maximum(dc + kc / (1 + np.exp(-(dr + kr))), 0)
        elif net.experiment.model == "leaky":
            new = 0.8 * h + 0.2 * np.maximum(drive + back, 0)
        else:
            fast = 0.0007 * before * np.clip((before * h).sum(1, keepdims=True), 0, 100)
            new = np.maximum(drive + back + (fast if net.experiment.model == "fast_weights" else 0), 0)
        before, h = h, new * spared
        steps.append(h)
    return np.stack(steps, axis=1)


def assert_same_weights(one: TrainedNetwork, other: TrainedNetwork) -> None:
    xr.testing.assert_identical(one.weights, other.weights)


def test_a_loaded_network_has_the_numbers_of_its_result(finished: dict[str, tuple[Path, xr.Dataset]]) -> None:
    for model, (folder, result) in finished.items():
        net = rm.load(folder)
        tested = net.test()
        assert net.experiment.model == model
        assert net.iterations_done == result.iterations_done == 20
        assert set(result.data_vars) - set(tested.data_vars) == OF_TRAINING
        for name, variable in tested.data_vars.items():
            xr.testing.assert_identical(
                variable.drop_vars(variable.coords), result[name].drop_vars(result[name].coords)
            )


def test_a_simulation_is_that_of_a_plain_loop(net: TrainedNetwork) -> None:
    out = net.simulate(n_trials=6, key=3)
    assert out.activity.dims == ("trial", "time", "unit")
    np.testing.assert_allclose(out.activity, by_hand(net, out.inputs.values), atol=1e-5)
    trials = net.task.sample(jr.key(3), 6)
    np.testing.assert_array_equal(out.stimuli, trials.stimuli)
    np.testing.assert_array_equal(out.observer_estimate[:, 0], net.task.ideal_observer(trials)[:, 0])
    xr.testing.assert_identical(net.simulate(trials), out)


def test_a_simulation_follows_from_its_key(relu: TrainedNetwork) -> None:
    noisy = relu.with_noise(0.1)
    for one in (relu, noisy):
        xr.testing.assert_identical(one.simulate(n_trials=4, key=1), one.simulate(n_trials=4, key=jr.key(1)))
        assert not one.simulate(n_trials=4, key=1).equals(one.simulate(n_trials=4, key=2))
    few, many = (noisy.simulate(n_trials=n, key=1).activity for n in (2, 9))
    np.testing.assert_allclose(few, many[:2], atol=1e-6)
    assert relu.simulate().sizes["trial"] == 100


def test_a_simulation_can_be_drawn_and_saved(relu: TrainedNetwork, tmp_path: Path) -> None:
    from recurrent_memory import storage

    for out in (relu.lesion([1]).simulate(n_trials=4), relu.test(n_batches=2)):
        pictures = rm.figures.pictures_of(out)
        assert pictures.keys() == rm.figures.PICTURES.keys() - {"learning_curve"}
        for picture in pictures.values():
            assert picture(out).axes
        storage.save_dataset(tmp_path / "out.nc", out)
        assert storage.load_dataset(tmp_path / "out.nc").activity.equals(out.activity)


@pytest.mark.sampled(2)
def test_other_delays_than_those_of_training(net: TrainedNetwork) -> None:
    out = net.simulate(n_trials=3, key=0, task_options={"delay_dur": 25})
    assert out.sizes["time"] == 5 + 25 + 6
    np.testing.assert_allclose(out.activity, by_hand(net, out.inputs.values), rtol=1e-4, atol=1e-4)
    assert net.task.delay_dur == 10
    tested = net.test(n_batches=1, task_options={"delay_dur": 25})
    assert np.isfinite(tested.fractional_loss)
    assert tested.sizes["time"] == 36


def test_a_lesion_silences(net: TrainedNetwork) -> None:
    before = net.simulate(n_trials=5, key=0)
    lesioned = net.lesion(units=[1, 4])
    out = lesioned.simulate(n_trials=5, key=0)
    assert not out.activity.sel(unit=[1, 4]).values.any()
    np.testing.assert_allclose(out.activity, by_hand(net, out.inputs.values, (1, 4)), atol=1e-5)
    np.testing.assert_array_equal(out.inputs, before.inputs)
    assert out.attrs["silent_units"] == "1, 4"
    xr.testing.assert_identical(net.simulate(n_trials=5, key=0), before)  # the old network is unchanged
    assert_same_weights(net, lesioned)
    xr.testing.assert_identical(net.lesion([4]).lesion([1]).simulate(n_trials=5, key=0), out)
    mask = np.isin(np.arange(8), [1, 4])
    xr.testing.assert_identical(net.lesion(mask).simulate(n_trials=5, key=0), out)


@pytest.mark.sampled(2)
def test_a_lesion_is_the_removal_of_the_outgoing_weights(net: TrainedNetwork) -> None:
    w = net.weights_numpy()
    for name in ("W_rec", "W_out"):
        w[name][[2, 3]] = 0
    if net.experiment.model == "fast_weights":  # whose units also act through the overlap of the last two steps
        w["W_in"][:, [2, 3]], w["W_rec"][:, [2, 3]] = 0, 0
        w["b_in"][[2, 3]], w["b_rec"][[2, 3]] = -1, 0
    cut, lesioned = (one.simulate(n_trials=5, key=0) for one in (net.with_weights(**w), net.lesion([2, 3])))
    others = [0, 1, 4, 5, 6, 7]
    np.testing.assert_allclose(cut.outputs, lesioned.outputs, atol=1e-6)
    np.testing.assert_allclose(cut.activity.sel(unit=others), lesioned.activity.sel(unit=others), atol=1e-6)
    of_cut, of_lesioned = (one.test(n_batches=2) for one in (net.with_weights(**w), net.lesion([2, 3])))
    np.testing.assert_allclose(of_cut.fractional_loss, of_lesioned.fractional_loss, rtol=1e-4)


def test_noise_is_that_of_the_leaky_model(finished: dict[str, tuple[Path, xr.Dataset]]) -> None:
    net = rm.load(finished["leaky"][0])
    noisy = net.with_noise(0.3).simulate(n_trials=4, key=5)
    own = eqx.tree_at(lambda n: n.cell, net.network, LeakyCell(**_fields(net.network.cell) | {"noise": 0.3}))
    _, activity = own(jnp.asarray(noisy.inputs.values), key=jr.key(5))
    np.testing.assert_allclose(noisy.activity, activity, atol=1e-5)
    assert noisy.attrs["added_noise"] == 0.3
    xr.testing.assert_identical(net.with_noise(0.3).with_noise(0).simulate(key=5), net.simulate(key=5))
    twice = net.with_noise(5).with_noise(0.3).simulate(n_trials=4, key=5)
    xr.testing.assert_identical(twice, noisy)


def _fields(cell: Any) -> dict[str, Any]:
    return {field.name: getattr(cell, field.name) for field in dataclasses.fields(cell)}


@pytest.mark.parametrize("net", ["relu", "gru"], indirect=True)
def test_noise_is_private_to_units_steps_and_trials(net: TrainedNetwork) -> None:
    """Without weights, all activity comes from the noise."""
    silence = {name: np.zeros_like(array) for name, array in net.weights_numpy().items()}
    activity = net.with_weights(**silence).with_noise(0.5).simulate(n_trials=400, key=0).activity.values
    assert not net.with_weights(**silence).simulate(n_trials=4, key=0).activity.values.any()
    last = activity[:, -1].reshape(400, -1)
    correlation = np.corrcoef(last.T) - np.eye(8)
    assert np.abs(correlation).max() < 5 / np.sqrt(400)
    if net.experiment.model in ("relu", "orthogonal"):  # a rectified normal number at each step
        assert abs((last**2).mean() - 0.125) < 5 * 0.125 * np.sqrt(5 / last.size)


def test_a_cell_with_noise_of_its_own_gets_other_noise_as_well() -> None:
    weights: dict[str, Any] = {
        "W_in": jnp.eye(2),
        "b_in": jnp.zeros(2),
        "W_rec": jnp.zeros((2, 2)),
        "b_rec": jnp.zeros(2),
    }
    cell = LeakyCell(**weights, noise=0.3, alpha=1.0, activation="elu")
    keys, nothing = jr.split(jr.key(0), 5000), jnp.zeros((5000, 2))
    own, both = (one.update(nothing, nothing + 5, nothing, keys) - 5 for one in (cell, PerturbedCell(cell, noise=0.4)))
    assert abs(float(own.std()) - 0.3) < 0.01
    assert abs(float(both.std()) - 0.5) < 0.015  # variances add up


def test_other_weights(net: TrainedNetwork) -> None:
    w = net.weights_numpy()
    assert list(w) == list(net.weights.data_vars)
    doubled = net.with_weights(W_out=2 * w["W_out"])
    for name, array in doubled.weights_numpy().items():
        np.testing.assert_array_equal(array, 2 * w[name] if name == "W_out" else w[name])
    w["W_rec"][:] = np.nan
    assert np.isfinite(net.weights.W_rec).all()  # copies
    assert_same_weights(net.with_weights(**{str(name): array for name, array in net.weights.items()}), net)
    turned = {str(name): array.T for name, array in net.weights.items()}  # their dimensions say what is what
    assert_same_weights(net.with_weights(**turned), net)
    assert_same_weights(net.with_weights(W_rec=xr.DataArray(net.weights.W_rec.values)), net)
    with pytest.raises(InputError, match=r"`W_rec` has the dimensions \(source, to\), but .* \(source, target_unit\)"):
        net.with_weights(W_rec=net.weights.W_rec.rename(target_unit="to"))
    with pytest.raises(InputError, match=r"no weights 'W_res'. Do you mean W_rec.*\? Its weights: W_rec, W_in"):
        net.with_weights(W_res=1)
    with pytest.raises(InputError, match=r"`W_out` has the shape \(8,\), but the network needs \(8, 1\)"):
        net.with_weights(W_out=np.ones(8))
    with pytest.raises(InputError, match="not finite"):
        net.with_weights(W_out=np.full((8, 1), np.nan))
    with pytest.raises(InputError, match="not an array of numbers"):
        net.with_weights(W_out="ones")


def test_tensors(relu: TrainedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="PyTorch is not installed"):
        relu.weights_torch()
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(tensor=lambda array: ("tensor", array.shape)))
    assert relu.weights_torch()["W_rec"] == ("tensor", (8, 8))


@pytest.mark.sampled(2)
def test_training_goes_on_as_if_it_had_never_stopped(net: TrainedNetwork, tmp_path: Path) -> None:
    before = net.weights
    rm.run(net.experiment.replace(iterations=50), tmp_path / "whole")
    whole = rm.load(tmp_path / "whole")
    once, twice = rm.train(net, iterations=30), rm.train(rm.train(net, iterations=13), iterations=17)
    assert once.iterations_done == twice.iterations_done == 50
    assert once.experiment == whole.experiment
    for one in (once, twice):
        assert_same_weights(one, whole)
    assert_same_weights(rm.train(net, iterations=0), net)
    xr.testing.assert_identical(net.weights, before)
    assert not rm.train(net, iterations=30, learning_rate=1e-5).weights.equals(once.weights)


@pytest.mark.parametrize("net", ["fast_weights", "gru"], indirect=True)
@pytest.mark.sampled(2)
def test_training_of_a_perturbed_network(net: TrainedNetwork) -> None:
    trained = rm.train(net.lesion([0]).with_noise(0.05), iterations=5)
    assert trained.silent == (0,)
    assert trained.noise == 0.05
    assert not isinstance(trained.network.cell, PerturbedCell)
    assert not trained.simulate(n_trials=2).activity.sel(unit=0).values.any()
    assert_same_weights(rm.train(net.lesion([0]).with_noise(0.05), iterations=5), trained)
    fresh = rm.train(net.with_weights(), iterations=2)  # the optimizer starts anew
    assert not fresh.weights.equals(rm.train(net, iterations=2).weights)
    xr.testing.assert_equal(rm.train(trained.lesion([]), iterations=0).weights, trained.weights)


def test_training_with_other_optimizers(tmp_path: Path) -> None:
    experiment = small_experiment(optimizer="adamw", optimizer_options={"weight_decay": 0.1}, stop_at=1e9)
    rm.run(experiment.replace(stop_at=None), tmp_path / "run")
    net = rm.load(tmp_path / "run")
    assert rm.train(net.lesion([1]), iterations=110).iterations_done == 122  # `stop_at` does not count


@pytest.mark.parametrize(
    ("changes", "dims"),
    [
        ({"task": "comp", "condition": "variable_delay", "task_options": {"delays": (4, 10)}}, {"display": 2}),
        ({"task": "gde", "condition": "distractor", "task_options": {"distractor_dur": 3}}, {"display": 2}),
        ({"task": "sine"}, {}),
        ({"task": "2afc", "curriculum": ("comp", "2afc"), "n_hidden": 6}, {"display": 1}),
    ],
)
@pytest.mark.sampled(4)
def test_other_tasks(changes: dict[str, Any], dims: dict[str, int], tmp_path: Path) -> None:
    result = rm.run(small_experiment(**changes), tmp_path / "run")
    net = rm.load(tmp_path / "run")
    tested = net.test()
    for name in ("fractional_loss", "activity", "label", *(["stimuli"] if dims else [])):
        np.testing.assert_array_equal(tested[name], result[name])
    assert {dim: result.sizes[dim] for dim in dims} == dims
    assert ("cued_location" in result) == (changes["task"] == "gde")
    if "trial_delay" in result.coords:
        out = net.simulate(n_trials=20, key=1)
        assert set(out.trial_delay.values) == {4, 10}
        assert out.stimuli.attrs["displays"] == "stimulus, response"


def test_a_result_says_how_long_training_was(tmp_path: Path) -> None:
    result = rm.run(small_experiment(iterations=250, stop_at=1e9), tmp_path / "run")
    assert result.iterations_done == result.sizes["iteration"] == 100
    assert rm.load(tmp_path / "run").iterations_done == 100


def test_a_result_of_an_earlier_version_opens(finished: dict[str, tuple[Path, xr.Dataset]], tmp_path: Path) -> None:
    from recurrent_memory import storage
    from recurrent_memory.runs.folder import RunFolder
    from recurrent_memory.runs.result import load

    folder, result = finished["relu"]
    new = tmp_path / "old"
    new.mkdir()
    for name in ("experiment.json", "weights.safetensors", "timing.json"):
        (new / name).write_bytes((folder / name).read_bytes())
    storage.save_dataset(new / "result.nc", result.drop_vars(["stimuli", "label", "iterations_done"]))
    assert "stimuli" not in load(RunFolder(new))
    net = rm.load(new)
    assert net.iterations_done == 20
    assert net.optimizer is None
    assert rm.train(net, iterations=1).iterations_done == 21


def test_own_code(my_lab: Path, tmp_path: Path) -> None:
    import_file(my_lab)
    experiment = small_experiment(task="half", model="scaled", task_options=OPTIONS)
    result = rm.run(experiment, tmp_path / "run")
    net = rm.load(tmp_path / "run")
    assert net.test().fractional_loss == result.fractional_loss
    lesioned = net.lesion([0, 5])
    out = lesioned.with_noise(0.1).simulate(n_trials=4, key=0)
    assert not out.activity.sel(unit=[0, 5]).values.any()
    assert out.activity.values.any()
    assert rm.train(lesioned, iterations=3).iterations_done == 15
    # In a process that has not imported it:
    code = f"""
import recurrent_memory as rm
try:
    rm.load({str(tmp_path / "run")!r})
except rm.InputError as error:
    print("own" if "imports='my_lab.py'" in str(error) else error)
print(rm.load({str(tmp_path / "run")!r}, imports={str(my_lab)!r}).experiment.model)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["own", "scaled"], done.stderr


class Recurrent(rm.networks.AbstractCell):
    """A cell whose state has a unit, a trial and a matrix part, for the mask of lesions."""

    W_rec: jax.Array
    model = "of_many_parts"

    @classmethod
    def initialize(cls, key: Any, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float) -> Recurrent:
        return cls(W_rec=jnp.eye(n_hidden))

    def drive(self, inputs: Any) -> Any:
        return inputs

    def initial_state(self, drive: Any) -> Any:
        n, units = drive.shape
        return {"h": jnp.ones((n, units)), "clock": jnp.ones(n), "plastic": jnp.ones((n, units, units))}

    def activity(self, state: Any) -> Any:
        return jnp.exp(state["h"])

    def update(self, state: Any, drive: Any, feedback: Any) -> Any:
        return {"h": drive, "clock": state["clock"] + 1, "plastic": state["plastic"] * 2}


def test_a_state_of_many_parts_is_silenced_where_it_belongs_to_the_unit() -> None:
    cell = PerturbedCell(Recurrent(jnp.eye(3)), jnp.array([True, False, True]))
    start = cell.initial_state(jnp.ones((2, 3)))
    after = cell.update(start, jnp.ones((2, 3)), jnp.zeros((2, 3)))
    for state, plastic in ((start, 1), (after, 2)):
        assert (state["h"] == jnp.array([1, 0, 1])).all()
        assert (state["plastic"] == plastic * jnp.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]])).all()
        assert (cell.activity(state)[:, 1] == 0).all()
    assert after["clock"].tolist() == [2, 2]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """The file of a sweep of six networks."""
    values = "\n".join(f"{name} = {value}" for name, value in SHORT.items())
    text = f"""
[experiment]
task = "de1"
n_hidden = 8
batch_size = 4
iterations = 12
test_batches = 2
[experiment.task_options]
{values}
[axes]
lambda0 = [0.9, 0.98]
seed = [0, 1, 2]
"""
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return path


def trained_of(path: Path, where: str) -> rm.sweeps.Sweep:
    sweep = rm.sweeps.load(path)
    some = rm.sweeps.select(sweep, rm.sweeps.networks(sweep), where)
    rm.sweeps.execute(some, rm.sweeps.Store(sweep.store), sweep.save)
    return sweep


def test_a_network_of_a_sweep(sweep: Path) -> None:
    of = trained_of(sweep, "seed == 1 and lambda0 == 0.9")
    net = rm.load(sweep, where="seed == 1 and lambda0 < 0.95")
    alone = rm.run(net.experiment)
    assert net.experiment.seed == 1
    assert net.iterations_done == 12
    assert net.test().fractional_loss == alone.fractional_loss
    for where, told in (
        (
            "seed == 1",
            r"holds for 2 networks: lambda0 = 0.9, seed = 1; lambda0 = 0.98, seed = 1\.\nNarrow .* lambda0 ==",
        ),
        (None, r"has 6 networks: .*; …\.\nNarrow it down to one, as by where='seed == 0'"),
        ("seed == 1 and seed == 2", r"holds for no network of .* Its 6 networks are: lambda0 = 0.9, seed = 0; .*…"),
        ("seed == 0 and lambda0 == 0.9", "has not finished: train it by `recurrent-memory sweep run`"),
        ("seeed == 0", "no value is given to `seeed`"),
    ):
        with pytest.raises(InputError, match=told):
            rm.load(sweep, where)
    with pytest.raises(InputError, match="is the store of a sweep: give the sweep's file"):
        rm.load(of.store)


def test_a_sweep_without_weights(sweep: Path, tmp_path: Path) -> None:
    sweep.write_text('save = ["curves"]\n' + sweep.read_text().replace("seed = [0, 1, 2]", "").replace("0.9, ", ""))
    of = trained_of(sweep, "lambda0 == 0.98")
    with pytest.raises(InputError, match=r"no weights of the network lambda0 = 0.98.*\n?.*sweep replay"):
        rm.load(sweep)
    (network,) = rm.sweeps.networks(of)
    rm.sweeps.replay(network, rm.sweeps.Store(of.store), tmp_path / "replayed")
    assert rm.load(tmp_path / "replayed").iterations_done == 12


@pytest.mark.parametrize("model", ["gru"])
def test_a_file_of_the_published_scripts(model: str, tmp_path: Path) -> None:
    script = rm.compat.SCRIPTS["basic"]
    flags: dict[str, Any] = {"task": "de1", "model": model, "lambda_val": 0.9, "sigma_val": 0.1, "rho_val": 0.0}
    experiment = script.experiment(**flags, n_hidden=8, batch_size=4, iterations=5, test_batches=2)
    result = rm.run(experiment, tmp_path / "run")
    net = rm.load(tmp_path / "run")
    path = tmp_path / f"{script.stem(**flags)}.mat"
    rm.compat.save_mat(path, script, result, net.network)
    loaded = rm.load(path)
    assert_same_weights(loaded, net)
    with pytest.raises(InputError, match="has no snapshots"):
        rm.load(path, snapshot=3)
    assert loaded.experiment.sigma0 == pytest.approx(experiment.sigma0)
    xr.testing.assert_equal(loaded.simulate(n_trials=3).activity, net.simulate(n_trials=3).activity)
    with pytest.raises(InputError, match="does not say which task"):
        rm.load(path.rename(tmp_path / "renamed.mat"))


@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.simulate(n_trials=10**12),
        lambda net: net.simulate(task_options={"delay_dur": 10**9}),
        lambda net: net.test(n_batches=10**9),
        lambda net: net.test(task_options={"delay_dur": 10**9}),
    ],
)
def test_what_does_not_fit_into_memory_is_refused(call: Callable[[TrainedNetwork], object]) -> None:
    with pytest.raises(InputError, match=r"needs about .* but this machine has"):
        call(rm.load("bank:de1-sequential"))


@pytest.mark.parametrize("name", ["run", "run/a.mat", "run/a.safetensors", "run/a.toml"])
def test_what_the_system_does_not_let_us_look_into(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(UnreadableFileError, match=rf"{name}.* cannot be read: Permission denied"):
        rm.load(tmp_path / name)


def test_what_cannot_be_loaded(finished: dict[str, tuple[Path, xr.Dataset]], tmp_path: Path) -> None:
    folder, _ = finished["relu"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    unfinished = tmp_path / "unfinished"
    calls = iter([False, False, False, True])
    with pytest.raises(rm.InterruptedRunError):
        rm.run(small_experiment(), unfinished, should_stop=lambda: next(calls, True))
    for path, told in (
        (tmp_path / "runs", "There is no .*runs. Give a run folder"),
        (tmp_path / "empty", "is not a run folder"),
        (tmp_path / "notes.txt", "is a file without a trained network"),
        (folder / "result.nc", "is a file of a run: give its folder"),
        (unfinished, r"is not finished: \d+ of 12 iterations are saved"),
        (tmp_path / "none.toml", "none.toml"),
        (tmp_path / "none.mat", "none.mat"),
    ):
        with pytest.raises(InputError, match=told):
            rm.load(path)
    with pytest.raises(InputError, match=r"`where` = 'seed == 1' is only for the file of a sweep"):
        rm.load(folder, where="seed == 1")
    (tmp_path / "damaged").mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / "damaged" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "damaged" / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"weights.safetensors is damaged"):
        rm.load(tmp_path / "damaged")


def test_wrong_requests(relu: TrainedNetwork) -> None:
    for units in ([8], [-1], [0.5], ["a"], np.ones(3, bool), [[0, 1]]):
        with pytest.raises(InputError, match="numbers of units from 0 to 7, or 8 truth values"):
            relu.lesion(units)
    assert relu.lesion([]).silent == ()
    assert relu.lesion(3).silent == (3,)
    with pytest.raises(InputError, match="must be 0 or more"):
        relu.with_noise(-1.0)
    with pytest.raises(InputError, match="`n_trials` were both given"):
        relu.simulate(relu.task.sample(jr.key(0), 2), n_trials=3)
    longer = rm.tasks.DE1(**{**SHORT, "delay_dur": 30}).sample(jr.key(0), 2)
    with pytest.raises(InputError, match=r"`trials` have 41 steps .* have 21 .*`task_options`"):
        relu.simulate(longer)
    assert relu.simulate(longer, task_options={"delay_dur": 30}).sizes["time"] == 41
    with pytest.raises(InputError, match=r"would have 12 input neurons, the network has 10"):
        relu.simulate(task_options={"n_neurons": 12})
    with pytest.raises(InputError, match="delay_dr"):
        relu.simulate(task_options={"delay_dr": 12})
    with pytest.raises(InputError, match="a seed is at least 0"):
        relu.simulate(key=-1)
    with pytest.raises(InputError, match="`n_trials` = 0"):
        relu.simulate(n_trials=0)
    with pytest.raises(InputError, match="`test_batches` = 0"):
        relu.test(n_batches=0)
    with pytest.raises(InputError, match="`iterations` = -1"):
        rm.train(relu, iterations=-1)
    with pytest.raises(InputError, match="`learning_rate` = 0"):
        rm.train(relu, iterations=1, learning_rate=0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rat": 1}, "`learning_rat` is not a setting of `train`. Do you mean learning_rate"),
        ({"folder": "run"}, "`folder` is not a setting of `train`. Its settings: iterations, learning_rate, start"),
        ({"task": "de1"}, r"`task` can't change .* run a curriculum, such as `rm.run\(Experiment\(curriculum="),
        ({"task_options": {"delay_dur": 3}}, "`task_options` can't change when training goes on"),
        ({"n_hidden": 40}, r"only `learning_rate` can.*\n.* `rm.run\(net.experiment.replace\(n_hidden=…\)\)`"),
    ],
)
def test_what_training_cannot_change_is_refused(relu: TrainedNetwork, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rm.train(relu, iterations=3, **setting)


def test_training_starts_from_own_weights(relu: TrainedNetwork) -> None:
    own = {"W_out": 2 * relu.weights["W_out"].values}
    assert_same_weights(rm.train(relu, iterations=2, start=own), rm.train(relu.with_weights(**own), iterations=2))
    for start in ("own weights", [own]):
        with pytest.raises(InputError, match="give weights by name, such as"):
            rm.train(relu, iterations=2, start=start)
    with pytest.raises(InputError, match="W_res"):
        rm.train(relu, iterations=2, start={"W_res": own["W_out"]})


def test_a_training_that_breaks_the_weights_is_refused(relu: TrainedNetwork) -> None:
    with pytest.raises(rm.DivergedError, match="diverged"):
        rm.train(relu, iterations=2, learning_rate=1e38)


def test_a_bar_is_shown_only_on_request(relu: TrainedNetwork, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    rm.run(small_experiment(), on_progress=lambda now: seen.append(now.phase))
    rm.train(relu, iterations=1)
    assert not any(capsys.readouterr())
    quiet = len(seen)
    rm.run(small_experiment(), progress=True, on_progress=lambda now: seen.append(now.phase))
    shown = capsys.readouterr()
    assert len(seen) > quiet
    assert not shown.out
    assert "testing" in shown.err
    rm.train(relu, iterations=1, progress=True)
    assert "training" in capsys.readouterr().err


@pytest.mark.parametrize("one", [np.int64(3), np.array(3), {3}, iter([3])])
def test_a_lesion_takes_units_in_any_form(relu: TrainedNetwork, one: Any) -> None:
    assert relu.lesion(one).silent == (3,)


@pytest.mark.parametrize("wrong", [None, slice(0, 3)])
def test_a_lesion_of_no_units_is_refused(relu: TrainedNetwork, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"`units` = .* is not allowed: give numbers of units"):
        inspect.unwrap(TrainedNetwork.lesion)(relu, wrong)


def test_refused_numbers_are_called_what_the_user_calls_them(relu: TrainedNetwork) -> None:
    with pytest.raises(InputError, match="`n_trials` = 0 is not allowed"):
        relu.simulate(n_trials=0)
    with pytest.raises(InputError, match="`n_starts` = 0 is not allowed"):
        relu.fixed_points(n_starts=0)
    text: Any = "delay_dur=200"
    with pytest.raises(InputError, match="`task_options` = 'delay_dur=200' is not allowed: give settings by name"):
        inspect.unwrap(with_task_options)(relu.experiment, text)


def test_trials_of_another_task_are_refused(relu: TrainedNetwork) -> None:
    other = make("comp", **relu.experiment.task_options).sample(jax.random.key(0), 2)
    with pytest.raises(InputError, match="`trials` are of another task"):
        relu.simulate(other)
