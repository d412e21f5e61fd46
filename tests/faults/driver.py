"""Work in which file operations fail, for a process into which `inject.c` is preloaded.

``python driver.py LIBRARY SCENARIO FOLDER EVERY FIRST`` disturbs every so-many-th case of a scenario, from the first
on, and prints the number of cases and what was wrong as JSON.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.runs.claims import Claims
from recurrent_memory.runs.run import run
from recurrent_memory.storage import load_arrays, load_dataset
from recurrent_memory.sweeps import Network, Store, collect_to, execute, identity
from small import small_experiment, stops_after

KINDS = ("open", "read", "write", "fsync", "link", "rename", "chmod", "flock", "unlink")
NUMBERS = ("EACCES", "EIO", "ESTALE", "ENOSPC", "EROFS", "ENOLCK", "EOPNOTSUPP", "EINTR")
RETRIED = ("open", "read", "write", "fsync")
"""What Python itself does again after EINTR, so that a signal that never ends would stop it for ever."""


class Case(NamedTuple):
    kind: str
    number: str
    n: int
    repeat: bool


class Scenario(NamedTuple):
    prepare: Callable[[Path], object]
    """Make what is there before, undisturbed."""
    work: Callable[[Path], object]
    """What is disturbed, and goes on when it is called again."""
    found: Callable[[Path], dict[str, np.ndarray]]
    """What it comes to."""
    finished: str
    """Files that must never change, as a glob."""


def experiment(seed: int = 0) -> Any:
    return small_experiment(iterations=6, n_hidden=4, seed=seed)


def networks() -> list[Network]:
    return [Network(experiment(seed), {"seed": seed}, identity(experiment(seed))) for seed in (0, 1)]


def interrupted(folder: Path) -> None:
    try:
        run(experiment(), folder / "run", should_stop=stops_after(2), checkpoint_every=2)
    except InterruptedRunError:
        return
    raise AssertionError("it was not interrupted")


def work_on_sweep(folder: Path) -> None:
    store = Store(folder / "store")
    execute(networks(), store, ("curves", "weights"), claims=Claims(store.claim_path, beat=1e3), checkpoint_after=0.0)
    collect_to(folder / "sweep.nc", networks(), store)


def of_run(folder: Path) -> dict[str, np.ndarray]:
    result, (weights, _) = load_dataset(folder / "run" / "result.nc"), load_arrays(folder / "run/weights.safetensors")
    return {"loss": result["training_loss"].values, "activity": result["activity"].values, **weights}


def of_sweep(folder: Path) -> dict[str, np.ndarray]:
    store, found = Store(folder / "store"), dict[str, np.ndarray]()
    for network in networks():
        _, arrays = store.read_all(network.identity)
        found |= {f"{network.identity} {name}": array for name, array in arrays.items()}
    return found | {"index": load_dataset(folder / "sweep.nc")["sequentiality_index"].values}


def finish_first(folder: Path) -> None:
    execute(networks()[:1], Store(folder / "store"), ("curves", "weights"))


def careless(folder: Path) -> None:
    """Write under the final name, and hide errors: what every other scenario must not do."""
    (folder / "careless.json").unlink(missing_ok=True)
    with (folder / "careless.json").open("w", buffering=1) as file:
        file.write('{"first": 1,\n')
        file.write('"second": 2}\n')


SCENARIOS = {
    "run": Scenario(lambda folder: None, lambda f: run(experiment(), f / "run", checkpoint_every=2), of_run, "none"),
    "resume": Scenario(interrupted, lambda f: run(experiment(), f / "run", checkpoint_every=2), of_run, "none"),
    "read": Scenario(
        lambda f: run(experiment(), f / "run"), lambda f: run(experiment(), f / "run"), of_run, "run/[rw]e*s*.*[cs]"
    ),
    "careless": Scenario(lambda folder: None, careless, lambda folder: {}, "none"),
    "sweep": Scenario(finish_first, work_on_sweep, of_sweep, "store/networks/*/*/[!.]*"),
}


def cases(counts: dict[str, int]) -> Iterator[Case]:
    """Yield every call that fails, in every way, once and from then on."""
    for kind, number, repeat in itertools.product(KINDS, NUMBERS, (False, True)):
        if repeat and number == "EINTR" and kind in RETRIED:
            continue
        for n in range(1, counts[kind] + 1):
            yield Case(kind, number, n, repeat)


def half_written(folder: Path) -> Iterator[str]:
    """Yield files under their final names that are not whole."""
    for path in folder.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            if path.suffix == ".nc":
                load_dataset(path)
            elif path.suffix in (".safetensors", ".checkpoint"):
                load_arrays(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except ValueError as error:
            yield f"{path.relative_to(folder)} is not whole: {error}"


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob(pattern) if path.is_file()}


def disturbed(library: Any, scenario: Scenario, folder: Path, case: Case, expected: dict[str, np.ndarray]) -> list[str]:
    """Return what goes wrong in one case."""
    wrong, before = [], contents(folder, scenario.finished)
    library.fault_arm(os.fsencode(folder), KINDS.index(case.kind), getattr(errno, case.number), case.n, case.repeat)
    try:
        scenario.work(folder)
    except (OSError, InputError) as error:
        cause, said = os.strerror(getattr(errno, case.number)), str(error)
        if cause not in said or str(folder) not in said:
            wrong.append(f"does not name the file and the cause: {type(error).__name__}: {said}")
    except Exception as error:
        wrong.append(f"somebody else's error: {type(error).__name__}: {error}")
    finally:
        library.fault_arm(b"", 0, 0, 0, 0)
    wrong += half_written(folder)
    after = contents(folder, scenario.finished)
    wrong += [f"{name} was lost or changed" for name in before if after.get(name) != before[name]]
    try:
        scenario.work(folder)
        found = scenario.found(folder)
        wrong += [f"{name} differs afterwards" for name in expected if not np.array_equal(found[name], expected[name])]
    except Exception as error:
        wrong.append(f"does not go on: {type(error).__name__}: {error}")
    return wrong


def main(library_path: str, name: str, base: Path, every: int, first: int) -> None:
    library, scenario = ctypes.CDLL(library_path), SCENARIOS[name]
    library.fault_count.restype = ctypes.c_long
    library.fault_arm.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_int)
    template, folder = base / "template", base / "folder"
    template.mkdir(parents=True)
    scenario.prepare(template)
    shutil.copytree(template, folder)
    library.fault_arm(os.fsencode(folder), 0, 0, 0, 0)
    scenario.work(folder)
    counts = {kind: library.fault_count(number) for number, kind in enumerate(KINDS)}
    expected = scenario.found(folder)
    tried, wrong = 0, {}
    for case in itertools.islice(cases(counts), first, None, every):
        shutil.rmtree(folder)
        shutil.copytree(template, folder)
        tried += 1
        if found := disturbed(library, scenario, folder, case, expected):
            wrong[" ".join(map(str, case))] = found
    print(json.dumps({"counts": counts, "tried": tried, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
