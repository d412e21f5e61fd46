"""Ideal observers: calibrated, and equal to a posterior worked out by brute force."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

from recurrent_memory import tasks
from recurrent_memory.errors import InputError
from recurrent_memory.tasks import observers


@functools.cache
def many(task: tasks.AbstractTask, n: int, until: int | None = None) -> tuple[Any, np.ndarray]:
    """Evidence of many trials and what was shown, drawn in compiled batches of 200."""

    @jax.jit
    def draw(key: Any) -> Any:
        def batch(step: Any) -> Any:
            trials = task.sample(jr.fold_in(key, step), 200)
            return task.evidence(trials, until), trials.stimuli

        return jax.lax.map(batch, jnp.arange(n // 200))

    joined = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), draw(jr.key(20)))
    evidence, stimuli = joined
    return evidence, stimuli


def made_up(task: tasks.AbstractTask, n: int, rate: float = 0.3) -> tasks.Evidence:
    """Make evidence from spikes that no stimulus caused."""
    rng = np.random.default_rng(1)
    shape = (n, len(task.displays), task.n_inputs)
    answer = (n,) if task.response == "probability" else (n, task.n_outputs)
    return tasks.Evidence(
        counts=jnp.array(rng.poisson(rate, shape), float),
        label=jnp.array(rng.integers(0, 2, n)),
        truth=jnp.array(rng.random(answer)),
    )


def calibration_p_value(probability: np.ndarray, label: Any) -> float:
    """Test that the label comes true as often as stated, in each of 20 bins of the stated probability.

    The sum over bins of (observed − expected)²/variance, for a calibrated observer chi-square distributed.
    """
    bins = np.minimum((probability * 20).astype(int), 19)
    observed = np.bincount(bins, label, 20)
    expected = np.bincount(bins, probability, 20)
    variance = np.bincount(bins, probability * (1 - probability), 20)
    enough = variance > 5
    assert enough.sum() >= 10
    chi2 = ((observed - expected)[enough] ** 2 / variance[enough]).sum()
    return float(stats.chi2.sf(chi2, enough.sum()))


def cross_entropy(probability: np.ndarray, label: Any) -> float:
    return float(-np.mean(np.log(np.where(label == 1, probability, 1 - probability))))


def short(name: str, **changes: Any) -> tasks.AbstractTask:
    """Make a task with a delay of one step, which tells an observer nothing."""
    return tasks.make(name, delay_dur=1, **changes)


BINARY = [
    (short("cd1"), None),
    (short("cd1"), 47),  # 21 of the 25 steps of the second display
    (short("cd2", change_prob=0.3), None),
    (short("2afc", stim_rate=0.1), None),  # at the default rate it is nearly always sure
    (short("2afc", stim_rate=0.3, preferred_min=-20.0), 10),  # an asymmetric population
    (short("comp"), None),
    (short("comp", stim_rate=0.3), 36),
]


@pytest.mark.parametrize(("task", "until"), BINARY, ids=lambda x: getattr(x, "name", x))
@pytest.mark.sampled(3)
def test_exact_observers_are_calibrated(task: tasks.AbstractTask, until: int | None) -> None:
    evidence, _ = many(task, 40_000, until)
    probability = task.observe(evidence, "exact", until)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert calibration_p_value(probability, evidence.label) > 1e-3


def test_the_published_change_detector_is_not_calibrated() -> None:
    task = short("cd1")
    evidence, _ = many(task, 40_000)
    published = task.observe(evidence, "paper")
    assert calibration_p_value(published, evidence.label) < 1e-30
    near = np.abs(published - 0.6) < 0.02
    assert evidence.label[near].mean() > 0.75  # says 0.6, and it is far more often so


def test_seeing_more_helps_and_the_published_observer_is_worse() -> None:
    task = short("cd1")
    scores = []
    for until in (None, 47):
        evidence, _ = many(task, 40_000, until)
        scores.append(cross_entropy(task.observe(evidence, "exact", until), evidence.label))
    # Measured elsewhere with other trials; the standard error here is about 0.002.
    np.testing.assert_allclose(scores, [0.302, 0.312], atol=0.008)
    evidence, _ = many(task, 40_000)
    assert 0.02 < cross_entropy(task.observe(evidence, "paper"), evidence.label) - scores[0] < 0.035


def test_comparison_gains_little_over_the_published_observer() -> None:
    task = short("comp")
    evidence, _ = many(task, 40_000)
    published = np.clip(task.observe(evidence, "paper"), 1e-15, 1 - 1e-15)
    kept = ~np.isnan(published)
    exact = np.clip(task.observe(evidence, "exact"), 1e-15, 1 - 1e-15)
    gain = cross_entropy(published[kept], evidence.label[kept]) - cross_entropy(exact[kept], evidence.label[kept])
    assert 0 < gain < 0.001


def test_posteriors_of_orientation_are_calibrated() -> None:
    task = short("de1", stim_rate=0.5)
    assert isinstance(task, tasks.OrientationTask)
    evidence, stimuli = many(task, 40_000)
    grid, density = task.posterior(evidence)
    step = grid[1]
    # Where the truth lies in the posterior must be uniform; the density is constant within a cell of the grid.
    edges = np.concatenate([np.zeros((40_000, 1)), np.cumsum(density[:, 0] * step, axis=1)], axis=1)
    position = np.mod(stimuli[:, 0, 0] + step / 2, np.pi) / step
    cell = np.minimum(position.astype(int), grid.size - 1)
    rows = np.arange(40_000)
    quantile = edges[rows, cell] + (position - cell) * (edges[rows, cell + 1] - edges[rows, cell])
    assert stats.kstest(np.clip(quantile, 0, 1), "uniform").pvalue > 1e-3


# Against brute force: its own formulas, on its own grids


def log_posterior(counts: Any, mean: np.ndarray) -> np.ndarray:
    """Sum of Poisson log probabilities of (trial, neuron) counts given (value, neuron) expected counts."""
    return np.stack([stats.poisson.logpmf(n, mean).sum(axis=1) for n in counts])


def angle_means(grid: np.ndarray, fraction: float = 1.0) -> np.ndarray:
    phi = np.arange(50) * np.pi / 49
    return fraction * np.exp(2.0 * np.cos(2 * (grid[:, None] - phi)) - 2.0)


@pytest.mark.parametrize("until", [12])
def test_orientations_equal_the_mean_of_a_grid_posterior(until: int | None) -> None:
    task = short("de2")
    evidence, _ = many(task, 200, until)
    estimate = task.observe(evidence, "exact", until)
    grid = (np.arange(900) + 0.5) * np.pi / 900
    for place in range(2):
        logs = log_posterior(evidence.counts[:, 0, place * 50 : place * 50 + 50], angle_means(grid, (until or 25) / 25))
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        mean = np.angle(weights @ np.exp(2j * grid)) / 2
        error = np.mod(estimate[:, place] - mean + np.pi / 2, np.pi) - np.pi / 2
        np.testing.assert_allclose(error, 0, atol=1e-10)
    assert ((estimate >= 0) & (estimate < np.pi)).all()


def test_the_cued_orientation_is_reported() -> None:
    trials = tasks.GDE().sample(jr.key(4), 50)
    for variant in tasks.VARIANTS:
        answer = tasks.GDE().ideal_observer(trials, variant)
        both = tasks.DE2().ideal_observer(trials, variant)
        np.testing.assert_allclose(answer[:, 0], both[np.arange(50), trials.label], rtol=1e-12)


@pytest.mark.parametrize("until", [42])
def test_changes_equal_a_grid_posterior(until: int | None) -> None:
    task = short("cd2", change_prob=0.3)
    evidence, _ = many(task, 200, until)
    grid = (np.arange(900) + 0.5) * np.pi / 900
    same, changed = [], []
    for place in range(2):
        part = slice(place * 50, place * 50 + 50)
        first = np.exp(log_posterior(evidence.counts[:, 0, part], angle_means(grid)) + 100)
        seen = 25 if until is None else until - 26
        second = np.exp(log_posterior(evidence.counts[:, 1, part], angle_means(grid, seen / 25)) + 100)
        same.append((first * second).mean(axis=1))
        changed.append(first.mean(axis=1) * second.mean(axis=1))
    evidence_for = 0.3 * (changed[0] * same[1] + same[0] * changed[1]) / 2
    expected = evidence_for / (evidence_for + 0.7 * same[0] * same[1])
    np.testing.assert_allclose(task.observe(evidence, "exact", until), expected, atol=1e-10)


@pytest.mark.parametrize("until", [None])
def test_comparisons_equal_a_grid_posterior(until: int | None) -> None:
    task = short("comp")
    evidence, _ = many(task, 200, until)
    grid = -40 + (np.arange(1600) + 0.5) / 20
    mean = np.exp(-((grid[:, None] - np.linspace(-50, 50, 50)) ** 2) / 200)
    posteriors = []
    for display, fraction in enumerate((1.0, 1.0 if until is None else (until - 26) / 25)):
        logs = log_posterior(evidence.counts[:, display], fraction * mean)
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        posteriors.append(weights / weights.sum(axis=1, keepdims=True))
    below = np.cumsum(posteriors[1], axis=1) - posteriors[1] / 2
    np.testing.assert_allclose(task.observe(evidence, "exact", until), (posteriors[0] * below).sum(axis=1), atol=2e-4)


def test_two_values_equal_bayes_rule() -> None:
    task = short("2afc", stim_rate=0.1)
    evidence, _ = many(task, 200)
    phi = np.linspace(-40, 40, 50)
    likelihood = [
        np.prod(stats.poisson.pmf(evidence.counts[:, 0], 0.1 * np.exp(-((s - phi) ** 2) / 450)), axis=1)
        for s in (-15, 15)
    ]
    expected = likelihood[1] / (likelihood[0] + likelihood[1])
    np.testing.assert_allclose(task.observe(evidence, "exact"), expected, atol=1e-12)


def test_quadratures_have_converged() -> None:
    task = short("comp", stim_rate=5.0)
    evidence, _ = many(task, 200)
    first, second = (np.asarray(evidence.counts[:, display], float) for display in range(2))
    curve = functools.partial(task.log_rates, epoch="stimulus")  # type: ignore[attr-defined]
    n_points = observers.comparison_points(evidence.counts, 10.0, (-40.0, 40.0))
    coarse, fine = (
        observers.exact_comparison(first, second, (curve, curve), (25, 25), (-40.0, 40.0), n)
        for n in (n_points, 2 * n_points)
    )
    np.testing.assert_allclose(coarse, fine, atol=1e-9)
    swapped = observers.exact_comparison(second, first, (curve, curve), (25, 25), (-40.0, 40.0), n_points)
    np.testing.assert_allclose(coarse + swapped, 1, atol=1e-9)


def test_silence_is_answered_as_documented() -> None:
    silent = {name: made_up(short(name), 3, rate=0.0) for name in ("de1", "cd1", "2afc", "comp")}
    expected = {
        "de1": (0.0, np.pi / 2),  # the doubled neuron at 0 = π was silent too
        "cd1": (0.5, None),
        "2afc": (np.nan, 0.5),
        "comp": (np.nan, 0.5),
    }
    for name, answers in expected.items():
        for variant, answer in zip(tasks.VARIANTS, answers, strict=True):
            if answer is not None:
                actual = short(name).observe(silent[name], variant)
                np.testing.assert_allclose(actual.ravel(), answer, atol=1e-12)
    # Two silent displays are slightly more likely if both showed the orientation that drives the least.
    assert 0.45 < short("cd1").observe(silent["cd1"], "exact")[0] < 0.5


def test_published_certainty_is_exactly_one() -> None:
    task = tasks.TwoAFC()
    evidence, _ = many(task, 1000)
    published = task.observe(evidence, "paper")
    assert 0.2 < (published == 1).mean() < 0.4
    assert (published[evidence.label == 0] < 1).all()
    assert (published > 0).all()


def test_overflow_is_left_out_as_published() -> None:
    counts = np.zeros((1, 2, 50))
    counts[:, 0, 10] = 2000.0
    counts[:, 1, 20] = 3.0
    phi = np.linspace(0, np.pi, 50)
    alone = observers.paper_change(counts[:, 1:], counts[:, 1:], phi)
    np.testing.assert_array_equal(observers.paper_change(counts, counts, phi), alone)
    assert np.isnan(observers.paper_change(counts[:, :1], counts[:, :1], phi)).all()


@pytest.mark.parametrize("name", ["de2", "gde", "cd2", "2afc", "comp", "sine"])
@pytest.mark.parametrize("variant", tasks.VARIANTS)
def test_trials_are_answered_one_by_one(name: str, variant: str) -> None:
    task = short(name)
    evidence = made_up(task, 200)
    order = np.random.default_rng(0).permutation(200)
    shuffled = jax.tree.map(lambda x: x[order], evidence)
    np.testing.assert_allclose(task.observe(shuffled, variant), task.observe(evidence, variant)[order], atol=1e-12)


def test_evidence_is_the_sum_of_the_steps_seen() -> None:
    task = tasks.CD1(stim_dur=4, delay_dur=3, resp_dur=5)
    trials = task.sample(jr.key(0), 6)
    for until in (2, 6, 9):
        counts = np.asarray(task.evidence(trials, until).counts)
        np.testing.assert_array_equal(counts[:, 0], trials.inputs[:, : min(until, 4)].sum(axis=1))
        np.testing.assert_array_equal(counts[:, 1], trials.inputs[:, 7 : max(until, 7)].sum(axis=1))
        assert not np.isnan(task.ideal_observer(trials, "exact", until)).any()


def test_bad_requests_are_refused() -> None:
    task = tasks.DE1()
    trials = task.sample(jr.key(0), 2)
    for ask in (task.ideal_observer, lambda trials, variant: task.observe(task.evidence(trials), variant)):
        with pytest.raises(InputError, match=r"`variant` = 'best' .* must be \"paper\" or \"exact\""):
            ask(trials, "best")
    for until in (0, 151, -1):
        with pytest.raises(InputError, match=r"`until` = .* from 1 to 150, the number of steps in a trial"):
            task.evidence(trials, until)
        with pytest.raises(InputError, match=r"`until` = .* from 1 to 150"):
            tasks.Sine().ideal_observer(trials, "paper", until)
