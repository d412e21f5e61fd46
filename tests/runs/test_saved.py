"""One network as one file: what is saved is loaded again, and files of others are checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import recurrent_memory as rm
from recurrent_memory.runs.saved import measures_of
from recurrent_memory.storage.arrays import load_arrays, load_notes, save_arrays
from small import small_experiment


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    rm.run(small_experiment(), folder)
    return folder


def test_a_network_is_loaded_as_it_was_saved(run: Path, tmp_path: Path) -> None:
    net = rm.load(run).lesion([1, 3]).with_noise(0.1)
    rm.save(net, tmp_path / "net.safetensors")
    again = rm.load(tmp_path / "net.safetensors")
    assert repr(again) == repr(net)
    assert again.experiment == net.experiment
    assert (again.silent, again.noise, again.iterations_done) == ((1, 3), 0.1, 12)
    np.testing.assert_array_equal(again.simulate(n_trials=3).activity, net.simulate(n_trials=3).activity)
    assert rm.train(again, iterations=2).iterations_done == 14


def test_measures_are_kept_with_the_network(run: Path, tmp_path: Path) -> None:
    net, path = rm.load(run), tmp_path / "net.safetensors"
    test = net.test()
    rm.save(net, path, test.assign(sequentiality_index=((), np.nan)))
    kept = measures_of(load_notes(path), path)
    assert kept["fractional_loss"] == float(test["fractional_loss"])
    assert "sequentiality_index" not in kept  # not defined


def test_equal_networks_give_equal_files(run: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        rm.save(rm.load(run), tmp_path / f"{name}.safetensors")
    one, other = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"experiment": "5"}, "its notes do not describe a network"),
        ({"experiment": "{"}, "is damaged: it is not JSON"),
        ({"experiment": None}, "its notes do not describe a network"),
        ({"silent": "[99]"}, "its notes do not describe a network"),
        ({"silent": '"x"'}, "its notes do not describe a network"),
        ({"noise": "-1"}, "its notes do not describe a network"),
        ({"iterations_done": "[]"}, "its notes do not describe a network"),
        ({"format": "recurrent-memory network 9"}, "is a file without a trained network"),
    ],
)
def test_damaged_notes_are_told(run: Path, tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = tmp_path / "net.safetensors"
    rm.save(rm.load(run), path)
    arrays, notes = load_arrays(path)
    save_arrays(path, arrays, {name: value for name, value in {**notes, **changed}.items() if value is not None})
    with pytest.raises(rm.InputError, match=re.escape(message)):
        rm.load(path)


def test_other_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    net, path = rm.load(run), tmp_path / "net.safetensors"
    with pytest.raises(rm.InputError, match=re.escape("its name must end in .safetensors")):
        rm.save(net, tmp_path / "net.npz")
    with pytest.raises(rm.InputError, match="is a file of a run: give its folder"):
        rm.load(run / "weights.safetensors")
    rm.save(net, path)
    with pytest.raises(rm.InputError, match="has no snapshots"):
        rm.load(path, snapshot=3)
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    with pytest.raises(rm.DamagedResultError):
        rm.load(path)
    save_arrays(path, {}, {"format": "recurrent-memory network 1"})
    with pytest.raises(rm.DamagedResultError, match="do not describe a network"):
        rm.load(path)


def test_code_that_is_not_imported_is_named(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    rm.save(rm.load(run), path)
    arrays, notes = load_arrays(path)
    own = json.dumps(json.loads(notes["experiment"]) | {"task": "my_task"})
    save_arrays(path, arrays, notes | {"experiment": own})
    with pytest.raises(rm.InputError, match=re.escape("load(…, imports='my_lab.py')")):
        rm.load(path)


def test_double_precision_is_refused_in_single(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    rm.save(rm.load(run), path)
    with jax.enable_x64(True), pytest.raises(rm.InputError, match="JAX precision"):
        rm.load(path)
