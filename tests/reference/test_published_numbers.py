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
        found = cases(reference_files(folder or DATA))
        metafunc.parametrize("case", [pytest.param(case, id=case.id) for case in found])


def test_agrees_with_published_code(case: Case) -> None:
    if case.reason:
        pytest.skip(case.reason)
    checks = case.checks()
    assert checks
    wrong = [str(check) for check in checks if not check.deviation <= check.allowed]
    assert not wrong, f"{case.quantity} of {case.file.name} in {case.precision}: {'; '.join(wrong)}"
