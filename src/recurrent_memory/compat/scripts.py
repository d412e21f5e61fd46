"""The published scripts as experiments: their model codes, conditions, file names and reports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import tasks
from ..errors import InputError
from ..evaluation import mispaired_cd1
from ..evaluation.history import History
from ..experiment import Experiment
from ..networks import find_model
from .codes import MODELS


@dataclass(frozen=True)
class Script:
    """One of the published scripts, each of which has its own model codes.

    Examples
    --------
    >>> SCRIPTS["basic"].experiment(task=0, model=0, lambda_val=0.98, sigma_val=0.0, rho_val=0.0).task
    'de1'
    >>> SCRIPTS["dynamic"].model(2)
    (2, 'gru')
    """

    name: str
    condition: str
    models: tuple[str, ...]
    """Names of the models, in the order of their codes in the script."""
    measure: str = "infloss"
    """Prefix of the performance variables in its .mat files."""
    prints_loss: bool = True
    """Whether its reports give the absolute loss."""

    def model(self, model: str | int) -> tuple[int, str]:
        """Return the code and the name of a model, given either.

        Parameters
        ----------
        model
            Code or name.

        Returns
        -------
        Code and name.

        Raises
        ------
        InputError
            If the script has no such model.
        """
        word = str(model).strip()
        if word.isdigit() and int(word) < len(self.models):
            return int(word), self.models[int(word)]
        if not word.isdigit():
            name = find_model(word)
            if name in self.models:
                return self.models.index(name), name
        known = ", ".join(f"{code} {name}" for code, name in enumerate(self.models))
        raise InputError(f"`--model` = {model!r} is not allowed: models of the {self.name} script are {known}.")

    def experiment(
        self,
        *,
        task: str | int,
        model: str | int,
        lambda_val: float,
        sigma_val: float,
        rho_val: float,
        as_published: bool = False,
        **settings: Any,
    ) -> Experiment:
        """Return the experiment that a command line of the script describes.

        Parameters
        ----------
        task, model
            Name or code.
        lambda_val, rho_val
            λ0 and ρ.
        sigma_val
            σ0/√N, the standard deviation of the off-diagonal recurrent weights.
        as_published
            Whether to repeat those errors of the script that do not stop it.
        **settings
            Further settings of the experiment.

        Returns
        -------
        The experiment.

        Raises
        ------
        InputError
            If a value is not allowed, or if `as_published` and the published script cannot do this.
        """
        found = tasks.find(task)
        _, model_name = self.model(model)
        if as_published:
            reason = self._stops(found)
            if reason:
                raise InputError(
                    f"The published {self.name} script cannot do {found.title}: {reason}.\n"
                    "Leave out --as-published for the repaired experiment."
                )
        condition = "variable_delay" if found.needs_condition else self.condition
        values = {
            "task": found.name, "condition": condition, "model": model_name, "lambda0": lambda_val, "rho": rho_val,
            **settings,
        }  # fmt: skip
        experiment = Experiment(**values)
        if as_published and self.name == "vardelay" and model_name == "gru":
            # The script passes neither λ nor σ to its GRU, and gives it a linear readout in every task.
            experiment, sigma_val = experiment.replace(lambda0=0.9, readout="linear"), 0.01
        if as_published:
            experiment = experiment.replace(separate_clipping=True, judge_after_step=True)
        return experiment.replace(sigma0=sigma_val * math.sqrt(experiment.n_hidden))

    def _stops(self, task: type[tasks.AbstractTask]) -> str:
        """Return why the published script stops with an error; "" if it does not."""
        if self.name == "vardelay":
            if task.n_locations > 1:
                return "it gives the network the input neurons of one location only"
            if task.response == "angle":
                return "its report of the performance refers to names that do not exist"
        if task.needs_condition:
            return "its generator returns six values, of which it expects four"
        if task.response == "value":
            return "its report compares arrays of different shapes"
        return "it has no such task" if task.name not in tasks.names(self.condition_of_task) else ""

    @property
    def condition_of_task(self) -> str:
        """The part of the condition that changes the task."""
        return "basic" if self.condition == "tethered" else self.condition

    def stem(self, *, task: str | int, model: str | int, lambda_val: float, sigma_val: float, rho_val: float) -> str:
        """Return the published name of the output file, without its ending.

        Parameters
        ----------
        task, model
            Name or code.
        lambda_val, sigma_val, rho_val
            λ0, σ0/√N and ρ.

        Returns
        -------
        The name.
        """
        return (
            f"{self.name}_sigma{sigma_val:f}_lambda{lambda_val:f}_rho{rho_val:f}"
            f"_model{self.model(model)[0]}_task{tasks.find(task).code}"
        )

    def report(self, batch: int, loss: float, fractional_loss: float) -> str:
        """Return the line that the script prints every 500 batches.

        Parameters
        ----------
        batch
            Number of the batch.
        loss, fractional_loss
            Absolute loss in it; fractional loss since the last report.

        Returns
        -------
        The line.
        """
        absolute = f"Absolute loss: {loss:.6f}; " if self.prints_loss else ""
        return f"Batch #{batch}; {absolute}Fractional loss: {fractional_loss:.6f}"


SCRIPTS = {
    script.name: script
    for script in (
        Script("basic", "basic", MODELS["basic"]),
        Script("tethered", "tethered", MODELS["tethered"]),
        Script("dynamic", "dynamic", MODELS["dynamic"]),
        Script("vardelay", "variable_delay", MODELS["vardelay"], measure="frac_rmse", prints_loss=False),
    )
}
"""The published scripts that train on one task, by name."""


@dataclass(frozen=True)
class PriorTraining:
    """One job of the published experiments that train a network on two tasks in turn."""

    first: str
    second: str
    job_index: int
    """1 … 100; λ0 varies fastest."""
    model: str | int = 0

    def experiment(self, **settings: Any) -> Experiment:
        """Return the experiment of this job; its σ0 depends on ``n_hidden``, because the grid is in σ0/√N.

        Raises
        ------
        InputError
            If a value is not allowed.
        """
        if not 1 <= self.job_index <= GRID**2:
            raise InputError(f"The job index {self.job_index} is not allowed: it must be from 1 to {GRID**2}.")
        column, row = (self.job_index - 1) % GRID, (self.job_index - 1) // GRID
        n_hidden = settings.get("n_hidden", 500)
        return Experiment(
            curriculum=(self.first, self.second),
            model=SCRIPTS["basic"].model(self.model)[1],
            lambda0=float(np.linspace(0.80, 0.98, GRID)[column]),
            sigma0=float(np.linspace(0.0, 0.018, GRID)[row]) * math.sqrt(n_hidden),
            **settings,
        )

    def stem(self, n_hidden: int) -> str:
        """Return the published name of the output file, without its ending."""
        code = SCRIPTS["basic"].model(self.model)[0]
        names = "_".join(PUBLISHED_NAMES.get(name, name) for name in (self.first, self.second))
        return f"{n_hidden}jobidx{self.job_index}_model{code}_{names}_everything"

    def report(self, stage: int, batch: int, loss: float, fractional_loss: float) -> str:
        """Return the line that the script prints every 500 batches."""
        return (
            f"({('First', 'Second')[stage]} task) Batch #{batch}; X-ent: {loss:.6f}; Inf. loss: {fractional_loss:.6f}"
        )


GRID = 10
PUBLISHED_NAMES = {"2afc": "har12"}
"""Names of tasks in the published file names, if they differ from ours."""


def reports(
    task: tasks.AbstractTask, history: History, after: int = 0, *, as_published: bool = False
) -> list[tuple[int, float, float]]:
    """Return batch, loss and fractional loss of each report from number ``after`` on, as the scripts print them.

    With ``as_published``, the fractional loss of CD-1 is the one that the scripts report, from mispaired batches.
    """
    batches, fractional = history.reports(task)
    if as_published and mispaired_cd1.concerns(task):
        fractional = history.mispaired_reports()
    return [
        (int(b), float(history.loss[b]), float(f)) for b, f in zip(batches[after:], fractional[after:], strict=True)
    ]
