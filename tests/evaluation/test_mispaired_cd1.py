"""The fractional loss that the published scripts report for CD-1, in which trials of different batches meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from recurrent_memory.compat.matfile import save_multitask_mat
from recurrent_memory.compat.scripts import PriorTraining, reports
from recurrent_memory.evaluation import fractional_loss as evaluation
from recurrent_memory.evaluation import mispaired_cd1 as misaligned
from recurrent_memory.evaluation.history import History
from recurrent_memory.runs.run import run
from recurrent_memory.runs.start import initial_network, trainer
from recurrent_memory.training import join_batches
from small import small_experiment


def all_pairs(observer: np.ndarray, network: np.ndarray) -> float:
    """Return it by writing out the pairs: (batch, 1, trial) against (batch, trial), as published."""
    p, q = observer[:, None], network
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = np.nanmean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
        return float(divergence / np.nanmean(p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))))


def test_sums_give_the_mean_over_pairs_and_leave_out_certain_observers() -> None:
    observer, network = np.random.default_rng(0).uniform(0.01, 0.99, (2, 7, 5))
    observer[2, 1], observer[4, 3] = 1.0, 0.0
    found = misaligned.fractional_loss(misaligned.quantities(observer, network).sum(axis=0))
    assert found == pytest.approx(all_pairs(observer, network), rel=1e-12)
    assert found != pytest.approx(evaluation.performance(
        "probability", evaluation.errors("probability", observer, observer, network)
    ).fractional_loss)  # fmt: skip


def test_reports_in_training_pair_the_batches_since_the_last_one() -> None:
    experiment = small_experiment(task="cd1", iterations=502)
    task = experiment.make_task()
    training, history = trainer(experiment, task), History.empty()
    state, observers, networks = training.start(initial_network(experiment)), [], []
    for length in (1, 249, 250, 2):
        state, chunk = training.advance(state, length)
        history = history.extended(task, chunk, experiment.readout_step)
        given = evaluation.given(task, join_batches(chunk.answers), experiment.readout_step)
        observers.append(given.observer.reshape(-1, experiment.batch_size))
        networks.append(given.network.reshape(-1, experiment.batch_size))
    observer, network = np.concatenate(observers), np.concatenate(networks)
    first, second = reports(task, history, as_published=True)
    assert (first[0], second[0]) == (0, 500)
    assert first[2] == pytest.approx(all_pairs(observer[:1], network[:1]))
    assert second[2] == pytest.approx(all_pairs(observer[1:501], network[1:501]))
    assert second[2] != pytest.approx(reports(task, history)[1][2])


@pytest.mark.parametrize("order", [("cd1", "2afc"), ("2afc", "cd1")])
def test_both_tasks_are_reported_as_published_where_asked(order: tuple[str, str], tmp_path: Path) -> None:
    experiment = small_experiment(task=order[1], curriculum=order)
    result = run(experiment)
    job, path = PriorTraining(*order, job_index=1), tmp_path / "both.mat"
    cd1 = order.index("cd1")
    written = []
    for as_published in (True, False):
        save_multitask_mat(path, job, result, initial_network(experiment), as_published=as_published)
        content = loadmat(path)
        written.append([content[f"infloss_test_{stage}"].item() for stage in ("first", "second")])
        written[-1] += [content[f"infloss_vec_{stage}"].item() for stage in ("first", "second")]
    published, aligned = np.array(written).reshape(2, 2, 2)
    assert published[0, cd1] == result["stage_fractional_loss_misaligned"].values[cd1] != aligned[0, cd1]
    # The one report of so short a run is of batch 0 alone, which has no other to be paired with.
    assert published[1, cd1] == result["stage_report_fractional_loss_misaligned"].values[cd1, 0]
    assert published[1, cd1] == pytest.approx(aligned[1, cd1])
    np.testing.assert_array_equal(published[:, 1 - cd1], aligned[:, 1 - cd1])
