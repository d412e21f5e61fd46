"""What a report shows of a sweep, a run, a data set and a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import made_up_sweeps
from recurrent_memory import storage
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.report import study
from recurrent_memory.report.chosen import Wanted
from recurrent_memory.report.contents import Contents
from recurrent_memory.report.sources import of_file, of_sweep
from recurrent_memory.report.study import of_folder
from recurrent_memory.reproduction.claims import chosen
from recurrent_memory.runs.analysed import Analysis, Recorded, analyse
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.sweeps import Failure, Store, load, networks
from small import small_experiment

FILE = """
[experiment]
n_hidden = 20
iterations = 6
[axes]
task = ["de1", "comp"]
lambda0 = [0.8, 0.9]
seed = [0, 1]
"""


def activity(scale: float = 1.0) -> tuple[tuple[str, ...], np.ndarray]:
    return ("trial", "time", "unit"), scale * np.eye(20)[None].repeat(2, axis=0)


def made_sweep(folder: Path, *, with_activity: bool = True) -> Path:
    """Return a sweep of eight networks: five finished, one diverged, one with a damaged failure, one left."""
    file = folder / "sweep.toml"
    file.write_text(FILE)
    sweep = load(file)
    store = Store(sweep.store)
    store.prepare()
    for number, network in enumerate(networks(sweep)):
        if number < 5:
            variables: dict[str, Any] = {
                "sequentiality_index": ((), 3 + network.experiment.lambda0, {"units": "nats"}),
                "training_loss": ("iteration", np.full(6, 1.0 + number)),
                **({"activity": activity()} if with_activity else {}),
            }
            result = xr.Dataset(variables, attrs={"version_jax": "1"})
            store.publish(
                network.identity, network.experiment.model_dump(), result, {}, ("curves", "activity"), {"host": "here"}
            )
        elif number == 5:
            store.fail(network.identity, Failure("diverged", "the loss is not finite", 3, {}))
        elif number == 6:
            store.fail(network.identity, Failure("error", "what", None, {}))
            path = store.file(network.identity, ".json")
            path.write_text(path.read_text().replace("what", "changed"))
    return file


def read(file: Path, wanted: Wanted | None = None) -> Contents:
    sweep, wanted = load(file), wanted or Wanted()
    return of_sweep("sweep.toml", networks(sweep), Store(sweep.store), lambda condition: f"replay {condition}", wanted)


def test_a_sweep_with_all_that_can_be_wrong(tmp_path: Path) -> None:
    found = read(made_sweep(tmp_path))
    assert found.kind == "sweep"
    assert found.left == 1
    assert found.table["status"].tolist() == ["finished"] * 5 + ["diverged", "damaged", "left"]
    assert found.fields[:3] == ["task", "lambda0", "seed"]
    assert found.measures == ["sequentiality_index"]
    assert found.facts == ["host", "versions"]
    assert found.commands[5] == 'replay task == "comp" and lambda0 == 0.8 and seed == 1'
    assert sorted(found.details) == [0, 1, 2, 3, 4]
    assert [(of.network, of.kind, of.iteration) for of in found.failures] == [(5, "diverged", 3), (6, "damaged", None)]
    (curve,) = found.curves
    np.testing.assert_array_equal(curve.value[:5, 0], [1, 2, 3, 4, 5])
    assert np.isnan(curve.value[5:]).all()


def test_activity_is_bounded_and_kept_for_the_next_page(tmp_path: Path) -> None:
    file, known = made_sweep(tmp_path), dict[str, Any]()
    found = read(file, Wanted(activity=2, known=known))
    assert len(found.details) == 2
    assert "2 of 5 finished networks" in found.notes[0]
    again = read(file, Wanted(activity=2, known=known))
    assert all(again.details[row] is of for row, of in found.details.items())
    assert not read(file, Wanted(activity=0)).details


def test_networks_without_activity_are_named_with_the_reason(tmp_path: Path) -> None:
    found = read(made_sweep(tmp_path, with_activity=False))
    assert not found.details
    assert found.notes[0].startswith("5 networks without activity: neither activity nor weights were kept")


def test_a_user_can_stop(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        read(made_sweep(tmp_path), Wanted(should_stop=lambda: True))


def test_an_analysis_belongs_to_its_networks(tmp_path: Path) -> None:
    file = made_sweep(tmp_path)
    identities = read(file, Wanted(activity=0)).table["identity"]
    settings = Analysis(measures=("sqi",), min_rate=0.0)
    one = analyse(Recorded(activity()[1]), settings)
    together = xr.concat([one, one], "network").assign_coords(identity=("network", [identities[3], "f" * 20]))
    together = together.assign_coords(epoch=("measure", one["epoch"].values), units=("measure", one["units"].values))
    storage.save_dataset(tmp_path / "analysis.nc", together)
    found = read(file, Wanted(activity=0, analysis=tmp_path / "analysis.nc")).analysis
    assert found is not None
    assert found["network"].tolist() == [3]
    assert found["value"].tolist() == [1.0]
    others = together.assign_coords(identity=("network", ["e" * 20, "f" * 20]))
    storage.save_dataset(tmp_path / "others.nc", others)
    with pytest.raises(InputError, match="none of these networks"):
        read(file, Wanted(activity=0, analysis=tmp_path / "others.nc"))


def test_a_collected_data_set_is_in_the_order_of_its_table(tmp_path: Path) -> None:
    dataset = made_up_sweeps.sweep({"task": ["de1", "comp"], "lambda0": [0.8, 0.9], "seed": [0, 1]})
    values = np.arange(8.0).reshape(2, 2, 2, 1) + np.zeros(3)
    dataset["training_loss"] = (("task", "lambda0", "seed", "iteration"), values)
    dataset.attrs["learning_rate"] = 0.001
    storage.save_dataset(tmp_path / "sweep.nc", dataset)
    found = of_file(tmp_path / "sweep.nc", Wanted())
    assert found.kind == "data"
    assert found.curves[0].value[:, 0].tolist() == list(range(8))
    assert found.table["seed"].tolist() == [0, 1] * 4
    assert found.commands[5].startswith("recurrent-memory train --task comp --n-hidden 100 --lambda0 0.8")
    assert "--learning-rate 0.001" in found.commands[5]
    assert found.details == {}
    assert "no activity" in found.notes[0]


def test_activity_in_a_data_set_is_shown(tmp_path: Path) -> None:
    dataset = made_up_sweeps.sweep({"lambda0": [0.8, 0.9], "seed": [0, 1]})
    whole = np.stack([activity(scale)[1] for scale in (1, 2, 3, 4)])
    whole[3] = np.nan  # not kept
    dataset["activity"] = (("lambda0", "seed", "trial", "time", "unit"), whole.reshape(2, 2, 2, 20, 20))
    storage.save_dataset(tmp_path / "sweep.nc", dataset)
    found = of_file(tmp_path / "sweep.nc", Wanted())
    assert sorted(found.details) == [0, 1, 2]
    assert found.details[0].n_active == 0  # the mean of each unit is 1/20
    assert found.details[2].n_active == 20
    assert found.notes == ["1 network without activity: its activity was not kept."]


def test_something_else_is_refused(tmp_path: Path) -> None:
    storage.save_dataset(tmp_path / "other.nc", xr.Dataset({"x": 1.0}))
    with pytest.raises(InputError, match="holds no networks"):
        of_file(tmp_path / "other.nc", Wanted())
    storage.save_dataset(tmp_path / "other.nc", xr.Dataset({"status": ("network", ["finished"])}))
    with pytest.raises(InputError, match="no data set of a study"):
        of_folder(tmp_path, Wanted())
    (tmp_path / "other.nc").unlink()
    with pytest.raises(InputError, match="no run folder, and has no data sets"):
        of_folder(tmp_path, Wanted())
    Store(tmp_path / "store").prepare()
    with pytest.raises(InputError, match="store of a sweep"):
        of_folder(tmp_path / "store", Wanted())


def test_a_study_has_its_scorecard_and_the_curves_of_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "chosen", lambda _: chosen(["1a"]))  # all take four seconds
    (tmp_path / "data").mkdir()
    for part, (task, reports) in enumerate({"comp": 2, "2afc": 3}.items()):
        made = made_up_sweeps.flat(made_up_sweeps.sweep({"task": [task], "seed": [0, 1, 2, 3]}, seed=part))
        names = [f"{task}{row}" for row in range(4)]
        made = made.drop_vars(["delay_loss", "delay"]).assign_coords(identity=("network", names))
        curves = np.full((4, reports), float(part))
        made = made.assign(report_fractional_loss=(("network", "report"), curves))
        storage.save_dataset(tmp_path / "data" / f"{part}.nc", made.assign_coords(iterations=100))
    found = of_folder(tmp_path, Wanted())
    assert found.kind == "study"
    assert len(found.table) == 8
    (scores,) = found.scores
    assert scores.n_hidden == 100
    claims = scores.tables["The claims of Orhan & Ma (2019)"]
    assert [row["claim"] for row in claims] == ["1a"]
    assert [row["claim"] for row in scores.effects] == ["1a"]
    np.testing.assert_array_equal(found.curves[0].value, [[0, 0, np.nan]] * 4 + [[1, 1, 1]] * 4)
    assert all(command.startswith("recurrent-memory train --task") for command in found.commands)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    RunFolder(tmp_path).describe(small_experiment())
    found = of_folder(tmp_path, Wanted())
    assert (found.left, found.curves, found.details) == (1, (), {})
