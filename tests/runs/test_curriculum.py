"""One task after another: what is carried over, what starts afresh, and what the result says about each stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
import xarray as xr

from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.run import run
from recurrent_memory.runs.start import carry_over, initial_network, trainer
from recurrent_memory.training import TrainingState
from small import contents, small_experiment, stops_after


def two_tasks(curriculum: tuple[str, ...] = ("cd1", "2afc"), **changes: Any) -> Experiment:
    return small_experiment(task=curriculum[-1], curriculum=curriculum, **changes)


def start(experiment: Experiment) -> TrainingState:
    return trainer(experiment, experiment.make_task()).start(initial_network(experiment))


def trained(experiment: Experiment, n: int) -> TrainingState:
    return trainer(experiment, experiment.make_task()).advance(start(experiment), n)[0]


def test_the_first_stage_is_the_first_task_alone() -> None:
    both, alone = run(two_tasks()), run(small_experiment(task="cd1"))
    np.testing.assert_array_equal(both["stage_task"], ["cd1", "2afc"])
    for name in ("fractional_loss", "fractional_loss_exact", "sequentiality_index", "test_loss", "solved"):
        assert float(both[f"stage_{name}"][0]) == float(alone[name]), name
        assert float(both[f"stage_{name}"][1]) == float(both[name]), name
    np.testing.assert_array_equal(both["stage_training_loss"][0], alone["training_loss"])
    np.testing.assert_array_equal(both["stage_training_loss"][1], both["training_loss"])


def test_the_second_stage_continues_with_weights_and_adam_as_published() -> None:
    """Written out: the same steps, on the second task's own trials, from where the first task ended."""
    experiment = two_tasks(iterations=7)
    last, second = trained(experiment.stages[-2], 7), trainer(experiment, experiment.make_task())
    state = carry_over(last, start(experiment))
    for ours, theirs in zip(jax.tree.leaves(eqx.filter(state.network, eqx.is_array)),
                            jax.tree.leaves(eqx.filter(last.network, eqx.is_array)), strict=True):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)
    assert int(state.optimizer.count) == 7
    assert int(state.iteration) == 0
    _, chunk = second.advance(state, 7)
    np.testing.assert_allclose(run(experiment)["training_loss"], chunk.losses, rtol=1e-6)


def test_weights_of_another_shape_start_afresh_and_the_others_are_kept() -> None:
    experiment = two_tasks(curriculum=("de1", "de2"))
    last, fresh = trained(experiment.stages[-2], 5), start(experiment)
    state: Any = carry_over(last, fresh)
    for name, source in (("W_in", fresh), ("b_in", last), ("W_rec", last), ("b_rec", last)):
        np.testing.assert_array_equal(getattr(state.network.cell, name), getattr(source.network.cell, name), name)
        np.testing.assert_array_equal(
            getattr(state.optimizer.mean.cell, name), getattr(source.optimizer.mean.cell, name), name
        )
    np.testing.assert_array_equal(state.network.W_out, fresh.network.W_out)
    assert state.network.readout == "linear"
    assert not np.any(state.optimizer.square.cell.W_in)
    assert int(state.optimizer.count) == 5


def test_stages_have_trials_of_their_own() -> None:
    experiment = two_tasks(curriculum=("de1", "de1"))
    result = run(experiment)
    alone = run(small_experiment(task="de1"))
    assert not np.array_equal(result["inputs"], alone["inputs"])
    np.testing.assert_array_equal(result["stage_task"], ["de1", "de1"])


@pytest.mark.thorough
def test_three_stages_interrupted_end_the_same(tmp_path: Path) -> None:
    experiment = two_tasks(curriculum=("comp", "2afc", "de2"), iterations=9)
    whole = run(experiment)
    for stops in (1, 3, 5, 2):
        with pytest.raises(InterruptedRunError):
            run(experiment, tmp_path / "cut", should_stop=stops_after(stops), checkpoint_every=3)
    resumed = run(experiment, tmp_path / "cut")
    assert resumed.identical(whole)
    np.testing.assert_array_equal(resumed["stage_task"], ["comp", "2afc", "de2"])
    assert np.isfinite(resumed["stage_fractional_loss"]).all()
    before = contents(tmp_path)
    assert run(experiment, tmp_path / "cut").identical(whole)
    assert contents(tmp_path) == before
    with xr.open_dataset(tmp_path / "cut" / "before" / "result.nc") as stage:
        assert stage.attrs["task"] == "2afc"


def test_a_lost_state_between_stages_is_named(tmp_path: Path) -> None:
    experiment = two_tasks()
    place = RunFolder(tmp_path / "run")
    run(experiment, place.path)
    (place / "result.nc").unlink()
    (place.before / "final.checkpoint").unlink()
    with pytest.raises(InputError, match=r"final\.checkpoint is missing"):
        run(experiment, place.path)


def test_conditions_hold_in_every_stage() -> None:
    experiment = Experiment(**{"curriculum": "cd1,vde1", "condition": "tethered+variable_delay"})
    assert experiment.stages[-2] == Experiment(task="cd1", condition="tethered+variable_delay")
    assert experiment.task == "vde1"
    assert Experiment(**experiment.model_dump(mode="json")) == experiment


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"curriculum": ("cd1",)}, "at least two"),
        ({"curriculum": "cd1,nothing"}, "no task 'nothing'"),
        ({"curriculum": "cd1,2afc", "task": "de1"}, "not the last of `curriculum`"),
        ({"curriculum": "sine,2afc", "condition": "dynamic"}, "no stimulus whose range"),
        ({"curriculum": "vde1,de1"}, "only in the condition variable_delay"),
        ({"curriculum": "cd1,2afc", "task_options": {"value": 3.0}}, "`value` is not a setting of CD1"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Experiment(**values)
