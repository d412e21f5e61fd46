"""Units in the order of their peaks, and the weights between them in that order."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int, Real

from ..errors import InputError, counted
from .activity import active_units, check_min_rate, peak_times, read_recording
from .weights import read_weights


class PeakOrder(np.ndarray[Any, np.dtype[np.int64]]):
    """Positions of units, earliest peak first: an array that also knows which units peak in the same step.

    Otherwise the order of such units would be that of their numbers. Parts of it and its reverse know it too; the
    result of arithmetic is a plain array.

    Examples
    --------
    >>> peak_order(np.eye(3)[None])[::-1].peak_time  # of each unit
    array([0, 1, 2])
    """

    peak_time: Int[np.ndarray, " unit"] | None
    """Peak time of each unit of the recording (steps from the start of the trial)."""

    def __array_finalize__(self, other: Any) -> None:
        self.peak_time = getattr(other, "peak_time", None)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain

    def __repr__(self) -> str:
        return repr(np.asarray(self))

    def __reduce__(self) -> Any:
        return _peak_order, (np.asarray(self), self.peak_time)


def peak_order(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float = 0.1
) -> Int[np.ndarray, " active"]:
    """Sort the active units by the peak time of their trial-averaged activity.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit); see `read_activity`. The average at a step is over the trials that have it.
    steps
        First step to use and the step after the last; None: the whole trial.
    mask
        (trial, time), True for the steps that count; None: all.
    min_rate
        Units whose mean over trials and time is not above this are left out (same unit as `activity`).

    Returns
    -------
    Positions of the active units along the unit axis, earliest peak first, as a `PeakOrder`; units that peak in the
    same step keep the order of their positions, which only pictures should use. Empty if no unit is active.

    Raises
    ------
    InputError
        If the activity cannot be read (see `read_activity`), or a parameter is out of range.

    Examples
    --------
    >>> peak_order([[[0, 0, 1], [0, 0, 0], [1, 0, 0]]])  # one trial of 3 steps: unit 2 peaks first, unit 1 is silent
    array([2, 0])
    """
    check_min_rate(min_rate)
    recording = read_recording(activity, mask=mask, steps=steps)
    average = recording.average()
    return _peak_order(_order(average, min_rate), recording.first + peak_times(average))


def cross_validated_order(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, min_rate: float = 0.1
) -> xr.Dataset:
    """Sort the units by their peaks in the even trials, to show their activity in the odd trials.

    Sorted by its own peaks, even noise forms a diagonal; sorted by other trials, only a repeated sequence does.

    Parameters
    ----------
    activity, steps, mask, min_rate
        As in `peak_order`; at least two trials.

    Returns
    -------
    Data set with the dimensions `unit` (units active in the even trials, sorted by their peak there; the coordinate is
    the position along the unit axis of `activity`) and `time` (coordinate: step from the start of the trial):
    `activity` (unit, time), mean over the odd trials; `sorting_activity` (unit, time), mean over the even trials;
    `peak_time` (unit, a coordinate), step of the peak in the even trials. NaN where no trial has the step and the unit.
    Attributes: all settings, and `n_units`, the number of units with those left out.

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
    check_min_rate(min_rate)
    recording = read_recording(activity, mask=mask, steps=steps)
    n_trials, n_steps, n_units = recording.values.shape
    if n_trials < 2:
        raise InputError(
            "`activity` has one trial, and cross-validated sorting needs at least two: even trials to sort, "
            "odd trials to show.\nUse `peak_order` to sort a trial by itself."
        )
    first, stop = recording.first, recording.first + n_steps
    sorting, shown = (recording.average(slice(start, None, 2)) for start in (0, 1))
    order = _order(sorting, min_rate)
    rows = ("unit", "time")
    peak_attrs = {"units": "steps from the start of the trial"}
    return xr.Dataset(
        {
            "activity": (rows, shown[:, order].T, {"long_name": "Mean activity, odd trials"}),
            "sorting_activity": (rows, sorting[:, order].T, {"long_name": "Mean activity, even trials"}),
        },
        coords={
            "unit": order,
            "time": np.arange(first, stop),
            "peak_time": ("unit", first + peak_times(sorting[:, order]), peak_attrs),
        },
        attrs={"n_units": n_units, "min_rate": min_rate, "steps": [first, stop]},
    )


def connectivity_profile(weights: Any, order: Any, *, bin_width: int = 1, peak_time: Any = None) -> xr.Dataset:
    """Average the recurrent weights by the distance of the two units in the order of peaks, without tied units.

    Parameters
    ----------
    weights
        Recurrent weights, (from, to), or a result: activity, a row vector, times `weights` is the recurrent input.
    order
        Positions of the units to use, earliest peak first: from `peak_order`, or `unit` of `cross_validated_order`.
    bin_width
        Number of neighbouring differences in a bin, counted from 0 outwards on either side; the difference 0 (the
        self-connections, mostly λ0) always has a bin of its own.
    peak_time
        Peak time of each unit in `order`; None: those that `order` carries. Units with equal ones have their mean rank.

    Returns
    -------
    Data set with the dimension `difference` (mean difference in rank, to - from: positive from earlier to later peaks):
    `mean_weight`, `standard_deviation` (of the sample, n - 1), `standard_error` and `n_weights`; and the scalars
    `forward_mean` (all differences above 0), `backward_mean` (all below 0) and `forward_minus_backward`. A value is
    NaN if it has too few weights; without two units that peak in different steps all are, and the attribute `reason`
    says so. The attribute `n_tied_pairs` counts the pairs left out.

    Raises
    ------
    InputError
        If the weights are not a square matrix of finite numbers, `order` names a unit twice or one that does not
        exist, or `bin_width` is below 1.

    Notes
    -----
    Orhan & Ma (2019), Results: in sequential networks the weights from earlier to later units exceed those from later
    to earlier units. The standard error treats the weights of a bin as independent, although weights that share a unit
    are not: it indicates the noise, but a statistical test needs many networks.

    Examples
    --------
    >>> chain = np.diag([1.0, 1.0], k=1)  # 0 -> 1 -> 2
    >>> profile = connectivity_profile(chain, order=[0, 1, 2])
    >>> profile["difference"].values, profile["mean_weight"].values
    (array([-2., -1.,  0.,  1.,  2.]), array([0., 0., 0., 1., 0.]))
    """
    matrix = read_weights(weights)
    units = _read_order(order, matrix.shape[0])
    if bin_width < 1:
        raise InputError(f"`bin_width` must be at least 1, got {bin_width} (1: one bin for each difference).")
    place = _ranks(_peaks_in_order(order, peak_time, units))
    difference = (place[None, :] - place[:, None]).ravel()
    apart = (difference != 0) | np.eye(units.size, dtype=bool).ravel()
    difference, ordered = difference[apart], matrix[np.ix_(units, units)].ravel()[apart]
    forward, backward = _mean(ordered[difference > 0]), _mean(ordered[difference < 0])
    profile = _profile(ordered, difference, bin_width).assign(
        forward_mean=((), forward, {"long_name": "Mean weight from earlier to later peaks"}),
        backward_mean=((), backward, {"long_name": "Mean weight from later to earlier peaks"}),
        forward_minus_backward=((), forward - backward, {"long_name": "Forward minus backward mean weight"}),
    )
    n_tied = int((~apart).sum()) // 2
    about = {"n_units": units.size, "n_tied_pairs": n_tied, "bin_width": bin_width}
    return profile.assign_attrs(about, reason=_undefined(units.size, n_tied))


def _undefined(n_units: int, n_tied_pairs: int) -> str:
    """Return why no unit is earlier than another; "" if one is."""
    if n_units < 2:
        return f"{counted(n_units, 'active unit')}: two are needed for a weight between units"
    all_tied = n_tied_pairs == n_units * (n_units - 1) // 2
    return f"all {n_units} active units peak in the same step: none is earlier than another" if all_tied else ""


def _profile(weights: Float[np.ndarray, " pair"], difference: Float[np.ndarray, " pair"], bin_width: int) -> xr.Dataset:
    label = np.sign(difference) * np.ceil(np.abs(difference) / bin_width)
    _, group, count = np.unique(label, return_inverse=True, return_counts=True)

    def total(values: Float[np.ndarray, " pair"]) -> Float[np.ndarray, " bin"]:
        # The conversion is for the case of no pairs, in which NumPy returns integers.
        return np.bincount(group, weights=values, minlength=count.size).astype(np.float64)

    mean = total(weights) / count
    squares = total((weights - mean[group]) ** 2)
    deviation = np.full(count.size, np.nan)
    np.divide(squares, count - 1, out=deviation, where=count > 1)
    deviation = np.sqrt(deviation)
    words = {"long_name": "Difference in the order of peaks, to - from", "units": "units"}
    return xr.Dataset(
        {
            "mean_weight": ("difference", mean, {"long_name": "Mean weight"}),
            "standard_deviation": ("difference", deviation, {"long_name": "Standard deviation of the weights"}),
            "standard_error": (
                "difference",
                deviation / np.sqrt(count),
                {"long_name": "Standard error of the mean weight"},
            ),
            "n_weights": ("difference", count, {"long_name": "Number of weights"}),
        },
        coords={"difference": ("difference", total(difference) / count, words)},
    )


def _peak_order(order: Int[np.ndarray, " active"], peak_time: Int[np.ndarray, " unit"] | None) -> PeakOrder:
    known = order.view(PeakOrder)
    known.peak_time = peak_time
    return known


def _peaks_in_order(order: Any, peak_time: Any, units: Int[np.ndarray, " active"]) -> Real[np.ndarray, " active"]:
    """Return the peak time of each unit in the order; if it is unknown, the units' places."""
    if peak_time is None and isinstance(order, PeakOrder) and order.peak_time is not None:
        return np.asarray(order.peak_time[units])
    if peak_time is None and isinstance(order, xr.DataArray) and "peak_time" in order.coords:
        peak_time = order.coords["peak_time"].values
    if peak_time is None:
        return np.arange(units.size)
    peaks = np.asarray(peak_time)
    if peaks.shape != units.shape or peaks.dtype.kind not in "iuf" or not np.isfinite(peaks).all():
        raise InputError(
            f"`peak_time` must be one finite number for each of the {units.size} units in `order`, got type "
            f"{peaks.dtype} and shape {peaks.shape}."
        )
    return peaks


def _ranks(peaks: Real[np.ndarray, " active"]) -> Float[np.ndarray, " active"]:
    """Return the place of each unit in the order; neighbours with equal peaks share the mean of their places."""
    run = np.cumsum(np.diff(peaks, prepend=peaks[:1]) != 0)
    count = np.bincount(run)
    return np.asarray((np.bincount(run, weights=np.arange(peaks.size)) / count)[run])


def _order(average: Float[np.ndarray, "time unit"], min_rate: float) -> Int[np.ndarray, " active"]:
    active = np.flatnonzero(active_units(average, min_rate))
    return active[np.argsort(peak_times(average[:, active]), kind="stable")]


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
