"""Do units excite those that peak later more than those that peak earlier? Weights by the difference of peak times."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ..errors import InputError
from .arguments import check_count, generator, is_number, read_numbers
from .connectivity import PeakOrder
from .summaries import scalar
from .weights import read_weights

Matrix = Float[np.ndarray, "active active"]
Bins = Int[np.ndarray, " active"]


def forward_asymmetry(
    weights: Any, peak_times: Any, n_permutations: int = 1000, *, bin_width: float = 1.0, seed: int = 0
) -> xr.Dataset:
    """Subtract the mean weight to earlier peaks from that to later peaks, and compare it with permuted peak times.

    Parameters
    ----------
    weights
        Recurrent weights, (from, to), or a result with `recurrent_weights`.
    peak_times
        Peak time of each unit (steps); NaN or below zero: the unit is left out. Or the order from `peak_order`, which
        knows them, or the units' `unit_peak_time` from `peak_consistency` and `ridge_to_background`.
    n_permutations
        Number of random assignments of the peak times to the units; 0: none.
    bin_width
        Width of the bins of peak times (steps); units in the same bin count as tied. 1: only equal steps are.
    seed
        Of the permutations.

    Returns
    -------
    `forward_asymmetry`: `forward_mean` - `backward_mean`, of the weights between units in different bins (units of the
    weights); `standardised`, the same over the standard deviation of all these weights; `null_low`, `null_high`: 95 %
    interval of permutations, `null_mean`; `p`, two-sided; `mean_weight` and `n_weights` (difference: bins from peak to
    peak, to - from). NaN if no two units are in different bins. Attributes: settings, `n_tied_pairs`, `source`,
    `reason`.

    Raises
    ------
    InputError
        If the weights are not square and finite, there is not one peak time for each unit, or a setting is out of
        range.

    Notes
    -----
    Orhan & Ma (2019), Results, who compare by the difference of ranks (`connectivity_profile`). Permutations keep the
    weights and the ties. Peaks follow from all weights: this describes a sequence, and does not prove its cause.

    Examples
    --------
    >>> found = forward_asymmetry(np.eye(6, k=1), peak_times=[3, 5, 7, 9, 11, 13])  # a chain
    >>> float(found.forward_asymmetry.round(3)), bool(found.forward_asymmetry > found.null_high)
    (0.333, True)
    """
    matrix = read_weights(weights)
    check_count("n_permutations", n_permutations, 0)
    if not (is_number(bin_width) and 1e-6 <= bin_width < np.inf):
        raise InputError(f"`bin_width` must be a number of steps, 1e-6 or more, got {bin_width!r}.")
    peaks = _read_peaks(peak_times, len(matrix))
    units = np.flatnonzero(peaks >= 0)
    bins = np.floor(peaks[units] / bin_width).astype(np.int64)
    # Sorted, so that forward weights stand above the diagonal; those of tied units count for neither side.
    units, bins = units[np.argsort(bins, kind="stable")], np.sort(bins)
    chosen = matrix[np.ix_(units, units)]
    difference = bins[None, :] - bins[:, None]
    drawn = _permuted(chosen, difference > 0, n_permutations, generator(seed))
    about = {"bin_width": bin_width, "n_permutations": n_permutations, "seed": seed, "reason": _reason(bins)}
    return _result(chosen, difference, drawn).assign_attrs(n_left_out=len(matrix) - units.size, **about)


def _permuted(
    chosen: Matrix, forward: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """Return the asymmetry with units in random places, given which pairs of places are forward."""
    n_forward = int(forward.sum())
    if n_forward == 0:
        return np.zeros(0)
    one_way = chosen - chosen.T  # each forward weight minus its backward one
    found = np.empty(n_permutations)
    for draw in range(n_permutations):
        place = rng.permutation(len(chosen))
        found[draw] = one_way[place[:, None], place][forward].sum() / n_forward
    return found


def _result(chosen: Matrix, difference: Int[np.ndarray, "active active"], drawn: np.ndarray) -> xr.Dataset:
    forward, backward = (float(chosen[of].mean()) if of.any() else np.nan for of in (difference > 0, difference < 0))
    value, apart = forward - backward, chosen[difference != 0]
    deviation = float(apart.std(ddof=1)) if apart.size > 1 else np.nan
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn.size else (np.nan, np.nan)
    p = _two_sided(value, drawn) if drawn.size else np.nan
    step, place, count = np.unique(difference[difference != 0], return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=apart, minlength=step.size).astype(np.float64) / count
    weight = "units of the weights"
    variables = {
        "forward_asymmetry": scalar(value, weight, "Mean weight to later peaks minus that to earlier peaks"),
        "forward_mean": scalar(forward, weight, "Mean weight from earlier to later peaks"),
        "backward_mean": scalar(backward, weight, "Mean weight from later to earlier peaks"),
        "standardised": scalar(value / deviation if deviation > 0 else np.nan, "1",
                               "Asymmetry / standard deviation of the weights"),
        "null_mean": scalar(drawn.mean() if drawn.size else np.nan, weight, "Mean of permutations"),
        "null_low": scalar(low, weight, "Lower end of the 95 % interval of permutations"),
        "null_high": scalar(high, weight, "Upper end of the 95 % interval of permutations"),
        "p": scalar(p, "1", "Two-sided p-value of permutations"),
        "mean_weight": ("difference", mean, {"units": weight, "long_name": "Mean weight"}),
        "n_weights": ("difference", count, {"units": "weights", "long_name": "Number of weights"}),
    }  # fmt: skip
    words = {"units": "bins", "long_name": "Difference of peak times, to - from"}
    n_pairs = len(chosen) * (len(chosen) - 1) // 2
    about = {
        "source": "Orhan & Ma (2019), Nature Neuroscience 22:275–283, by peak times", "n_units": len(chosen),
        "n_tied_pairs": n_pairs - int((difference > 0).sum()),
    }  # fmt: skip
    return xr.Dataset(variables, coords={"difference": ("difference", step, words)}, attrs=about)


def _two_sided(value: float, drawn: Float[np.ndarray, " draw"]) -> float:
    """Return the share of permutations as far from 0 as the value, with the value itself among them."""
    n_as_far = int((np.abs(drawn) >= np.abs(value) * (1 - 1e-9)).sum())
    return (n_as_far + 1) / (drawn.size + 1)


def _reason(bins: Bins) -> str:
    if bins.size < 2:
        return f"{bins.size} units have a peak: two are needed for a weight between units"
    if bins[0] == bins[-1]:
        return f"all {bins.size} units peak in the same bin of time: none is earlier than another"
    return ""


def _read_peaks(peak_times: Any, n_units: int) -> Float[np.ndarray, " unit"]:
    """Return each unit's peak time; -1: it has none."""
    if isinstance(peak_times, PeakOrder) and peak_times.peak_time is not None:
        active, known = np.asarray(peak_times), peak_times.peak_time
        peak_times = np.where(np.isin(np.arange(known.size), active), known, -1)
    found = read_numbers("peak_times", peak_times)
    if found.shape != (n_units,) or np.isinf(found).any():
        raise InputError(
            f"`peak_times` must be one number for each of the {n_units} units, NaN for those without a peak, got the "
            f"shape {found.shape}.\nGive peak_order(activity), or `unit_peak_time` of a measure."
        )
    return np.where(np.isnan(found), -1, found)
