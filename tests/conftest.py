"""Strictness for every test: shapes and types are checked at run time, and warnings are errors."""

# ruff: noqa: E402 (flags of XLA have to be set before JAX is imported)

from __future__ import annotations

import atexit
import gc
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

QUICKER = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
"""Flags with which XLA compiles in two thirds of the time."""


def compile_quickly() -> None:
    """Have XLA optimise little: tests compile thousands of programs that run for milliseconds."""
    if os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") != "1" or "XLA_FLAGS" in os.environ:
        return
    # XLA ends a process that gives it a flag that it does not know, as another version may not know these.
    look = [sys.executable, "-c", "import jax; jax.devices()"]
    env = {**os.environ, "XLA_FLAGS": QUICKER}
    knows = subprocess.run(look, env=env, capture_output=True, check=False).returncode == 0
    os.environ["XLA_FLAGS"] = QUICKER if knows else ""


def share_compiled_programs() -> None:
    """Have all processes of these tests, and those that they start, compile each program once."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="programs")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.02"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


# Before JAX is imported, and for the processes that tests start, too.
compile_quickly()
share_compiled_programs()

import jax
import psutil
import pytest

# Before optax, which imports absl: submitit sets up logging anew when it is imported, which closes absl's handler, and
# this one closes the standard error that it found, which is pytest's own.
import submitit  # noqa: F401
from jaxtyping import install_import_hook

# JAX makes millions of objects that stay: looking through them took a twentieth of the time of all tests.
gc.set_threshold(20_000, 20, 50)

sys.path.insert(0, str(Path(__file__).parent))
install_import_hook("recurrent_memory", "beartype.beartype")

SECONDS = {"slow": 10_800, "slurm": 1_800}
"""How long tests with these markers may take; others, as long as pyproject.toml says."""


LONGEST = ("test_published_numbers", "test_published_commands", "test_execute", "test_own_code", "test_failing_files")
"""Files that take longest come first, so that no process has to wait for the other at the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all tests of a file to the same process: they share compiled programs, which saves a tenth of the time."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    number = Counter[str]()
    for item in items:
        sampled, test = item.get_closest_marker("sampled"), item.nodeid.partition("[")[0]
        if sampled and not item.get_closest_marker("slow"):
            if number[test] % sampled.args[0]:
                item.add_marker(pytest.mark.thorough)
            number[test] += 1
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    for item in items:
        given = [seconds for name, seconds in SECONDS.items() if item.get_closest_marker(name)]
        if given and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(given)))


MOST_MAPS = 16_000
"""Memory maps of compiled programs that a test process keeps; they are counted every few tests, which takes 10 ms."""
TESTS_BETWEEN_LOOKS = 12
MOST_MEMORY = 1_300_000_000
"""Bytes with which a test process lets go of its programs, unless there are few."""

_tests_done = itertools.count(1)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    from recurrent_memory.runs.programs import release_from_memory

    if psutil.Process().memory_info().rss > MOST_MEMORY:
        release_from_memory(1_500)
    elif next(_tests_done) % TESTS_BETWEEN_LOOKS == 0:
        release_from_memory(MOST_MAPS)


def pytest_addoption(parser: pytest.Parser) -> None:
    # Here, not in tests/reference: options have to be known before that folder is collected.
    parser.addoption(
        "--reference-data",
        dest="reference_data",
        metavar="FOLDER",
        type=Path,
        help="compare with the reference numbers in this folder (default: tests/reference/data)",
    )


def pytest_configure(config: pytest.Config) -> None:
    given: Path | None = config.getoption("reference_data")
    if given is None:
        return
    folder = config.invocation_params.dir / given.expanduser()
    if not folder.is_dir():
        raise pytest.UsageError(f"--reference-data: there is no folder {folder}")
    if not any(path.suffix in (".npz", ".json") for path in folder.iterdir()):
        raise pytest.UsageError(f"--reference-data: there is no reference file (*.npz, *.json) in {folder}")
    config.option.reference_data = folder


@pytest.fixture(params=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test in single and in double precision."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param


@pytest.fixture
def x64() -> Iterator[None]:
    """Run a test in double precision."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def registries_as_before() -> Iterator[None]:
    """Take back what a test registers."""
    from recurrent_memory.registry import Registry

    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "recurrent_memory"]
    things = [thing for module in modules for thing in vars(module).values()]
    registries = list({id(thing): thing for thing in things if type(thing) is Registry}.values())
    before = [dict(registry._loaded()) for registry in registries]
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry._entries = entries
