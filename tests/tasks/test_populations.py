"""Poisson counts: the distribution, to its rarest terms, and the generator behind it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import stats

from recurrent_memory import kernel as compiled
from recurrent_memory.errors import InputError
from recurrent_memory.tasks import populations

draw = jax.jit(populations.poisson_counts, static_argnums=2)


@pytest.mark.parametrize("rate", [0.001, 0.04, 0.3, 2.0, 10.0])
def test_counts_follow_the_poisson_distribution(rate: float) -> None:
    n = 400_000
    counts = np.asarray(draw(jr.key(3), jnp.full((n, 1), rate), rate)).astype(int)
    largest = int(stats.poisson.isf(10 / n, rate))  # pool the counts expected fewer than ten times
    expected = n * stats.poisson.pmf(np.arange(largest + 1), rate)
    expected[-1] = n * stats.poisson.sf(largest - 1, rate)
    observed = np.bincount(np.minimum(counts.ravel(), largest), minlength=largest + 1)
    assert stats.chisquare(observed, expected, sum_check=False).pvalue > 1e-3


@pytest.mark.parametrize("rate", [1e-7, 1e-5, 1e-3, 0.04, 0.5, 2.0])
def test_tails_keep_their_relative_precision(precision: str, rate: float) -> None:
    n_terms = populations._count_terms(2.0)
    tails = np.array([float(tail) for tail in populations.poisson_tails(jnp.array(rate), n_terms)])
    expected = stats.poisson.sf(np.arange(n_terms), rate)
    # Besides rounding, a hundredth of the smallest step that a 32-bit threshold can take.
    tolerance = {"float32": 2e-6, "float64": 1e-13}[precision]
    np.testing.assert_allclose(tails, expected, rtol=tolerance, atol=2.0**-32 * 1e-2)


def test_the_number_of_terms_follows_the_bound() -> None:
    assert populations._count_terms(0.0) == 0
    for bound in (1e-3, 0.04, 1.0, 30.0):
        n_terms = populations._count_terms(bound)
        assert stats.poisson.sf(n_terms - 1, bound) >= 2.0**-32 > stats.poisson.sf(n_terms, bound)


def test_the_bound_does_not_change_the_counts() -> None:
    rates = jnp.full((100, 50), 0.04)
    tight = draw(jr.key(0), rates, 0.04)
    loose = draw(jr.key(0), rates, 2.0)
    np.testing.assert_array_equal(tight, loose)


def test_neurons_and_steps_are_uncorrelated() -> None:
    n = 20_000
    counts = np.asarray(draw(jr.key(1), jnp.full((4, n), 0.5), 0.5))
    correlations = np.corrcoef(np.concatenate([counts[:, :-1], counts[:, 1:]]))[np.triu_indices(8, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(n)


@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4)])
def test_any_shape_will_do(shape: tuple[int, ...]) -> None:
    counts = draw(jr.key(0), jnp.full(shape, 0.5), 1.0)
    assert counts.shape == shape
    assert not jnp.isnan(counts).any()


def test_counts_have_the_type_of_the_rates(precision: str) -> None:
    assert draw(jr.key(0), jnp.full((3, 5), 0.5), 1.0).dtype == precision


def test_no_rate_no_spike() -> None:
    assert not draw(jr.key(0), jnp.zeros((100, 100)), 1.0).any()


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_its_bound_shows(rate: float) -> None:
    assert jnp.isnan(draw(jr.key(0), jnp.full(3, rate), 1.0)).all()


@pytest.mark.parametrize("bound", [-1.0, 51.0])
def test_impossible_bounds_are_refused(bound: float) -> None:
    with pytest.raises(InputError, match=r"`max_rate` = .* must be from 0 to 50 expected counts. Lower the rate"):
        populations.poisson_counts(jr.key(0), jnp.zeros(3), bound)


def test_the_generator_is_the_one_of_jax() -> None:
    key = jnp.array([123456789, 987654321], jnp.uint32)
    left, right = populations.threefry(key, jnp.arange(64, dtype=jnp.uint32))
    expected = threefry_2x32(key, jnp.concatenate([jnp.arange(64), jnp.zeros(64)]).astype(jnp.uint32))
    np.testing.assert_array_equal(jnp.concatenate([left, right]), expected)


HELD = populations.HeldRates(0.04 * jr.uniform(jr.key(2), (3, 13)), (4, 8, 3))
BESIDE = populations.HeldRates(0.04 * jr.uniform(jr.key(3), (15, 5)), (1,) * 15, followed_by=HELD)


@pytest.mark.parametrize("rates", [HELD, BESIDE], ids=["one group", "two groups"])
@pytest.mark.parametrize("way", ["on", "off"])
def test_held_rates_give_the_counts_of_the_same_rates_step_by_step(
    way: str, rates: populations.HeldRates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compiled.SWITCH, way)
    keys = jr.split(jr.key(0), 500)
    held = jax.jit(jax.vmap(lambda key: populations.poisson_counts(key, rates, 0.04)))(keys)
    stepwise = jax.jit(jax.vmap(lambda key: populations.poisson_counts(key, populations.at_every_step(rates), 0.04)))(
        keys
    )
    assert stepwise.max() > 1
    np.testing.assert_array_equal(held, stepwise)


@pytest.mark.parametrize("way", ["on", "off"])
def test_rates_may_be_those_of_a_trial_of_a_network_or_of_all(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Axes in front of some arguments only, in either order, as when networks with trials each are batched."""
    monkeypatch.setenv(compiled.SWITCH, way)
    keys = jr.split(jr.key(0), (2, 3))
    by_network, by_trial = 0.04 * jr.uniform(jr.key(4), (2, 15, 5)), 0.04 * jr.uniform(jr.key(5), (3, 3, 13))

    def counts(key: PRNGKeyArray, first: Float[Array, "time neuron"], second: Float[Array, "stretch neuron"]) -> Array:
        held = populations.HeldRates(second, HELD.durations)
        return populations.poisson_counts(key, populations.HeldRates(first, (1,) * 15, followed_by=held), 0.04)

    of_trials = jax.vmap(counts, in_axes=(0, None, 0))
    found = jax.jit(jax.vmap(of_trials, in_axes=(0, 0, None)))(keys, by_network, by_trial)
    assert found.shape == (2, 3, 15, 18)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[i, j], jax.jit(counts)(keys[i, j], by_network[i], by_trial[j]))


@pytest.mark.parametrize("n_neurons", [1, 3, 4, 7, 8, 9, 16, 50])
@pytest.mark.parametrize("durations", [(1,), (2, 1, 1), (3, 4)])
@pytest.mark.sampled(3)
def test_the_kernel_draws_what_xla_draws(
    n_neurons: int, durations: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(way: str) -> np.ndarray:
        monkeypatch.setenv(compiled.SWITCH, way)
        return np.asarray(jax.jit(lambda key: populations.poisson_counts(key, rates, 2.0))(jr.key(1)))

    levels = 2 * jr.uniform(jr.key(0), (len(durations), n_neurons))
    rates = populations.HeldRates(levels.at[0, -1].set(jnp.nan), durations)
    np.testing.assert_array_equal(drawn("on"), drawn("off"))
    assert np.isnan(drawn("on")).sum() == durations[0]


@pytest.mark.skipif(compiled.instruction_set() is None, reason="the package was installed without a compiler")
def test_the_kernel_is_used_for_held_rates_in_single_precision() -> None:
    def program(levels: Float[Array, "stretch neuron"]) -> str:
        rates = populations.HeldRates(levels, HELD.durations)
        return str(jax.make_jaxpr(lambda key: populations.poisson_counts(key, rates, 0.04))(jr.key(0)))

    assert "recurrent_memory_draw" in program(HELD.levels)
    with jax.enable_x64(True):
        assert "recurrent_memory_draw" not in program(HELD.levels.astype(jnp.float64))


def test_normal_numbers_are_normal() -> None:
    numbers = np.asarray(populations.standard_normal(jr.key(0), (201, 1000)), float)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(np.abs(numbers[:100] - numbers[101:]).ravel() / np.sqrt(2), "halfnorm").pvalue > 1e-3


@pytest.mark.slow  # every operation is compiled by itself
def test_compiled_counts_equal_the_others() -> None:
    rates = 0.04 * jr.uniform(jr.key(2), (25, 50))
    together = draw(jr.key(0), rates, 0.04)
    # Compilation may round a tail differently: one count in some millions may differ.
    assert (together != populations.poisson_counts(jr.key(0), rates, 0.04)).sum() <= 1
