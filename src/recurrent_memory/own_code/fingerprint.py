"""A fingerprint of code that is not of this package, so that a result of changed code never passes for the present one.

It covers the whole file in which a class or function is defined, and the values of the global names, closures,
defaults and class attributes that its functions use: they can come from elsewhere, such as a
script's command line.
Paths are no part of it: a copy of a file has the same fingerprint.
"""

from __future__ import annotations

import contextlib
import dis
import hashlib
import inspect
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

DIGITS = 20
"""Hexadecimal digits of a fingerprint."""
_PACKAGE = __name__.partition(".")[0]
_NOT_OWN = (sys.stdlib_module_names | {_PACKAGE}) - {"__main__"}
_INSTALLED = {"site-packages", "dist-packages"}
_UNDERNEATH = ("__func__", "fget", "func", "method", "__wrapped__")
"""Where class methods, properties, cached properties, equinox's methods and decorated functions keep the function."""

_SOURCES: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def fingerprint(entries: Iterable[Any]) -> str:
    """Return a fingerprint of the classes, functions and rows of tables that are not of this package.

    Parameters
    ----------
    entries
        What an experiment uses.

    Returns
    -------
    20 hexadecimal digits; empty if everything is of this package.

    Examples
    --------
    >>> from recurrent_memory.errors import InputError
    >>> fingerprint([InputError])
    ''
    """
    lines = [line for entry in entries for line in _lines(entry, _Seen(entry))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS] if lines else ""


def own_files(entries: Iterable[Any]) -> list[str]:
    """Return the names of the files in which those of the entries are defined that are not of this package."""
    own = [entry for entry in entries if _Seen(entry).is_new(entry)]
    return sorted({Path(_file(entry) or "the notebook").name for entry in own})


def note_source(entry: Any) -> None:
    """Remember the source of an entry as it is when the entry is defined: its file may be edited later."""
    for _ in _lines(entry, _Seen(entry)):
        pass


class _Seen:
    """What one walk has been to, and the module in which it began: that one counts, even if it is installed."""

    def __init__(self, entry: Any) -> None:
        self.things: set[int] = set()
        self.home = getattr(entry, "__module__", None)

    def is_new(self, thing: Any) -> bool:
        """Return whether something is met for the first time, and is not of this package or an installed one."""
        name = thing.__name__ if inspect.ismodule(thing) else getattr(thing, "__module__", None)
        if id(thing) in self.things or not isinstance(name, str):
            return False
        self.things.add(id(thing))
        root = name.partition(".")[0]
        if root in _NOT_OWN:
            return False
        return name == self.home or not _INSTALLED & set(Path(_file(thing) or "").parts)


def _lines(thing: Any, seen: _Seen) -> Iterator[str]:
    """Yield all that the fingerprint is made of, in the order of the source."""
    thing = _underneath(thing)
    if inspect.isclass(thing):
        if seen.is_new(thing):
            yield _source(thing)
            for base in thing.__bases__:
                yield from _lines(base, seen)
            fields = getattr(thing, "model_fields", {})  # which pydantic takes out of a class's attributes
            own = {name: fields[name].default for name in vars(thing).get("__annotations__", ()) if name in fields}
            for name, value in {**vars(thing), **own}.items():
                yield from _named(name, value, seen)
    elif inspect.isfunction(thing):
        if seen.is_new(thing):
            yield _source(thing)
            for name, value in _used_by(thing):
                yield from _named(name, value, seen)
    elif inspect.ismodule(thing):
        if seen.is_new(thing):
            yield _source(thing)
    elif not _is_value(thing):  # a row of a table counts by its functions
        row = thing._asdict() if hasattr(thing, "_asdict") else getattr(thing, "__dict__", {})
        for value in row.values():
            if callable(value):
                yield from _lines(value, seen)


def _named(name: str, value: Any, seen: _Seen) -> Iterator[str]:
    """Yield what a name stands for: a value itself, or what a class or function is made of."""
    value = _underneath(value)
    if isinstance(value, FunctionType | ModuleType | type):
        yield from _lines(value, seen)
    elif name.startswith("__") and name.endswith("__"):
        return  # what Python and pydantic note of a class, paths among it
    elif _is_value(value):
        yield f"{name} = {_written(value)}"
    elif isinstance(value, list | tuple | dict):
        for number, item in enumerate(value.values() if isinstance(value, dict) else value):
            yield from _named(f"{name}.{number}", item, seen)


def _underneath(thing: Any) -> Any:
    """Return the function that something stands for, if it is one of several kinds of wrappers."""
    while not inspect.isclass(thing):
        inner = next((found for name in _UNDERNEATH if callable(found := getattr(thing, name, None))), None)
        if inner is None:
            return thing
        thing = inner
    return thing


def _used_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function uses besides its arguments."""
    yield "defaults", function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).items()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # it is still empty
            yield name, cell.cell_contents
    for name in dict.fromkeys(_global_names(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _global_names(code: CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            yield step.argval
        elif isinstance(step.argval, CodeType):
            yield from _global_names(step.argval)


def _is_value(thing: Any) -> bool:
    if isinstance(thing, list | tuple | set | frozenset):
        return all(map(_is_value, thing))
    if isinstance(thing, dict):
        return all(map(_is_value, [*thing, *thing.values()]))
    return thing is None or isinstance(thing, bool | int | float | complex | str | bytes) or hasattr(thing, "__array__")


def _written(value: Any) -> str:
    """Write a value; of an array, its checksum."""
    if isinstance(value, set | frozenset):
        return repr(sorted(map(repr, value)))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {_written(of)}' for name, of in value.items())}}}"
    if not hasattr(value, "__array__"):
        return repr(value)
    import numpy as np  # here, so that --help need not wait for it

    array = np.asarray(value)
    content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    return f"{array.dtype} {array.shape} {hashlib.sha256(content).hexdigest()}"


def _source(thing: Any) -> str:
    """Return the text of the file in which something is defined, as it was when it was first asked for."""
    if inspect.ismodule(thing):
        return _read(thing)  # when it is imported again it is the same object with another content
    if thing not in _SOURCES:
        _SOURCES[thing] = _read(thing)
    return _SOURCES[thing]


def _read(thing: Any) -> str:
    file = _file(thing)
    if file is not None:
        try:
            return hashlib.sha256(Path(file).read_bytes()).hexdigest()
        except OSError:
            pass
    if not inspect.isfunction(thing):
        return str(thing.__name__)  # in a notebook a class is known by its functions
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):  # typed in, without a file
        return _compiled(thing.__code__)


def _file(thing: Any) -> str | None:
    module = thing if inspect.ismodule(thing) else sys.modules.get(thing.__module__)
    return getattr(module, "__file__", None)


def _compiled(code: CodeType) -> str:
    constants = [_compiled(of) if isinstance(of, CodeType) else repr(of) for of in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
