"""Our numbers against those of the paper's published code, file by file and quantity by quantity.

``pytest tests/reference --reference-data FOLDER`` compares with the files of another folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import Case, cases
from .files import DATA, reference_files


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        folder: Path | None = metafunc.config.getoption("reference_data")
        files = reference_files(folder or DATA)
        found = cases(files)
        thorough = set() if folder else {case.id for case in found if _is_long(case, files.index(case.file))}
        marks = {True: [pytest.mark.thorough], False: []}
        metafunc.parametrize(
            "case", [pytest.param(case, id=case.id, marks=marks[case.id in thorough]) for case in found]
        )


def _is_long(case: Case, number: int) -> bool:
    """Return whether a case takes long for what it shows: hundreds of steps in double precision, and training in
    single precision, of two files in three; all of these train in double precision.
    """
    if case.file.name.startswith("trajectory_"):
        return case.precision == "float64"
    return case.file.name.startswith("train_") and case.precision == "float32" and number % 3 > 0


def test_agrees_with_published_code(case: Case) -> None:
    if case.reason:
        pytest.skip(case.reason)
    checks = case.checks()
    assert checks
    wrong = [str(check) for check in checks if not check.deviation <= check.allowed]
    assert not wrong, f"{case.quantity} of {case.file.name} in {case.precision}: {'; '.join(wrong)}"
