"""The names that recordings give to their axes."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from ..errors import InputError

DIMS = ("trial", "time", "unit")
"""Dimensions of activity, in this order."""

SYNONYMS = {
    "trial": ("trial", "epoch", "repeat", "repetition", "rep", "sweep", "presentation", "lap", "batch", "episode"),
    "time": ("time", "t", "step", "time_step", "bin", "time_bin", "sample", "frame", "time_point"),
    "unit": ("unit", "neuron", "cell", "channel", "electrode", "cluster", "roi", "node"),
}
"""Names understood for each dimension; also as a plural, in capitals, with _id or _ms, without underscores."""


def standard_order(dims: Sequence[Hashable], expected: Sequence[str]) -> list[Hashable]:
    """Return the given dimensions in the order of the expected ones, which they may name by a synonym.

    xarray's own names (dim_0, dim_1, …) mean that the axes have none; they are taken in the order they have.
    """
    if all(re.fullmatch(r"dim_\d+", str(dim)) for dim in dims):
        return list(dims)
    meanings = [meaning(dim) for dim in dims]
    if sorted(map(str, meanings)) != sorted(expected):
        said = ", ".join(f"`{dim}` ({found or 'not understood'})" for dim, found in zip(dims, meanings, strict=True))
        understood = "; ".join(f"{name}: {', '.join(SYNONYMS[name])}" for name in expected)
        raise InputError(
            f"The dimensions of this array must be {', '.join(expected)}, in any order; they are {said}.\n"
            f"Names understood: {understood}.\n"
            "Rename the others: array.rename({'old name': 'unit'}); or give array.values in the order above."
        )
    return [dims[meanings.index(name)] for name in expected]


def meaning(dim: Hashable) -> str | None:
    """Return which dimension of activity a name stands for; None if it isn't understood."""
    plain = re.sub(r"[\s_-](ids?|idx|index|number|ms|s)$", "", str(dim).lower())
    plain = re.sub(r"[\s_-]", "", plain)
    for name, synonyms in SYNONYMS.items():
        for synonym in (synonym.replace("_", "") for synonym in synonyms):
            if plain in (synonym, f"{synonym}s", f"{synonym}es"):
                return name
    return None
