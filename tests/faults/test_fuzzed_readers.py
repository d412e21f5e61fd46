"""Readers of files that others have made, with inputs drawn at random: a short message, or a clean success.

Each test has a few examples here, and a thousand with `-m slow`.
"""

from __future__ import annotations

import functools
import json
import resource
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from faults.odd_files import ODD, Kept, Whole, changed, damaged, sign
from recurrent_memory import storage, sweeps
from recurrent_memory.cli.report import draw, print_measures, print_summary
from recurrent_memory.compat import load_mat
from recurrent_memory.errors import DamagedResultError, InputError
from recurrent_memory.runs import result as results
from recurrent_memory.runs.analysed import open_recorded
from recurrent_memory.runs.claims import Claims
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.schema import check_result
from recurrent_memory.runs.start import fresh_state, initial_network
from recurrent_memory.sweeps.status import identities, look
from small import small_experiment

Test = Callable[..., None]
MOST_SECONDS, MOST_MEMORY = 10.0, 2**30
CALM: Any = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
NUMBERS = [
    pytest.param(3, id="few"),
    pytest.param(1000, id="many", marks=pytest.mark.slow),
]
numbers = pytest.mark.parametrize("number", NUMBERS)


def examples(number: int, test: Callable[[st.DataObject], None]) -> None:
    """Call a test with so many inputs, the same at each run."""
    before, of_children = _most_memory(resource.RUSAGE_SELF), _most_memory(resource.RUSAGE_CHILDREN)
    settings(max_examples=number, derandomize=True, print_blob=False, **CALM)(given(st.data())(test))()
    after = _most_memory(resource.RUSAGE_SELF)
    assert after - before < MOST_MEMORY
    # A child starts as a copy of this process, and there were other tests' children before.
    assert _most_memory(resource.RUSAGE_CHILDREN) <= max(1.5 * MOST_MEMORY, after, of_children)


def _most_memory(whose: int) -> int:
    """Return the most bytes that this process has had, or one of its children that have ended."""
    return resource.getrusage(whose).ru_maxrss * 1024


def is_read(read: Callable[[], Any]) -> bool:
    """Return whether something could be read; if not, check that the message is short, without control characters."""
    started = time.process_time()  # not what other processes of the machine take
    try:
        read()
        return True
    except InputError as error:
        message = str(error)
        assert 0 < len(message.splitlines()) <= 6, message
        assert len(message) < 6000
        assert not any(ord(letter) < 32 and letter != "\n" for letter in message), repr(message)
        return False
    finally:
        assert time.process_time() - started < MOST_SECONDS


@numbers
def test_results(number: int, whole: Whole, tmp_path: Path) -> None:
    place = RunFolder(shutil.copytree(whole.finished, tmp_path / "run"))
    intact = (place / "result.nc").read_bytes()
    (tmp_path / "pictures").mkdir()

    def test(data: st.DataObject) -> None:
        path = place / "result.nc"
        if data.draw(st.booleans()):
            path.write_bytes(damaged(data.draw, intact))
        else:
            path.write_bytes(intact)
            change_result(path, data)
        if is_read(lambda: results.load(place)):
            result = results.load(place)
            is_read(lambda: print_summary(result, place, []))
            # Six pictures take longer than everything else: those of a third are as odd.
            if data.draw(st.integers(0, 2)) == 0:
                is_read(lambda: draw(result, tmp_path / "pictures"))

    examples(number, test)


ODD_NOTES = [3, np.int64(3), np.nan, np.arange(2), ["a", "b"], "", "\x1b[31m", "x" * 60_000, True, 1j]
"""Attributes of variables as HDF5 can hold them."""


@pytest.mark.parametrize("value", ODD_NOTES, ids=range(len(ODD_NOTES)))
def test_attributes_of_variables(value: Any, whole: Whole, tmp_path: Path) -> None:
    notes = {note for of in whole.result.variables.values() for note in of.attrs}
    assert {"units", "long_name", "n_units", "formula", "term"} <= notes
    for note in sorted({*notes, "reason"}):
        result = whole.result.copy()
        for of in result.variables.values():
            if note in of.attrs or note == "reason":
                of.attrs = of.attrs | {note: value}
        if is_read(functools.partial(check_result, result, tmp_path / "result.nc")):
            print_measures(result)


@pytest.mark.filterwarnings("error")
def test_odd_fill_values_are_no_page_of_warnings(whole: Whole, tmp_path: Path) -> None:
    path = shutil.copytree(whole.finished, tmp_path / "run") / "result.nc"
    with h5py.File(path, "r+") as file:
        file.attrs.pop("checksum"), file.attrs.pop("checksum_of")
        for name in ("activity", "inputs"):
            file[name].attrs["_FillValue"] = np.arange(2)
    is_read(lambda: results.load(RunFolder(path.parent)))


def change_result(path: Path, data: st.DataObject) -> None:
    """Change one variable or attribute, and leave out the checksum."""
    with h5py.File(path, "r+") as file:
        file.attrs.pop("checksum"), file.attrs.pop("checksum_of")
        shown = ("activity", "inputs", "outputs", "targets", "mask", "time", "epoch", "location", "iteration", "solved",
                 "fractional_loss", "sequentiality_index", "recurrent_weights", "training_loss")  # fmt: skip
        name = data.draw(st.sampled_from([*shown, *sorted(file)]))
        item = file[name]
        of = data.draw(st.sampled_from([item, file, file]))
        value = data.draw(st.sampled_from([value for value in ODD if h5_value(value) is not None]))
        match data.draw(st.sampled_from(["attribute", "attribute", "remove", "replace", "rename", "values"])):
            case "attribute" if of.attrs:
                key = data.draw(st.sampled_from(sorted(of.attrs)))
                if data.draw(st.booleans()):
                    of.attrs[key] = h5_value(value)
                else:
                    del of.attrs[key]
            case "remove":
                del file[name]
            case "rename":
                file.move(name, data.draw(st.sampled_from(["other", "x" * 200, "\x1b[1m"])))
            case "values" if item.dtype.kind == "f":
                item[...] = data.draw(st.sampled_from([np.nan, np.inf, -1.0, 1e30, 0.0]))
            case _:
                del file[name]
                file[name] = h5_value(value)


def h5_value(value: Any) -> Any:
    """Return an odd value as HDF5 can hold it; None if it cannot."""
    if isinstance(value, list):
        is_plain = bool(value) and all(isinstance(one, int) for one in value)
        return np.array(value) if is_plain else np.zeros((2, 0))
    if value == "\ud800":
        return 1 + 2j
    return None if isinstance(value, dict) or value is None or value == 10**30 else value


@numbers
def test_records(number: int, kept: Kept, tmp_path: Path) -> None:
    whole = kept.path.read_bytes()

    def test(data: st.DataObject) -> None:
        if data.draw(st.integers(0, 4)) == 0:
            kept.path.write_bytes(damaged(data.draw, whole))
        else:
            sign(kept.path, changed(data.draw, kept.about), kept.arrays)
        # Of a record in memory, only the header is read; the arrays are checked when they are wanted.
        is_whole = is_read(lambda: kept.store.read(kept.networks[1].identity))
        assert is_whole or not is_read(lambda: kept.store.verify(kept.networks[1].identity))
        found = sweeps.collect(kept.networks, kept.store, on_message=lambda line: None)
        assert found["status"].values[0] == "finished"
        assert found["status"].values[1] == ("finished" if is_whole else "damaged")
        with_arrays = sweeps.collect_to(tmp_path / "all.nc", kept.networks, kept.store, ["curves"])
        assert with_arrays.statuses["finished"] >= 1
        assert look(kept.store, [network.identity for network in kept.networks]).finished == 2
        is_read(lambda: kept.store.dataset(kept.networks[1].identity))
        is_read(lambda: kept.store.network(kept.networks[1].identity, initial_network(small_experiment())))

    try:
        examples(number, test)
    finally:
        kept.path.write_bytes(whole)


@numbers
def test_failures_claims_and_logs(number: int, tmp_path: Path) -> None:
    store = sweeps.Store(tmp_path / "store")
    store.prepare()
    name = "0123456789abcdef0123"
    failure = sweeps.Failure("diverged", "the loss is not finite", 12, {"host": "here"})
    store.fail(name, failure)
    path, claim = store.file(name, ".json"), store.claim_path(name)
    whole = json.loads(path.read_text())
    claim.parent.mkdir(parents=True)
    with Claims(store.claim_path) as claims:
        claims.acquire(name)
        of_claim = json.loads(claim.read_text())
    event = {"time": "2026-01-01T00:00:00+00:00", "event": "finished", "network": name}

    def test(data: st.DataObject) -> None:
        path.write_text(json.dumps(changed(data.draw, whole)))
        claim.write_text(json.dumps(changed(data.draw, of_claim)))
        (store.path / "log" / "a.jsonl").write_text(json.dumps(changed(data.draw, event)) + "\n")
        is_read(lambda: store.failure(name))
        assert look(store, [name]).failed == 1
        ours = Claims(store.claim_path, clock=lambda: 0.0)
        assert "\x1b" not in (ours.owner(name) or "")
        ours.acquire(name)
        ours.release(name)

    examples(number, test)


@numbers
def test_checkpoints_and_weights(number: int, whole: Whole, tmp_path: Path) -> None:
    place = RunFolder(tmp_path)
    like, network = fresh_state(small_experiment()), initial_network(small_experiment())
    checkpoint, notes = storage.load_arrays(whole.unfinished / "training.checkpoint")
    weights, _ = storage.load_arrays(whole.finished / "weights.safetensors")

    def test(data: st.DataObject) -> None:
        for name, arrays in (("training.checkpoint", checkpoint), ("weights.safetensors", weights)):
            made = dict(arrays)
            key = data.draw(st.sampled_from(sorted(made)))
            odd = [made.pop(key), np.zeros(0), np.ones((2, 2)), np.array(-1), np.array([True]), np.full(12, np.nan)]
            made |= data.draw(st.sampled_from([{}, {key: data.draw(st.sampled_from(odd))}]))
            of_notes = {**notes, "seconds": data.draw(st.sampled_from(["1.0", "nan", "-1", "soon", "\x1b", "1e999"]))}
            storage.save_arrays(place / name, made, of_notes)
            if data.draw(st.booleans()):
                (place / name).write_bytes(damaged(data.draw, (place / name).read_bytes()))
        is_read(lambda: place.load_checkpoint(like))
        is_read(place.load_history)
        is_read(lambda: place.load_weights(network))

    examples(number, test)


@pytest.mark.parametrize("number", [pytest.param(2, id="few"), NUMBERS[1]])
def test_mat_files(number: int, tmp_path: Path) -> None:
    path = tmp_path / "basic_sigma0.010000_lambda0.980000_rho0.000000_model0_task0.mat"
    cells = np.empty(6, object)
    cells[:] = [np.ones((10, 8)), np.ones(8), np.ones((8, 8)), np.ones(8), np.ones((8, 1)), np.ones(1)]
    good = {"hidResps": np.ones((2, 25, 8)), "inpResps": np.ones((2, 25, 10)), "all_params_list": cells}
    good |= {"infloss_test": np.array(0.3), "infloss_vec": np.ones(3), "delay_vec": np.ones(2)}
    odd = [1j, True, "text", np.zeros(0), np.array(["a", "b"], object), {"a": 1}, np.nan, np.ones((2, 2)), 10**15, ""]

    def test(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(good)))
        savemat(path, {**good, name: data.draw(st.sampled_from([good[name], *odd]))}, do_compression=number % 2 == 0)
        if data.draw(st.booleans()):
            path.write_bytes(damaged(data.draw, path.read_bytes()))
        is_read(lambda: load_mat(path))

    examples(number, test)


TOML = """store = "results"
save = ["curves"]
[experiment]
task = "de1"
n_hidden = 20
task_options.delay_dur = 50
[axes]
lambda0 = { linspace = [0.8, 0.98, 3] }
seed = { range = [0, 2] }
[[zip]]
sigma0 = [0.0, 0.1]
rho = [0.0, 1e-5]
[[exclude]]
where = "lambda0 > 0.9 and sigma0 == 0.1"
"""
ODD_TOML = (
    "1e400", "nan", "-1", "true", '""', '"\\u001b[31m"', "[]", "{}", "[" * 12 + "]" * 12, "1979-05-27", "9" * 400,
    "9" * 5000, "[" * 400 + "]" * 400, '"' + "x" * 60_000 + '"', '"' + "(" * 400 + "1" + ")" * 400 + '"',
    '"' + "not " * 400 + 'seed"', '{ range = [0, 1000000000000] }', '["a", 1, [2]]', '"../\\u0000"', "0x" + "f" * 300,
    '"' + " or ".join(["seed == 1"] * 150) + '"', '"seed == ' + "-" * 400 + '1"',
)  # fmt: skip


@numbers
def test_sweep_files(number: int, tmp_path: Path) -> None:
    path, rows = tmp_path / "sweep.toml", TOML.splitlines()

    def test(data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(rows) - 1))
        before, _, _ = rows[place].partition("=")
        row = f"{before}= {data.draw(st.sampled_from(ODD_TOML))}"
        text = "\n".join(
            [*rows[:place], *data.draw(st.sampled_from([[row], [row, rows[place]], []])), *rows[place + 1 :]]
        )
        content = text.encode()
        path.write_bytes(damaged(data.draw, content) if data.draw(st.integers(0, 2)) == 0 else content)
        is_read(lambda: identities(path))
        is_read(lambda: sweeps.load(path, [f"rho={data.draw(st.sampled_from(ODD_TOML))}"]))

    examples(number, test)


@numbers
def test_descriptions(number: int, whole: Whole, tmp_path: Path) -> None:
    place = RunFolder(tmp_path)
    description = json.loads((whole.finished / "experiment.json").read_text())
    timing = json.loads((whole.finished / "timing.json").read_text())

    def test(data: st.DataObject) -> None:
        text = json.dumps(changed(data.draw, description))
        content = damaged(data.draw, text.encode()) if data.draw(st.booleans()) else text.encode()
        (place / "experiment.json").write_bytes(content)
        (place / "timing.json").write_text(json.dumps(changed(data.draw, timing)))
        is_read(place.experiment)
        is_read(lambda: place.check_free_for(small_experiment()))
        assert all(isinstance(seconds, int | float) for seconds in list(place.timing().values())[:2])

    examples(number, test)


def test_deep_and_long_texts_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    for text in ("[" * 100_000, "[" * 60 + "]" * 60, '{"a":' * 500 + "1" + "}" * 500, '"\\ud800"'):
        path.write_text(text)
        with pytest.raises(DamagedResultError, match="damaged"):
            storage.reading.read_json(path)


def of_numpy(header: str, data: bytes = bytes(96)) -> bytes:
    """Return a file of NumPy with this header, whatever it says."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HEADERS = {
    "whole": "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 2)}",
    "too large": "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000, 10)}",
    "too short": "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 3)}",
    "negative": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3, 2)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3, 2)}",
    "code": "__import__('os').abort()",
    "nested": "(" * 3000,
    "not closed": "{'descr': '<f8",
    "types": "{'descr': [1, 2], 'fortran_order': 'x', 'shape': 5}",
    "empty": "",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_recordings_whose_header_says_anything(header: str, tmp_path: Path) -> None:
    (tmp_path / "rates.npy").write_bytes(of_numpy(header))
    with zipfile.ZipFile(tmp_path / "rates.npz", "w") as archive:
        archive.writestr("rates.npy", of_numpy(header))
    for name in ("rates.npy", "rates.npz"):
        assert is_read(functools.partial(open_recorded, tmp_path / name)) == (header == HEADERS["whole"])


def test_recordings_that_unpack_to_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "rates.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("rates.npy", "w") as file:
        file.write(of_numpy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000, 1000, 64)}", b""))
        for _ in range(512):
            file.write(bytes(2**20))
    with pytest.raises(DamagedResultError, match=r"unpacks to too much: .*np\.savez"):
        open_recorded(path)


@numbers
def test_recordings(number: int, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", rates=np.random.default_rng(0).random((2, 9, 3)), mask=np.ones((2, 9)))
    np.save(tmp_path / "whole.npy", np.ones((2, 9, 3)))
    whole = {name: (tmp_path / f"whole.{name}").read_bytes() for name in ("npz", "npy")}

    def test(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(whole)))
        path = tmp_path / f"damaged.{name}"
        path.write_bytes(damaged(data.draw, whole[name]))
        is_read(lambda: open_recorded(path))

    examples(number, test)
