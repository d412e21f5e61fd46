"""One kind of table for everything that has variants: tasks, conditions, cells, optimizers, measures, pictures.

A variant is a class, a function or a row of a table. A decorator adds it to its registry, which finds it by name, in
any spelling, or by its published code.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from .errors import InputError, suggestion
from .own_code import note_source

Entry = TypeVar("Entry")
Own = TypeVar("Own")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The variants of one kind by name, in the order of their registration.

    Parameters
    ----------
    kind
        Noun for an entry, in messages.
    named_by
        Attribute that holds an entry's name; a function without it goes by its own name.
    check
        Function that raises an InputError if an entry is not complete.
    homes
        Modules that register the entries of this package; imported on first use.

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> @shapes.register
    ... def round_one(): ...
    >>> shapes.names()
    ('round_one',)
    >>> shapes.find("Round-One") is round_one
    True
    """

    def __init__(
        self,
        kind: str,
        *,
        named_by: str = "name",
        check: Callable[[Any], None] = lambda entry: None,
        homes: Sequence[str] = (),
    ) -> None:
        self.kind, self._named_by, self._check, self._homes = kind, named_by, check, list(homes)
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}

    def register(self, entry: Own) -> Own:
        """Add an entry under its name (a decorator).

        An entry that is defined again in the same place, as by a notebook cell that runs twice, replaces the first.

        Parameters
        ----------
        entry
            A class, a function, or a row of a table.

        Returns
        -------
        The entry itself.

        Raises
        ------
        InputError
            If the entry is not complete, or its name or code belongs to another entry.

        Examples
        --------
        >>> shapes = Registry("shape")
        >>> @shapes.register
        ... def round_one(): ...
        >>> "round_one" in shapes
        True
        """
        self._check(entry)
        name, code = self._name_of(entry), code_of(entry)
        if not isinstance(name, str) or not plain(name):
            raise InputError(f"{entry!r} has no `{self._named_by}`: give it one, so that it can be found.")
        for known_name, known in self._entries.items():
            same_name = plain(known_name) == plain(name)
            if same_name and _place(known) == _place(entry):
                continue  # the same entry, defined again
            if same_name or (code is not None and code == code_of(known)):
                wanted, taken = f"the name {name!r}", f"the name {known_name!r}"
                if code is not None or code_of(known) is not None:
                    wanted, taken = f"{wanted} and code {code}", f"{taken} and code {code_of(known)}"
                raise InputError(
                    f"{_called(entry)} cannot have {wanted}: {_called(known)} has {taken}. Choose another."
                )
        self._entries = {
            known: of for known, of in self._entries.items() if known == name or plain(known) != plain(name)
        }
        self._entries[name] = entry  # type: ignore[assignment]
        note_source(entry)
        return entry

    def remove(self, name: str) -> None:
        """Remove an entry, such as one that a notebook no longer needs.

        Parameters
        ----------
        name
            The entry's name as registered; a name without an entry is no error.
        """
        self._entries.pop(name, None)

    def alias(self, name: str, of: str) -> None:
        """Give an entry another name.

        Parameters
        ----------
        name
            The other name, by which `find` returns the entry too.
        of
            The name of the entry.
        """
        self._aliases[plain(name)] = of

    def names(self) -> tuple[str, ...]:
        """List all names.

        Returns
        -------
        Names, in the order of their registration.

        Examples
        --------
        >>> shapes = Registry("shape")
        >>> shapes.names()
        ()
        """
        return tuple(self)

    def find(self, name: Any) -> Entry:
        """Return an entry by its name, in any spelling, or by its published code.

        Parameters
        ----------
        name
            Name, in any spelling, another name from `alias`, or published code.

        Returns
        -------
        The entry.

        Raises
        ------
        InputError
            If there is none; the message lists the names and suggests the closest.
        """
        known = self._loaded()
        if isinstance(name, str | int) and not isinstance(name, bool):
            word, code = plain(str(name)), str(name).strip()  # not the plain form of the code, in which -1 would be 1
            word = plain(self._aliases.get(word, word))
            for known_name, entry in known.items():
                if word == plain(known_name) or (code_of(entry) is not None and code == str(code_of(entry))):
                    return entry
        raise InputError(self._no_such(name))

    def spelled(self, name: Any) -> str:
        """Return the one spelling of a name.

        Parameters
        ----------
        name
            What `find` takes.

        Returns
        -------
        The name under which the entry is registered.

        Raises
        ------
        InputError
            If there is no such entry.

        Examples
        --------
        >>> shapes = Registry("shape")
        >>> @shapes.register
        ... def round_one(): ...
        >>> shapes.spelled("Round-One")
        'round_one'
        """
        return str(self._name_of(self.find(name)))

    def __getitem__(self, name: str) -> Entry:
        return self._loaded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())

    def _loaded(self) -> dict[str, Entry]:
        while self._homes:
            importlib.import_module(self._homes.pop(0))
        return self._entries

    def _name_of(self, entry: Any) -> Any:
        own = getattr(entry, self._named_by, None)
        return getattr(entry, "__name__", None) if own is None and inspect.isfunction(entry) else own

    def _no_such(self, name: Any) -> str:
        known = self._loaded()
        codes = {name: code_of(entry) for name, entry in known.items()}
        listing = ", ".join(name if code is None else f"{name} ({code})" for name, code in codes.items())
        with_codes = " and their codes" if any(code is not None for code in codes.values()) else ""
        closest = suggestion(str(name), known)
        return (
            f"There is no {self.kind} {name!r}.{closest if closest.startswith(' Do') else ''} "
            f"{self.kind.capitalize()}s{with_codes}: {listing or 'none'}."
        )


def code_of(entry: Any) -> Any:
    """Return the published code of an entry; None if it has none."""
    return getattr(entry, "code", None)


def plain(name: str) -> str:
    """Return a name without case and punctuation, which makes ``DE-1``, ``de_1`` and ``de1`` the same."""
    return name.strip().lower().translate(str.maketrans("", "", "-_ "))


def _place(entry: Any) -> tuple[Any, Any] | None:
    """Return the module and name under which an entry is defined; None for a row of a table, which has neither."""
    module, name = getattr(entry, "__module__", None), getattr(entry, "__qualname__", None)
    return None if name is None else (module, name)


def _called(entry: Any) -> str:
    return str(getattr(entry, "__name__", None) or getattr(entry, "name", entry))
