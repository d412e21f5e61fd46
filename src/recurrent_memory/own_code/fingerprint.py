"""A fingerprint of code outside this package, so that results of an older version of it never pass for current ones.

It covers the whole file that defines a class or function, and the values of the global names, closures, defaults and
class attributes that its functions use, since these can come from elsewhere, such as a script's command line. Values
are followed to their ends: what an object consists of (as it would be pickled), the class that it is of, what functions
use of a module, and what those use. It does not cover paths: a copy of a file has the same fingerprint.
"""

from __future__ import annotations

import contextlib
import copyreg
import dis
import functools
import hashlib
import importlib.util
import inspect
import random
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

DIGITS = 20
"""Hexadecimal digits of a fingerprint."""
_PACKAGE = __name__.partition(".")[0]
_NOT_OWN = (sys.stdlib_module_names | {_PACKAGE}) - {"__main__"}
_INSTALLED = {"site-packages", "dist-packages"}
_DEEPEST = 40
"""Levels of an object that are followed."""
_UNDERNEATH = ("__func__", "fget", "func", "method", "__wrapped__")
"""Attributes in which static methods, properties, cached ones, equinox's methods and decorators keep the function."""

_SOURCES: weakref.WeakKeyDictionary[Any, tuple[Any, str]] = weakref.WeakKeyDictionary()
"""What identifies the source of each class, function and module, and the import that it is of."""


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
    own = [thing for entry in entries for thing in _wrapped_in(entry) if _Seen(entry).is_own(thing)]
    return sorted({Path(_file(entry) or "the notebook").name for entry in own})


def note_source(entry: Any) -> None:
    """Record the source of an entry when the entry is defined, since its file may be edited later."""
    for _ in _lines(entry, _Seen(entry, may_import=False)):
        pass


class _Seen:
    """What one walk has visited, and the module in which it began, which counts even if it is installed."""

    def __init__(self, entry: Any, *, may_import: bool = True) -> None:
        self.things: dict[int, Any] = {}  # kept alive, so that no other thing gets the same number
        self.home, self.may_import = getattr(entry, "__module__", None), may_import

    def is_new(self, thing: Any) -> bool:
        """Return whether a thing is new to the walk, and belongs neither to this package nor to an installed one."""
        return self.is_own(thing) and self.is_first(thing)

    def is_first(self, thing: Any) -> bool:
        """Return whether a thing is visited for the first time."""
        if id(thing) in self.things:
            return False
        self.things[id(thing)] = thing
        return True

    def is_own(self, thing: Any) -> bool:
        """Return whether a thing belongs neither to this package nor to an installed one."""
        name = _module_name(thing)
        if not isinstance(name, str) or name.partition(".")[0] in _NOT_OWN:
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
                if not (name.startswith("__") and name.endswith("__") and not callable(_underneath(value))):
                    yield from _named(name, value, seen)  # without notes of Python and pydantic, which include paths
    elif inspect.isfunction(thing):
        if seen.is_new(thing):
            yield _source(thing)
            for name, value in _used_by(thing, seen):
                yield from _named(name, value, seen)
        if hasattr(thing, "__wrapped__"):  # also inside the decorator of an installed package
            yield from _lines(thing.__wrapped__, seen)
    elif not _is_value(thing):  # of a row of a table, the functions count
        row = thing._asdict() if hasattr(thing, "_asdict") else getattr(thing, "__dict__", {})
        for value in row.values():
            if callable(value):
                yield from _lines(value, seen)


def _named(name: str, value: Any, seen: _Seen) -> Iterator[str]:
    """Yield the lines of what a name stands for: a value, a class or function, or an object of any other kind."""
    value = _underneath(value)
    if isinstance(value, FunctionType | type):
        yield from _lines(value, seen)
    elif isinstance(value, ModuleType):
        return  # what is used of it is listed with the function that uses it
    elif _is_value(value):
        yield f"{name} = {_written(value)}"
    elif not _belongs_to_its_module(value, seen) and name.count(".") < _DEEPEST:
        kind = type(value)
        if not seen.is_first(value):
            yield f"{name} is number {list(seen.things).index(id(value))}"
            return
        if not isinstance(value, list | tuple | dict):
            yield f"{name}: {kind.__module__}.{kind.__qualname__}"
        yield from _lines(kind, seen)
        if isinstance(value, Set):
            yield from sorted(line for item in value for line in _named(name, item, seen))
            return
        for part, item in _parts(value):
            yield from _named(f"{name}.{part}", item, seen)


def _underneath(thing: Any) -> Any:
    """Return the function inside a wrapper of a known kind; anything else as it is."""
    while not isinstance(thing, type | FunctionType | MethodType | functools.partial):
        inner = next((found for name in _UNDERNEATH if callable(found := getattr(thing, name, None))), None)
        if inner is None:
            return thing
        thing = inner
    return thing.__func__ if isinstance(thing, MethodType) and inspect.isclass(thing.__self__) else thing


def _wrapped_in(thing: Any) -> Iterator[Any]:
    """Yield a class or function, and the functions that decorators have wrapped in it."""
    yield thing
    while not inspect.isclass(thing) and (thing := getattr(thing, "__wrapped__", None)) is not None:
        yield thing


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return what an object consists of, in a fixed order: its items, or what it would be pickled as."""
    if isinstance(value, MethodType):
        return enumerate((value.__func__, value.__self__))
    if isinstance(value, Mapping):
        items = enumerate(value.items())
        return [part for number, (key, of) in items for part in ((f"{number}.key", key), (number, of))]
    if isinstance(value, Sequence):
        return enumerate(value)
    if _is_array(value):  # of objects
        return enumerate((value.shape, value.ravel().tolist()))
    if _draws_numbers(value):
        return ()  # changes with every number that it draws
    try:
        reduce = copyreg.dispatch_table.get(type(value))
        state = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception:  # it can't be pickled: any error of the object's own
        state = (None, None, getattr(value, "__dict__", None))
    if isinstance(state, str):
        return [("name", state)]
    # The last parts are iterators over the items of a list or a dictionary.
    parts = [list(part) if isinstance(part, Iterator) else _without_caches(value, part) for part in state]
    return enumerate(parts)


def _without_caches(value: Any, state: Any) -> Any:
    """Return the state of an object without what it has computed from the rest."""
    if not isinstance(state, dict):
        return state
    kind = type(value)
    kept = {
        name: of
        for name, of in state.items()
        if not (isinstance(name, str) and isinstance(getattr(kind, name, None), functools.cached_property))
    }
    return kept or None  # as if there had never been any


def _belongs_to_its_module(value: Any, seen: _Seen) -> bool:
    """Return whether a value is a function, in the widest sense, of an installed package, such as `numpy.sin`."""
    name, module = getattr(value, "__name__", None), sys.modules.get(str(_module_name(value)))
    return isinstance(name, str) and getattr(module, name, None) is value and not seen.is_own(value)


def _used_by(function: FunctionType, seen: _Seen) -> Iterator[tuple[str, Any]]:
    """Yield, by name, what a function uses besides its arguments."""
    yield "defaults", function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).items()
    attributes = tuple(dict.fromkeys(_names(function.__code__, "LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")))
    found: list[tuple[str, Any]] = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # the cell is still empty
            found.append((name, cell.cell_contents))
    for name in dict.fromkeys(_names(function.__code__, "LOAD_GLOBAL")):
        if name in function.__globals__:
            found.append((name, function.__globals__[name]))
    for name in dict.fromkeys(_names(function.__code__, "IMPORT_NAME")):
        found += [(name, module) for module in _imported(name, function, seen)]
    for name, value in found:
        if isinstance(value, ModuleType):
            yield from _of_module(name, value, attributes, seen, ())
        else:
            yield name, value


def _of_module(
    name: str, module: ModuleType, attributes: tuple[str, ...], seen: _Seen, around: tuple[ModuleType, ...]
) -> Iterator[tuple[str, Any]]:
    """Yield a module's source and what a function that uses the given attributes may use of it."""
    if module in around or not seen.is_own(module):
        return
    yield f"{name}.source", _source(module)
    for attribute in attributes:
        value = vars(module).get(attribute)
        if isinstance(value, ModuleType):
            yield from _of_module(f"{name}.{attribute}", value, attributes, seen, (*around, module))
        elif attribute in vars(module):
            yield f"{name}.{attribute}", value


def _imported(name: str, function: FunctionType, seen: _Seen) -> Iterator[ModuleType]:
    """Yield the modules that a function imports by a name, which may be a relative one."""
    package = str(function.__globals__.get("__package__") or "")
    around = [package.rsplit(".", up)[0] for up in range(package.count(".") + 1)] if package else []
    for full in dict.fromkeys(filter(None, (name, *(f"{of}.{name}".rstrip(".") for of in around)))):
        if full.partition(".")[0] in _NOT_OWN:
            continue
        if seen.may_import and _is_own_name(full):
            # Also those modules of a package that the function names. If one fails, the function will say so itself,
            # if it ever gets there.
            parts = (f"{full}.{part}" for part in _names(function.__code__, "IMPORT_FROM"))
            for wanted in (full, *parts):
                if wanted not in sys.modules:
                    with contextlib.suppress(Exception):
                        importlib.import_module(wanted)
        for known in dict.fromkeys((full, full.partition(".")[0])):  # `import a.b` is used as `a`
            if isinstance(module := sys.modules.get(known), ModuleType):
                yield module


def _is_own_name(name: str) -> bool:
    """Return whether a module that is not imported yet is one of the user's, and not an installed one."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None and not _INSTALLED & set(Path(spec.origin).parts)


def _names(code: CodeType, *steps: str) -> Iterator[str]:
    """Yield the names in a function, and in those inside it, that certain steps of its bytecode use."""
    for step in dis.get_instructions(code):
        if step.opname in steps:
            yield step.argval
        elif isinstance(step.argval, CodeType):
            yield from _names(step.argval, *steps)


def _is_array(thing: Any) -> bool:
    """Return whether a thing is an array of NumPy or JAX, without what its subclasses add."""
    numpy, jax = sys.modules.get("numpy"), sys.modules.get("jax")
    if numpy is not None and (type(thing) is numpy.ndarray or isinstance(thing, numpy.generic)):
        return True
    return jax is not None and hasattr(jax, "Array") and isinstance(thing, jax.Array)


def _draws_numbers(thing: Any) -> bool:
    numpy = sys.modules.get("numpy")
    kinds = (numpy.random.Generator, numpy.random.RandomState, numpy.random.BitGenerator) if numpy else ()
    return isinstance(thing, (random.Random, *kinds))


def _is_value(thing: Any, depth: int = 0) -> bool:
    if depth > _DEEPEST:  # it may contain itself
        return False
    if type(thing) in (list, tuple, set, frozenset):
        return all(_is_value(item, depth + 1) for item in thing)
    if type(thing) is dict:
        return all(_is_value(item, depth + 1) for item in (*thing, *thing.values()))
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes | range | PurePath):
        return True
    return _is_array(thing) and thing.dtype != object


def _written(value: Any) -> str:
    """Return a value as text; an array as its checksum."""
    if isinstance(value, set | frozenset):
        return repr(sorted(map(_written, value)))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {_written(of)}' for name, of in value.items())}}}"
    if not _is_array(value):
        return repr(value)
    import numpy as np  # not at the top: the command line's help should not wait for it

    kind = str(value.dtype)
    if kind.startswith("key<"):  # of JAX's random numbers
        import jax

        value = jax.random.key_data(value)
    array = np.asarray(value)
    return f"{kind} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def _source(thing: Any) -> str:
    """Return what identifies the source of a thing, as it was at the first call for it since it was imported."""
    imported = getattr(thing, "__spec__", None) if inspect.ismodule(thing) else None  # another one after a reload
    known = _SOURCES.get(thing)
    if known is None or known[0] is not imported:
        known = _SOURCES[thing] = imported, _read(thing)
    return known[1]


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


def _module_name(thing: Any) -> Any:
    """Return the name of the module that a thing is from; of a function, where its code stands, whatever it wraps."""
    if inspect.ismodule(thing):
        return thing.__name__
    return thing.__globals__.get("__name__") if inspect.isfunction(thing) else getattr(thing, "__module__", None)


def _file(thing: Any) -> str | None:
    if inspect.isfunction(thing):
        return thing.__globals__.get("__file__")
    module = thing if inspect.ismodule(thing) else sys.modules.get(str(_module_name(thing)))
    return getattr(module, "__file__", None)


def _compiled(code: CodeType) -> str:
    constants = [_compiled(of) if isinstance(of, CodeType) else repr(of) for of in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
