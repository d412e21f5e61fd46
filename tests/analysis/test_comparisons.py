"""Comparisons of networks: exact tests, SciPy's tests, corrected p-values, missing networks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.stats
import xarray as xr

import made_up_sweeps
from recurrent_memory.analysis import compare
from recurrent_memory.analysis.comparisons import holm
from recurrent_memory.errors import InputError


def dataset(values: Any, *, tasks: tuple[str, ...] = ("de1", "comp")) -> xr.Dataset:
    array = xr.DataArray(np.asarray(values, float), dims=("task", "seed"), attrs={"units": "nats"})
    return xr.Dataset({"index": array}, coords={"task": list(tasks), "seed": range(array.shape[1])})


def random_values(n_seeds: int, shift: float = 0.5, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n_seeds)
    return np.stack([shared + 0.5 * rng.normal(size=n_seeds) + shift * task for task in range(2)])


@pytest.mark.parametrize("n_seeds", [2, 5, 9])
def test_few_pairs_have_the_exact_p(n_seeds: int) -> None:
    values = random_values(n_seeds)
    difference = values[1] - values[0]
    extreme = [
        abs(np.dot(signs, difference)) >= abs(difference.sum()) - 1e-12
        for signs in itertools.product((-1, 1), repeat=n_seeds)
    ]
    found = compare(dataset(values), "index", between="task")
    assert float(found["p"][0]) == pytest.approx(np.mean(extreme))
    assert float(found["difference"][0]) == pytest.approx(difference.mean())
    assert float(found["effect_size"][0]) == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert int(found["n_pairs"][0]) == n_seeds
    assert found["contrast"].values.tolist() == ["comp - de1"]
    assert found["difference"].attrs["units"] == "nats"


def test_many_pairs_agree_with_scipy() -> None:
    values = random_values(40, shift=0.3)
    found = compare(dataset(values), "index", between="task", n=20_000)
    expected = scipy.stats.ttest_rel(values[1], values[0])
    assert float(found["p"][0]) == pytest.approx(expected.pvalue, abs=0.01)
    interval = expected.confidence_interval()
    np.testing.assert_allclose(found["difference_interval"][0], [interval.low, interval.high], atol=0.03)


def test_networks_that_are_not_paired() -> None:
    values = random_values(25, shift=0.6)
    found = compare(dataset(values), "index", between="task", pair_by=None, n=20_000)
    assert float(found["p"][0]) == pytest.approx(scipy.stats.ttest_ind(values[1], values[0]).pvalue, abs=0.015)
    pooled = np.sqrt((values[0].var(ddof=1) + values[1].var(ddof=1)) / 2)
    assert float(found["effect_size"][0]) == pytest.approx((values[1] - values[0]).mean() / pooled)
    assert int(found["n_first"][0]) == int(found["n_second"][0]) == 25


def test_holm() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])


def test_p_is_uniform_without_a_difference() -> None:
    p = [
        float(compare(dataset(random_values(8, 0, seed)), "index", between="task", n=10)["p"][0]) for seed in range(200)
    ]
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001


def test_all_contrasts_of_a_sweep_over_other_settings() -> None:
    axes: dict[str, Any] = {"task": ["de1", "2afc", "comp"], "lambda0": [0.9, 0.98], "seed": [0, 1, 2, 3]}
    sweep = made_up_sweeps.sweep(axes)
    found = compare(sweep, "sequentiality_index", between="task")
    assert found["contrast"].values.tolist() == ["2afc - de1", "comp - de1", "comp - 2afc"]
    assert (found["p_holm"] >= found["p"]).all()
    mean = sweep["sequentiality_index"].mean(["lambda0", "seed"])
    np.testing.assert_allclose(found["difference"][0], mean.sel(task="2afc") - mean.sel(task="de1"))
    lambda0 = compare(sweep, "sequentiality_index", between="lambda0")
    assert float(lambda0["difference"][0]) < 0


def test_networks_that_are_missing_leave_out_their_pair() -> None:
    values = random_values(6)
    gappy = values.copy()
    gappy[0, 2] = np.nan
    found = compare(dataset(gappy), "index", between="task")
    without = compare(dataset(np.delete(values, 2, axis=1)), "index", between="task")
    assert int(found["n_pairs"][0]) == 5
    assert float(found["p"][0]) == float(without["p"][0])


def test_networks_along_one_dimension() -> None:
    grid = dataset(random_values(6))
    flat = grid.stack(network=("task", "seed")).reset_index("network")
    assert compare(flat, "index", between="task").identical(compare(grid, "index", between="task"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "indx"}, "The data set has no measure 'indx'. Do you mean index"),
        ({"between": "tsk"}, "`between`: index does not vary with 'tsk'. Do you mean task"),
        ({"pair_by": "sed"}, "`pair_by`: index does not vary with 'sed'. Do you mean seed"),
        ({"n": 0}, "`n` must be a whole number, 1 or more, got 0"),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], message: str) -> None:
    given = {"measure": "index", "between": "task", **options}
    with pytest.raises(InputError, match=message):
        compare(dataset(random_values(4)), given.pop("measure"), **given)


def test_too_few_networks() -> None:
    with pytest.raises(InputError, match="comp and de1 have 1 pairs by seed, but at least 2 are needed"):
        compare(dataset([[1.0], [2.0]]), "index", between="task")
    with pytest.raises(InputError, match="`between` = 'task' has one value, de1"):
        compare(dataset([[1.0, 2.0]], tasks=("de1",)), "index", between="task")


def test_equal_differences_have_no_effect_size() -> None:
    found = compare(dataset([[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]]), "index", between="task")
    assert abs(found.difference.item()) == 1
    assert np.isnan(found.effect_size).all()
    assert np.isnan(found.effect_size_interval).all()
    np.testing.assert_array_equal(np.abs(found.difference_interval), 1)
