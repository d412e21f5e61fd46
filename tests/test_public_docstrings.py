"""Every public name says what it takes, what it returns, what it raises, and shows an example."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import recurrent_memory as rm
from recurrent_memory import errors, experiment, storage

PACKAGES = (
    rm, rm.tasks, rm.networks, rm.training, rm.evaluation, rm.analysis, rm.figures, rm.sweeps, rm.compat, rm.measures,
    rm.bank, storage, errors, experiment,
)  # fmt: skip


def public(package: ModuleType) -> list[str]:
    return list(getattr(package, "__all__", None) or (name for name in dir(package) if not name.startswith("_")))


def functions_and_classes() -> Iterator[Any]:
    seen: set[int] = set()
    for package in PACKAGES:
        for name in public(package):
            found = getattr(package, name)
            ours = str(getattr(found, "__module__", "")).startswith("recurrent_memory")
            if ours and callable(found) and id(found) not in seen:
                seen.add(id(found))
                yield pytest.param(found, id=f"{package.__name__}.{name}")


def methods(of: type) -> Iterator[Callable[..., Any]]:
    """Yield the public methods that a class defines; one without a text of its own inherits it."""
    for name, found in vars(of).items():
        function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        function = inspect.unwrap(function) if callable(function) else function
        # A function that is the default of a field is not a method.
        if not name.startswith("_") and inspect.isfunction(function) and function.__name__ == name:
            yield function


def missing(function: Callable[..., Any], text: str) -> set[str]:
    """Return the sections that the docstring of a function lacks."""
    signature = inspect.signature(function)
    lacks = set()
    if set(signature.parameters) - {"self", "cls"} and "Parameters\n" not in text:
        lacks.add("Parameters")
    returns = signature.return_annotation not in (None, "None", inspect.Signature.empty)
    if returns and "Returns\n" not in text and "Yields\n" not in text:
        lacks.add("Returns")
    if "    raise " in inspect.getsource(function) and "Raises\n" not in text:
        lacks.add("Raises")
    return lacks


@pytest.mark.parametrize("named", list(functions_and_classes()))
def test_a_public_name_is_documented_with_an_example(named: Any) -> None:
    text = inspect.getdoc(named) or ""
    assert ">>>" in text, "no example"
    if not inspect.isclass(named):
        assert not missing(inspect.unwrap(named), text)
        return
    lacks = {
        function.__name__: sections
        for function in methods(named)
        if (sections := missing(function, inspect.getdoc(getattr(named, function.__name__)) or ""))
    }
    assert not lacks
