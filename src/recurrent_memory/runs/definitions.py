"""How the package's own measures are computed; `measures` lists them."""

from __future__ import annotations

from typing import Any

import xarray as xr

from .. import analysis
from ..evaluation import mispaired_cd1
from ..tasks import AbstractTask
from .measured_on import Activity, Answered, Training

MISALIGNED = "fractional loss as the published script computes it, from pairs of different batches"


def error_unit(task: AbstractTask) -> str:
    """Return the unit of a task's losses and errors.

    Parameters
    ----------
    task
        The task.

    Returns
    -------
    The unit; empty for a plain number.

    Examples
    --------
    >>> from recurrent_memory import tasks
    >>> error_unit(tasks.make("de1"))
    'radians'
    """
    return task.kind.error_unit


def error_names(task: AbstractTask) -> tuple[str, str]:
    """Return the names of the network's error and of the error that it is compared with.

    Parameters
    ----------
    task
        The task.

    Returns
    -------
    Both names, for axes and long names.

    Examples
    --------
    >>> from recurrent_memory import tasks
    >>> error_names(tasks.make("de1"))
    ("network's error", "ideal observer's error")
    """
    return task.kind.error_names if task.has_observer else task.kind.error_names_without_observer


def terms(task: AbstractTask) -> tuple[str, str]:
    """Return the short names of the two mean errors from which the fractional loss is computed.

    Parameters
    ----------
    task
        The task.

    Returns
    -------
    The network's and the one that it is compared with, as the formula of the fractional loss names them.

    Examples
    --------
    >>> from recurrent_memory import tasks
    >>> terms(tasks.make("2afc"))
    ('mean KL(observer‖network)', 'mean KL(observer‖½)')
    """
    of_truth = task.kind.is_probability and not task.has_observer  # see `evaluation.judge`
    return task.kind.error_names_without_observer if of_truth else task.kind.terms


def fractional_loss(on: Answered) -> xr.Variable:
    """Return the fractional loss, with its formula as an attribute."""
    if on.variant == "misaligned":
        best, answered = (probabilities.reshape(-1, on.batch_size) for probabilities in (on.observer, on.network))
        found = mispaired_cd1.fractional_loss(mispaired_cd1.quantities(best, answered).sum(axis=0))
        return xr.Variable((), found, {"long_name": MISALIGNED})
    formula = on.task.kind.formula.format(*terms(on.task))
    return xr.Variable((), on.performance.fractional_loss, {"formula": formula})


def network_error(on: Answered) -> xr.Variable:
    """Return the network's mean error, with its name in the formula of the fractional loss."""
    return xr.Variable((), on.performance.network_error, {"term": terms(on.task)[0]})


def reference_error(on: Answered) -> xr.Variable:
    """Return the mean error that the network's is compared with, with its name in the formula."""
    return xr.Variable((), on.performance.reference_error, {"term": terms(on.task)[1]})


def report_fractional_loss(on: Training) -> Any:
    """Return the fractional loss since the last report."""
    if on.variant != "misaligned":
        return on.history.reports(on.task)[1]
    return xr.Variable("report", on.history.mispaired_reports(), {"long_name": MISALIGNED})


def sequentiality(on: Activity) -> xr.Dataset:
    """Return the sequentiality index and its terms."""
    measured = analysis.sequentiality_index(on.whole, variant=on.variant, steps=on.steps, mask=_mask(on))
    return measured.drop_vars(["n_units", "trial_n_units"])  # `n_hidden`, in every trial


def n_active_on_average(on: Activity) -> xr.Variable:
    """Return how many units are active in the average over trials: those that have a place in the order of peaks."""
    n_active = len(analysis.peak_order(on.whole, steps=on.steps, mask=_mask(on)))
    return xr.Variable((), float(n_active), {"n_units": float(on.whole.shape[2])})


def _mask(on: Activity) -> Any:
    """Return which steps count; as published, those in which a trial's state is held count like any other."""
    return on.whole_mask if on.variant == "exact" else None
