"""Where does a network come to rest? Fixed and slow points of its steps, and how activity moves near them.

A point is found by minimising the speed q(h) = ½‖F(h) - h‖² from a starting state (Levenberg–Marquardt): each step
solves (AᵀA + μ) δ = -Aᵀ (F(h) - h) with A = ∂F/∂h - 1, and is taken only if it lowers q. The damping μ falls after a
step that is taken and rises after one that is not, so that steps go from those of gradient descent, which cannot leave
the neighbourhood, to those of Newton's method, which end at the rounding of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Complex, Float

from ..errors import InputError, first_line
from .arguments import check_count, is_number
from .summaries import scalar

Step = Callable[..., Array]
Points = Float[np.ndarray, "point unit"]

STUCK = 1e-4
"""A step that lowers the speed by less than this part of it is the last: there is no fixed point nearby."""
NUMBERS = 2**22
"""Numbers in the Jacobians of the starting states that are followed together."""


def fixed_points(
    step: Step, states: Any, *, inputs: Any = None, tolerance: float = 1e-10, slow: float = 1e-4,
    distance: float = 1e-3, margin: float = 1e-3, max_iterations: int = 100,
) -> xr.Dataset:  # fmt: skip
    """Find fixed and slow points of a network's steps, and the linear dynamics around them.

    Parameters
    ----------
    step
        Function of JAX from a state, (unit,), to the next one: `step(state)`, or `step(state, inputs)` if `inputs` are
        given. For a `Network`, `networks.autonomous_step` makes one.
    states
        States to start from, (start, unit), such as activity at random steps.
    inputs
        Constant second argument of `step`; None: none.
    tolerance, slow
        Points with a speed up to `tolerance` are fixed, others up to `slow` are slow, the rest is left out (relative to
        the squared length of the point if that is above 1).
    distance
        Points closer than this are one point; relative to the largest length of a point or a starting state.
    margin
        Eigenvalues whose modulus is within this of 1 are neither stable nor unstable.
    max_iterations
        Highest number of iterations from a starting state.

    Returns
    -------
    `n_fixed_points`; then over `point`, slowest first: `state` (point, unit); `speed`, ½‖F(h) - h‖²; `is_fixed`;
    `n_starts` that led there; `stability`: "stable" (all eigenvalues inside the unit circle), "marginal" (some on it,
    none outside: a line attractor), "saddle" (some outside), "unstable" (all outside); `n_unstable`, `n_marginal`;
    `eigenvalue_real`, `eigenvalue_imag` of the Jacobian (point, eigenvalue), of decreasing modulus; `time_constant`,
    1 / |ln|λ|| (steps). Attributes: settings, `n_left_out` (starts that led to no slow point), `source`, `reason`.

    Raises
    ------
    InputError
        If the states cannot be read, `step` does not keep their shape, or a setting is out of range.

    Notes
    -----
    Sussillo & Barak (2013), Neural Computation 25:626–649, who minimise the same speed in continuous time. What is
    found depends on the starting states; unstable points are found, too. Numbers are as precise as JAX is set to be.

    Examples
    --------
    >>> found = fixed_points(lambda h: jnp.tanh(2 * h), np.linspace(-1.5, 1.5, 8)[:, None])
    >>> float(found.n_fixed_points), float(abs(found.state).max().round(3))
    (3.0, 0.958)
    """
    _check(tolerance, slow, distance, margin, max_iterations)
    start = _read_states(states)
    found = _find(_checked_step(step, inputs, start), start, max_iterations)
    relative = np.nan_to_num(found.speed, nan=np.inf) / np.maximum(1, (found.state**2).sum(axis=1))
    order = np.argsort(relative, kind="stable")[: int((relative <= slow).sum())]
    chosen, n_starts = _distinct(found.state[order], distance * _longest(found.state[order], np.asarray(start)))
    places = order[chosen]
    is_fixed = relative[places] <= tolerance
    result = _result(found.state[places], found.speed[places], is_fixed, n_starts, found.jacobian[places], margin)
    result.attrs |= {"tolerance": tolerance, "slow": slow, "distance": distance, "margin": margin}
    return result.assign_attrs(n_starting_states=len(start), n_left_out=len(start) - order.size)


class _Found(NamedTuple):
    """Where the search from each starting state ended."""

    state: Points
    speed: Float[np.ndarray, " point"]
    jacobian: Float[np.ndarray, "point unit unit"]


class _Search(NamedTuple):
    """The search from one starting state."""

    state: Array
    speed: Array
    damping: Array
    n: Array
    is_done: Array


def _find(step: Step, start: Float[Array, "start unit"], max_iterations: int) -> _Found:
    n_units = start.shape[1]

    def from_one(state: Float[Array, " unit"]) -> tuple[Array, Array, Array]:
        end = _minimise(step, state, max_iterations)
        return end.state, end.speed, jax.jacrev(step)(end.state)

    batch = max(1, min(len(start), NUMBERS // n_units**2))
    found = jax.jit(lambda states: jax.lax.map(from_one, states, batch_size=batch))(start)
    return _Found(*(np.asarray(part, np.float64) for part in found))


def _minimise(step: Step, start: Float[Array, " unit"], max_iterations: int) -> _Search:
    """Minimise the speed from one starting state."""
    rounding = float(jnp.finfo(start.dtype).eps)
    smallest = rounding * jnp.sqrt(jnp.sum(start**2))
    identity = jnp.eye(start.size, dtype=start.dtype)

    def speed_at(state: Array) -> Array:
        return 0.5 * jnp.sum((step(state) - state) ** 2)

    def iterate(search: _Search) -> _Search:
        slope = jax.jacrev(step)(search.state) - identity
        square, descent = slope.T @ slope, slope.T @ (search.state - step(search.state))
        scale = jnp.trace(square) / start.size + rounding
        # Without a positive definite matrix, the factor and so the speed are NaN, which raises the damping.
        factor = jax.scipy.linalg.cho_factor(square + search.damping * scale * identity)
        change = jax.scipy.linalg.cho_solve(factor, descent)
        speed = speed_at(search.state + change)
        is_better = speed < search.speed
        is_stuck = is_better & (speed > (1 - STUCK) * search.speed)
        is_small = jnp.sqrt(jnp.sum(change**2)) <= rounding * jnp.sqrt(jnp.sum(search.state**2)) + smallest
        damping = jnp.where(is_better, jnp.maximum(search.damping / 5, 4 * rounding), search.damping * 4)
        return _Search(
            jnp.where(is_better, search.state + change, search.state), jnp.where(is_better, speed, search.speed),
            damping, search.n + 1, is_small | is_stuck | (damping > 1 / rounding) | (speed == 0),
        )  # fmt: skip

    def goes_on(search: _Search) -> Array:
        return ~search.is_done & (search.n < max_iterations)

    first = speed_at(start)
    damping = jnp.asarray(1.0, start.dtype)  # short steps at first, to stay near the starting state
    search = _Search(start, first, damping, jnp.asarray(0), first == 0)
    return jax.lax.while_loop(goes_on, iterate, search)


def _longest(*states: Float[np.ndarray, "_ unit"]) -> float:
    """Return the largest length of a state; 1 if all are 0."""
    return max(float(np.linalg.norm(of, axis=1).max(initial=0.0)) for of in states) or 1.0


def _distinct(states: Points, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of each group of points that are close to it, and the size of the group."""
    chosen: list[int] = []
    count: list[int] = []
    for number, state in enumerate(states):
        apart = np.sqrt(((states[chosen] - state) ** 2).sum(axis=1))
        if apart.size and apart.min() <= distance:
            count[int(apart.argmin())] += 1
        else:
            chosen.append(number)
            count.append(1)
    return np.array(chosen, dtype=np.int64), np.array(count, dtype=np.int64)


def _eigenvalues(jacobian: Float[np.ndarray, "point unit unit"]) -> Complex[np.ndarray, "point eigenvalue"]:
    """Return eigenvalues of decreasing modulus."""
    found = np.linalg.eigvals(jacobian).astype(np.complex128)
    return np.take_along_axis(found, np.argsort(-np.abs(found), axis=1, kind="stable"), axis=1)


def _result(
    states: Points, speed: Float[np.ndarray, " point"], is_fixed: Bool[np.ndarray, " point"], n_starts: np.ndarray,
    jacobian: Float[np.ndarray, "point unit unit"], margin: float,
) -> xr.Dataset:  # fmt: skip
    eigenvalues = _eigenvalues(jacobian)
    modulus = np.abs(eigenvalues)
    n_unstable, n_stable = (modulus > 1 + margin).sum(axis=1), (modulus < 1 - margin).sum(axis=1)
    n_marginal = modulus.shape[1] - n_unstable - n_stable
    stability = np.select(
        [n_unstable == modulus.shape[1], n_unstable > 0, n_marginal > 0], ["unstable", "saddle", "marginal"], "stable"
    )
    with np.errstate(divide="ignore"):
        time_constant = 1 / np.abs(np.log(modulus))  # 0 for an eigenvalue of 0, infinite on the unit circle
    each, both = ("point",), ("point", "eigenvalue")
    variables = {
        "n_fixed_points": scalar(is_fixed.sum(), "points", "Number of different fixed points"),
        "state": (("point", "unit"), states, _about("units of the state", "State")),
        "speed": (each, speed, _about("squared units of the state", "Half the squared length of one step")),
        "is_fixed": (each, is_fixed, _about("1", "Whether the point is fixed, not only slow")),
        "n_starts": (each, n_starts, _about("states", "Number of starting states that led there")),
        "stability": (each, stability.astype(object), _about("1", "Stability by the eigenvalues of the Jacobian")),
        "n_unstable": (each, n_unstable, _about("eigenvalues", "Number of eigenvalues outside the unit circle")),
        "n_marginal": (each, n_marginal, _about("eigenvalues", "Number of eigenvalues on the unit circle")),
        "eigenvalue_real": (both, eigenvalues.real, _about("1", "Eigenvalue of the Jacobian, real part")),
        "eigenvalue_imag": (both, eigenvalues.imag, _about("1", "Eigenvalue of the Jacobian, imaginary part")),
        "time_constant": (both, time_constant, _about("steps", "Time constant of decay or growth")),
    }
    source = "Sussillo & Barak (2013), Neural Computation 25:626–649"
    reason = "" if is_fixed.any() else "no starting state led to a fixed point"
    return xr.Dataset(variables, attrs={"source": source, "reason": reason})


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def _checked_step(step: Step, inputs: Any, start: Float[Array, "start unit"]) -> Step:
    """Return the function of the state alone; raise `InputError` if it changes the shape."""
    if not callable(step):
        raise InputError(f"`step` must be a function of a state (unit,) that returns the next one, got {step!r}.")
    if inputs is not None:
        # Not closed over as a constant: jitted code would hold a copy of it.
        try:
            given = jax.tree.map(jnp.asarray, inputs)
        except TypeError as error:
            raise InputError(f"`inputs` must be numbers: {first_line(error)}.") from None
        of_two, step = step, lambda state: of_two(state, given)
    try:
        after = jax.eval_shape(step, start[0])
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise InputError(
            "`step` must be a function of JAX, but it uses numbers that JAX does not have before it runs, as functions "
            f"of NumPy do ({first_line(error)}).\n"
            "Use `jax.numpy` instead of `numpy`, and `jax.numpy.where` instead of `if`."
        ) from None
    except TypeError as error:  # of what it takes, or of what it returns
        of_what = "a state" if inputs is None else "a state and `inputs`"
        raise InputError(f"`step` must be a function of {of_what}, (unit,), in JAX: {first_line(error)}.") from None
    if getattr(after, "shape", None) != start.shape[1:]:
        raise InputError(
            f"`step` must return a state of the shape {start.shape[1:]} that it was given, got {after}.\n"
            "It takes one state, (unit,), without an axis of trials."
        )
    return step


def _read_states(states: Any) -> Float[Array, "start unit"]:
    values = np.asarray(states)
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "biuf":
        raise InputError(
            f"`states` must be numbers of the shape (start, unit), got {values.dtype} of the shape {values.shape}.\n"
            "From activity (trial, time, unit), take activity.reshape(-1, n_units)[::20]."
        )
    if not np.isfinite(values).all():
        raise InputError("`states` holds NaN or infinite numbers: leave those states out.")
    return jnp.asarray(values, jnp.float64 if jax.config.jax_enable_x64 else jnp.float32)  # type: ignore[attr-defined]


def _check(tolerance: float, slow: float, distance: float, margin: float, max_iterations: int) -> None:
    if not (is_number(tolerance) and is_number(slow) and 0 <= tolerance <= slow < np.inf):
        raise InputError(f"0 <= `tolerance` <= `slow` is needed, got {tolerance} and {slow}.")
    for name, value in (("distance", distance), ("margin", margin)):
        if not (is_number(value) and 0 <= value < np.inf):
            raise InputError(f"`{name}` must be a finite number, 0 or more, got {value!r}.")
    check_count("max_iterations", max_iterations, 1)
