"""The published function, file names, files and lines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.io import loadmat, savemat

import recurrent_memory as rm
from recurrent_memory.compat import SCRIPTS, compute_SI, load_mat, save_mat
from recurrent_memory.errors import InputError
from recurrent_memory.evaluation.history import History
from recurrent_memory.runs.start import initial_network
from small import small_experiment

DATA = Path(__file__).parents[1] / "reference" / "data"


def test_compute_si_gives_the_published_numbers() -> None:
    with np.load(DATA / "sequentiality.npz") as stored:
        for name in stored["names"]:
            activity = stored[f"act_{name}"].astype(float)
            expected = pytest.approx(float(stored[f"SI_{name}"]), rel=1e-9)
            assert compute_SI(activity) == expected, name
            assert compute_SI(list(activity)) == expected, name


def test_compute_si_takes_trials_of_different_lengths() -> None:
    trials = [np.random.default_rng(n).random((n, 30)) for n in (60, 90)]
    assert compute_SI(trials) == pytest.approx(np.mean([compute_SI(trial[None]) for trial in trials]))


@pytest.mark.parametrize("wrong", [[], [np.ones(3)], np.ones((3, 4))])
def test_compute_si_refuses_what_is_no_activity(wrong: Any) -> None:
    with pytest.raises(InputError):
        compute_SI(wrong)


def test_file_names_are_the_published_ones() -> None:
    flags: dict[str, Any] = {"lambda_val": 0.98, "sigma_val": 0.0, "rho_val": 1e-5}
    assert SCRIPTS["basic"].stem(task="de1", model="gru", **flags) == (
        "basic_sigma0.000000_lambda0.980000_rho0.000010_model3_task0"
    )
    assert SCRIPTS["vardelay"].stem(task=8, model="gru", **flags).endswith("_model1_task8")
    assert SCRIPTS["tethered"].stem(task="6", model=1, **flags).startswith("tethered_sigma0.0")


def test_codes_mean_what_they_mean_in_each_script() -> None:
    assert [SCRIPTS["basic"].model(code)[1] for code in range(4)] == ["relu", "fast_weights", "orthogonal", "gru"]
    for name in ("tethered", "dynamic"):
        assert [SCRIPTS[name].model(str(code))[1] for code in range(3)] == ["relu", "orthogonal", "gru"]
    assert [SCRIPTS["vardelay"].model(code)[1] for code in range(2)] == ["relu", "gru"]
    with pytest.raises(InputError, match="models of the dynamic script are 0 relu, 1 orthogonal, 2 gru"):
        SCRIPTS["dynamic"].model(3)
    with pytest.raises(InputError, match="not allowed"):
        SCRIPTS["tethered"].model("fast_weights")


def experiment(script: str, **changes: Any) -> rm.Experiment:
    flags = {"task": 0, "model": 0, "lambda_val": 0.98, "sigma_val": 0.0, "rho_val": 0.0, **changes}
    return SCRIPTS[script].experiment(**flags)


def test_flags_are_the_papers_symbols() -> None:
    made = experiment("tethered", task=6, model=1, lambda_val=0.9, sigma_val=0.01, rho_val=1e-4, n_hidden=400, seed=3)
    assert made == rm.Experiment(
        task="2afc", condition="tethered", model="orthogonal", lambda0=0.9, sigma0=0.2, rho=1e-4, n_hidden=400, seed=3
    )
    assert experiment("basic") == rm.Experiment(task="de1")
    assert experiment("basic", task=5).condition == "variable_delay"
    assert experiment("vardelay").condition == "variable_delay"


@pytest.mark.parametrize(
    ("script", "task", "reason"),
    [
        ("vardelay", 0, "names that do not exist"),
        ("vardelay", 1, "one location only"),
        ("vardelay", 4, "one location only"),
        ("basic", 5, "six values"),
        ("basic", 7, "different shapes"),
    ],
)
def test_as_published_refuses_what_never_ran(script: str, task: int, reason: str) -> None:
    experiment(script, task=task)
    with pytest.raises(InputError, match=reason):
        experiment(script, task=task, as_published=True)


def test_as_published_does_what_ran() -> None:
    gru = experiment("vardelay", task=6, model=1, sigma_val=0.02, as_published=True, n_hidden=100)
    assert (gru.lambda0, gru.readout, gru.separate_clipping, gru.judge_after_step) == (0.9, "linear", True, True)
    assert gru.sigma0 == pytest.approx(0.1)
    relu = experiment("vardelay", task=6, as_published=True)
    assert relu == experiment("vardelay", task=6).replace(separate_clipping=True, judge_after_step=True)


@pytest.mark.parametrize(
    ("done", "expected"), [(0, []), (1, [0]), (500, [0]), (501, [0, 500]), (1600, [0, 500, 1000, 1500])]
)
def test_reports_cover_the_batches_since_the_last_one(done: int, expected: list[int]) -> None:
    rng = np.random.default_rng(0)
    network, reference = rng.random((2, done))
    history = History(
        np.zeros(done), 50 * network, np.full(done, 50.0), 50 * reference, np.full(done, 50.0), np.zeros((0, 7, 0))
    )
    batches, fractional = history.reports(rm.tasks.make("de1"))
    np.testing.assert_array_equal(batches, expected)
    for i, batch in enumerate(expected):
        part = slice(0 if batch == 0 else batch - 499, batch + 1)
        e, o = network[part].mean(), reference[part].mean()
        assert fractional[i] == pytest.approx((e - o) / o)


def test_lines_are_the_published_ones() -> None:
    assert SCRIPTS["basic"].report(500, 0.25, 1.5) == "Batch #500; Absolute loss: 0.250000; Fractional loss: 1.500000"
    assert SCRIPTS["vardelay"].report(0, 0.25, 1.5) == "Batch #0; Fractional loss: 1.500000"


@pytest.fixture(scope="module", params=["relu", "gru"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, xr.Dataset, Any]:
    made = small_experiment(model=request.param, condition="variable_delay", task_options={"delays": (3, 10)})
    result, network = rm.run(made), initial_network(made)
    path = tmp_path_factory.mktemp("mat") / "vardelay_sigma0.010000_lambda0.980000_rho0.000000_model0_task0.mat"
    save_mat(path, SCRIPTS["vardelay"], result, network)
    return path, result, network


def test_fields_and_shapes_are_the_published_ones(saved: tuple[Path, xr.Dataset, Any]) -> None:
    path, result, network = saved
    content = loadmat(path)
    np.testing.assert_array_equal(content["hidResps"], result["activity"])
    np.testing.assert_array_equal(content["inpResps"], result["inputs"])
    assert content["frac_rmse_test"].item() == float(result["fractional_loss"])
    assert content["frac_rmse_vec"].shape == (1, 1)
    np.testing.assert_array_equal(content["delay_vec"].ravel(), result["trial_delay"])
    parameters = content["all_params_list"].ravel()
    shapes = [np.squeeze(p).shape for p in parameters]
    if hasattr(network.cell, "b_rec"):
        assert shapes == [(10, 8), (8,), (8, 8), (8,), (8,), ()]
        np.testing.assert_array_equal(parameters[2], network.cell.W_rec)
    else:
        assert shapes == [(10, 8), (8, 8), (8,)] * 3 + [(8,), ()]
        np.testing.assert_array_equal(parameters[1], network.cell.W_rec[:, 8:16])  # update first, in ours second


def test_a_file_read_back_is_the_result_again(saved: tuple[Path, xr.Dataset, Any]) -> None:
    path, result, network = saved
    back = load_mat(path)
    np.testing.assert_array_equal(back["activity"], result["activity"])
    np.testing.assert_array_equal(back["recurrent_weights"], network.cell.W_rec)
    assert float(back["fractional_loss"]) == float(result["fractional_loss"])
    assert (back.attrs["task"], back.attrs["condition"], back.attrs["model"]) == ("de1", "variable_delay", "relu")
    assert back.attrs["sigma0"] == pytest.approx(0.01 * math.sqrt(8))
    np.testing.assert_equal(float(back["sequentiality_index"]), float(result["sequentiality_index"]))
    for picture in (rm.figures.average_heatmap, rm.figures.activity_heatmap, rm.figures.recurrent_weights):
        picture(back)


def test_files_of_another_kind_are_refused(saved: tuple[Path, xr.Dataset, Any], tmp_path: Path) -> None:
    whole = saved[0].read_bytes()
    path = tmp_path / "x.mat"
    for content in (b"", b"no MATLAB file", whole[:300], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a MATLAB file, or damaged|has no hidResps|has no "):
            load_mat(path)
    savemat(path, {"x": 1})
    with pytest.raises(InputError, match="has no hidResps, inpResps, all_params_list"):
        load_mat(path)
    cells = np.empty(6, object)
    cells[:] = [np.ones((10, 8)), np.ones(8), np.ones((9, 9)), np.ones(8), np.ones((8, 1)), np.ones(1)]
    good = {"hidResps": np.ones((2, 5, 8)), "inpResps": np.ones((2, 5, 10)), "all_params_list": cells}
    for name, value, message in (
        ("hidResps", np.ones((2, 8)), "must be"),
        ("inpResps", np.ones((3, 5, 10)), "is damaged"),
        ("all_params_list", cells, "recurrent weights of shape"),
        ("all_params_list", cells[:2], "holds 2 arrays"),
    ):
        savemat(path, {**good, name: value})
        with pytest.raises(InputError, match=message):
            load_mat(path)
    with pytest.raises(InputError, match="There is no file"):
        load_mat(tmp_path / "none.mat")
