"""Do recurrent weights feed activity forward, from mode to mode? Their departure from normality, by the Schur form."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Complex

from .summaries import scalar
from .weights import read_weights

ROUNDING = 1e-13
"""Departures below this part of the norm of the weights are rounding, and count as 0."""


def non_normality(weights: Any) -> xr.Dataset:
    """Measure how far recurrent weights are from a normal matrix, whose modes do not drive each other.

    Parameters
    ----------
    weights
        Recurrent weights W, (from, to), or a result with `recurrent_weights`. Of a GRU, give one block.

    Returns
    -------
    `non_normality`: Henrici's departure from normality over the norm of W, from 0 (symmetric, rotation) to 1 (all
    feed-forward, as a chain of units); `non_normality_without_self`, the same of W minus its mean self-connection;
    `departure`, √(‖W‖² - Σ|λ|²), and `norm`, ‖W‖ (Frobenius); `feedforward_share` of ‖W‖², above the diagonal of the
    Schur form; `spectral_radius`, the largest |λ|; `largest_gain`, the largest growth of a state in one product with W,
    equal to it if W is normal; `eigenvalue_real`, `eigenvalue_imag` (eigenvalue), of decreasing modulus;
    `feedforward_weight` (mode, to_mode), moduli above the diagonal of the Schur form. Attributes: `source`, `reason`.

    Raises
    ------
    InputError
        If the weights are not a square matrix of finite numbers.

    Notes
    -----
    Henrici (1962), Numer. Math. 4:24–40; Orhan & Pitkow (2020), ICLR. With the Schur form W = U (Λ + N) Uᴴ, the
    departure is ‖N‖: computed so, since the difference of squares loses half of the digits. N_ij leads from mode i to
    mode j > i. N depends on the order of the modes, its norm does not.

    Examples
    --------
    >>> chain = np.eye(4, k=1)  # 0 -> 1 -> 2 -> 3
    >>> float(non_normality(chain).non_normality), float(non_normality(chain + chain.T).non_normality)
    (1.0, 0.0)
    """
    from scipy.linalg import schur  # here, since it is slow to import

    matrix, weight = read_weights(weights), "units of the weights"
    triangle, _ = schur(matrix, output="complex")
    forward = np.triu(triangle, k=1)
    own = np.diagonal(matrix).mean() * np.eye(len(matrix))  # adds to the norm, but not to the departure
    norm, rest, departure = (float(np.linalg.norm(of)) for of in (matrix, matrix - own, forward))
    least = ROUNDING * len(matrix) * norm
    departure = departure if departure > least else 0.0
    relative = departure / norm if norm > 0 else np.nan
    without_self = departure / rest if rest > least else np.nan
    variables = {
        "non_normality": scalar(relative, "1", "Departure from normality / norm of the weights"),
        "non_normality_without_self": scalar(without_self, "1", "The same without the mean self-connection"),
        "departure": scalar(departure, weight, "Henrici's departure from normality"),
        "norm": scalar(norm, weight, "Frobenius norm of the weights"),
        "feedforward_share": scalar(relative**2, "1", "Share of the squared norm above the diagonal"),
        "spectral_radius": scalar(np.abs(np.diagonal(triangle)).max(), weight, "Largest modulus of an eigenvalue"),
        "largest_gain": scalar(np.linalg.norm(matrix, 2), weight, "Largest singular value"),
    }
    source = "Henrici (1962), Numer. Math. 4:24–40; Orhan & Pitkow (2020), ICLR"
    return xr.Dataset(
        variables | _parts(triangle), attrs={"source": source, "reason": "" if norm > 0 else "all weights are 0"}
    )


def _parts(triangle: Complex[np.ndarray, "mode mode"]) -> dict[str, Any]:
    """Return the eigenvalues and what lies above them in the Schur form."""
    eigenvalue, weight = np.diagonal(triangle), "units of the weights"
    eigenvalue = eigenvalue[np.argsort(-np.abs(eigenvalue), kind="stable")]
    return {
        "eigenvalue_real": ("eigenvalue", eigenvalue.real, {"units": weight, "long_name": "Eigenvalue, real part"}),
        "eigenvalue_imag": ("eigenvalue", eigenvalue.imag, {"units": weight, "long_name": "The same, imaginary part"}),
        "feedforward_weight": (
            ("mode", "to_mode"),
            np.abs(np.triu(triangle, k=1)),
            {"units": weight, "long_name": "Weight from mode to mode, modulus"},
        ),
    }
