"""The trained networks that come with the package: each loads, and remembers as well as its file says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import recurrent_memory as rm
from recurrent_memory import bank
from recurrent_memory.runs.saved import measures_of
from recurrent_memory.settings import SOLVED_BELOW
from recurrent_memory.storage.arrays import load_arrays

MOST_BYTES = 2_000_000
ROUNDING = 0.02
"""How far rounding errors, which grow over 150 steps, may move a measure on another machine (relative)."""


def test_the_bank_is_small_and_holds_both_kinds_of_activity() -> None:
    files = sorted(bank.FOLDER.glob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    assert bank.names() == tuple(f"bank:{file.stem}" for file in files)
    tasks = {name.removeprefix("bank:").partition("-")[0] for name in bank.names()}
    assert len(tasks) >= 4
    assert {*bank.names()} == {f"bank:{task}-{kind}" for task in tasks for kind in ("persistent", "sequential")}


def test_the_table_says_what_the_networks_are() -> None:
    table = bank.table()
    assert list(table.index) == list(bank.names())
    assert (table["n_hidden"] == 100).all()
    assert [name.split(":")[1].split("-")[0] for name in table.index] == table["task"].tolist()
    assert (table["fractional_loss"] < SOLVED_BELOW).all()
    for _, of_task in table.groupby("task"):
        one, other = (of_task.filter(like=kind, axis=0).iloc[0] for kind in ("persistent", "sequential"))
        assert other["sequentiality_index"] > one["sequentiality_index"] + 0.2
        assert other["n_active_units"] > one["n_active_units"]


@pytest.mark.parametrize("name", bank.names())
def test_the_files_are_in_single_precision_and_whole(name: str) -> None:
    arrays, notes = load_arrays(bank.file_of(name))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    assert np.isfinite(list(measures_of(notes, bank.file_of(name)).values())).all()


@pytest.mark.parametrize("name", bank.names())
@pytest.mark.sampled(8)
def test_a_network_remembers_as_its_file_says(name: str) -> None:
    net = rm.load(name)
    _, notes = load_arrays(bank.file_of(name))
    kept, found = measures_of(notes, bank.file_of(name)), net.test()
    for measure in ("fractional_loss", "test_loss", "sequentiality_index", "peak_entropy"):
        assert float(found[measure]) == pytest.approx(kept[measure], rel=ROUNDING, abs=0.002)
    others = net.test(n_batches=20, key=1)  # on other trials
    errors = kept["fractional_loss_standard_error"], float(others["fractional_loss_standard_error"])
    assert float(others["fractional_loss"]) == pytest.approx(kept["fractional_loss"], abs=3 * np.hypot(*errors))
    assert net.iterations_done == net.experiment.iterations


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("bank:comp-seqential", "Do you mean bank:comp-sequential"),
        ("bank:", "The bank has: bank:2afc-persistent, "),
        ("bank:../bank/comp-sequential", "There is no network 'bank:../bank/comp-sequential'."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, suggested: str) -> None:
    with pytest.raises(rm.InputError, match=re.escape(suggested)):
        rm.load(name)


def test_a_folder_with_such_a_name_is_named_by_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bank:mine").mkdir()
    with pytest.raises(rm.InputError, match="is not a run folder"):
        rm.load("./bank:mine")
