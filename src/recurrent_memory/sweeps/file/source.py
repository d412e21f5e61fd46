"""The text of a sweep's file, and the place of a mistake in it."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import FileError, InputError, UnreadableFileError, plain
from ...own_code import OwnFile
from ...storage.paths import expanded
from ...storage.reading import is_deep, read_bytes

OPTIONS = ("task_options", "model_options", "optimizer_options", "schedule_options")
"""Fields of an experiment that are tables; their settings have dotted names, such as ``task_options.delay_dur``."""
MOST_BYTES, MOST_LEVELS, LONGEST_SEARCHED = 16 * 2**20, 10, 200_000
"""Size of a sweep's file, levels of its brackets, and characters in which the line of a mistake is sought."""


class Source(NamedTuple):
    """Where the content of a sweep comes from; empty if it was made in Python."""

    path: Path | None = None
    text: str = ""
    overrides: dict[str, str] = {}  # noqa: RUF012 (never changed)
    """Fields that are overridden, and the words that do so, such as ``lambda0=0.9``."""
    imports: tuple[OwnFile, ...] = ()
    """Python files with tasks, cells and other variants of the sweep, as they were when the sweep was read."""

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read a file.

        Raises
        ------
        InputError
            If it cannot be read, or is not text.
        """
        if path.is_dir():
            raise InputError(f"{path} is a folder: give the TOML file of a sweep.")
        try:
            text = read_bytes(path, most=MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text in UTF-8 (byte {error.start}): save it as UTF-8.") from None
        except UnreadableFileError:
            raise
        except FileError as error:
            if path.parent.exists() and not path.parent.is_dir():
                raise InputError(f"{path} cannot be read: {path.parent} is not a folder.") from None
            raise InputError(f"{str(error).rstrip('.')}. A sweep is a TOML file.") from None
        return cls(path, text.replace("\r\n", "\n").replace("\r", "\n"))

    def content(self) -> dict[str, Any]:
        """Return the content of the text.

        Raises
        ------
        InputError
            If it is not TOML.
        """
        try:
            content = tomllib.loads(self.text)
            repr(content)  # fails for integers with thousands of digits, which no message could show
            if is_deep(content, MOST_LEVELS):
                raise RecursionError
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{self.path} is not TOML: {error}.") from None
        except (ValueError, RecursionError):
            raise InputError(
                f"{self.path} has a number that is too long, or brackets that are nested too deeply."
            ) from None
        return content

    def files(self, content: dict[str, Any], beside: Iterable[Path] = ()) -> tuple[OwnFile, ...]:
        """Read the Python files that the content imports, and further ones, each once.

        Raises
        ------
        InputError
            If the content does not name files, or one cannot be read.
        """
        named = content.get("import", [])
        with self.at("import"):
            if not (isinstance(named, list) and all(isinstance(name, str) for name in named)):
                raise InputError(f'`import` = {named!r} is not allowed: write a list of files, such as ["my_lab.py"].')
            folder = Path() if self.path is None else self.path.parent
            found = [OwnFile.read(expanded(name, folder)) for name in named]
        found += [OwnFile.read(path) for path in beside]
        return tuple({file.path.absolute(): file for file in found}.values())

    def lines(self, name: str, table: str | None = None) -> list[int]:
        """Return the lines, counted from 1, that set a name in any table, or in tables of one kind.

        Notes
        -----
        A candidate line is parsed as TOML together with all lines before it. It sets the name if the name occurs once
        more than without it.
        """
        rows, found = self.text.split("\n"), list[int]()
        if len(self.text) > LONGEST_SEARCHED:
            return found  # each candidate takes as long as all of the text
        for number, row in enumerate(rows):
            if name.rpartition(".")[2] not in row:
                continue
            before = _occurrences(name, rows[:number], table)
            # The value may end many lines below; any other value serves here.
            for statement in (row, row.partition("=")[0] + "= 0"):
                if before is not None and (_occurrences(name, [*rows[:number], statement], table) or 0) > before:
                    found.append(number + 1)
                    break
        return found

    def place(self, name: str, nth: int = 0, table: str | None = None) -> str:
        """Say where a name (its n-th occurrence, from 0) is set; empty if that is unknown."""
        if name in self.overrides:
            return f"override {self.overrides[name]!r}"
        lines = self.lines(name, table)
        return ", ".join(
            [*([str(self.path)] if self.path else []), *([f"line {lines[nth]}"] if nth < len(lines) else [])]
        )

    @contextlib.contextmanager
    def at(self, name: str, nth: int = 0, table: str | None = None) -> Iterator[None]:
        """Put the place of a name in front of the message of an InputError raised inside."""
        try:
            yield
        except InputError as error:
            place = self.place(name, nth, table)
            raise InputError(f"{place}: {error}" if place else str(error)) from None


def store_of(path: Path, content: dict[str, Any]) -> Path:
    """Return the folder for the results of a sweep: the one that its file names, or one beside the file.

    Raises
    ------
    InputError
        If the name cannot be that of a folder.
    """
    own_name = path.stem if path.suffix == ".toml" else f"{path.name}-results"
    store = content.get("store", own_name)
    try:
        if "\n" in store or plain(store, len(store)) != store:
            raise ValueError("it has control characters, or a null byte")
        found = expanded(store, path.parent)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.lstat()
    except InputError as error:
        raise InputError(f"`store` = {error}") from None
    except (OSError, ValueError) as error:  # too long, a null byte
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise InputError(f"`store` = {store!r} is not allowed: {reason}.") from None
    return found


def flat(table: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return names and values of a table, with a dotted name for each setting in a table of options."""
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        if name in OPTIONS and isinstance(value, dict):
            pairs += [(f"{name}.{setting}", of_setting) for setting, of_setting in value.items()]
        else:
            pairs.append((name, value))
    return pairs


def _occurrences(name: str, rows: list[str], kind: str | None) -> int | None:
    """Count the tables, the top level included, in which a text sets a name; None if it is not TOML."""
    try:
        content = tomllib.loads("\n".join(rows))
    except (ValueError, RecursionError):
        return None
    tables = [content] if kind is None else []
    for part in content.values() if kind is None else [content.get(kind)]:
        tables += [table for table in (part if isinstance(part, list) else [part]) if isinstance(table, dict)]
    return sum(name == found for table in tables for found, _ in flat(table))
