"""Every example in a docstring runs, and prints what it says: of modules, classes, functions, and named values."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def docstrings_with_examples() -> Iterator[tuple[Path, int, str]]:
    """Return file, line and text; read from the source, since doctest does not find what stands below a value."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if ">>>" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                value = node.value.value
                if isinstance(value, str) and ">>>" in value:
                    yield path, node.lineno, value


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.usefixtures("registries_as_before")
@pytest.mark.parametrize(
    ("path", "line", "text"),
    [pytest.param(*found, id=f"{module_of(found[0])}:{found[1]}") for found in docstrings_with_examples()],
)
def test_the_example_prints_what_it_says(
    path: Path, line: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = dict(vars(importlib.import_module(module_of(path))))
    example = doctest.DocTestParser().get_doctest(text, names, module_of(path), str(path), line - 1)
    printed: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=printed.append)
    assert tried > 0
    assert not failed, "".join(printed)


def test_a_wrong_example_is_found() -> None:
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", os.devnull, 0)
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=lambda _: None).failed == 1
