"""The public names of the package, where each is defined, and the pages of the reference that list them.

A package's public names are those of its ``__all__`` (its stub), or all that a module without one defines. Definitions
and the texts below values are read from the source. A name without a text is an error, of the build and of a test.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
TOP = "recurrent_memory"


@dataclass(frozen=True)
class Page:
    """A page of the reference."""

    uri: str
    title: str
    names: dict[str, tuple[str, ...]]
    """Names by the package that has them; none: all its public names."""
    text: str = ""
    """First paragraph; empty: the docstring of the package."""


PAGES = (
    Page(
        "reference/index.md",
        "recurrent_memory",
        {TOP: ()},
        "`import recurrent_memory as rm`: training, loading and errors. Tasks, networks, analyses, pictures and sweeps "
        "have pages of their own. Types are shown with shapes where they are arrays: `Float[Array, 'trial time unit']` "
        "is an array of numbers over trials, time steps and units.",
    ),
    Page(
        "reference/trained.md",
        "Trained networks",
        {f"{TOP}.runs.trained": ("TrainedNetwork",)},
        "What [`rm.load`][recurrent_memory.loading.load] returns; [work with a trained "
        "network](../trained-networks.md) shows what it does.",
    ),
    Page("reference/bank.md", "rm.bank", {f"{TOP}.bank": ()}),
    Page("reference/tasks.md", "rm.tasks", {f"{TOP}.tasks": ()}),
    Page("reference/observers.md", "rm.tasks.observers", {f"{TOP}.tasks.observers": ()}),
    Page("reference/networks.md", "rm.networks", {f"{TOP}.networks": ()}),
    Page("reference/training.md", "rm.training", {f"{TOP}.training": ()}),
    Page("reference/evaluation.md", "rm.evaluation", {f"{TOP}.evaluation": ()}),
    Page("reference/measures.md", "rm.measures", {f"{TOP}.runs.measures": ()}),
    Page("reference/analysis.md", "rm.analysis", {f"{TOP}.analysis": ()}),
    Page("reference/figures.md", "rm.figures", {f"{TOP}.figures": ()}),
    Page("reference/sweeps.md", "rm.sweeps", {f"{TOP}.sweeps": ()}),
    Page("reference/compat.md", "rm.compat", {f"{TOP}.compat": ()}),
    Page(
        "reference/extending.md",
        "Extending",
        {
            f"{TOP}.registry": ("Registry",),
            f"{TOP}.own_code": ("import_file",),
            f"{TOP}.settings": ("Settings",),
            f"{TOP}.sweeps.cluster.interface": ("AbstractCluster", "Job", "CLUSTERS"),
        },
        "What tasks, cells, measures, pictures and clusters of your own use. [Own code](../own_code.md) shows how.",
    ),
    Page("reference/storage.md", "Files", {f"{TOP}.storage": ()}),
)


@dataclass(frozen=True)
class Name:
    """A public name."""

    package: str
    name: str
    home: str
    """Dotted name of the definition, which is the anchor of its entry; a method's, if the name is a bound method."""
    summary: str
    """First line of its text; empty: it has none."""
    value: Any

    @property
    def shown(self) -> str:
        """The name as a user writes it."""
        module = self.package.replace(f"{TOP}.runs.measures", f"{TOP}.measures")
        return f"{module.replace(TOP, 'rm', 1)}.{self.name}"

    @property
    def is_bound(self) -> bool:
        """Whether it is a method of an object, such as ``CELLS.names``, whose entry is that of the class."""
        return inspect.ismethod(self.value)


def pages() -> Iterator[tuple[Page, list[Name]]]:
    """Yield each page with its names."""
    for page in PAGES:
        yield page, [name for package, chosen in page.names.items() for name in public(package, chosen)]


def missing_packages() -> set[str]:
    """Return the modules that are public names, but have no page."""
    top = importlib.import_module(TOP)
    modules = {value.__name__ for name in _listed(top) if isinstance(value := getattr(top, name), ModuleType)}
    inner = {
        value.__name__
        for module in modules
        for name in _listed(importlib.import_module(module))
        if isinstance(value := getattr(importlib.import_module(module), name), ModuleType)
    }
    return (modules | inner) - {package for page in PAGES for package in page.names}


def without_text() -> list[str]:
    """Return the public names that have no docstring."""
    return [name.shown for _, names in pages() for name in names if not name.summary]


def docstring_of(package: str) -> str:
    """Return the docstring of a package."""
    return inspect.getdoc(importlib.import_module(package)) or ""


def public(package: str, chosen: tuple[str, ...] = ()) -> list[Name]:
    """Return the public names of a package, modules excepted, or those chosen."""
    module = importlib.import_module(package)
    values = {name: getattr(module, name) for name in chosen or _listed(module)}
    found = [_describe(package, name, of) for name, of in values.items() if not isinstance(of, ModuleType)]
    return sorted(found, key=lambda name: inspect.isclass(name.value) and issubclass(name.value, Exception))


def _listed(module: ModuleType) -> list[str]:
    if names := getattr(module, "__all__", None):
        return list(names)
    defined = _definitions(Path(inspect.getfile(module)))
    return [name for name in defined if not name.startswith("_") and not _is_type_variable(getattr(module, name))]


def _is_type_variable(value: Any) -> bool:
    return type(value).__name__ in ("TypeVar", "ParamSpec")


def _describe(package: str, name: str, value: Any) -> Name:
    if inspect.ismethod(value):
        home, text = f"{value.__func__.__module__}.{value.__func__.__qualname__}", inspect.getdoc(value)
    elif (inspect.isclass(value) and value.__module__.startswith(TOP)) or inspect.isroutine(value):
        home, text = f"{value.__module__}.{value.__qualname__}", value.__doc__
    else:
        home, text = _value_home(package, name)
    return Name(package, name, home, inspect.cleandoc(text or "").partition("\n\n")[0].replace("\n", " "), value)


@functools.cache
def _value_home(package: str, name: str) -> tuple[str, str]:
    """Return where a value is defined, and the text below it, following imports."""
    base = SOURCE.joinpath(*package.split("."))
    files = [base / "__init__.pyi", base / "__init__.py", base.with_suffix(".py")]
    for file in filter(Path.exists, files):
        found = _definitions(file)
        if name in found:
            return f"{package}.{name}", found[name]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
                original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
                is_package = file.stem == "__init__"
                parts = package.split(".")[: len(package.split(".")) - node.level + is_package]
                return _value_home(".".join([*parts, *filter(None, [node.module])]), original)
    raise LookupError(f"{package}.{name}: no definition found")


@functools.cache
def _definitions(file: Path) -> dict[str, str]:
    """Return what a file defines, with the text below each value, or the docstring."""
    found: dict[str, str] = {}
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            text = after.value.value
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.get_docstring(node) or ""
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = text
        elif isinstance(node, ast.Assign):
            found |= {target.id: text for target in node.targets if isinstance(target, ast.Name)}
    return found
