"""The table of measures: one entry is in every place; the docs list all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import recurrent_memory as rm
from recurrent_memory.errors import InputError
from recurrent_memory.runs.measures import MEASURES, Measure, register
from recurrent_memory.runs.result import provenance
from recurrent_memory.runs.run import run
from recurrent_memory.sweeps import Store, collect, load, networks
from small import small_experiment

DOCS = Path(__file__).parents[2] / "docs" / "measures.md"


@pytest.fixture(autouse=True)
def _only_the_packages_own_measures_afterwards() -> Iterator[None]:
    before = set(MEASURES)
    yield
    for name in set(MEASURES) - before:
        MEASURES.remove(name)


@pytest.fixture
def mean_activity() -> None:
    @rm.measures.register(
        "activity", units="arbitrary units", decimals=2, epochs=("delay",), by_delay=True,
        summary="mean activity ({units})", table=4, drawn=4,
    )  # fmt: skip
    def mean_activity(on: Any) -> Any:
        """Mean activity of all units."""
        return on.activity.mean(axis=(1, 2))


@pytest.mark.usefixtures("mean_activity")
def test_one_entry_is_in_the_result() -> None:
    result = run(small_experiment())
    of_trials = result["activity"].values.mean(axis=(1, 2))
    np.testing.assert_array_equal(result["trial_mean_activity"], of_trials)
    assert float(result["mean_activity"]) == pytest.approx(of_trials.mean())
    assert float(result["mean_activity_delay"]) == pytest.approx(result["activity"].values[:, 5:15].mean())
    assert result["mean_activity"].attrs["units"] == "arbitrary units"
    assert result["trial_mean_activity"].attrs["long_name"] == "Mean activity of all units"


@pytest.mark.usefixtures("mean_activity")
def test_one_entry_is_there_for_each_delay() -> None:
    options = {"delays": (6, 10)}
    result = run(small_experiment(condition="variable_delay", batch_size=20, task_options=options))
    for delay in (6, 10):
        of_trials = result["trial_mean_activity"].values[result["trial_delay"].values == delay]
        assert float(result["delay_mean_activity"].sel(delay=delay)) == pytest.approx(of_trials.mean())


@pytest.mark.usefixtures("mean_activity")
def test_one_entry_is_there_for_each_task_of_a_curriculum() -> None:
    result = run(small_experiment(task="2afc", curriculum=("cd1", "2afc")))
    assert float(result["stage_mean_activity"][1]) == float(result["mean_activity"])
    assert float(result["stage_mean_activity"][0]) == float(run(small_experiment(task="cd1"))["mean_activity"])


@pytest.mark.usefixtures("mean_activity")
def test_one_entry_is_in_data_sets_tables_and_pictures_of_sweeps(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(
        '[experiment]\ntask = "de1"\nn_hidden = 8\nbatch_size = 4\niterations = 2\ntest_batches = 2\n'
        "[axes]\nlambda0 = [0.8, 0.9]\n"
    )
    sweep = load(tmp_path / "sweep.toml")
    store = Store(sweep.store)
    store.prepare()
    found = {}
    for network in networks(sweep):
        found[network.experiment.lambda0] = result = run(network.experiment)
        store.publish(network.identity, network.experiment.model_dump(mode="json"), result, {}, (), {})
    dataset = collect(networks(sweep), store)
    for lambda0, result in found.items():
        assert float(dataset["mean_activity"].sel(lambda0=lambda0)) == float(result["mean_activity"])
    assert "mean_activity" in rm.sweeps.table(dataset)
    assert "mean_activity" in rm.figures.sweep_measures(dataset)
    # As a measure of activity it is shown only of networks that solved their task.
    assert "that solved their task" in rm.figures.measure_lines(dataset, "mean_activity").get_suptitle()
    assert "arbitrary units" in rm.figures.measure_lines(dataset, "mean_activity").get_axes()[0].get_ylabel()


def test_every_source_is_handed_to_the_function_of_a_measure() -> None:
    register("answers", name="worst_error", units="radians")(lambda on: np.nanmax(on.errors.network))
    register("network", name="mean_weight")(lambda network: float(network.cell.W_rec.mean()))
    register("training", name="last_loss")(lambda on: on.history.loss[-1])
    register("result", name="twice_the_loss")(lambda result: 2 * float(result["fractional_loss"]))
    register("activity", name="per_unit", dims=("unit",))(lambda on: on.activity.mean(axis=(0, 1)))
    result = run(small_experiment())
    assert 0 < float(result["worst_error"]) <= np.pi / 2
    assert float(result["mean_weight"]) == pytest.approx(float(result["recurrent_weights"].mean()))
    assert float(result["last_loss"]) == float(result["training_loss"][-1])
    assert float(result["twice_the_loss"]) == 2 * float(result["fractional_loss"])
    np.testing.assert_allclose(result["per_unit"], result["activity"].mean(["trial", "time"]), rtol=1e-5)


def test_another_variant_of_the_index_is_one_entry() -> None:
    @register("activity", units="nats", epochs=("delay",), by_delay=True)
    def sequentiality_index_wide(on: Any) -> Any:
        found = rm.analysis.sequentiality_index(on.activity, variant="exact", window=7, mask=on.mask)
        return found["trial_sequentiality_index"].values

    result = run(small_experiment(n_hidden=20))
    of_delay = rm.analysis.sequentiality_index(result["activity"].values, variant="exact", window=7, steps=(5, 15))
    assert float(result["sequentiality_index_wide_delay"]) == float(of_delay["sequentiality_index"])
    assert float(result["sequentiality_index_wide"]) != float(result["sequentiality_index_exact"])


def test_what_a_measure_cannot_be_computed_for_is_nan_with_the_reason() -> None:
    @register("activity")
    def of_long_delays(on: Any) -> float:
        raise InputError("the delay is too short")

    result = run(small_experiment())
    assert np.isnan(float(result["of_long_delays"]))
    assert result["of_long_delays"].attrs["reason"] == "the delay is too short"


def test_a_measure_defined_again_replaces_the_first() -> None:
    for number in (1.0, 2.0):

        @register("result")
        def again(result: xr.Dataset, number: float = number) -> float:
            return number

    assert list(MEASURES).count("again") == 1
    assert float(run(small_experiment())["again"]) == 2


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        ({"name": "activity"}, ("'activity'", "another `name`")),
        ({"name": "test_loss_exact"}, ("'test_loss_exact'", "another `name`")),
        ({"name": "fractional_loss"}, ("fractional_loss", "another")),
        ({"name": "rho"}, ("'rho'", "another `name`")),
        ({"name": "delay_activity"}, ("'delay_activity'", "another `name`")),
        ({"name": "not a name"}, ("name",)),
        ({"decimals": -1}, ("decimals", "greater than or equal to 0")),
        ({"variants": ("papr",)}, ("'papr'", "paper", "exact")),
        ({"by_delay": ("paper",)}, ("'paper'", "by_delay")),
        ({"unit": "nats"}, ("`unit`", "units")),
        ({"of": "weights"}, ("of", "activity")),
    ],
)
def test_an_entry_that_cannot_be_is_refused(settings: dict[str, Any], fragments: tuple[str, ...]) -> None:
    known = dict(MEASURES)
    own = {"of": "activity", "name": "own"} | settings
    with pytest.raises(InputError) as caught:
        register(**own)(lambda on: 1.0)
    assert all(fragment in str(caught.value) for fragment in fragments), caught.value
    assert dict(MEASURES) == known


@pytest.mark.parametrize(
    ("settings", "value", "fragment"),
    [({"by_delay": True}, 1.0, r"\(trial,\)"), ({}, np.zeros((3, 3)), r"\(3, 3\)")],
)
def test_a_function_that_returns_another_shape_is_named(settings: dict[str, Any], value: Any, fragment: str) -> None:
    register("activity", name="own", **settings)(lambda on: value)
    with pytest.raises(InputError, match=f"`own`.*{fragment}"):
        run(small_experiment())


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_result_says_the_precision_of_its_products(precision: str) -> None:
    experiment = small_experiment(precision=precision)
    told = provenance(experiment, experiment.make_task())["precision"]
    assert told == ("float32" if precision == "float32" else f"float32, matrix products in {precision}")


def _listed() -> dict[str, tuple[str, str, str]]:
    """Return what the docs say of each measure: unit, of what, variants."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|", DOCS.read_text(), re.MULTILINE)
    return {name: (units.strip(), of.strip(), variants.strip()) for name, units, of, variants in rows}


def test_the_docs_list_all_measures() -> None:
    assert _listed() == {name: (_unit(of), of.of, ", ".join(of.variants)) for name, of in MEASURES.items()}


def _unit(measure: Measure) -> str:
    return "of the task" if callable(measure.units) else measure.units or "–"


def test_the_worked_example_of_the_docs() -> None:
    example = r"mean\s+error is (\d\.\d+) rad.*?(\d\.\d+) rad.*?= (\d\.\d+)"
    network, observer, loss = re.findall(example, DOCS.read_text(), re.DOTALL)[0]
    errors = rm.evaluation.Errors(np.array([float(network)]), np.array([float(observer)]))
    assert rm.evaluation.performance("angle", errors).fractional_loss == pytest.approx(float(loss), abs=5e-4)
