"""Who follows whom: units in the order of their peaks, and the weights between them in that order."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ..errors import InputError
from .activity import active_units, check_min_rate, check_steps, peak_times, read_activity


def peak_order(
    activity: Any, *, steps: tuple[int, int] | None = None, min_rate: float = 0.1
) -> Int[np.ndarray, " active"]:
    """Sort the active units by the peak time of their trial-averaged activity.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit); see `read_activity`.
    steps
        First step to use and the step after the last; None: the whole trial.
    min_rate
        Units whose mean over trials and time is not above this are left out (same unit as `activity`).

    Returns
    -------
    Positions of the active units along the unit axis, earliest peak first; units that peak in the same step keep the
    order of their positions. Empty if no unit is active.

    Raises
    ------
    InputError
        If the activity cannot be read (see `read_activity`), or a parameter is out of range.

    Examples
    --------
    >>> peak_order([[[0, 0, 1], [0, 0, 0], [1, 0, 0]]])  # one trial of 3 steps: unit 2 peaks first, unit 1 is silent
    array([2, 0])
    """
    return _order(_trial_average(activity, steps, min_rate), min_rate)


def cross_validated_order(activity: Any, *, steps: tuple[int, int] | None = None, min_rate: float = 0.1) -> xr.Dataset:
    """Sort the units by their peaks in the even trials, to show their activity in the odd trials.

    Sorted by its own peaks, even noise forms a diagonal; sorted by other trials, only what repeats remains.

    Parameters
    ----------
    activity, steps, min_rate
        As in `peak_order`; at least two trials.

    Returns
    -------
    Data set with the dimensions `unit` (units active in the even trials, sorted by their peak there; the coordinate is
    the position along the unit axis of `activity`) and `time` (coordinate: step from the start of the trial):
    `activity` (unit, time), mean over the odd trials; `sorting_activity` (unit, time), mean over the even trials;
    `peak_time` (unit), step of the peak in the even trials.

    Raises
    ------
    InputError
        If the activity cannot be read or has only one trial, or a parameter is out of range.

    Examples
    --------
    >>> trials = np.eye(3)[None, :, [2, 0, 1]].repeat(4, axis=0)  # 4 equal trials, in which units 1, 2, 0 peak in turn
    >>> cross_validated_order(trials)["unit"].values
    array([1, 2, 0])
    """
    values = read_activity(activity)
    if values.sizes["trial"] < 2:
        raise InputError(
            "`activity` has one trial, and cross-validated sorting needs at least two: even trials to sort, "
            "odd trials to show.\nUse `peak_order` to sort a trial by itself."
        )
    first, stop = check_steps(steps, values.sizes["time"])
    sorting = _trial_average(values[0::2], steps, min_rate)
    shown = _trial_average(values[1::2], steps, min_rate)
    order = _order(sorting, min_rate)
    rows = ("unit", "time")
    return xr.Dataset(
        {
            "activity": (rows, shown[:, order].T, {"long_name": "Mean activity, odd trials"}),
            "sorting_activity": (rows, sorting[:, order].T, {"long_name": "Mean activity, even trials"}),
            "peak_time": (
                "unit",
                first + peak_times(sorting[:, order]),
                {"units": "steps from the start of the trial"},
            ),
        },
        coords={"unit": order, "time": np.arange(first, stop)},
        attrs={"n_units": values.sizes["unit"], "min_rate": min_rate, "steps": [first, stop]},
    )


def connectivity_profile(weights: Any, order: Any, *, bin_width: int = 1) -> xr.Dataset:
    """Average the recurrent weights by the distance of the two units in the order of peaks.

    Parameters
    ----------
    weights
        Recurrent weights, (from, to): activity, a row vector, times `weights` is the recurrent input.
    order
        Positions of the units to use, earliest peak first, as `peak_order` returns them.
    bin_width
        Number of neighbouring differences in a bin, counted away from 0 on either side; the difference 0 (the weight
        of a unit onto itself, mostly λ0) always has a bin of its own.

    Returns
    -------
    Data set with the dimension `difference` (mean difference in rank, to - from: positive from earlier to later peaks):
    `mean_weight`, `standard_deviation` (of the sample, n - 1), `standard_error` and `n_weights`; and the scalars
    `forward_mean` (all differences above 0), `backward_mean` (all below 0) and `forward_minus_backward`. A value is
    NaN if it has too few weights; with fewer than two units all are, and the attribute `reason` says so.

    Raises
    ------
    InputError
        If the weights are not a square matrix of finite numbers, `order` names a unit twice or one that does not
        exist, or `bin_width` is below 1.

    Notes
    -----
    Orhan & Ma (2019), Results: in sequential networks the weights from earlier to later units exceed those from later
    to earlier units. The standard error treats the weights of a bin as independent, although weights that share a unit
    are not: it shows the noise, but a test needs many networks.

    Examples
    --------
    >>> chain = np.diag([1.0, 1.0], k=1)  # 0 -> 1 -> 2
    >>> profile = connectivity_profile(chain, order=[0, 1, 2])
    >>> profile["difference"].values, profile["mean_weight"].values
    (array([-2., -1.,  0.,  1.,  2.]), array([0., 0., 0., 1., 0.]))
    """
    matrix = _read_weights(weights)
    units = _read_order(order, matrix.shape[0])
    if bin_width < 1:
        raise InputError(f"`bin_width` must be at least 1, got {bin_width} (1: one bin for each difference).")
    place = np.arange(units.size)
    difference = (place[None, :] - place[:, None]).ravel()
    ordered = matrix[np.ix_(units, units)].ravel()
    forward, backward = _mean(ordered[difference > 0]), _mean(ordered[difference < 0])
    return _profile(ordered, difference, bin_width).assign(
        forward_mean=((), forward, {"long_name": "Mean weight from earlier to later peaks"}),
        backward_mean=((), backward, {"long_name": "Mean weight from later to earlier peaks"}),
        forward_minus_backward=((), forward - backward, {"long_name": "Forward minus backward mean weight"}),
    )


def _profile(weights: Float[np.ndarray, " pair"], difference: Int[np.ndarray, " pair"], bin_width: int) -> xr.Dataset:
    label = np.sign(difference) * -(-np.abs(difference) // bin_width)  # away from 0, rounded up
    _, group, count = np.unique(label, return_inverse=True, return_counts=True)

    def total(values: Float[np.ndarray, " pair"] | Int[np.ndarray, " pair"]) -> Float[np.ndarray, " bin"]:
        # NumPy returns integers if there are no pairs.
        return np.bincount(group, weights=values, minlength=count.size).astype(np.float64)

    mean = total(weights) / count
    squares = total((weights - mean[group]) ** 2)
    deviation = np.full(count.size, np.nan)
    np.divide(squares, count - 1, out=deviation, where=count > 1)
    deviation = np.sqrt(deviation)
    n_units = int((difference == 0).sum())
    return xr.Dataset(
        {
            "mean_weight": ("difference", mean, {"long_name": "Mean weight"}),
            "standard_deviation": (
                "difference",
                deviation,
                {"long_name": "Standard deviation of the weights"},
            ),
            "standard_error": (
                "difference",
                deviation / np.sqrt(count),
                {"long_name": "Standard error of the mean weight"},
            ),
            "n_weights": ("difference", count, {"long_name": "Number of weights"}),
        },
        coords={
            "difference": (
                "difference",
                total(difference) / count,
                {"long_name": "Difference in the order of peaks, to - from", "units": "units"},
            )
        },
        attrs={
            "n_units": n_units,
            "bin_width": bin_width,
            "reason": "" if n_units > 1 else f"{n_units} active units: two are needed for a weight between units",
        },
    )


def _trial_average(activity: Any, steps: tuple[int, int] | None, min_rate: float) -> Float[np.ndarray, "time unit"]:
    check_min_rate(min_rate)
    values = read_activity(activity)
    first, stop = check_steps(steps, values.sizes["time"])
    return np.asarray(values.values[:, first:stop].mean(axis=0, dtype=np.float64))


def _order(average: Float[np.ndarray, "time unit"], min_rate: float) -> Int[np.ndarray, " active"]:
    active = np.flatnonzero(active_units(average, min_rate))
    return active[np.argsort(peak_times(average[:, active]), kind="stable")]


def _read_weights(weights: Any) -> Float[np.ndarray, "unit unit"]:
    try:
        matrix = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`weights` can't be read as a matrix of numbers (from, to): {error}") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"`weights` must be a square matrix (from, to), got the shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        n_bad = int((~np.isfinite(matrix)).sum())
        raise InputError(f"`weights` holds {n_bad} NaN or infinite numbers of {matrix.size}; all must be finite.")
    return matrix


def _read_order(order: Any, n_units: int) -> Int[np.ndarray, " active"]:
    units = np.asarray(order)
    if units.size == 0:
        return np.zeros(0, dtype=np.int64)
    if units.ndim != 1 or units.dtype.kind not in "iu":
        raise InputError(
            f"`order` must be a list of unit positions, got type {units.dtype} and shape {units.shape}.\n"
            "`peak_order(activity)` makes one."
        )
    if units.min() < 0 or units.max() >= n_units or np.unique(units).size != units.size:
        raise InputError(
            f"`order` must name each unit at most once, from 0 to {n_units - 1} (the weights are {n_units} x "
            f"{n_units}); got {units.size} positions from {units.min()} to {units.max()}, "
            f"{np.unique(units).size} of them different."
        )
    return units.astype(np.int64)


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(values.mean()) if values.size else float("nan")
