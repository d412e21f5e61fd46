"""Does a measure differ between tasks, conditions or models? Permutation tests over the networks of a data set.

With `pair_by`, networks are compared that share its value, such as the seed, and all other settings, and the signs of
the differences are permuted; otherwise it is the networks' labels. Networks are the independent samples, not trials.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from ..errors import InputError, suggestion
from .arguments import check_count, generator
from .summaries import percentile_interval

Values = Float[np.ndarray, " network"]
EXACT = 14
"""Up to so many pairs, all 2ⁿ signs are tried."""


def compare(
    dataset: xr.Dataset, measure: str, *, between: str, pair_by: str | None = "seed", n: int = 10_000, seed: int = 0
) -> xr.Dataset:  # fmt: skip
    """Compare a measure of networks between the values of a setting: test, effect size, correction for several tests.

    Parameters
    ----------
    dataset
        One value of the measure for each network, as from `sweeps.collect`: on a grid of settings, or along one
        dimension with the settings as coordinates. NaN: no network.
    measure
        Name of the variable.
    between
        Name of the setting whose values are compared, each with each.
    pair_by
        Name of the setting by which networks are paired; None: they are not paired.
    n
        Number of permutations, and of bootstrap samples for the intervals. With up to 14 pairs, all are tried.
    seed
        Of both.

    Returns
    -------
    Along `contrast` (such as "comp - de1"): `difference`, mean of the first minus mean of the second, over pairs if
    there are any, in the unit of the measure; `effect_size`, the difference over the standard deviation of the
    differences (unpaired: over that within the two groups), NaN if it is 0; `difference_interval` and
    `effect_size_interval` (bound), 95 % bootstrap percentiles over pairs or networks; `p` (two-sided) and `p_holm`,
    corrected for all contrasts (Holm 1979, Scandinavian Journal of Statistics 6:65–70); `n_pairs`, or `n_first` and
    `n_second`. Attributes: settings.

    Raises
    ------
    InputError
        If the data set has no such measure or setting, or a contrast has fewer than two pairs or networks of each.

    Notes
    -----
    A pair's difference is its mean over all other settings in which both networks have a value. With n pairs no p is
    below 2 / 2ⁿ: six pairs can be significant at 0.05, five can't.

    Examples
    --------
    >>> values = xr.DataArray([[3.0, 3.2, 3.1, 3.3, 2.9, 3.1], [3.9, 4.3, 4.0, 4.1, 4.2, 4.4]], dims=("task", "seed"))
    >>> made = xr.Dataset({"index": values}, coords={"task": ["de1", "comp"], "seed": range(6)})
    >>> found = compare(made, "index", between="task")
    >>> found.contrast.values.tolist(), float(found.p[0])
    (['comp - de1'], 0.03125)
    """
    check_count("n", n, 1)
    table, others = _table(dataset, measure, between, pair_by)
    levels = _levels(table, measure, between)
    rows = {}
    for number, (second, first) in enumerate(itertools.combinations(levels, 2)):
        rng = generator(seed, number)
        samples = _samples(table, measure, between, (first, second), pair_by, others)
        rows[f"{first} - {second}"] = _contrast(rng, samples, n, pair_by is not None)
    attrs = {"measure": measure, "between": between, "pair_by": pair_by or "nothing", "n": n, "seed": seed}
    return _result(rows, str(dataset[measure].attrs.get("units", "1")), attrs)


class _Contrast(NamedTuple):
    """Numbers of one contrast."""

    difference: float
    effect_size: float
    p: float
    intervals: Float[np.ndarray, "2 2"]
    counts: dict[str, int]


def _table(dataset: Any, measure: str, between: str, pair_by: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return the networks that have a value, one a row, and the other settings that they may differ in."""
    if not isinstance(dataset, xr.Dataset):
        kind = type(dataset).__name__
        raise InputError(f"`dataset` must be a data set of many networks, as `collect` returns, got {kind}.")
    if measure not in dataset.data_vars:
        raise InputError(
            f"The data set has no measure {measure!r}.{suggestion(str(measure), map(str, dataset.data_vars))}"
        )
    values = dataset[measure]
    for name, wanted in (("between", between), ("pair_by", pair_by)):
        if wanted is not None and (wanted not in values.coords or not values.coords[wanted].dims):
            varied = [str(known) for known, of in values.coords.items() if of.dims]
            raise InputError(f"`{name}`: {measure} does not vary with {wanted!r}.{suggestion(wanted, varied)}")
    others = [str(dim) for dim in values.dims if dim in values.coords and dim not in (between, pair_by)]
    if between not in values.dims:  # settings along one dimension of networks, whose number is no setting
        others = []
    columns = [*dict.fromkeys([between, *([pair_by] if pair_by else []), *others])]
    frame = values.rename("_value").to_dataframe().reset_index()
    frame[measure] = frame["_value"].astype(np.float64)
    return frame[[*columns, measure]].dropna(subset=[measure]), others


def _levels(table: pd.DataFrame, measure: str, between: str) -> list[Any]:
    """Return the values of the setting, of networks that have a value of the measure."""
    levels = list(dict.fromkeys(table[between].tolist()))
    if not levels:
        raise InputError(f"No network has a value of {measure!r}: there is nothing to compare.")
    if len(levels) < 2:
        raise InputError(f"`between` = {between!r} has one value, {levels[0]}, but at least two are compared.")
    return levels


def _samples(
    table: pd.DataFrame, measure: str, between: str, pair: tuple[Any, Any], pair_by: str | None, others: list[str]
) -> tuple[Values, Values]:  # fmt: skip
    """Return the values of two groups of networks; if they are paired, the first minus the second, and zeros."""
    if pair_by is None:
        one, other = (table.loc[table[between] == value, measure].to_numpy() for value in pair)
    else:
        keys = [pair_by, *others]
        each = [table[table[between] == value].groupby(keys)[measure].mean() for value in pair]
        one = (each[0] - each[1]).dropna().groupby(level=pair_by).mean().to_numpy()
        other = np.zeros_like(one)
    if min(one.size, other.size) < 2:
        kind = f"pairs by {pair_by}" if pair_by else "networks of each"
        raise InputError(f"{pair[0]} and {pair[1]} have {min(one.size, other.size)} {kind}, but at least 2 are needed.")
    return one, other


def _contrast(rng: np.random.Generator, samples: tuple[Values, Values], n: int, paired: bool) -> _Contrast:
    one, other = samples
    if paired:
        p = _sign_test(rng, one, n)
        drawn = _effects(one[rng.integers(one.size, size=(n, one.size))], np.zeros((n, 1)))
        effect, counts = _effects(one[None], np.zeros((1, 1))), {"n_pairs": one.size}
    else:
        p = _label_test(rng, one, other, n)
        drawn = _effects(*(of[rng.integers(of.size, size=(n, of.size))] for of in samples))
        effect, counts = _effects(one[None], other[None]), {"n_first": one.size, "n_second": other.size}
    intervals = np.array([percentile_interval(row) for row in drawn])
    return _Contrast(float(effect[0, 0]), float(effect[1, 0]), p, intervals, counts)


def _effects(one: Float[np.ndarray, "draw first"], other: Float[np.ndarray, "draw second"]) -> np.ndarray:
    """Return difference and effect size of each draw; differences of pairs against a single zero are paired."""
    difference = one.mean(axis=1) - other.mean(axis=1)
    freedom = one.shape[1] + other.shape[1] - 2
    squares = sum(((of - of.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) for of in (one, other))
    with np.errstate(divide="ignore", invalid="ignore"):  # equal values have no deviation
        size = difference / np.sqrt(squares / freedom)
    return np.stack([difference, np.where(np.isfinite(size), size, np.nan)])


def _sign_test(rng: np.random.Generator, differences: Values, n: int) -> float:
    """Return how often the mean with random signs is as far from 0: of all signs, if there are few pairs."""
    if differences.size <= EXACT:
        signs = np.array(list(itertools.product((-1, 1), repeat=differences.size)))
        return float(_as_extreme(signs @ differences, differences.sum()).mean())
    signs = rng.choice((-1, 1), size=(n, differences.size))
    return float(1 + _as_extreme(signs @ differences, differences.sum()).sum()) / (1 + n)


def _label_test(rng: np.random.Generator, one: Values, other: Values, n: int) -> float:
    """Return how often groups of these sizes, drawn at random, have means as far apart."""
    mixed = rng.permuted(np.tile(np.concatenate([one, other]), (n, 1)), axis=1)
    apart = mixed[:, : one.size].mean(axis=1) - mixed[:, one.size :].mean(axis=1)
    return float(1 + _as_extreme(apart, one.mean() - other.mean()).sum()) / (1 + n)


def _as_extreme(drawn: Values, value: float) -> np.ndarray:
    return np.asarray(np.abs(drawn) >= abs(value) * (1 - 1e-9))  # equal but for rounding


def holm(p: Iterable[float]) -> Float[np.ndarray, " test"]:
    """Return p-values corrected for their number by the method of Holm (1979)."""
    given = np.array(list(p))
    order = given.argsort(kind="stable")
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * np.arange(given.size, 0, -1)), 1)
    return corrected


def _result(rows: dict[str, _Contrast], units: str, attrs: dict[str, Any]) -> xr.Dataset:
    def column(of: Callable[[_Contrast], Any]) -> np.ndarray:
        return np.array([of(row) for row in rows.values()])

    p, bounds = column(lambda row: row.p), ("contrast", "bound")
    intervals = column(lambda row: row.intervals)
    variables: dict[str, Any] = {
        "difference": ("contrast", column(lambda row: row.difference), {"units": units, "long_name": "Difference"}),
        "effect_size": ("contrast", column(lambda row: row.effect_size), {"units": "1", "long_name": "Effect size"}),
        "difference_interval": (bounds, intervals[:, 0], {"units": units, "long_name": "95 % interval"}),
        "effect_size_interval": (bounds, intervals[:, 1], {"units": "1", "long_name": "95 % interval"}),
        "p": ("contrast", p, {"units": "1", "long_name": "p-value (two-sided)"}),
        "p_holm": ("contrast", holm(p), {"units": "1", "long_name": "p-value, corrected for all contrasts"}),
    }
    for name in next(iter(rows.values())).counts:
        counts = column(lambda row, name=name: row.counts[name])  # type: ignore[misc]
        variables[name] = ("contrast", counts, {"units": "networks", "long_name": name.replace("n_", "number: ")})
    return xr.Dataset(variables, coords={"contrast": list(rows), "bound": ["lower", "upper"]}, attrs=attrs)
