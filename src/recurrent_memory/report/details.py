"""One network in detail: its activity in the order of peaks, its weights in that order, its index beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from ..analysis import against_chance, connectivity_profile, cross_validated_order, peak_order
from ..errors import InputError, counted, first_line
from ..figures.heatmap import scale_to_peak
from ..figures.style import complete_trials, epochs, step_times, with_activity, with_readout
from ..figures.weights import BINS_A_SIDE, MIN_WEIGHTS
from ..runs.analysed import weights_of
from .contents import ByChance, Detail, Profile

MOST_ROWS, MOST_STEPS = 100, 200
"""Rows and columns of a heat map, one byte each: neighbours are averaged if there are more units or steps."""
TRIALS, SURROGATES = 50, 20
"""Trials and surrogates for the index by chance; both take half a second for a network of 100 units."""


def detail(result: xr.Dataset) -> Detail:
    """Return what the report shows of one network's activity.

    Parameters
    ----------
    result
        Result of one network, with `activity` (trial, time, unit).

    Returns
    -------
    Sorted activity, the weights by the difference in peak order if they are known, and the index by chance.

    Raises
    ------
    InputError
        If the activity cannot be read.

    Examples
    --------
    >>> made = detail(xr.Dataset({"activity": (("trial", "time", "unit"), np.eye(5)[None].repeat(4, axis=0))}))
    >>> made.n_active, made.rows.argmax(axis=1)
    (5, array([0, 1, 2, 3, 4]))
    """
    whole = with_readout(with_activity(result))
    complete, which = complete_trials(whole)
    activity, mask = complete["activity"], complete["mask"].values
    if complete.sizes["trial"] > 1:
        rows = cross_validated_order(activity, mask=mask)["activity"].values
        what = f"mean activity of the odd trials{which}, sorted by the peaks in the even trials"
    else:
        rows = activity.values[0][:, peak_order(activity, mask=mask)].T
        what = "activity of the only trial, sorted by its own peaks"
    scaled = np.clip(scale_to_peak(np.nan_to_num(np.asarray(rows, np.float64))), 0, 1)
    grouped, per_row = averaged(scaled, MOST_ROWS)
    shown, _ = averaged(grouped.T, MOST_STEPS)
    times, _ = averaged(np.asarray(step_times(whole), np.float64)[:, None], MOST_STEPS)
    readout = whole.attrs.get("readout_time")
    by_order, chance = profile(weights_of(result), activity, mask), by_chance(result)
    return Detail(
        rows=shown.T,
        time=times[:, 0],
        epochs=tuple(epochs(whole)),
        readout=None if readout is None else float(readout),
        what=what,
        n_active=len(rows),
        n_units=whole.sizes["unit"],
        per_row=per_row,
        profile=None if isinstance(by_order, str) else by_order,
        by_chance=None if isinstance(chance, str) else chance,
        no_profile=by_order if isinstance(by_order, str) else "",
        no_chance=chance if isinstance(chance, str) else "",
    )


def averaged(rows: Float[np.ndarray, "row column"], most: int) -> tuple[Float[np.ndarray, "group column"], int]:
    """Average neighbouring rows, so that few are left.

    Parameters
    ----------
    rows
        The rows.
    most
        Largest number of rows to return.

    Returns
    -------
    The rows or groups of rows, and the number of rows in each group but the last.

    Examples
    --------
    >>> averaged(np.array([[1.0], [3.0], [5.0]]), 2)
    (array([[2.],
           [5.]]), 2)
    """
    size = max(1, -(-len(rows) // most))
    if size == 1:
        return rows, 1
    first = np.arange(0, len(rows), size)
    return np.add.reduceat(rows, first, axis=0) / np.diff([*first, len(rows)])[:, None], size


def profile(weights: Any, activity: xr.DataArray, mask: Any) -> Profile | str:
    """Return the mean recurrent weight by the difference of two units in the order of peaks.

    Parameters
    ----------
    weights
        Recurrent weights (from, to); None: not known.
    activity, mask
        The activity that sets the order.

    Returns
    -------
    The profile without the weights of units onto themselves, or why there is none.

    Examples
    --------
    >>> made = xr.DataArray(np.eye(5)[None], dims=("trial", "time", "unit"))
    >>> profile(np.diag(np.ones(4), k=1), made, None).forward
    0.4
    """
    if weights is None:
        return "the weights are not known"
    try:
        order = peak_order(activity, mask=mask)
        if order.size < 2:
            return f"{counted(order.size, 'unit')} of {activity.sizes['unit']} active, and a weight is between two"
        found = connectivity_profile(weights, order, bin_width=max(1, round(order.size / BINS_A_SIDE)))
    except InputError as refused:  # weights of other units than the activity, as of a recording
        return first_line(refused)
    if found.attrs["reason"]:
        return str(found.attrs["reason"])
    enough = found["n_weights"].values >= (MIN_WEIGHTS if order.size > 2 * MIN_WEIGHTS else 1)
    apart = found.isel(difference=(found["difference"].values != 0) & enough)
    difference, mean, error = (
        apart[name].values.astype(np.float64) for name in ("difference", "mean_weight", "standard_error")
    )
    if not difference.size:
        return f"{counted(order.size, 'unit')} of {activity.sizes['unit']} active, too few for means of weights"
    return Profile(difference, mean, error, float(found["forward_minus_backward"]))


def by_chance(result: xr.Dataset) -> ByChance | str:
    """Return the published sequentiality index of some trials, and of surrogates in which units are shifted in time.

    Parameters
    ----------
    result
        Result of one network, with the activity as it was stored: the published index does not know masked steps.

    Returns
    -------
    The index and that of surrogates, or why it is not defined.

    Examples
    --------
    >>> silent = xr.Dataset({"activity": (("trial", "time", "unit"), np.zeros((4, 9, 5)))})
    >>> by_chance(silent)
    'the sequentiality index is not defined: 4 of 4 trials: no unit is active enough (mean above 0.1)'
    """
    some = result.isel(trial=slice(0, None, max(1, result.sizes["trial"] // TRIALS)))
    try:
        found = against_chance("sequentiality_index", some["activity"], n=SURROGATES, n_bootstrap=0, variant="paper")
    except InputError as error:
        return first_line(error)
    surrogates = np.asarray(found["null_value"].values, np.float64)
    surrogates = surrogates[np.isfinite(surrogates)]
    value = float(found["value"])
    if not np.isfinite(value) or not surrogates.size:
        return f"the sequentiality index is not defined: {found.attrs.get('reason') or 'no unit is active'}"
    return ByChance(value, surrogates, str(found.attrs["null"]), float(found["p"]), some.sizes["trial"])


def most_telling(table: pd.DataFrame, design: Sequence[str], most: int) -> list[int]:
    """Choose the finished networks that are shown in detail.

    Parameters
    ----------
    table
        One row for each network, with `status`.
    design
        Fields in which networks of one cell agree: all that vary but the seed.
    most
        Largest number of networks.

    Returns
    -------
    Numbers of rows, in order: one network of each cell before a second of any, evenly spread where not all fit.

    Examples
    --------
    >>> table = pd.DataFrame({"status": "finished", "lambda0": [0.8, 0.8, 0.9, 0.9], "seed": [0, 1, 0, 1]})
    >>> most_telling(table, ["lambda0"], 3), most_telling(table, ["lambda0"], 1)
    ([0, 1, 2], [0])
    """
    finished = table[table["status"] == "finished"].reset_index(names="row")
    if len(finished) <= most:
        return [int(row) for row in finished["row"]]
    turn = finished.groupby(list(design), dropna=False, sort=False).cumcount() if design else finished.index
    chosen: list[int] = []
    for _, rows in finished["row"].groupby(np.asarray(turn)):
        left = most - len(chosen)
        if left < len(rows):
            rows = rows.iloc[np.linspace(0, len(rows) - 1, left + 1).astype(int)[:left]] if left else rows.iloc[:0]
        chosen += [int(row) for row in rows]
        if len(chosen) >= most:
            break
    return sorted(chosen)
