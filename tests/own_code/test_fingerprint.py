"""Every change in what an own task does changes its fingerprint; tasks of this package have none."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from own import OPTIONS, my_lab, write
from recurrent_memory.errors import InputError
from recurrent_memory.experiment import Experiment
from recurrent_memory.networks import CELLS
from recurrent_memory.own_code import fingerprint, import_file
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.sweeps import identity
from recurrent_memory.tasks.conditions import CONDITIONS
from recurrent_memory.tasks.registry import TASKS

__all__ = ["my_lab"]


def half(**changes: Any) -> Experiment:
    return Experiment(**{"task": "half", "task_options": OPTIONS, **changes})


def test_what_is_of_this_package_has_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in = [of for of in (*TASKS.values(), *CELLS.values()) if of.__module__.startswith("recurrent_memory")]
    assert len(built_in) >= 13
    assert fingerprint([*built_in, *CONDITIONS.values()]) == ""
    experiment = Experiment(task="comp", condition="variable_delay+dynamic", model="gru")
    assert experiment.code == ""
    assert "code" not in experiment.model_dump()
    assert "code" not in json.loads(experiment.model_dump_json())


def test_own_tasks_and_cells_have_one(my_lab: Path) -> None:
    import_file(my_lab)
    codes = {half().code, half(model="scaled").code, Experiment(task="de1", model="scaled").code}
    assert len(codes) == 3
    assert all(len(code) == 20 for code in codes)
    assert half().code == half(seed=3, task="Half").code
    assert half(task="2afc", curriculum=("half", "2afc"), task_options={}).code == half().code
    assert half().own_files == ["my_lab.py"]


def test_replacing_the_task_replaces_the_fingerprint(my_lab: Path) -> None:
    import_file(my_lab)
    assert half().replace(task="de1").code == ""
    assert Experiment(task="de1", task_options=OPTIONS).replace(task="half").code == half().code
    assert half(seed=1).replace(seed=2) == half(seed=2)


def test_it_depends_on_content_and_not_on_the_path(my_lab: Path, tmp_path: Path) -> None:
    import_file(my_lab)
    first = half().code
    import_file(write(my_lab.parent, rate=0.1))
    assert half().code != first
    import_file(write(tmp_path))
    assert half().code == first


def test_an_edit_after_the_import_is_not_what_runs(my_lab: Path) -> None:
    import_file(my_lab)
    first = half().code
    write(my_lab.parent, rate=0.1)
    assert half().code == first


@pytest.mark.parametrize("name", ["RATE", "GAIN"])
def test_it_covers_the_values_that_functions_use(name: str, my_lab: Path) -> None:
    module = import_file(my_lab)
    before = half(model="scaled").code
    setattr(module, name, 0.25)
    assert half(model="scaled").code != before
    module.unused = 3  # type: ignore[attr-defined]
    after = half(model="scaled").code
    module.unused = 4  # type: ignore[attr-defined]
    assert half(model="scaled").code == after


def own(text: str, tmp_path: Path, **values: Any) -> str:
    """Return the fingerprint of the class `Own` in a file."""
    path = tmp_path / "own_class.py"
    path.write_text(text)
    module = import_file(path)
    vars(module).update(values)
    return fingerprint([module.Own])


@pytest.mark.parametrize(
    ("text", "one", "other"),
    [
        ("class Own:\n    def f(self): return table[0]\n", [1, 2], [2, 1]),
        ("class Own:\n    def f(self): return [table for _ in range(3)]\n", {"a": 1}, {"a": 2}),
        ("def g(): return table\nclass Own:\n    @property\n    def f(self): return g()\n", {1, 2}, {1, 3}),
        ("class Own:\n    @classmethod\n    def f(cls): return table\n", np.arange(3.0), np.arange(3.0) + 1),
        ("def g(x): return lambda: x + table\nclass Own:\n    f = staticmethod(g(1))\n", 1, 2),
        ("import functools\nclass Own:\n    @functools.cached_property\n    def f(self): return table\n", "a", "b"),
    ],
)
def test_values_of_every_kind_count(text: str, one: Any, other: Any, tmp_path: Path) -> None:
    first, second = (own(text, tmp_path, table=value) for value in (one, other))
    assert first != second
    assert own(text, tmp_path, table=one) == first


def test_closures_count() -> None:
    def made(rate: float) -> type:
        class Own:
            def rates(self) -> float:
                return rate

        return Own

    assert fingerprint([made(0.5)]) == fingerprint([made(0.5)]) != fingerprint([made(0.1)])


def test_code_without_a_file_counts(tmp_path: Path) -> None:
    text = (
        "class Own:\n    def f(self): return {value}\n"
        "from recurrent_memory.own_code import fingerprint\nprint(fingerprint([Own]))\n"
    )
    found = [
        subprocess.run([sys.executable, "-c", text.format(value=value)], capture_output=True, text=True, check=True)
        for value in (1, 2, 1)
    ]
    first, second, third = (of.stdout for of in found)
    assert first == third != second
    assert len(first.strip()) == 20


def test_a_stored_description_keeps_its_fingerprint(my_lab: Path) -> None:
    import_file(my_lab)
    stored = half().model_dump(mode="json")
    import_file(write(my_lab.parent, rate=0.1))
    assert Experiment(**stored).code == stored["code"] != half().code
    assert identity(Experiment(**stored)) != identity(half())


def test_a_run_folder_of_other_code_is_refused(my_lab: Path, tmp_path: Path) -> None:
    import_file(my_lab)
    place = RunFolder(tmp_path / "run")
    place.describe(half())
    place.check_free_for(half())
    import_file(write(my_lab.parent, rate=0.1))
    with pytest.raises(
        InputError, match=r"run of other code: my_lab\.py, or code that it uses, has changed .*\nGive a new folder"
    ):
        place.check_free_for(half())


def test_a_run_folder_from_before_there_were_fingerprints_still_opens(my_lab: Path, tmp_path: Path) -> None:
    import_file(my_lab)
    place = RunFolder(tmp_path / "run")
    place.describe(half())
    path = place / "experiment.json"
    described = json.loads(path.read_text())
    del described["experiment"]["code"]
    path.write_text(json.dumps(described))
    place.check_free_for(half())
    assert place.experiment() == half()


CASES: dict[str, tuple[str, str]] = {
    "an object of a class of one's own": ("class K:\n    def __init__(self, r): self.r = r\nK = K({value})", "K.r"),
    "an object with slots": ("class S:\n    __slots__ = ('r',)\nK = S()\nK.r = {value}", "K.r"),
    "a namespace": ("from types import SimpleNamespace\nK = SimpleNamespace(r={value})", "K.r"),
    "an object in a list": ("from types import SimpleNamespace\nK = [SimpleNamespace(r={value})]", "K[0].r"),
    "a member of an enum": ("from enum import Enum\nclass E(Enum):\n    A = 1\n    B = 2\nK = E({value})", "K.value"),
    "arguments of a partial function": ("from functools import partial\nK = partial(max, {value})", "K(0)"),
    "the object of a method": ("class C:\n    def g(self): return self.r\nc = C()\nc.r = {value}\nK = c.g", "K()"),
    "the object of a built-in method": ("K = dict(a={value}).get", "K('a')"),
    "a regular expression": ("import re\nK = re.compile(str({value}))", "K.pattern"),
    "a key of JAX": ("import jax\nK = jax.random.key({value})", "K"),
    "a data set": ("import xarray as xr\nK = xr.Dataset(dict(a=('x', [{value}])))", "K.a"),
    "the mask of an array": ("import numpy as np\nK = np.ma.masked_array([1, 2], [{value} == 1, False])", "K.sum()"),
    "a key of a dictionary": ("K = {{{value}: len}}", "max(K)"),
    "a path": ("from pathlib import Path\nK = Path(str({value}))", "K"),
    "a range": ("K = range({value})", "len(K)"),
    "a deque": ("from collections import deque\nK = deque([{value}])", "K[0]"),
    "a list that holds itself": ("K = [{value}]\nK.append(K)", "K[0]"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_objects_count_by_what_they_consist_of(what: str, tmp_path: Path) -> None:
    made, used = CASES[what]
    made = made.format(value="int(os.environ['VALUE'])")
    text = f"import os\n{made}\nclass Own:\n    def f(self): return {used}\n"
    first, second, third = (_in_another_process(text, tmp_path, value) for value in (1, 2, 1))
    assert first == third != second


OTHERS: dict[str, tuple[str, dict[str, str]]] = {
    "module.name": (
        "import one\nclass Own:\n    def f(self): return one.f()",
        {"one": "from two import f", "two": "def f(): return {value}"},
    ),
    "module.name of a value": (
        "import one\nclass Own:\n    def f(self): return one.R",
        {"one": "import os\nR = os.environ['VALUE']"},
    ),
    "import in a method": (
        "class Own:\n    def f(self):\n        import one\n        return one.R",
        {"one": "R = {value}"},
    ),
    "from … import in a method": (
        "class Own:\n    def f(self):\n        from one import f\n        return f()",
        {"one": "def f(): return {value}"},
    ),
    "a package": (
        "import p.a\nclass Own:\n    def f(self): return p.a.R",
        {"p/__init__": "", "p/a": "R = {value}"},
    ),
    "a relative import": (
        "import p.a\nclass Own:\n    def f(self): return p.a.g()",
        {"p/__init__": "", "p/a": "def g():\n    from . import b\n    return b.R", "p/b": "R = {value}"},
    ),
    "a decorator": (
        "from one import d\n@d\ndef g(): pass\nclass Own:\n    def f(self): return g()",
        {
            "one": "import functools\ndef d(f):\n    @functools.wraps(f)\n    def g(): return {value}\n    return g",
        },
    ),
    "an object of another file": (
        "from one import c\nclass Own:\n    def f(self): return c.g()",
        {"one": "class C:\n    def g(self): return {value}\nc = C()"},
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_files_count_however_they_are_reached(what: str, tmp_path: Path) -> None:
    text, files = OTHERS[what]
    found = []
    for number, value in enumerate((1, 2, 1)):
        folder = tmp_path / str(number)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.py").write_text(content.replace("{value}", str(value)))
        found.append(_in_another_process(text, folder, value))
    first, second, third = found
    assert first == third != second


def _in_another_process(text: str, folder: Path, value: int) -> str:
    """Return the fingerprint of the class `Own` of a file in a new process, with an environment variable `VALUE`."""
    folder.mkdir(exist_ok=True)
    (folder / "own_file.py").write_text(text)
    look = "import own_file\nfrom recurrent_memory.own_code import fingerprint\nprint(fingerprint([own_file.Own]))"
    env = {**os.environ, "VALUE": str(value), "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    return subprocess.run([sys.executable, "-c", look], env=env, capture_output=True, text=True, check=True).stdout


def test_what_changes_by_itself_does_not_count(tmp_path: Path) -> None:
    text = (
        "import functools, threading\nimport numpy as np\nimport jax, jax.numpy as jnp\n"
        "lock, rng, add = threading.Lock(), np.random.default_rng(), jnp.add\n"
        "class C:\n    @functools.cached_property\n    def g(self): return 3\nc = C()\n"
        "class Own:\n    def f(self): return lock, rng.random(), jax.nn.relu(add(c.g, 1))\n"
    )
    before = own(text, tmp_path)
    module = import_file(tmp_path / "own_class.py")
    module.Own().f()
    assert fingerprint([module.Own]) == before


def test_a_module_edited_after_its_import_is_not_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "edited_helper.py").write_text("def rate(): return 1\n")
    text = "import edited_helper\nclass Own:\n    def f(self): return edited_helper.rate()\n"
    first = own(text, tmp_path)
    module = import_file(tmp_path / "own_class.py")
    (tmp_path / "edited_helper.py").write_text("def rate(): return 10 + 1\n")
    assert fingerprint([module.Own]) == first
    importlib.reload(sys.modules["edited_helper"])
    assert fingerprint([module.Own]) != first
    del sys.modules["edited_helper"]
