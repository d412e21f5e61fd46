"""The user's files are imported once, imported again when they change, and refused with the line of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from own import my_lab, write
from recurrent_memory import tasks
from recurrent_memory.errors import InputError
from recurrent_memory.networks import CELLS
from recurrent_memory.own_code import OwnFile, import_file

__all__ = ["my_lab"]


def test_a_file_registers_what_is_in_it(my_lab: Path) -> None:
    module = import_file(my_lab)
    assert tasks.find("half") is module.Half
    assert CELLS.find("scaled") is module.Squared
    assert str(module.Half.__doc__).partition("\n")[0] == "Which half of the neurons fired."


def test_a_file_is_imported_once_also_as_a_copy(my_lab: Path, tmp_path: Path) -> None:
    module = import_file(my_lab)
    assert import_file(my_lab) is module
    copy = tmp_path / "my_lab.py"
    copy.write_bytes(my_lab.read_bytes())
    assert import_file(copy) is module
    assert sys.modules[module.__name__] is module


def test_a_changed_file_takes_the_place_of_the_old_one(my_lab: Path) -> None:
    old = import_file(my_lab)
    new = import_file(write(my_lab.parent, rate=0.1))
    assert (old.RATE, new.RATE) == (0.5, 0.1)
    assert tasks.find("half") is new.Half
    again = import_file(write(my_lab.parent, rate=0.5))
    assert tasks.find("half") is again.Half


def test_a_file_is_what_it_was_when_it_was_read(my_lab: Path) -> None:
    read = OwnFile.read(my_lab)
    write(my_lab.parent, rate=0.1)
    assert read.load().RATE == 0.5


def test_a_name_of_the_standard_library_shadows_nothing(tmp_path: Path) -> None:
    import random

    path = tmp_path / "random.py"
    path.write_text("value = 3")
    assert import_file(path).value == 3
    assert sys.modules["random"] is random


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing.py", None, r"There is no file .*missing\.py to import"),
        ("lab.txt", "x = 1", r"lab\.txt is not a Python file: its name must end in \.py"),
        ("lab.py", "x = 1\ny = = 2\n", r"lab\.py, line 2: this is not Python: invalid syntax"),
        ("lab.py", "x = 1\x00", r"lab\.py.* this is not Python: "),
        ("lab.py", "\ndef f():\n    return 1 / 0\n\nf()\n", r"lab\.py, line 3: ZeroDivisionError: division by zero"),
        ("lab.py", "import sys\nsys.exit(3)\n", r"lab\.py, line 2: SystemExit: 3"),
        ("lab.py", "import tuning_of_my_lab\n", r"lab\.py, line 1: ModuleNotFoundError: .*\n.*into this one file"),
        (
            "lab.py",
            "from recurrent_memory import tasks\n@tasks.register\nclass A(tasks.AbstractTask):\n    pass\n",
            r"lab\.py, line \d: A needs a name",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    before = set(sys.modules)
    with pytest.raises(InputError, match=message):
        import_file(path)
    assert "own_lab" not in set(sys.modules) - before


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.py").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        import_file(tmp_path / "lab.py")


def test_a_file_that_fails_leaves_the_one_before(my_lab: Path) -> None:
    module = import_file(my_lab)
    my_lab.write_text("1 / 0")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        import_file(my_lab)
    assert sys.modules[module.__name__] is module
    assert tasks.find("half") is module.Half


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**33)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "is not a file: name a Python file"),
        (Path.mkdir, "is a folder: name a Python file"),
        (sparse, "has 8,589,934,592 bytes: it is hardly a Python file"),
    ],
)
def test_what_is_no_python_file_is_not_read(make: Callable[[Path], Any], words: str, tmp_path: Path) -> None:
    make(tmp_path / "lab.py")
    with pytest.raises(InputError, match=words):
        OwnFile.read(tmp_path / "lab.py")
