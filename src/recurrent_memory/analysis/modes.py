"""Which states does a network amplify, and which does it keep? Modes of the weights, and what of a state is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from ..errors import InputError
from .arguments import check_count, is_number, read_numbers
from .summaries import scalar
from .weights import read_weights

Matrix = Float[np.ndarray, "unit unit"]
Modes = Float[np.ndarray, "mode unit"]

CONVERGED = 1e-14
"""The sum over steps ends with terms below this part of it."""
MOST_DOUBLINGS = 60


def observability(
    weights: Any, readout: Any = None, *, decay: float = 1.0, n_steps: int | None = None, n_persistent: int = 1
) -> xr.Dataset:
    """Find the states that later read-outs see most (amplifying modes) and those that fade last (persistent modes).

    Parameters
    ----------
    weights
        Recurrent weights W, (from, to), or a result. A state h, a row vector, becomes h A in one step, with
        A = `decay` · W. For a leaky network give (1 - α) I + α W.
    readout
        Read-out weights C, (unit, output); None: all units are read out.
    decay
        Factor by which activity fades in each step in addition to W, above 0.
    n_steps
        Number of steps that count, such as the length of the delay; None: all.
    n_persistent
        Number of persistent modes; a complex pair counts as two, and is never divided.

    Returns
    -------
    `overlap`: share of the most amplifying mode (its squared length) in the persistent modes, 1 for normal weights;
    `largest_amplification` and `amplification` (mode), the squared length of all read-outs of a mode;
    `amplifying_mode` (mode, unit), the most amplifying first; `persistent_mode` (persistent, unit), both orthonormal;
    `persistence` (persistent), moduli of eigenvalues of A; `time_constant` (persistent) of fading (steps; infinite if
    they do not). Attributes: settings, `source`, `reason`.

    Raises
    ------
    InputError
        If an array is of the wrong shape, a setting is out of range, or the sum over all steps is infinite.

    Notes
    -----
    Stroud et al. (2023), PNAS 120:e2307991120, in continuous time; here Q = Σ_t Aᵗ C Cᵀ (Aᵗ)ᵀ, t = 0, 1, …, and h Q hᵀ
    is the squared length of all read-outs of h. Persistent modes are left eigenvectors of A.

    Examples
    --------
    >>> found = observability(np.eye(3, k=1))  # a chain: what enters at its start is seen three times
    >>> found.amplification.values, float(found.overlap)
    (array([3., 2., 1.]), 0.0)
    """
    matrix = read_weights(weights)
    _check(decay, n_steps, n_persistent, len(matrix))
    seen = _read_readout(readout, len(matrix))
    step = decay * matrix
    radius = float(np.abs(np.linalg.eigvals(step)).max())
    if n_steps is None and radius >= 1:
        raise InputError(
            f"The sum over all steps is infinite: the spectral radius of `decay` · `weights` is {radius:.4g}, not below"
            f" 1.\nGive a number of steps, such as n_steps=100, or a `decay` below {decay / radius:.4g}."
        )
    observed = gramian(step, seen @ seen.T, n_steps)
    if not np.isfinite(observed).all():
        raise InputError(f"The sum over {n_steps} steps overflows: give fewer `n_steps`, or a lower `decay`.")
    energy, modes = np.linalg.eigh(observed)
    kept, modulus = _persistent(step, n_persistent)
    found = _result(np.maximum(energy[::-1], 0), modes[:, ::-1].T, kept, modulus)
    return found.assign_attrs(decay=decay, n_steps=n_steps or "all", n_persistent=n_persistent)


def overlap(vectors: Any, modes: Any) -> xr.Dataset:
    """Measure how much of inputs, activity or other vectors lies in the span of some modes.

    Parameters
    ----------
    vectors
        Vectors over units, (…, unit), such as input weights (neuron, unit) or activity (trial, time, unit); of an
        `xarray.DataArray`, the dimension `unit` may stand anywhere. Subtract a mean beforehand if it should not count.
    modes
        Modes, (mode, unit), such as `amplifying_mode[:3]` or `persistent_mode` of `observability`; independent of each
        other, not necessarily orthogonal.

    Returns
    -------
    `overlap`: share of the squared length of all vectors that lies in the span of the modes, 0 to 1; `chance`, the same
    for vectors of random direction: number of modes / number of units; `vector_overlap` (…), the share of each vector,
    NaN for zero vectors; `mode_overlap` (mode), the share of all along each mode alone. Attributes: `source`, `reason`.

    Raises
    ------
    InputError
        If the vectors and the modes have different numbers of units, hold NaN, or the modes are not independent.

    Examples
    --------
    >>> found = overlap([[3.0, 4.0, 0.0]], modes=[[1.0, 0.0, 0.0]])  # 3² of 5²
    >>> float(found.overlap.round(6)), float(found.chance.round(6))
    (0.36, 0.333333)
    """
    labelled = _read_vectors(vectors)
    values, axes = labelled.values, _read_modes(modes, labelled.sizes["unit"])
    along = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    squares = (values**2).sum(axis=-1)
    inside = ((values @ np.linalg.qr(axes.T)[0]) ** 2).sum(axis=-1)
    along_each = ((values @ along.T) ** 2).reshape(-1, len(axes)).sum(axis=0)
    total = squares.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        of_all, of_each, of_modes = inside.sum() / total, inside / squares, along_each / total
    kept = {name: labelled.coords[name] for name in labelled.dims[:-1] if name in labelled.coords}
    variables = {
        "overlap": scalar(of_all, "1", "Share of the squared length of all vectors in the span of the modes"),
        "chance": scalar(len(axes) / axes.shape[1], "1", "Share of vectors of random direction"),
        "vector_overlap": (labelled.dims[:-1], of_each, {"units": "1", "long_name": "Share of each vector"}),
        "mode_overlap": ("mode", of_modes, {"units": "1", "long_name": "Share of all vectors along each mode"}),
    }
    reason = "" if total > 0 else "all vectors are 0"
    return xr.Dataset(variables, coords=kept, attrs={"source": "as in Stroud et al. (2023), PNAS 120:e2307991120",
                                                     "reason": reason})  # fmt: skip


def gramian(step: Matrix, seen: Matrix, n_steps: int | None) -> Matrix:
    """Return Σ_t Aᵗ S (Aᵗ)ᵀ over the first steps, or all, by doubling: Q_2n = Q_n + Aⁿ Q_n (Aⁿ)ᵀ."""
    total, power = seen, step
    if n_steps is None:
        for _ in range(MOST_DOUBLINGS):
            more = power @ total @ power.T
            total, power = total + more, power @ power
            if np.abs(more).max() <= CONVERGED * np.abs(total).max():
                break
        return total
    with np.errstate(over="ignore", invalid="ignore"):
        for bit in bin(n_steps)[3:]:  # after the leading 1: one step is `seen` itself
            total, power = total + power @ total @ power.T, power @ power
            if bit == "1":
                total, power = seen + step @ total @ step.T, power @ step
    return total


def _persistent(step: Matrix, n_modes: int) -> tuple[Modes, Float[np.ndarray, " mode"]]:
    """Return an orthonormal basis of the slowest left eigenvectors, and the moduli of their eigenvalues."""
    eigenvalue, vectors = np.linalg.eig(step.T)
    found: list[np.ndarray] = []
    moduli: list[float] = []
    for place in np.argsort(-np.abs(eigenvalue), kind="stable"):
        if len(found) >= n_modes:
            break
        if eigenvalue[place].imag < 0:  # its conjugate has given both directions
            continue
        vector = vectors[:, place]
        for part in (vector.real, vector.imag) if eigenvalue[place].imag > 0 else (vector.real,):
            for other in [*found, *found]:  # twice, for rounding
                part = part - (part @ other) * other
            length = np.linalg.norm(part)
            if length > 1e-8:  # otherwise the matrix has fewer eigenvectors than eigenvalues
                found.append(part / length)
                moduli.append(float(np.abs(eigenvalue[place])))
    return np.array(found), np.array(moduli)


def _result(
    energy: Float[np.ndarray, " unit"], modes: Matrix, kept: Modes, modulus: Float[np.ndarray, " mode"],
) -> xr.Dataset:  # fmt: skip
    shared = float(((kept @ modes[0]) ** 2).sum()) if energy[0] > 0 else np.nan
    with np.errstate(divide="ignore"):
        fades = np.where(modulus < 1, -1 / np.log(np.minimum(modulus, 1)), np.inf)
    variables = {
        "overlap": scalar(shared, "1", "Share of the most amplifying mode in the persistent modes"),
        "largest_amplification": scalar(energy[0], "1", "Squared length of the read-outs of the most amplifying mode"),
        "amplification": ("mode", energy, {"units": "1", "long_name": "Squared length of the read-outs of a mode"}),
        "amplifying_mode": (("mode", "unit"), modes, {"units": "1", "long_name": "Amplifying modes, of length 1"}),
        "persistent_mode": (("persistent", "unit"), kept, {"units": "1", "long_name": "Persistent modes, orthonormal"}),
        "persistence": ("persistent", modulus, {"units": "1 / step", "long_name": "Modulus of the eigenvalue"}),
        "time_constant": ("persistent", fades, {"units": "steps", "long_name": "Time constant of fading"}),
    }
    reason = "" if energy[0] > 0 else "the read-out is 0"
    return xr.Dataset(variables, attrs={"source": "Stroud et al. (2023), PNAS 120:e2307991120",
                                        "reason": reason})  # fmt: skip


def _check(decay: float, n_steps: int | None, n_persistent: int, n_units: int) -> None:
    if not (is_number(decay) and 0 < decay < np.inf):
        raise InputError(f"`decay` must be a number above 0, got {decay!r} (1: activity fades by the weights alone).")
    if n_steps is not None:
        check_count("n_steps", n_steps, 1)
    check_count("n_persistent", n_persistent, 1)
    if n_persistent > n_units:
        raise InputError(f"`n_persistent` = {n_persistent} is more than the number of units, {n_units}.")


def _read_readout(readout: Any, n_units: int) -> Float[np.ndarray, "unit output"]:
    found = np.eye(n_units) if readout is None else read_numbers("readout", readout)
    if found.ndim != 2 or found.shape[0] != n_units or found.size == 0 or not np.isfinite(found).all():
        raise InputError(
            f"`readout` must be finite numbers of the shape ({n_units}, number of outputs), got {found.shape}: weights "
            "from each unit to each output."
        )
    return found


def _read_vectors(vectors: Any) -> xr.DataArray:
    if not isinstance(vectors, xr.DataArray):
        values = read_numbers("vectors", vectors)
        vectors = xr.DataArray(values, dims=(*(f"axis_{n}" for n in range(values.ndim - 1)), *["unit"][: values.ndim]))
    if "unit" not in vectors.dims:
        raise InputError(
            f"`vectors` must have the dimension `unit`, got {', '.join(map(str, vectors.dims)) or 'none'}."
        )
    found: xr.DataArray = vectors.transpose(..., "unit").astype(np.float64)
    if found.size == 0 or not np.isfinite(found.values).all():
        raise InputError("`vectors` must hold at least one number, and only finite ones: leave out what has NaN.")
    return found


def _read_modes(modes: Any, n_units: int) -> Modes:
    found = np.atleast_2d(read_numbers("modes", modes))
    if found.ndim != 2 or found.shape[1] != n_units or not np.isfinite(found).all():
        raise InputError(f"`modes` must be finite, (mode, unit) with {n_units} units, got the shape {found.shape}.")
    if np.linalg.matrix_rank(found) < len(found):
        raise InputError("`modes` must be independent of each other and not 0: leave out what others contain.")
    return found
