"""Strictness for every test: shapes and types are checked at run time, and warnings are errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Tests compile hundreds of programs that run for milliseconds; before JAX is imported, and for processes of tests too.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import pytest

# Before optax, which imports absl: submitit sets up logging anew when it is imported, which closes absl's handler, and
# this one closes the standard error that it found, which is pytest's own.
import submitit  # noqa: F401
from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).parent))
install_import_hook("recurrent_memory", "beartype.beartype")

SECONDS = {"slow": 10_800, "slurm": 1_800}
"""How long tests with these markers may take; others, as long as pyproject.toml says."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        given = [seconds for name, seconds in SECONDS.items() if item.get_closest_marker(name)]
        if given and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(given)))


MOST_MAPS = 12_000
"""Memory maps of compiled programs that a test process keeps: about 1.1 GB (estimate; 3.5 GB without a bound)."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    from recurrent_memory.runs.resources import release_programs

    release_programs(MOST_MAPS)


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
