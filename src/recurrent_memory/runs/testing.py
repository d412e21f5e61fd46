"""The test of a network: its answers to all test trials, the trials that are kept, and both as a labelled data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxtyping import PRNGKeyArray

from ..evaluation import answer_batches, record_batches
from ..experiment import Experiment
from ..networks import Network
from ..training import Answers
from .start import stream

if TYPE_CHECKING:
    import xarray as xr


def run_test(
    experiment: Experiment,
    network: Network,
    status: str,
    key: PRNGKeyArray | None = None,
    *,
    plain: Network | None = None,
    on_batches: Callable[[int], None] = lambda _: None,
) -> xr.Dataset:
    """Test a network, and label the trials that are kept and all measures.

    Parameters
    ----------
    experiment
        The experiment, which says how many trials there are.
    network
        The network.
    status
        What the data set says of how far the network is.
    key
        Key of the trials; None: the test trials of the experiment.
    plain
        The network whose weights are measured, if `network` is a perturbed one.
    on_batches
        Called with the number of batches done.

    Returns
    -------
    As a result, but without the curves of training.
    """
    from . import result as results

    given = answered(experiment, network, key, on_batches=on_batches)
    kept = recorded(experiment, network, key, plain=plain)
    return results.tested(experiment, experiment.make_task(), given, kept, status)


def answered(
    experiment: Experiment,
    network: Network,
    key: PRNGKeyArray | None = None,
    *,
    on_batches: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Return a network's answers to all test trials; arguments as for :func:`run_test`."""
    task = experiment.make_task()
    return answer_batches(
        network,
        task,
        stream(experiment, "test") if key is None else key,
        batches=experiment.test_batches,
        batch_size=experiment.batch_size,
        until=task.n_steps + experiment.readout_step + 1,
        on_batches=on_batches,
    )


def recorded(
    experiment: Experiment, network: Network, key: PRNGKeyArray | None = None, *, plain: Network | None = None
) -> xr.Dataset:
    """Run the test trials that are kept through a network, and label them; arguments as for :func:`run_test`.

    See :func:`recurrent_memory.runs.result.recorded`.
    """
    from . import result as results

    task, key = experiment.make_task(), stream(experiment, "test") if key is None else key
    kept = record_batches(network, task, key, batches=experiment.test_batches, batch_size=experiment.batch_size)
    return results.recorded(experiment, task, *kept, network if plain is None else plain)
