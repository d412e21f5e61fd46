"""The table of the calibration page is that of the draws that lie beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

DOCS = Path(__file__).parents[2] / "docs"


def rows_of_page() -> list[list[str]]:
    lines = (DOCS / "calibration.md").read_text(encoding="utf-8").splitlines()
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_each_cell_is_median_and_share_of_the_draws() -> None:
    draws = pd.read_csv(DOCS / "data" / "calibration.csv")
    (_, *measures), _, *rows = rows_of_page()
    assert len(rows) == draws["activity"].nunique()
    assert set(measures) == set(draws["measure"])
    for activity, *cells in rows:
        for measure, cell in zip(measures, cells, strict=True):
            of = draws[(draws["activity"] == activity.removesuffix(" (null true)")) & (draws["measure"] == measure)]
            assert len(of) == 200
            if cell == "refused":
                assert of["value"].isna().all()
                continue
            median, share = map(float, cell.split("; "))
            assert median == pytest.approx(of["value"].median(), abs=0.0051)
            assert share == pytest.approx((of["p"] <= 0.05).mean(), abs=0.0051)
