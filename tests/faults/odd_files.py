"""Files that a tester would try: whole in form, odd in content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import xarray as xr

from recurrent_memory import storage
from recurrent_memory.sweeps.store.layout import digest
from recurrent_memory.sweeps.store.store import Store


class Whole(NamedTuple):
    """Folders with whole files: a finished run, an unfinished one, and its result."""

    finished: Path
    unfinished: Path
    result: xr.Dataset


class Kept(NamedTuple):
    """A store with two networks, of which the first has a whole record."""

    store: Store
    networks: Any
    about: dict[str, Any]
    """The record of the second, from which odd ones are made."""
    arrays: dict[str, np.ndarray]

    @property
    def path(self) -> Path:
        """File of the second network."""
        return self.store.file(self.networks[1].identity, ".safetensors")


ODD: list[Any] = [
    None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "text", "\x1b[31m\x07", "a/b", "x" * 60_000, [],
    [1, "a"], [[1], [1, 2]], {}, {"a": 1}, [None], "$\\frac", "2000-01-01", "\ud800", [[[[[[1]]]]]],
]  # fmt: skip
"""Values that somebody else's program, or a slip of the hand, could have put anywhere."""


def odd() -> st.SearchStrategy[Any]:
    """Return odd values of JSON's types."""
    leaves = st.sampled_from(ODD) | st.text(max_size=5) | st.integers() | st.floats()
    return leaves | st.recursive(leaves, lambda of: st.lists(of, max_size=3), max_leaves=5)


def changed(draw: Any, whole: Any) -> Any:
    """Return a copy of JSON's values in which one place, drawn at random, is removed or replaced by an odd value."""
    copy = json.loads(json.dumps(whole))
    part, keys = copy, []
    while isinstance(part, dict | list) and part:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = draw(st.sampled_from(keys))
        if not isinstance(part[key], dict | list) or draw(st.integers(0, 2)) == 0:
            if draw(st.booleans()):
                part[key] = draw(odd())
            elif isinstance(part, dict) and draw(st.booleans()):
                part[draw(st.sampled_from(["self", "a/b", "\x1b", "", "__class__", "x" * 300]))] = part.pop(key)
            else:
                del part[key]
            return copy
        part = part[key]
    return draw(odd())


def damaged(draw: Any, whole: bytes) -> bytes:
    """Return bytes of which some are others, missing or repeated."""
    kind = draw(st.sampled_from(["flip", "cut", "repeat", "zeros"]))
    place = draw(st.integers(0, len(whole) - 1))
    length = draw(st.integers(1, 64))
    if kind == "flip":
        return whole[:place] + bytes([whole[place] ^ draw(st.integers(1, 255))]) + whole[place + 1 :]
    if kind == "cut":
        return whole[:place]
    between = whole[place : place + length] if kind == "repeat" else bytes(length)
    return whole[:place] + between + whole[place + length * (kind == "zeros") :]


def sign(path: Path, about: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a record of a store, whatever it says, with the checksums of one."""
    text = about if isinstance(about, str) else json.dumps(about)
    storage.save_arrays(path, arrays, {"about": text, "about_checksum": digest(text)})
