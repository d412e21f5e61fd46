"""The data of a page: exact, of valid JSON, and without what could end a script."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from made_up_report import EVIL, contents
from recurrent_memory.report import packing
from recurrent_memory.report.contents import Contents
from recurrent_memory.report.packing import encoded, followers, packed


def column(found: dict[str, Any], name: str) -> dict[str, Any]:
    (own,) = (one for one in found["columns"] if one["name"] == name)
    return dict(own)


def unpacked(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def levels(found: dict[str, Any], name: str) -> list[str]:
    own = column(found, name)
    return [own["levels"][code] for code in unpacked(own["codes"], "<u2")]


def test_fields_are_exact_and_measures_have_single_precision() -> None:
    found = packed(contents())
    assert levels(found, "seed") == ["4294967295", "16777217", "0", "1"]
    assert levels(found, "task") == ["de1", EVIL, "comp", "comp"]
    assert levels(found, "lambda0") == ["0.9", "0.98", "0.9", "0.98"]
    assert column(found, "lambda0")["numbers"] == [0.9, 0.98]
    assert column(found, "task")["numbers"] is None
    loss = unpacked(column(found, "fractional_loss")["values"], "<f4")
    np.testing.assert_array_equal(loss, np.array([0.3, np.nan, np.nan, np.inf], np.float32))
    assert column(found, "solved")["truth"]
    assert found["curves"][0]["bins"] == 2


def test_numbers_are_in_order_and_words_in_that_of_the_data() -> None:
    table = pd.DataFrame({"rho": [1e-3, np.nan, 0.0], "task": ["z", "a", "z"], "status": "finished"})
    found = packed(Contents("made", "data", table, ("rho", "task")))
    assert column(found, "rho")["levels"] == ["0", "0.001", "none"]
    assert levels(found, "rho") == ["0.001", "none", "0"]
    assert column(found, "task")["levels"] == ["z", "a"]


def test_all_is_valid_json_and_texts_are_cleaned() -> None:
    text = json.dumps(packed(contents()), allow_nan=False)
    assert "\\u202e" not in text.replace("\\\\u202e", "")
    assert "\\u2028" not in text.replace("\\\\u2028", "")


def test_what_a_condition_stands_for_follows_from_it() -> None:
    table = pd.DataFrame({
        "condition": ["basic", "tethered"] * 4,
        "readout_step": [-5, -10] * 4,
        "model": ["relu", "relu", "gru", "gru"] * 2,
        "lambda0": [0.8, 0.9] * 4,
        "batch_size": [10] * 4 + [20] * 4,
    })  # fmt: skip
    assert followers(table, list(table)) == {"readout_step"}
    assert followers(table[["batch_size", "lambda0"]], ["batch_size", "lambda0"]) == set()


@pytest.mark.parametrize("n", [0, 1, 9, 10])
def test_many_levels_need_more_bytes(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_TEXTS", 9)
    table = pd.DataFrame({"seed": np.arange(n), "status": "finished"})
    own = column(packed(Contents("made", "data", table, ("seed",))), "seed")
    assert own["wide"] == (n > 9)
    codes = unpacked(own["codes"], "<u4" if own["wide"] else "<u2")
    np.testing.assert_array_equal(codes, np.arange(n))


def test_a_measure_beyond_single_precision_is_infinite() -> None:
    assert unpacked(encoded([1e300], "<f4"), "<f4").tolist() == [np.inf]
