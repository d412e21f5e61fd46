"""Compiled programs are kept between processes, in a folder of bounded size, where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from recurrent_memory.runs import programs

RUN = """
import sys, jax
from small import small_experiment
from recurrent_memory import run
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name.endswith("cache_hits")))
run(small_experiment(iterations=2, test_batches=1))
print(sum(hits))
"""


@pytest.fixture
def unset() -> Iterator[None]:
    """Let JAX have no folder of compiled programs."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.thorough
def test_the_second_process_compiles_nothing_again(tmp_path: Path) -> None:
    env = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    del env["JAX_COMPILATION_CACHE_DIR"]

    def hits() -> int:
        done = subprocess.run([sys.executable, "-c", RUN], env=env, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert hits() == 0
    kept = {path.name for path in tmp_path.rglob("*-cache")}
    assert hits() >= len(kept) > 10
    assert {path.name for path in tmp_path.rglob("*-cache")} == kept


def test_a_folder_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    assert chosen
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    programs.keep_on_disk()
    assert chosen == jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unset")
def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        programs.keep_on_disk()
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("home", ["", "/proc/nowhere", None])
def test_without_a_home_programs_are_not_kept(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative") if home == "" else None
    monkeypatch.setenv("HOME", home or "/proc/nowhere")
    if home is None:
        monkeypatch.setattr(Path, "home", _no_home)
    programs.keep_on_disk()
    assert jax.config.jax_compilation_cache_dir is None  # type: ignore[attr-defined]


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.usefixtures("unset")
def test_the_least_used_programs_go_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(programs, "MOST_BYTES", 100)
    programs.keep_on_disk()
    folder = Path(jax.config.jax_compilation_cache_dir)  # type: ignore[attr-defined]
    made = [folder / f"{i}-cache" for i in range(11)]
    for used, path in enumerate(made):
        path.write_bytes(b"0123456789")
        os.utime(path, (1_000 + (used + 5) % 11, 1_000))  # numbers 6 to 10 were used first
    jax.config.update("jax_compilation_cache_dir", None)
    programs.keep_on_disk()
    assert sorted(folder.iterdir()) == sorted([*made[:6], made[10]])
