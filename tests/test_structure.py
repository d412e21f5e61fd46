"""The plan of the package: small files, short functions, few modules at the root, a layer for every module."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "recurrent_memory"
MOST_LINES = {"file": 400, "function": 60}
MOST_MODULES_AT_THE_ROOT = 6


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_no_file_is_long() -> None:
    lines = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()
    }
    assert not {name: n for name, n in lines.items() if n > MOST_LINES["file"]}


def test_no_function_is_long() -> None:
    """Docstring and body together; the options of a command stand above it and are no part of the function."""
    long = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if n_lines > MOST_LINES["function"]:
                    long[f"{path.relative_to(PACKAGE)}:{node.name}"] = n_lines
    assert not long


def test_no_other_folder_imports_matplotlib() -> None:
    """`figures/drawing_library.py` has to come first, or Matplotlib warns and fails where there is no home folder."""
    early = set()
    for path in python_files():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [of.name for of in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.partition(".")[0] == "matplotlib" for name in names):
                early.add(path.relative_to(PACKAGE).parts[0])
    assert early == {"figures"}


def test_few_modules_stand_beside_the_folders() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert len(modules) <= MOST_MODULES_AT_THE_ROOT, modules


def folders_with_modules() -> list[str]:
    """Return the packages with more than one module or folder in them, by their dotted names."""
    found = []
    for init in sorted(PACKAGE.rglob("__init__.py")):
        inside = [p for p in init.parent.iterdir() if (p / "__init__.py").exists() or (p.suffix == ".py" and p != init)]
        if len(inside) > 1:
            found.append(".".join(init.parent.relative_to(PACKAGE.parent).parts))
    return found


@pytest.mark.parametrize("folder", folders_with_modules())
def test_each_folder_has_layers_of_its_own(folder: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = [
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and folder in contract.get("containers", [])
    ]
    assert contracts, f"no layers for {folder} in pyproject.toml"
    assert all(contract.get("exhaustive") for contract in contracts)
