"""The space that activity visits: how many dimensions it has, and its path through the first few of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ..errors import InputError
from .activity import Recording, read_recording
from .arguments import check_count
from .samples import about_units, centred_points, whole_units
from .summaries import CONSTANT, scalar

ROUNDING = 1e-12
"""Variances below this part of the mean square of activity are rounding, and count as 0."""


def effective_dimension(
    activity: Any, *, steps: tuple[int, int] | None = None, mask: Any = None, average: bool = False
) -> xr.Dataset:
    """Measure in how many dimensions activity varies: the participation ratio of its covariance.

    Parameters
    ----------
    activity
        Activity, (trial, time, unit), in any unit; see `read_activity`. Units masked in some trials are left out.
    steps
        First step measured and the step after the last; None: the whole trial.
    mask
        (trial, time), True for the steps that count; None: all that `activity` has.
    average
        Whether to measure the average over trials, without what differs between them.

    Returns
    -------
    `effective_dimension`: (Σλ)² / Σλ², with λ the eigenvalues of the covariance of units over all steps of all trials,
    from 1 (all units vary together) to the number of units (all vary equally and independently); `n_for_90_percent`,
    the fewest components with 90 % of the variance; `n_samples`; `n_units`; `explained_share` (component), of
    decreasing size. NaN if activity is constant. Attributes: settings, `source`, `reason`, `left_out`.

    Raises
    ------
    InputError
        If the activity cannot be read, or a setting is out of range.

    Notes
    -----
    Gao et al. (2017), bioRxiv 214262; Rajan, Abbott & Sompolinsky (2010), NeurIPS. It is at most the number of samples
    minus 1, and too low if samples are few. A sequence of narrow peaks has as many dimensions as peaks, a persistent
    state few. Units with high rates count more; divide by their standard deviations if all should count equally.

    Examples
    --------
    >>> shared = np.sin(np.arange(40))[None, :, None] * np.arange(1, 6)  # five units vary together
    >>> float(effective_dimension(shared).effective_dimension.round(6))
    1.0
    """
    recording = read_recording(activity, mask=mask, steps=steps)
    recording = recording.averaged() if average else recording
    points, mean = centred_points(recording)
    n_samples = int(recording.steps.sum())
    variance, _ = _components(points, mean, n_samples)
    total = variance.sum()
    value = total**2 / (variance**2).sum() if total > 0 else np.nan
    share = variance / total if total > 0 else np.full(variance.size, np.nan)
    enough = int((np.cumsum(share) < 0.9 - 1e-12).sum()) + 1 if total > 0 else np.nan
    variables = {
        "effective_dimension": scalar(value, "dimensions", "Participation ratio of the covariance of activity"),
        "n_for_90_percent": scalar(enough, "components", "Components with 90 % of the variance"),
        "n_samples": scalar(n_samples, "steps", "Number of steps of all trials"),
        "n_units": scalar(mean.size, "units", "Number of units"),
        "explained_share": ("component", share, {"units": "1", "long_name": "Share of the variance"}),
    }
    source = "Gao et al. (2017), bioRxiv 214262; Rajan, Abbott & Sompolinsky (2010), NeurIPS"
    about = {"average": str(average), "source": source, "reason": "" if total > 0 else CONSTANT}
    return xr.Dataset(variables, attrs=about_units(recording) | about)


def trajectories(
    activity: Any, n_components: int | None = None, *, steps: tuple[int, int] | None = None, mask: Any = None,
    average: bool = False,
) -> xr.Dataset:  # fmt: skip
    """Project activity onto its principal components: the path of each trial through a space of few dimensions.

    Parameters
    ----------
    activity, steps, mask
        As in `effective_dimension`.
    n_components
        Number of components, at most as many as units that are not left out; None: 3, or as many as there are.
    average
        Whether the components are those of the average over trials; each trial is projected onto them even so.

    Returns
    -------
    `explained`: share of the variance over all steps of all trials that lies in the components, 0 to 1;
    `trajectory` (trial, time, component), in the unit of activity; `explained_share` (component), of decreasing size
    unless `average`; `loading` (component, unit), orthonormal, 0 for units left out; `mean` (unit), which was
    subtracted, NaN for units left out. Coordinates: those of the activity. Attributes: settings, `source`, `reason`,
    `left_out`.

    Raises
    ------
    InputError
        If the activity cannot be read, a setting is out of range, or there are fewer components than are asked for.

    Notes
    -----
    The sign of a component is arbitrary; here its largest loading is above zero. Activity of units is not divided by
    its standard deviation.

    Examples
    --------
    >>> angle = np.linspace(0, 6, 50)
    >>> circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)[None]
    >>> found = trajectories(circle, 2)
    >>> found.trajectory.shape, float(found.explained.round(6))
    ((1, 50, 2), 1.0)
    """
    if n_components is not None:
        check_count("n_components", n_components, 1)
    recording = read_recording(activity, mask=mask, steps=steps)
    points, mean = centred_points(recording)
    of, of_mean = centred_points(recording.averaged()) if average else (points, mean)
    n_kept = _kept(n_components, mean.size, recording)
    _, axes = _components(of, of_mean, 1)
    axes = axes[:n_kept]
    path = points @ axes.T
    total = float((points**2).sum())
    is_constant = total <= ROUNDING * points.size * float((mean**2).mean() if mean.size else 0)
    share = np.full(n_kept, np.nan) if is_constant else (path**2).sum(axis=(0, 1)) / total
    path[~recording.steps] = np.nan
    about = {"n_components": n_kept, "average": str(average), "source": "principal components",
             "reason": CONSTANT if is_constant else ""}  # fmt: skip
    return _labelled(recording, path, share, axes, mean).assign_attrs(about_units(recording) | about)


def _kept(n_components: int | None, most: int, recording: Recording) -> int:
    """Return the number of components, of at most as many as there can be."""
    if n_components is not None and n_components > most:
        raise InputError(
            f"`n_components` = {n_components} is not allowed: there can be at most {most}, one for each unit"
            + (" that was recorded in all trials." if most < recording.units.shape[1] else ".")
        )
    return min(3, most) if n_components is None else n_components


def _labelled(
    recording: Recording, path: Float[np.ndarray, "trial time component"], share: Float[np.ndarray, " component"],
    axes: Float[np.ndarray, "component whole"], mean: Float[np.ndarray, " whole"],
) -> xr.Dataset:  # fmt: skip
    whole = whole_units(recording)
    loading, means = np.zeros((len(axes), whole.size)), np.full(whole.size, np.nan)
    loading[:, whole], means[whole] = axes, mean
    rows = ("trial", "time", "component")
    like = {"units": "units of the activity"}
    variables = {
        "explained": scalar(share.sum(), "1", "Share of the variance in the components"),
        "trajectory": (rows, path, like | {"long_name": "Activity along the components"}),
        "explained_share": ("component", share, {"units": "1", "long_name": "Share of the variance"}),
        "loading": (("component", "unit"), loading, {"units": "1", "long_name": "Principal components, of length 1"}),
        "mean": ("unit", means, like | {"long_name": "Mean activity"}),
    }
    time = np.arange(recording.first, recording.first + recording.steps.shape[1])
    return xr.Dataset(variables, coords={"time": time} | recording.coords("trial", "unit"))


def _components(
    points: Float[np.ndarray, "trial time whole"], mean: Float[np.ndarray, " whole"], n_samples: int
) -> tuple[Float[np.ndarray, " component"], Float[np.ndarray, "component whole"]]:
    """Return the variances along the principal components and the components, the largest first."""
    rows = points.reshape(-1, points.shape[2])
    variance, axes = np.linalg.eigh(rows.T @ rows / max(n_samples, 1))
    least = ROUNDING * max(float((mean**2).sum()), float(variance[-1]) if variance.size else 0.0)
    variance, axes = np.where(variance > least, variance, 0)[::-1], axes[:, ::-1].T
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1) if axes.size else axes
    return variance, axes * np.where(largest < 0, -1, 1)
