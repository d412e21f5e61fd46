"""The published function, file names, files and lines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from scipy.io import loadmat, savemat

import recurrent_memory as rm
from recurrent_memory.compat import SCRIPTS, compute_SI, load_mat, mat_recorded, save_mat
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


def test_compute_si_takes_the_published_arguments() -> None:
    activity = np.random.default_rng(0).random((2, 60, 30))
    assert compute_SI(activity, 20, 5, 0.1) == compute_SI(activity)
    expected = rm.analysis.sequentiality_index(activity, variant="paper", n_bins=10, window=7, min_rate=0.45)
    assert compute_SI(activity, entrpy_bins=10, window_size=7, r_threshold=0.45) == float(expected.sequentiality_index)


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


@pytest.mark.sampled(2)
def test_files_of_another_kind_are_refused(saved: tuple[Path, xr.Dataset, Any], tmp_path: Path) -> None:
    whole = saved[0].read_bytes()
    path = tmp_path / "x.mat"
    for content in (b"", b"no MATLAB file", whole[:300], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a MATLAB file, or damaged|has no hidResps|has no "):
            load_mat(path)
    path.write_bytes(b"no MATLAB file")
    with pytest.raises(InputError, match=r"or damaged \(.*\)\.\nRestore it from a copy, or save it again\."):
        mat_recorded(path)  # which takes any MATLAB file, not only those of the scripts
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


def _cells(*arrays: Any) -> np.ndarray:
    found = np.empty(len(arrays), object)
    found[:] = arrays
    return found


WEIGHTS = _cells(np.ones((10, 8)), np.ones(8), 2 * np.ones((8, 8)), np.zeros(8), np.ones((8, 1)), np.ones(1))
GOOD: dict[str, Any] = {
    "hidResps": np.random.default_rng(0).random((2, 25, 8)),
    "inpResps": np.ones((2, 25, 10)),
    "all_params_list": WEIGHTS,
}


def test_every_variable_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "vardelay_sigma0.010000_lambda-0.500000_rho0.000000_model0_task0.mat"
    more = {"frac_rmse_test": 0.3, "frac_rmse_vec": [2.0, 1.0, 0.5], "delay_vec": [10, 40]}
    savemat(path, {**GOOD, **more})
    back = load_mat(path)
    assert back.attrs["lambda0"] == -0.5
    assert back["report_fractional_loss"].values.tolist() == [2.0, 1.0, 0.5]
    assert back["trial_delay"].values.tolist() == [10, 40]
    shapes = {name: back[name].shape for name in ("input_weights", "input_bias", "recurrent_bias", "output_weights")}
    assert shapes == {
        "input_weights": (10, 8), "input_bias": (8,), "recurrent_bias": (8,), "output_weights": (8, 1)
    }  # fmt: skip
    assert back["recurrent_weights"].values.max() == 2


def test_trials_of_unequal_length_are_masked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    activity, inputs = ([rng.random((n, units)) for n in (30, 25)] for units in (8, 10))
    savemat(tmp_path / "a.mat", {**GOOD, "hidResps": _cells(*activity), "inpResps": _cells(*inputs)})
    back = load_mat(tmp_path / "a.mat")
    assert back["mask"].sum("time").values.tolist() == [30, 25]
    np.testing.assert_array_equal(back["activity"].values[1, :25], activity[1])
    assert float(back["sequentiality_index"]) == pytest.approx(compute_SI(activity))


def test_files_of_two_tasks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "8jobidx12_model0_cd1_har12_everything.mat"
    losses = {"infloss_test_first": 0.2, "infloss_test_second": 0.6, "SI": 0.0, "jobidx": 12}
    savemat(path, {"all_params_list": WEIGHTS, **losses, "infloss_vec_first": [1.0], "infloss_vec_second": [1.0, 0.6]})
    back = load_mat(path)
    assert back["stage_fractional_loss"].values.tolist() == [0.2, 0.6]
    assert (back.attrs["task"], back.attrs["curriculum"], back.attrs["seed"]) == ("2afc", "cd1,2afc", 12)
    assert back.attrs["lambda0"] == pytest.approx(0.82)
    assert back.attrs["sigma0"] == pytest.approx(0.002 * math.sqrt(8))


def test_files_of_version_7_3_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name in ("hidResps", "inpResps"):
            file[name] = GOOD[name].T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        places = [file.create_dataset(f"#refs#/{i}", data=np.atleast_2d(a).T).ref for i, a in enumerate(WEIGHTS)]
        file.create_dataset("all_params_list", data=np.array([places]).T, dtype=h5py.ref_dtype)
        file["all_params_list"].attrs["MATLAB_class"] = np.bytes_("cell")
        file["infloss_test"] = [[0.25]]
    back = load_mat(path)
    np.testing.assert_array_equal(back["activity"], GOOD["hidResps"])
    assert float(back["fractional_loss"]) == 0.25
    assert back["input_weights"].shape == (10, 8)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidResps", np.ones((2, 25, 8)) * 1j, "hidResps must hold real numbers, but is complex"),
        ("hidResps", np.ones((2, 25, 8), bool), "hidResps must hold real numbers, but is Boolean"),
        ("hidResps", np.zeros((0, 25, 8)), "hidResps must hold real numbers, but is empty"),
        ("hidResps", "text", "hidResps must hold real numbers, but is text"),
        ("infloss_test", "low", "infloss_test must hold real numbers, but is text"),
        ("infloss_test", [0.1, 0.2], "infloss_test must be one number"),
    ],
)
def test_what_is_no_numbers_is_refused(name: str, value: Any, message: str, tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {**GOOD, name: value})
    with pytest.raises(InputError, match=message):
        load_mat(tmp_path / "a.mat")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SciPy crashes on it, with signal 11"),
        ("raise MemoryError", "takes more than 1.0 GB"),
        ("import resource, signal, os; os.kill(os.getpid(), signal.SIGXCPU)", "takes more than 8 s"),
        ("raise ValueError('odd')", "or damaged .odd."),
    ],
)
def test_a_reader_that_dies_is_an_error(
    program: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mat").write_bytes(b"x")
    (tmp_path / "child.py").write_text(program)
    monkeypatch.setattr("recurrent_memory.compat.matchild.__file__", str(tmp_path / "child.py"))
    with pytest.raises(InputError, match=message):
        load_mat(tmp_path / "a.mat")
