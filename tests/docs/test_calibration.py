"""The tables of the calibration page are those of the draws that lie beside it; the script measures as the package."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from recurrent_memory.analysis import ACTIVITY_MEASURES, NULLS, against_chance

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
DRAWS = int(re.findall(r"\nAll tables are of (\d+) draws of each kind", PAGE)[0])
Rows = dict[str, dict[str, str]]
"""Cells by the first column, then by the heading."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calibration_script", ROOT / "benchmarks" / "calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def draws() -> pd.DataFrame:
    return pd.read_csv(ROOT / "docs" / "data" / "calibration.csv")


@pytest.fixture(scope="module")
def page() -> dict[str, Rows]:
    """Return the tables by the headings above them."""
    found: dict[str, Rows] = {}
    for section in PAGE.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        if lines:
            (_, *names), _, *rows = ([cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines)
            found[section.partition("\n")[0].replace("`", "")] = {
                first: dict(zip(names, cells, strict=True)) for first, *cells in rows
            }
    return found


def in_cell(draws: pd.DataFrame, kind: str, measure: str) -> pd.DataFrame:
    return draws[(draws["activity"] == kind) & (draws["measure"] == measure)]


def check_share(cell: str, p: pd.Series) -> None:
    if cell == "p = 1":
        assert (p == 1).all()
    else:
        assert float(cell) == pytest.approx((p <= 0.05).mean(), abs=0.51 * 10 ** -len(cell.partition(".")[2]))


def test_each_kind_of_activity_has_all_draws(script: ModuleType, draws: pd.DataFrame) -> None:
    counts = draws.groupby(["activity", "measure"])["draw"].agg(["size", "nunique"])
    assert set(counts.index) == {(kind, measure) for kind in script.KINDS for measure in ACTIVITY_MEASURES.names()}
    assert DRAWS == 200
    assert (counts == DRAWS).all(axis=None)


def test_each_value_is_the_median_of_the_draws(script: ModuleType, draws: pd.DataFrame, page: dict[str, Rows]) -> None:
    assert list(page["Values"]) == [kind.title for kind in script.KINDS.values()]
    for name, kind in script.KINDS.items():
        for measure, cell in page["Values"][kind.title].items():
            value = in_cell(draws, name, measure)["value"]
            if cell == "refused":
                assert value.isna().all()
            else:
                assert float(cell) == pytest.approx(value.median(), abs=0.0051)


@pytest.mark.parametrize("null", NULLS.names())
def test_each_share_is_that_of_the_draws(
    null: str, script: ModuleType, draws: pd.DataFrame, page: dict[str, Rows]
) -> None:
    rows = page[f"Against {null}"]
    titles = [
        f"**{kind.title}** (null true)" if null in kind.true_nulls else kind.title for kind in script.KINDS.values()
    ]
    assert list(rows) == titles
    for name, row in zip(script.KINDS, rows.values(), strict=True):
        assert tuple(row) == ACTIVITY_MEASURES.names()
        for measure, cell in row.items():
            p = in_cell(draws, name, measure)[null]
            if cell == "refused":
                assert p.isna().all()
            else:
                check_share(cell, p)


@pytest.mark.parametrize("null", NULLS.names())
def test_false_positives_are_as_rare_as_they_should_be(
    null: str, script: ModuleType, draws: pd.DataFrame, page: dict[str, Rows]
) -> None:
    true_of = [name for name, kind in script.KINDS.items() if null in kind.true_nulls]
    ((label, row),) = ((label, row) for label, row in page["False positives"].items() if label.startswith(null))
    n = DRAWS * len(true_of)
    assert re.fullmatch(rf"{null}` \({n} draws\)", label)
    for measure, cell in row.items():
        p = draws[draws["activity"].isin(true_of) & (draws["measure"] == measure)][null]
        assert p.size == n
        check_share(cell, p)
        assert (p <= 0.05).sum() <= binom.isf(1e-4, n, 0.05)  # 24 such rates: one in 400 pages has one above


def test_the_script_compares_with_chance_as_the_package_does(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "SURROGATES", 3)
    for null in ("circular_shift", "shuffled_units"):
        for kind, _, measure, number, value, p in script.measured(("scattered", null, 7, 8)):
            least = {"time_decoding": None, "peak_consistency": -1e9}.get(measure, 0.0)
            expected = against_chance(
                measure, script.draw(kind, number), min_rate=least, null=null, n=3, n_bootstrap=0, seed=7, threads=1
            )
            assert value == pytest.approx(float(expected["value"]), rel=1e-12)
            assert p == float(expected["p"])


def test_a_calibration_that_was_interrupted_goes_on(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "KINDS", {name: script.KINDS[name] for name in ("noise", "ramps")})
    path = tmp_path / "kept.csv"
    everything = list(script.missing(script.read_kept(path), 15))
    assert len(everything) == 2 * len(NULLS.names()) * 2  # of 10 and of 5 draws
    assert sum(stop - start for *_, start, stop in everything) == 2 * len(NULLS.names()) * 15

    def rows(chunk: tuple[str, str, int, int]) -> str:
        kind, null, start, stop = chunk
        cells = [(measure, number) for measure in ACTIVITY_MEASURES.names() for number in range(start, stop)]
        return "".join(f"{kind},{null},{measure},{number},{number / 7},0.35\n" for measure, number in cells)

    path.write_text("".join(map(rows, everything[:3]))[:-9])  # killed while it wrote
    assert list(script.missing(script.read_kept(path), 15)) == everything[2:]
    with path.open("a") as file:
        file.write("".join(map(rows, everything[2:])))
    kept = script.read_kept(path)
    assert not list(script.missing(kept, 15))
    table = script.one_row_each(kept)
    assert len(table) == 2 * len(ACTIVITY_MEASURES.names()) * 15
    assert not table.isna().any(axis=None)
    np.testing.assert_allclose(table["value"], table["draw"] / 7, atol=1e-4)
