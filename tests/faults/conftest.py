"""Whole files to damage, each made once."""

from __future__ import annotations

import json

import pytest

from faults.odd_files import Kept, Whole
from recurrent_memory import storage
from recurrent_memory.errors import InterruptedRunError
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.run import run
from recurrent_memory.sweeps import Sweep, networks
from recurrent_memory.sweeps.store.store import Store
from small import small_experiment, stops_after


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    result = run(small_experiment(), folder / "finished")
    with pytest.raises(InterruptedRunError):
        run(small_experiment(), folder / "unfinished", should_stop=stops_after(2), checkpoint_every=4)
    return Whole(folder / "finished", folder / "unfinished", result)


@pytest.fixture(scope="session")
def kept(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    of_sweep = networks(Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}]))
    store = Store(tmp_path_factory.mktemp("kept") / "store")
    store.prepare()
    weights, _ = storage.load_arrays(RunFolder(whole.finished) / "weights.safetensors")
    for network in of_sweep:
        provenance = {"host": "here", "device": "cpu", "training_seconds": 1.0, "testing_seconds": 0.5}
        store.publish(network.identity, {"task": "de1"}, whole.result, weights, ("curves", "weights"), provenance)
    made = Kept(store, of_sweep, {}, {})
    arrays, notes = storage.load_arrays(made.path)
    return made._replace(about=json.loads(notes["about"]), arrays=arrays)
