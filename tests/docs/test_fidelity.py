"""The page on fidelity says what the tests compare, how closely, and where."""

from __future__ import annotations

import re

import pytest

from docs.pages import ROOT, text_of
from reference.cases import cases
from reference.files import DATA, reference_files
from reference.tolerances import FLOAT32, FLOAT64, on_a_trajectory

PAGE = text_of("docs/fidelity.md")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
ALLOWED = {
    "input rates": (FLOAT64["rates"], FLOAT32["rates"]),
    "the ideal observers": (FLOAT64["observer"], FLOAT32["observer"]),
    "loss before": (FLOAT64["loss"], FLOAT32["loss"]),
    "their answers": (FLOAT64["prediction"], FLOAT32["prediction"]),
    "their gradients": (FLOAT64["gradient"], FLOAT32["gradient"]),
    "their weights": (FLOAT64["final"], None),
    "gradients where": (FLOAT64["clipped_gradient"], FLOAT32["clipped_gradient"]),
    "the fractional loss": (FLOAT64["fractional_loss"], FLOAT32["measure"]),
    "the sequentiality": (FLOAT64["sequentiality"], FLOAT32["sequentiality"]),
    "weights after 150": (on_a_trajectory("weights", 150, "float64"), None),
    "weights after 400": (on_a_trajectory("weights", 400, "float64"), None),
}


def test_the_number_of_comparisons_is_that_of_the_tests() -> None:
    found = cases(reference_files(DATA))
    compared = [case for case in found if not case.reason]
    assert f"{len(compared):,} comparisons" in PAGE
    assert f"(in {sum(case.quantity == 'obs_' for case in found)} files)" in PAGE
    kinds = [file.kind for file in reference_files(DATA)]
    assert f"of {kinds.count('task')} tasks" in PAGE
    assert f"{kinds.count('train')} networks" in PAGE


@pytest.mark.parametrize("label", ALLOWED)
def test_the_bounds_are_those_of_the_tests(label: str) -> None:
    ((_, double, single, _),) = [row for row in ROWS if row[0].startswith(label) and len(row) == 4]
    expected = ALLOWED[label]
    assert float(double) == pytest.approx(expected[0])
    assert (None if single == "–" else float(single)) == (expected[1] and pytest.approx(expected[1]))


def test_every_row_names_a_test_that_exists() -> None:
    rows = [row for row in ROWS if row[0] != "what is compared"]
    assert len(rows) == len(ALLOWED) + 7
    for row in rows:
        (name,) = re.findall(r"`(tests/[\w/]+\.py)`", row[-1])
        assert (ROOT / name).is_file(), name
