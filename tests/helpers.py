"""What several tests share: tolerances with their reasons, comparisons, small problems."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from jaxtyping import PyTree

from recurrent_memory.cli.main import main

TOLERANCE = {
    # One rounding is 1.1e-16; a gradient adds up some 1e4 terms over 150 steps whose sizes differ by orders.
    "float64": 1e-12,
    # One rounding is 6e-8; likewise.
    "float32": 5e-5,
}
"""Largest difference allowed between two ways of computing the same, relative to an array's largest entry."""


def relative_difference(actual: Any, expected: Any) -> float:
    """Return the largest difference relative to the largest expected entry."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    scale = np.max(np.abs(expected), initial=0.0)
    return float(np.max(np.abs(actual - expected), initial=0.0) / (scale or 1.0))


def assert_close(actual: Any, expected: Any, tolerance: float, what: str = "") -> None:
    """Fail where two arrays differ by more than the tolerance."""
    difference = relative_difference(actual, expected)
    assert difference <= tolerance, f"{what} differs by {difference:.2e}, allowed {tolerance:.0e}"


def assert_trees_close(actual: PyTree, expected: PyTree, tolerance: float) -> None:
    """Fail where two pytrees differ by more than the tolerance in any array."""
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(expected)]
    for path, a, e in zip(paths, jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert_close(a, e, tolerance, path)


class Outcome(NamedTuple):
    """Exit code and output of a call of the command line."""

    code: int
    out: str
    err: str


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> Outcome:
    """Call ``recurrent-memory`` with its words, in this process."""
    monkeypatch.setattr(sys, "argv", ["recurrent-memory", *map(str, words)])
    capsys.readouterr()
    code: object = 0
    try:
        main()
    except SystemExit as done:
        code = done.code or 0
    assert isinstance(code, int)
    return Outcome(code, *capsys.readouterr())
