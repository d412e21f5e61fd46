"""The pages of the documentation, as tests read them: blocks of code, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
SHELL = ("", "bash", "console", "sh", "shell")
"""Languages of blocks that hold commands."""
NAME = re.compile(r"[a-z]+")
PROGRAM = "recurrent-memory"
STANDS_FOR = {"SEED": "3", "FILE.mat": "basic_task0.mat", "FILE": "sweep.toml", "I/N": "1/2"}
"""Words of the prose that stand for a user's own."""


class Command(NamedTuple):
    """A call of ``recurrent-memory`` on a page."""

    page: str
    line: int
    words: tuple[str, ...]
    """What stands after the name of the program."""
    is_name: bool = False
    """Whether it only names a command, as prose does."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {shlex.join(self.words)}"


def text_of(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page: str) -> Iterator[Command]:
    """Yield the commands in a page's blocks, and those in its prose that are whole."""
    text = text_of(page)
    for block in FENCE.finditer(text):
        first = text[: block.start(2)].count("\n") + 1
        if block[1] in SHELL:
            for number, row in enumerate(block[2].splitlines()):
                yield from _in_row(page, first + number, row)
    prose = FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    for code in INLINE.finditer(prose):
        row = " ".join(code[1].split())
        if row.startswith(f"{PROGRAM} ") and "…" not in row:
            line = prose[: code.start()].count("\n") + 1
            for command in _in_row(page, line, row):
                yield command._replace(is_name=all(NAME.fullmatch(word) for word in command.words))


def _in_row(page: str, line: int, row: str) -> Iterator[Command]:
    if PROGRAM not in row or row.lstrip().startswith(("eval ", "pip ", "#")):
        return
    for part in row.split("&&"):
        words = [STANDS_FOR.get(word, word) for word in shlex.split(part, comments=True)]
        if words and words[0].rpartition("/")[2] == PROGRAM:
            yield Command(page, line, tuple(words[1:]))
