"""A fingerprint of code outside this package, so that results of an older version of it never pass for current ones.

It covers the whole file that defines a class or function, and the values of the global names, closures, defaults and
class attributes that its functions use, since these can come from elsewhere, such as a script's command line. It does
not cover paths: a copy of a file has the same fingerprint.
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
"""Attributes in which class methods, properties, cached ones, equinox's methods and decorators keep the function."""

_SOURCES: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def fingerprint(entries: Iterable[Any]) -> str:
    """Return a fingerprint of those classes, functions and rows of tables that do not belong to this package.

    Parameters
    ----------
    entries
        The registered classes, functions and rows that an experiment uses.

    Returns
    -------
    20 hexadecimal digits; empty if all entries belong to this package.

    Examples
    --------
    >>> from recurrent_memory.errors import InputError
    >>> fingerprint([InputError])
    ''
    """
    lines = [line for entry in entries for line in _lines(entry, _Seen(entry))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS] if lines else ""


def own_files(entries: Iterable[Any]) -> list[str]:
    """List the files that define those entries that do not belong to this package.

    Parameters
    ----------
    entries
        The registered classes, functions and rows that an experiment uses.

    Returns
    -------
    Sorted file names without folders; "the notebook" for code without a file.

    Examples
    --------
    >>> from recurrent_memory.errors import InputError
    >>> own_files([InputError])
    []
    """
    own = [entry for entry in entries if _Seen(entry).is_new(entry)]
    return sorted({Path(_file(entry) or "the notebook").name for entry in own})


def note_source(entry: Any) -> None:
    """Record the source of an entry when the entry is defined, since its file may be edited later."""
    for _ in _lines(entry, _Seen(entry)):
        pass


class _Seen:
    """What one walk has visited, and the module in which it began, which counts even if it is installed."""

    def __init__(self, entry: Any) -> None:
        self.things: set[int] = set()
        self.home = getattr(entry, "__module__", None)

    def is_new(self, thing: Any) -> bool:
        """Return whether a thing is new to the walk, and belongs neither to this package nor to an installed one."""
        name = thing.__name__ if inspect.ismodule(thing) else getattr(thing, "__module__", None)
        if id(thing) in self.things or not isinstance(name, str):
            return False
        self.things.add(id(thing))
        root = name.partition(".")[0]
        if root in _NOT_OWN:
            return False
        return name == self.home or not _INSTALLED & set(Path(_file(thing) or "").parts)


def _lines(thing: Any, seen: _Seen) -> Iterator[str]:
    """Yield the lines that the fingerprint hashes, in the order of the source."""
    thing = _underneath(thing)
    if inspect.isclass(thing):
        if seen.is_new(thing):
            yield _source(thing)
            for base in thing.__bases__:
                yield from _lines(base, seen)
            fields = getattr(thing, "model_fields", {})  # pydantic removes these from a class's attributes
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
    elif not _is_value(thing):  # of a row of a table, the functions count
        row = thing._asdict() if hasattr(thing, "_asdict") else getattr(thing, "__dict__", {})
        for value in row.values():
            if callable(value):
                yield from _lines(value, seen)


def _named(name: str, value: Any, seen: _Seen) -> Iterator[str]:
    """Yield the lines of what a name stands for: a value, or a class or function."""
    value = _underneath(value)
    if isinstance(value, FunctionType | ModuleType | type):
        yield from _lines(value, seen)
    elif name.startswith("__") and name.endswith("__"):
        return  # notes of Python and pydantic about a class, which include paths
    elif _is_value(value):
        yield f"{name} = {_written(value)}"
    elif isinstance(value, list | tuple | dict):
        for number, item in enumerate(value.values() if isinstance(value, dict) else value):
            yield from _named(f"{name}.{number}", item, seen)


def _underneath(thing: Any) -> Any:
    """Return the function inside a wrapper of a known kind; anything else as it is."""
    while not inspect.isclass(thing):
        inner = next((found for name in _UNDERNEATH if callable(found := getattr(thing, name, None))), None)
        if inner is None:
            return thing
        thing = inner
    return thing


def _used_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield, by name, what a function uses besides its arguments."""
    yield "defaults", function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).items()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # the cell is still empty
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
    """Return a value as text; an array as its checksum."""
    if isinstance(value, set | frozenset):
        return repr(sorted(map(repr, value)))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {_written(of)}' for name, of in value.items())}}}"
    if not hasattr(value, "__array__"):
        return repr(value)
    import numpy as np  # not at the top: the command line's help should not wait for it

    array = np.asarray(value)
    content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    return f"{array.dtype} {array.shape} {hashlib.sha256(content).hexdigest()}"


def _source(thing: Any) -> str:
    """Return what identifies the source of a thing, as it was at the first call for it."""
    if inspect.ismodule(thing):
        return _read(thing)  # not kept: a module that is imported again is the same object with new content
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
        return str(thing.__name__)  # in a notebook, the functions of a class identify it
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):  # typed in at a prompt, without a file
        return _compiled(thing.__code__)


def _file(thing: Any) -> str | None:
    module = thing if inspect.ismodule(thing) else sys.modules.get(thing.__module__)
    return getattr(module, "__file__", None)


def _compiled(code: CodeType) -> str:
    constants = [_compiled(of) if isinstance(of, CodeType) else repr(of) for of in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
