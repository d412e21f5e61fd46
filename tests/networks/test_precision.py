"""What a precision does to products and their derivatives, and that it reaches every product of a network."""

from __future__ import annotations

from typing import Any, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from recurrent_memory.networks import CELLS, Precision, initialize, product
from recurrent_memory.networks.precision import at, current

ROUNDED = {  # significant bits of the factors
    "tf32": 11,
    "bfloat16": 8,
}


def rounded(x: Any, bits: int) -> np.ndarray:
    """Round to nearest, ties to even."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    return np.asarray(np.ldexp(np.rint(mantissa * 2**bits) / 2**bits, exponent))


@pytest.mark.parametrize("precision", ROUNDED)
def test_factors_are_rounded_in_products_and_their_derivatives(precision: Precision) -> None:
    a, b, signal = (jr.normal(jr.key(i), shape) for i, shape in enumerate([(3, 4, 20), (20, 5), (3, 4, 5)]))
    with at(precision):
        result, transpose = jax.vjp(product, a, b)
    of_a, of_b = transpose(signal)  # outside of the context that the product was made in
    low_a, low_b, low_signal = (rounded(x, ROUNDED[precision]) for x in (a, b, signal))
    for actual, expected in (
        (result, low_a @ low_b),
        (of_a, low_signal @ low_b.T),
        (of_b, low_a.reshape(-1, 20).T @ low_signal.reshape(-1, 5)),
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(result, np.asarray(a) @ np.asarray(b), rtol=1e-5, atol=1e-5)


def test_the_context_is_left_again() -> None:
    assert current() == "float32"
    for precision in get_args(Precision):
        with at(precision):
            assert current() == precision
    assert current() == "float32"


@pytest.mark.parametrize("model", [name for name in CELLS if not name.endswith("_test")])
@pytest.mark.parametrize("precision", ROUNDED)
def test_every_product_of_a_network_is_in_its_precision(model: str, precision: Precision) -> None:
    def products(network: Any) -> list[Any]:
        def loss(network: Any) -> Any:
            outputs, activity = network(inputs)
            return outputs.sum() + (activity**2).sum()

        return dots(jax.make_jaxpr(eqx.filter_grad(loss))(network).jaxpr)

    def dots(jaxpr: Any) -> list[Any]:
        found = []
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                found.append(equation)
            for sub in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
                found += dots(getattr(sub, "jaxpr", sub)) if hasattr(sub, "eqns") or hasattr(sub, "jaxpr") else []
        return found

    inputs = jr.normal(jr.key(1), (2, 4, 3))
    made = {"n_inputs": 3, "n_hidden": 6, "n_outputs": 1, "readout": "linear", "is_probability": False}
    network = initialize(jr.key(0), model, **made, lambda0=0.9, sigma0=0.5, precision=precision)  # type: ignore[arg-type]
    found = products(network)
    assert len(found) >= 8  # input, recurrence and readout; on the way back, of both factors where asked for
    for equation in found:
        if precision == "bfloat16":
            assert {v.aval.dtype.name for v in equation.invars} == {"bfloat16"}
            assert equation.outvars[0].aval.dtype == jnp.float32
        else:
            assert equation.params["precision"] == (jax.lax.Precision.HIGH, jax.lax.Precision.HIGH)
