"""``recurrent-memory analyse``: the same numbers as from the library, whatever the activity comes from."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.io import savemat

import recurrent_memory as rm
from made_up_activity import planted
from recurrent_memory.errors import InterruptedRunError
from recurrent_memory.runs.analysed import Analysis
from small import small_experiment, stops_after

SWEEP = """\
save = {save}
[experiment]
n_hidden = 8
batch_size = 4
iterations = 6
test_batches = 2
task_options = {{ stim_dur = 5, delay_dur = 10, resp_dur = 6, n_neurons = 10 }}
[axes]
task = ["de1", "2afc"]
seed = {{ range = [0, 2] }}
"""
DELAY = (5, 15)
FEW = ["--measures", "sqi,time_decoding", "--null", "circular_shift", "--surrogates", "4"]


def alone(name: str, activity: Any, **settings: Any) -> float:
    return float(getattr(rm.analysis, name)(activity, **settings)[name])


def values(path: Path | str) -> xr.DataArray:
    return xr.load_dataset(path)["value"]


@pytest.fixture(autouse=True)
def drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw pictures only where a test looks at them, because that takes longer than the rest."""
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr(importlib.import_module("recurrent_memory.cli.analyse"), "_draw", lambda *_: [])


@pytest.fixture
def pictures() -> Callable[[], list[str]]:
    """Have pictures drawn, and return a function that names those in the working folder."""
    return lambda: sorted(path.name for path in Path.cwd().iterdir() if path.suffix != ".nc")


# Runs


def test_a_run_is_measured_over_the_whole_trial_and_over_the_delay(command: Any, finished: Path) -> None:
    done = command("analyse", finished, "-o", "analysis.nc")
    assert done.code == 0, done.err
    found, result = xr.load_dataset("analysis.nc"), xr.load_dataset(finished / "result.nc")
    names = rm.analysis.ACTIVITY_MEASURES.names()
    every = [*names, "forward_asymmetry"]
    assert found["measure"].values.tolist() == [*every, *(f"{name}_delay" for name in every)]
    for name, steps in (("forward_asymmetry", None), ("forward_asymmetry_delay", DELAY)):
        peaks = rm.analysis.peak_order(result["activity"], steps=steps)
        asymmetry = rm.analysis.forward_asymmetry(result, peaks, n_permutations=0)["forward_asymmetry"]
        assert float(found["value"].sel(measure=name)) == pytest.approx(float(asymmetry), nan_ok=True)
    for name in names:
        whole, delay = (float(found["value"].sel(measure=of)) for of in (name, f"{name}_delay"))
        assert whole == pytest.approx(alone(name, result["activity"]), nan_ok=True)
        assert delay == pytest.approx(alone(name, result["activity"], steps=DELAY), nan_ok=True)
        assert f"{name}_delay" in done.out
    assert float(found["value"].sel(measure="sequentiality_index")) == float(result["sequentiality_index"])
    assert found["first_step"].sel(measure="sqi_delay") == DELAY[0]
    assert found["stop_step"].sel(measure="sqi_delay") == DELAY[1]
    assert found.attrs["source"] == str(finished)
    assert found.attrs["version_recurrent_memory"] == rm.__version__
    assert {"null", "n", "seed", "version_numpy"} <= found.attrs.keys()
    assert found.attrs["null"] == "none"
    assert "p" not in found
    assert list(Path.cwd().iterdir()) == [Path.cwd() / "analysis.nc"]


def test_measures_and_activity_are_drawn(command: Any, finished: Path, pictures: Callable[[], list[str]]) -> None:
    words = ["--measures", "sqi", "--null", "circular_shift", "--surrogates", 4, "--format", "png", "--format", "svg"]
    done = command("analyse", finished, *words, "-o", "a.nc")
    assert done.code == 0, done.err
    assert pictures() == ["a-activity.png", "a-activity.svg", "a.png", "a.svg"]
    assert done.out.splitlines()[-1] == "files: a.nc, a.png, a.svg, a-activity.png, a-activity.svg"


def test_a_result_is_compared_with_surrogates(command: Any, finished: Path) -> None:
    done = command("analyse", finished / "result.nc", *FEW, "--seed", 2, "-o", "analysis.nc")
    assert done.code == 0, done.err
    found, result = xr.load_dataset("analysis.nc"), xr.load_dataset(finished / "result.nc")
    assert (found.attrs["null"], found.attrs["n"], found.attrs["seed"]) == ("circular_shift", 4, 2)
    for name, steps in (("sqi", None), ("time_decoding_delay", DELAY)):
        measure = name.removesuffix("_delay")
        chance = rm.analysis.against_chance(measure, result["activity"], n=4, seed=2, steps=steps, n_bootstrap=0)
        for number in ("value", "null_mean", "null_sd", "z", "p"):
            assert float(found[number].sel(measure=name)) == pytest.approx(float(chance[number]))
        assert float(found["p_resolution"].sel(measure=name)) == 0.2
    assert "4 surrogates (circular_shift)" in done.out
    assert "lowest p" in done.out


def test_steps_of_a_variable_delay_count_only_where_they_exist(command: Any, tmp_path: Path) -> None:
    result = rm.run(small_experiment(condition="variable_delay", task_options={"delays": (4, 10)}), tmp_path / "run")
    assert not result["mask"].all()
    assert command("analyse", tmp_path / "run", "--measures", "sqi", "-o", "analysis.nc").code == 0
    expected = alone("sqi", result["activity"], mask=result["mask"])
    assert float(values("analysis.nc").sel(measure="sqi")) == pytest.approx(expected, nan_ok=True)
    assert alone("sqi", result) == pytest.approx(expected, nan_ok=True)  # a data set's own mask


def test_steps_and_threshold_can_be_chosen(command: Any, finished: Path) -> None:
    words = ("--steps", "2:12", "--min-rate", "0.2", "--measures", "sqi", "--measures", "Ridge-to-Background")
    assert command("analyse", finished, *words, "-o", "analysis.nc").code == 0
    found, result = xr.load_dataset("analysis.nc"), xr.load_dataset(finished / "result.nc")
    assert found["measure"].values.tolist() == ["sqi", "ridge_to_background"]
    for name in ("sqi", "ridge_to_background"):
        expected = alone(name, result["activity"], steps=(2, 12), min_rate=0.2)
        assert float(found["value"].sel(measure=name)) == pytest.approx(expected, nan_ok=True)
    assert found["epoch"].values.tolist() == ["steps", "steps"]


# Recordings


def test_arrays_of_any_file_give_the_same(command: Any) -> None:
    activity = planted(True, n_trials=4, n_units=10)
    np.savez("one.npz", rates=activity)
    np.savez("several.npz", baseline=np.zeros(10), rates=activity, activity_of_others=activity[:, :, :2])
    np.save("one.npy", activity)
    named = xr.DataArray(activity.transpose(2, 0, 1), dims=("neuron", "trial", "step"))
    xr.Dataset({"rates": named, "depth": ("neuron", np.zeros(10))}).to_netcdf("rates.nc", engine="h5netcdf")
    savemat("several.mat", {"rates": activity, "day": 3.0})
    cells = np.empty(4, object)
    cells[:] = list(activity)
    savemat("cells.mat", {"rates": cells})
    expected = alone("peak_consistency", activity)
    for name, variable in {
        "one.npz": "", "several.npz": "rates", "one.npy": "", "rates.nc": "rates", "several.mat": "rates",
        "cells.mat": "",
    }.items():  # fmt: skip
        words = ["--variable", variable] if variable else []
        done = command("analyse", name, "--measures", "peak_consistency", *words, "-o", "found.nc")
        assert done.code == 0, (name, done.err)
        assert values("found.nc").item() == pytest.approx(expected), name


def test_a_mask_in_the_file_is_used(command: Any) -> None:
    activity = planted(True, n_trials=4, n_units=10)
    mask = np.ones((4, 100), bool)
    mask[1, 70:] = False
    np.savez("recording.npz", activity=activity, mask=mask, weights=np.eye(3))
    assert command("analyse", "recording.npz", "--measures", "sqi", "-o", "found.nc").code == 0
    assert values("found.nc").item() == alone("sqi", activity, mask=mask) != alone("sqi", activity)


def test_activity_with_nan_under_the_mask_is_drawn(command: Any, pictures: Callable[[], list[str]]) -> None:
    activity = planted(True, n_trials=4, n_units=10)
    mask = np.ones((4, 100), bool)
    mask[1, 70:] = False
    activity[~mask] = np.nan
    np.savez("gappy.npz", activity=activity, mask=mask)
    done = command("analyse", "gappy.npz", "--measures", "sqi", "-o", "found.nc")
    assert done.code == 0
    assert "No picture" not in done.err
    assert "found-activity.png" in pictures()


def test_a_file_of_the_published_scripts_has_a_delay_if_its_name_says_the_task(command: Any) -> None:
    activity = np.random.default_rng(0).gamma(1.0, size=(3, 150, 5))
    weights = np.empty(6, object)
    weights[:] = [np.zeros(shape) for shape in [(50, 5), 5, (5, 5), 5, (5, 1), 1]]
    content = {"hidResps": activity, "inpResps": np.zeros((3, 150, 50)), "all_params_list": weights}
    for name in ("basic_sigma0.010000_lambda0.980000_rho0.000000_model0_task0.mat", "renamed.mat"):
        savemat(name, content)
        assert command("analyse", name, "--measures", "sqi", "-o", "found.nc").code == 0
        found = values("found.nc")
        assert float(found.sel(measure="sqi")) == alone("sqi", activity)
        if name != "renamed.mat":
            assert float(found.sel(measure="sqi_delay")) == alone("sqi", activity, steps=(25, 125))
    assert found["measure"].values.tolist() == ["sqi"]
    assert command("analyse", "renamed.mat", "--variable", "hidResps", "--measures", "sqi", "-o", "found.nc").code == 0
    assert float(values("found.nc").sel(measure="sqi")) == alone("sqi", activity)


def test_own_measures_and_readers_can_be_imported(command: Any, registries_as_before: None) -> None:
    Path("own_lab.py").write_text(
        "from pathlib import Path\n"
        "import numpy as np, recurrent_memory as rm\n"
        "def highest(activity): return float(activity.max())\n"
        'rm.analysis.ACTIVITY_MEASURES.register(rm.analysis.ActivityMeasure(name="highest", function=highest))\n'
        "@rm.analysis.READERS.register\n"
        "def lab_file(activity):\n"
        '    ours = isinstance(activity, Path) and activity.suffix == ".lab"\n'
        "    return np.arange(60.0).reshape(3, 4, 5) if ours else None\n"
    )
    Path("session.lab").write_text("")
    done = command(
        "analyse", "session.lab", "--import", "own_lab.py", "--measures", "highest", "--null", "permuted_time",
        "--surrogates", "3", "-o", "found.nc",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert values("found.nc").item() == 59
    assert "the surrogates have the same value" in done.out


def test_what_cannot_be_measured_is_said_in_the_table(command: Any) -> None:
    np.save("one_trial.npy", planted(True, n_trials=1, n_units=10))
    done = command("analyse", "one_trial.npy", "-o", "found.nc")
    assert done.code == 0
    assert "at least two are needed" in done.out
    assert values("found.nc").isnull().sum() == 2


# Bad input


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "There is no file or run folder nowhere"),
        (["nowhere.toml"], "nowhere.toml"),
        (["UNFINISHED"], "is not finished"),
        (["empty"], "not a run folder"),
        (["notes.txt"], ".npz"),
        (["several.npz"], "It has: one (3,), two (3,)."),
        (["several.npz"], "Give its name as `--variable`."),
        (["padded.npz"], "if they pad short trials, add to the file an array `mask`, (trial, time), True for"),
        (["several.npz", "--variable", "three"], "It has: one (3,), two (3,)."),
        (["flat.npy"], "three axes"),
        (["flat.npy", "--variable", "one"], "single array"),
        (["objects.npy"], "pad the trials"),
        (["broken.npz"], "cannot be read as arrays of NumPy"),
        (["text.npz"], "real numbers"),
        (["notes.nc"], "or give a NetCDF file that has activity"),
        (["RUN", "--measures", "sqq"], "Do you mean sqi"),
        (["RUN", "--null", "shifts"], "circular_shift, shuffled_units"),
        (["RUN", "--surrogates", "10"], "--null"),
        (["RUN", "--null", "circular_shift", "--surrogates", "0"], "--surrogates"),
        (["RUN", "--steps", "5"], "A:B"),
        (["RUN", "--steps", "9:5"], "A:B"),
        (["RUN", "--steps", "0:500"], "which has 21 steps"),
        (["RUN", "--min-rate", "nan"], "`--min-rate` must be"),
        (["RUN", "--at-once", "2"], "for sweeps"),
        (["RUN", "--variable", "rates"], "has no variable 'rates'"),
        (["RUN", "-o", "found"], "must end in .nc"),
        (["RUN", "-o", "nowhere/found.nc"], "There is no folder"),
        (["RUN", "-o", "RUN/result.nc"], "not an analysis"),
        (["RUN", "-o", "notes.nc"], "not an analysis"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    words: list[str], told: str, command: Any, finished: Path, unfinished: Path
) -> None:
    Path("empty").mkdir()
    Path("notes.txt").write_text("precious")
    Path("notes.nc").write_text("precious")
    np.savez("several.npz", one=np.zeros(3), two=np.zeros(3))
    np.savez("padded.npz", rates=np.where(np.arange(9)[:, None] < 5, np.zeros((2, 9, 3)), np.nan))
    np.savez("text.npz", activity=np.full((2, 3, 4), "a"))
    np.save("flat.npy", np.zeros((3, 4)))
    np.save("objects.npy", np.array([{}, {}], object))
    Path("broken.npz").write_bytes(b"PK\x03\x04 and nothing more")
    before = {path: path.read_bytes() for path in (*Path.cwd().iterdir(), finished / "result.nc") if path.is_file()}
    places = {"RUN": finished, "UNFINISHED": unfinished, "RUN/result.nc": finished / "result.nc"}
    given = [places.get(word, word) for word in words]
    done = command("analyse", *given, *([] if "-o" in words else ["-o", "found.nc"]))
    assert done.code == 2, done.out
    assert told in done.err
    assert "Traceback" not in done.err
    assert not Path("found.nc").exists()
    assert {path: path.read_bytes() for path in before} == before


def test_a_signal_ends_a_long_comparison_and_writes_nothing(
    command: Any, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqi, calls = rm.analysis.ACTIVITY_MEASURES["sqi"], Counter[str]()

    def interrupted(activity: Any, **options: Any) -> Any:
        calls["sqi"] += 1
        if calls["sqi"] == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return sqi.function(activity, **options)

    monkeypatch.setattr(
        rm.analysis.ACTIVITY_MEASURES,
        "_entries",
        {"sqi": rm.analysis.ActivityMeasure(name="sqi", function=interrupted)},
    )
    done = command("analyse", finished, "--null", "circular_shift", "--surrogates", "100000", "-o", "found.nc")
    assert done.code == 130
    assert "Stopped; nothing was written." in done.err
    assert calls["sqi"] < 1000
    assert not list(Path.cwd().iterdir())


# Sweeps


def trained(folder: Path, save: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "s.toml"
    file.write_text(SWEEP.format(save=str(save).replace("'", '"')))
    sweep = rm.sweeps.load(file)
    store = rm.sweeps.Store(sweep.store)
    rm.sweeps.execute(rm.sweeps.networks(sweep), store, sweep.save)
    return file


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished sweep of four networks, whose activity is not kept."""
    return trained(tmp_path_factory.mktemp("sweep"), ["weights"]).parent


@pytest.fixture
def file(trained_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_once, tmp_path / "trained")) / "s.toml"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the identities of the networks that are measured from now on."""
    module, seen = importlib.import_module("recurrent_memory.sweeps.analyse"), list[str]()
    original = module.activity_of

    def noted(network: Any, store: Any) -> Any:
        seen.append(network.identity)
        return original(network, store)

    monkeypatch.setattr(module, "activity_of", noted)
    return seen


def test_networks_of_a_sweep_have_the_values_of_their_runs(command: Any, file: Path) -> None:
    done = command("analyse", file, *FEW, "-o", "analysis.nc")
    assert done.code == 0, done.err
    found = xr.load_dataset("analysis.nc")
    assert dict(found.sizes) == {"network": 4, "measure": 4}
    assert found["task"].values.tolist() == ["de1", "de1", "2afc", "2afc"]
    assert found["seed"].values.tolist() == [0, 1, 0, 1]
    assert found["n_hidden"].item() == 8
    for number in (0, 3):
        of = found.isel(network=number)
        words = ["--task", of["task"].item(), "--seed", of["seed"].item()]
        run = rm.run(small_experiment(task=of["task"].item(), seed=int(of["seed"]), iterations=6), Path(f"run{number}"))
        assert command("analyse", f"run{number}", *FEW, "-o", f"{number}.nc").code == 0, words
        single = xr.load_dataset(f"{number}.nc")
        for name in ("value", "null_mean", "z", "p", "n_active_units", "first_step"):
            np.testing.assert_allclose(of[name].values, single[name].values, rtol=1e-4, err_msg=name)
        assert run.attrs["task"] == of["task"].item()
    assert "4 networks" in done.out
    assert "median z" in done.out
    assert "lowest p is 0.2" in done.out  # with four surrogates no p can be below 0.05
    assert "networks 4/4" in done.err


def test_networks_of_a_sweep_are_drawn(command: Any, file: Path, pictures: Callable[[], list[str]]) -> None:
    done = command("analyse", file, "--measures", "sqi", "-o", "analysis.nc")
    assert done.code == 0, done.err
    assert pictures() == ["analysis.png"]


def test_tasks_can_be_compared_in_the_analysis_of_a_sweep(command: Any, file: Path) -> None:
    assert command("analyse", file, "--measures", "time_decoding", "-o", "analysis.nc").code == 0
    of_measure = xr.load_dataset("analysis.nc").sel(measure="time_decoding")
    compared = rm.analysis.compare(of_measure, "value", between="task", pair_by="seed")
    values = of_measure["value"].values
    assert compared["difference"].item() == pytest.approx(values[2:].mean() - values[:2].mean())


def test_networks_that_the_file_holds_are_not_measured_again(command: Any, file: Path, measured: list[str]) -> None:
    fewer = [file, "--set", "seed=0", *FEW, "-o", "analysis.nc"]
    assert command("analyse", *fewer).code == 0
    assert len(measured) == 2
    half = xr.load_dataset("analysis.nc")
    assert command("analyse", file, *FEW, "-o", "analysis.nc").code == 0
    assert len(measured) == len(set(measured)) == 4
    whole = Path("analysis.nc").read_bytes()
    assert command("analyse", file, *FEW, "-o", "analysis.nc").code == 0
    assert len(measured) == 4
    assert Path("analysis.nc").read_bytes() == whole
    found = xr.load_dataset("analysis.nc")
    xr.testing.assert_equal(found["p"].isel(network=[0, 2]).drop_vars(["seed", "network"], errors="ignore"),
                            half["p"].drop_vars(["seed", "network"], errors="ignore"))  # fmt: skip
    command("analyse", file, *FEW, "-o", "at_once.nc")
    xr.testing.assert_identical(found, xr.load_dataset("at_once.nc"))


@pytest.mark.parametrize("other", [["--seed", "1"], ["--steps", "1:9", "--min-rate", "0"]])
@pytest.mark.sampled(2)
def test_other_settings_are_measured_anew(command: Any, file: Path, measured: list[str], other: list[str]) -> None:
    one = [file, "--set", "seed=0", "--set", "task=de1", *FEW]
    assert command("analyse", *one, "-o", "analysis.nc").code == 0
    before = Path("analysis.nc").read_bytes()
    done = command("analyse", *one, *other, "-o", "analysis.nc")
    assert done.code == 0
    assert "held another analysis" in done.err
    assert len(measured) == 2
    assert Path("analysis.1.nc").read_bytes() == before  # hours of work, perhaps


def test_a_part_of_a_sweep_does_not_take_the_place_of_the_whole(command: Any, file: Path, measured: list[str]) -> None:
    one = [file, "--set", "task=de1", *FEW, "-o", "analysis.nc"]
    assert command("analyse", *one).code == 0
    whole, n = xr.load_dataset("analysis.nc"), len(measured)
    done = command("analyse", *one, "--where", "seed == 0")
    assert done.code == 0, done.err
    assert "(where: everything)" in done.err
    part = xr.load_dataset("analysis.nc")
    assert (part.attrs["where"], part.sizes["network"], len(measured)) == ("seed == 0", n // 2, n + n // 2)
    xr.testing.assert_identical(whole, xr.load_dataset("analysis.1.nc"))
    assert command("analyse", *one, "--where", "seed == 0").code == 0
    assert len(measured) == n + n // 2  # it goes on with the part
    refused = command("analyse", *one, "--where", "seed == 99")
    assert (refused.code, "holds for no network" in refused.err) == (2, True)


def test_an_interrupted_analysis_keeps_what_is_done(file: Path, tmp_path: Path, measured: list[str]) -> None:
    sweep, out = rm.sweeps.load(file), tmp_path / "analysis.nc"
    store, networks = rm.sweeps.Store(sweep.store), rm.sweeps.networks(sweep)
    analysis = Analysis(measures=("sqi", "time_decoding"), null="circular_shift", n=4)

    def stop_after_two() -> bool:
        return len(measured) >= 2

    with pytest.raises(InterruptedRunError, match="of 4 networks"):
        rm.sweeps.analyse(networks, store, out, analysis, should_stop=stop_after_two, at_once=1)
    assert 1 <= xr.load_dataset(out).sizes["network"] < 4
    done = list[float]()
    resumed = rm.sweeps.analyse(networks, store, out, analysis, on_progress=lambda n, total: done.append(n), at_once=1)
    assert done[0] >= 1
    assert done[-1] == 4
    fresh = rm.sweeps.analyse(networks, store, tmp_path / "fresh.nc", analysis)
    xr.testing.assert_allclose(resumed, fresh)
    with pytest.raises(InterruptedRunError, match="0 of 4"):
        rm.sweeps.analyse(networks, store, tmp_path / "none.nc", analysis, should_stop=stops_after(1))
    assert not (tmp_path / "none.nc").exists()


def test_ctrl_c_ends_the_command_with_its_code_and_advice(
    command: Any, file: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("recurrent_memory.sweeps.analyse")
    original = module._Output.take

    def take(self: Any, network: Any, found: Any) -> None:
        original(self, network, found)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(module._Output, "take", take)
    done = command("analyse", file, *FEW, "--at-once", 1, "-o", "analysis.nc")
    assert done.code == 130, done.err
    assert "The same command resumes from there." in done.err
    assert xr.load_dataset("analysis.nc").sizes["network"] in (1, 2)


def test_activity_that_is_kept_gives_the_same_as_weights(command: Any, file: Path, tmp_path: Path) -> None:
    kept = trained(tmp_path / "kept", ["activity"])
    for name, of in (("kept.nc", kept), ("again.nc", file)):
        assert command("analyse", of, "--set", "seed=1", "--measures", "sqi,time_decoding", "-o", name).code == 0
    np.testing.assert_allclose(values("kept.nc").values, values("again.nc").values, rtol=1e-5)


def test_networks_without_activity_and_weights_are_left_out(command: Any, tmp_path: Path) -> None:
    file = trained(tmp_path / "measures", [])
    done = command("analyse", file, "-o", "analysis.nc")
    assert done.code == 2
    assert "neither activity nor weights" in done.err
    assert not Path("analysis.nc").exists()


def test_damaged_networks_are_left_out_and_said(command: Any, file: Path) -> None:
    store = rm.sweeps.Store(rm.sweeps.load(file).store)
    network = rm.sweeps.networks(rm.sweeps.load(file))[1]
    path = store.file(network.identity, ".safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    done = command("analyse", file, "--measures", "sqi", "-o", "analysis.nc")
    assert done.code == 0, done.err
    assert "1 network left out" in done.err
    assert xr.load_dataset("analysis.nc").sizes["network"] == 3


def test_a_sweep_without_results_says_so(command: Any, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SWEEP.format(save='["weights"]'))
    done = command("analyse", tmp_path / "s.toml", "-o", "analysis.nc")
    assert done.code == 2
    assert "No network has finished yet" in done.err
    assert "--variable" in command("analyse", tmp_path / "s.toml", "--variable", "a", "-o", "analysis.nc").err


# The command line


def test_help_teaches_with_examples(command: Any) -> None:
    done = command("analyse", "--help")
    assert done.code == 0
    for told in ("Examples:", "recurrent-memory analyse runs/comp --null circular_shift -o analysis.nc", "sweep.toml"):
        assert told in done.out
    assert "analyse" in command("--help").out


@pytest.mark.parametrize(
    ("words", "offered"),
    [("--null circ", "circular_shift"), ("--measures sqi,time", "sqi,time_decoding")],
)
def test_names_are_completed(words: str, offered: str) -> None:
    environment = {
        **os.environ,
        "_RECURRENT_MEMORY_COMPLETE": "bash_complete",
        "COMP_WORDS": f"recurrent-memory analyse run {words}",
        "COMP_CWORD": "4",
    }
    code = "from recurrent_memory.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines() == [f"plain,{offered}"], done.stderr


def test_help_imports_neither_jax_nor_scipy() -> None:
    code = (
        "import sys\nfrom recurrent_memory.cli.main import main\nsys.argv = ['recurrent-memory', 'analyse', '--help']\n"
        "try: main()\nexcept SystemExit: pass\nheavy = {'jax', 'scipy', 'matplotlib', 'xarray'} & sys.modules.keys()\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_another_analysis_of_one_recording_is_kept(command: Any) -> None:
    np.save("one.npy", planted(True, n_trials=4, n_units=10))
    np.save("two.npy", planted(False, n_trials=4, n_units=10))
    words = ("--measures", "sqi", "-o", "a.nc")
    assert command("analyse", "one.npy", *words).code == 0
    first = xr.load_dataset("a.nc")
    assert "held another" not in command("analyse", "one.npy", *words).err
    assert not Path("a.1.nc").exists()
    assert (
        "held another analysis (source: one.npy), which is kept as a.1.nc" in command("analyse", "two.npy", *words).err
    )
    xr.testing.assert_identical(first, xr.load_dataset("a.1.nc"))
    assert "a.2.nc" in command("analyse", "two.npy", *words, "--min-rate", "0").err


def test_activity_of_which_no_measure_has_a_value_is_refused(command: Any) -> None:
    np.save("one.npy", planted(True, n_trials=1, n_units=10))
    for words in (("--min-rate", "1000"), ("--measures", "peak_consistency")):
        done = command("analyse", "one.npy", *words, "-o", "a.nc")
        assert done.code == 2
        assert "has a value, so nothing was written: " in done.err
        assert [path.name for path in Path().iterdir()] == ["one.npy"]


def test_a_file_in_an_archive_that_is_no_array_is_left_alone(command: Any) -> None:
    np.savez("one.npz", rates=planted(True, n_trials=4, n_units=10), other=np.zeros(3))
    with zipfile.ZipFile("one.npz", "a") as archive:
        archive.writestr("notes.txt", "recorded on a Monday")
    assert command("analyse", "one.npz", "--measures", "sqi", "-o", "a.nc").code == 0
