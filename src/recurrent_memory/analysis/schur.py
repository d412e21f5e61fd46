"""Do recurrent weights feed activity forward, from mode to mode? Their departure from normality, by the Schur form."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Complex, Float, Int

from ..errors import InputError
from .arguments import check_count
from .summaries import scalar
from .weights import DIMS, read_weights

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


def schur_parts(weights: Any, n_blocks: int = 1) -> xr.Dataset:
    """Split recurrent weights into what modes do to themselves and what they feed forward to each other.

    Parameters
    ----------
    weights
        Recurrent weights W, (from, to), or a result with `recurrent_weights`. Of a GRU, give one block.
    n_blocks
        Number of blocks of modes, by decreasing modulus of their eigenvalues, as equal in size as pairs of complex
        eigenvalues allow. The feed-forward weights are split into those from block to block.

    Returns
    -------
    `weights` (part, source, target_unit), whose sum over `part` is W. The part "modes" is what modes do to themselves,
    alone or in pairs; "0 to 0", "0 to 1", … are the feed-forward weights from block to block. `share` (part) of ‖W‖²:
    all shares add up to 1. `first_mode` (block), and `mode_modulus` (mode), the moduli of the eigenvalues.

    Raises
    ------
    InputError
        If the weights are not a square matrix of finite numbers, or there are more blocks than modes.

    Notes
    -----
    The real Schur form W = Q (D + N) Qᵀ, with D block-diagonal and N above it: the modes are the orthonormal columns of
    Q. A pair of complex eigenvalues has a 2 × 2 block in D, which need not be normal. The parts depend on the order of
    the modes; eigenvalues that are too close to be exchanged in double precision keep theirs.

    Examples
    --------
    >>> chain = np.diag([0.5, 0.4, 0.3]) + np.eye(3, k=1)
    >>> found = schur_parts(chain)
    >>> found["part"].values.tolist(), bool(np.allclose(found["weights"].sum("part"), chain))
    (['modes', '0 to 0'], True)
    """
    matrix = read_weights(weights)
    check_count("n_blocks", n_blocks, 1)
    triangle, basis = _real_schur(matrix)
    starts, modulus = _modes(triangle)
    if n_blocks > len(starts):
        raise InputError(
            f"`n_blocks` = {n_blocks} is not allowed: there are {len(starts)} modes (a pair of complex eigenvalues "
            "counts as one)."
        )
    size = np.diff(np.append(starts, len(matrix)))
    block = np.repeat(np.arange(len(starts)) * n_blocks // len(starts), size)
    parts = _split(triangle, np.repeat(starts, size), block)
    squares = np.array([(of**2).sum() for of in parts.values()])
    share = squares / (squares.sum() or np.nan)
    unit, weight = "units of the weights", np.stack([basis @ of @ basis.T for of in parts.values()])
    variables = {
        "weights": (("part", *DIMS), weight, {"units": unit, "long_name": "Recurrent weight from source to target"}),
        "share": ("part", share, {"units": "1", "long_name": "Share of the squared norm of the weights"}),
        "first_mode": ("block", np.searchsorted(block, np.arange(n_blocks)), {"long_name": "First mode of a block"}),
        "mode_modulus": ("mode", np.repeat(modulus, size), {"units": unit, "long_name": "Modulus of the eigenvalue"}),
    }
    reason = "" if squares.any() else "all weights are 0"
    attrs = {"source": "real Schur form, as in Orhan & Pitkow (2020), ICLR", "reason": reason}
    return xr.Dataset(variables, coords={"part": [*parts]}, attrs=attrs)


def _split(
    triangle: Float[np.ndarray, "mode mode"], pair: Int[np.ndarray, " mode"], block: Int[np.ndarray, " mode"]
) -> dict[str, Float[np.ndarray, "mode mode"]]:
    """Return the diagonal blocks of a real Schur form, and what lies above them between blocks of modes, by name."""
    is_own = pair[:, None] == pair
    forward = np.where(is_own, 0.0, np.triu(triangle))
    parts = {"modes": np.where(is_own, triangle, 0.0)}
    n_blocks = int(block[-1]) + 1
    for one in range(n_blocks):
        for other in range(one, n_blocks):
            parts[f"{one} to {other}"] = np.where((block[:, None] == one) & (block == other), forward, 0.0)
    return parts


def _real_schur(matrix: Float[np.ndarray, "unit unit"]) -> tuple[Any, Any]:
    """Return the real Schur form and its basis, with eigenvalues of decreasing modulus."""
    from scipy.linalg import schur
    from scipy.linalg.lapack import dtrexc

    triangle, basis = (np.asfortranarray(of) for of in schur(matrix, output="real"))
    first = 0
    while first < len(matrix):
        starts, modulus = _modes(triangle)
        rest = starts >= first
        largest = starts[rest][modulus[rest].argmax()]
        if largest > first:
            # If two are too close to be exchanged, LAPACK stops half-way: still a Schur form, in nearly this order.
            triangle, basis, _ = dtrexc(triangle, basis, largest + 1, first + 1, overwrite_a=1, overwrite_q=1)
        first += 2 if first + 1 < len(matrix) and triangle[first + 1, first] != 0 else 1
    return triangle, basis


def _modes(triangle: Float[np.ndarray, "mode mode"]) -> tuple[Int[np.ndarray, " block"], Float[np.ndarray, " block"]]:
    """Return the first row of each diagonal block of a real Schur form, and the modulus of its eigenvalues."""
    below = np.diagonal(triangle, -1)
    is_second = np.append(False, below != 0)
    starts = np.flatnonzero(~is_second)
    own = np.diagonal(triangle)
    modulus = np.abs(own[starts])
    pairs = np.flatnonzero(np.append(below != 0, False)[starts])
    first = starts[pairs]
    modulus[pairs] = np.sqrt(np.abs(own[first] * own[first + 1] - triangle[first, first + 1] * below[first]))
    return starts, modulus
