"""Activity as points in the space of units: steps of trials, of the units that were recorded in all trials."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError
from .activity import Recording, read_recording


def whole_units(recording: Recording) -> Bool[np.ndarray, " unit"]:
    """Return which units were recorded in all trials."""
    return np.asarray(recording.units[recording.steps.any(axis=1)].all(axis=0))


def about_units(recording: Recording) -> dict[str, Any]:
    """Return the attributes that say which steps and units were used."""
    whole = whole_units(recording)
    n_left_out = int((~whole).sum())
    about: dict[str, Any] = {"steps": [recording.first, recording.first + recording.steps.shape[1]]}
    if n_left_out:
        about["left_out"] = f"{n_left_out} of {whole.size} units: they are masked in some trials"
    return about


def centred_points(recording: Recording) -> tuple[Float[np.ndarray, "trial time whole"], Float[np.ndarray, " whole"]]:
    """Return activity minus the mean of each unit, 0 in steps that a trial lacks, and the means."""
    values = recording.values.values[:, :, whole_units(recording)].astype(np.float64)
    steps = recording.steps[:, :, None]
    mean = values.mean(axis=(0, 1), where=steps) if recording.steps.any() else np.zeros(values.shape[2])
    return np.where(steps, values - mean, 0), mean


def complete_trials(
    measure: str, activity: Any, mask: Any, steps: tuple[int, int] | None
) -> tuple[Recording, Float[np.ndarray, "trial time whole"]]:
    """Read activity of which every trial has every step; raise `InputError` if one lacks any."""
    recording = read_recording(activity, mask=mask, steps=steps)
    lacking = ~recording.steps.all(axis=1)
    if lacking.any():
        common = np.flatnonzero(recording.steps.all(axis=0)) + recording.first
        advice = f"such as ({common[0]}, {common[-1] + 1})" if common.size else "if there are any"
        raise InputError(
            f"`{measure}` needs all steps of all trials, but {lacking.sum()} of {lacking.size} trials lack some.\n"
            f"Leave these trials out, or choose `steps` that all trials have, {advice}."
        )
    whole = whole_units(recording)
    if not whole.any():
        raise InputError(f"`{measure}` needs a unit that was recorded in all trials, but there is none.")
    return recording, recording.values.values[:, :, whole].astype(np.float64)
