"""The text of a sweep's file, and where in it a mistake is."""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ...own_code import OwnFile

OPTIONS = ("task_options", "model_options", "optimizer_options", "schedule_options")
"""Fields of an experiment that are tables; a setting in one goes by a dotted name, as ``task_options.delay_dur``."""


class Source(NamedTuple):
    """Where the content of a sweep comes from; empty for one that was made in Python."""

    path: Path | None = None
    text: str = ""
    overrides: dict[str, str] = {}  # noqa: RUF012 (never changed)
    """Fields that were set beside the file, and the words that set them."""
    imports: tuple[OwnFile, ...] = ()
    """Python files whose tasks, cells and other variants the sweep can use, as they were when the sweep was read."""

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read a file.

        Raises
        ------
        InputError
            Where it cannot be read, or is not text.
        """
        try:
            return cls(path, path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise InputError(f"There is no file {path}. A sweep is a TOML file.") from None
        except IsADirectoryError:
            raise InputError(f"{path} is a folder: give the TOML file of a sweep.") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text in UTF-8 (byte {error.start}): save it as UTF-8.") from None
        except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
            raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None

    def content(self) -> dict[str, Any]:
        """Return what the text says.

        Raises
        ------
        InputError
            Where it is not TOML.
        """
        try:
            content = tomllib.loads(self.text)
            repr(content)  # which fails for whole numbers of thousands of digits, as any message about them would
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{self.path} is not TOML: {error}.") from None
        except (ValueError, RecursionError):
            raise InputError(
                f"{self.path} has a number that is too long, or too many brackets in one another."
            ) from None
        return content

    def files(self, content: dict[str, Any], beside: Iterable[Path] = ()) -> tuple[OwnFile, ...]:
        """Read the Python files that the content imports, and those that are imported beside it, each once.

        Raises
        ------
        InputError
            If the content does not name files, or one cannot be read.
        """
        named = content.get("import", [])
        with self.at("import"):
            if not (isinstance(named, list) and all(isinstance(name, str) for name in named)):
                raise InputError(f'`import` = {named!r} is not allowed: write a list of files, as ["my_lab.py"].')
            folder = Path() if self.path is None else self.path.parent
            found = [OwnFile.read(folder / os.path.expanduser(name)) for name in named]
        found += [OwnFile.read(path) for path in beside]
        return tuple({file.path.absolute(): file for file in found}.values())

    def lines(self, name: str, table: str | None = None) -> list[int]:
        """Return the lines, counted from 1, in which any table gives a name its value, or only those of one kind.

        Notes
        -----
        A line that might be meant is read by the TOML parser together with all that come before it: it is meant if
        the name is there once more than without it.
        """
        rows = self.text.split("\n")
        found = []
        for number, row in enumerate(rows):
            if name.rpartition(".")[2] not in row:
                continue
            before = _occurrences(name, rows[:number], table)
            # The value may end many lines below, so that any other has to do.
            for statement in (row, row.partition("=")[0] + "= 0"):
                if before is not None and (_occurrences(name, [*rows[:number], statement], table) or 0) > before:
                    found.append(number + 1)
                    break
        return found

    def place(self, name: str, nth: int = 0, table: str | None = None) -> str:
        """Return in words where a name, or its n-th occurrence, gets its value; empty where that is unknown."""
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
    """Return the folder for the results of a sweep: beside its file, if it is not said to be elsewhere.

    Raises
    ------
    InputError
        Where there can be no folder of that name.
    """
    own_name = path.stem if path.suffix == ".toml" else f"{path.name}-results"
    store = content.get("store", own_name)
    try:
        found = path.parent / Path(store).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.lstat()
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a null byte
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
    """Count the tables (the top level is one) in which a text gives a name a value; None where it is no TOML."""
    try:
        content = tomllib.loads("\n".join(rows))
    except (ValueError, RecursionError):
        return None
    tables = [content] if kind is None else []
    for part in content.values() if kind is None else [content.get(kind)]:
        tables += [table for table in (part if isinstance(part, list) else [part]) if isinstance(table, dict)]
    return sum(name == found for table in tables for found, _ in flat(table))
