"""The table of all measures: name, unit, how and from what each is computed, and where it is shown.

Results, the stages of a curriculum, the delays of a task, sweeps, summaries and the docs all follow this table. A
measure of your own is one more entry: see :func:`register`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import Field, model_validator

from .. import evaluation
from ..errors import InputError
from ..experiment import Experiment
from ..registry import Registry
from ..settings import SOLVED_BELOW, Settings
from ..tasks import AbstractTask
from . import definitions
from .definitions import error_names, error_unit
from .measured_on import VARIANTS

Source: TypeAlias = Literal["answers", "activity", "network", "training", "result"]
"""What a measure's function receives: in this order, :class:`Answered`, :class:`Activity`, a trained network,
:class:`Training`, or the result with all other measures."""

NOT_MEASURES = (
    "activity", "inputs", "targets", "outputs", "mask", "observer_estimate", "recurrent_weights", "time", "epoch",
    "stimuli", "label", "cued_location", "location", "trial", "unit", "neuron", "output", "answer", "source",
    "target_unit", "iteration", "report", "delay", "stage", "status", "identity", "network", "versions", "host",
    "device",
)  # fmt: skip
"""Other names in results and in the data sets of sweeps, which no measure can have."""

Function = TypeVar("Function", bound=Callable[..., Any])
OfTask: TypeAlias = str | Callable[[AbstractTask], str]
"""A word, or a function that returns it for a task."""


class Row(NamedTuple):
    """A row of the summary that ``train`` and ``show`` print.

    Examples
    --------
    >>> Row("mean activity ({units})", place=55).epoch is None
    True
    """

    label: str
    """Text of the row; ``{units}`` stands for the measure's unit."""
    place: int = 1000
    """Number by which the rows are sorted."""
    epoch: str | None = None
    """The epoch that the measure is of; None: the whole trial."""
    each: bool = True
    """Whether there is also a row for each delay, and for each earlier task of a curriculum."""


class Measure(Settings):
    """One entry of the table of measures.

    Examples
    --------
    >>> variants, epochs = ("paper", "exact"), ("delay",)
    >>> measure = Measure(name="dimensionality", function=len, of="activity", variants=variants, epochs=epochs)
    >>> measure.variable(), measure.variable("exact", "delay")
    ('dimensionality', 'dimensionality_delay_exact')
    """

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", description="Name of its variable in a result")]
    function: Annotated[
        Callable[..., Any] | None,
        Field(description="Computes it; None if another measure's function does (`part_of`)"),
    ] = None
    of: Annotated[Source, Field(description="What `function` receives")]
    long_name: Annotated[OfTask, Field(description="What it is; {variant} stands for the variant")] = ""
    units: Annotated[OfTask, Field(description="Its unit, which may depend on the task; empty for a plain number")] = ""
    decimals: Annotated[int, Field(ge=0, le=15, description="Decimals in summaries and tables")] = 3
    variants: Annotated[
        tuple[str, ...], Field(min_length=1, description="Ways to compute it; the first leaves the name as it is")
    ] = ("exact",)
    epochs: Annotated[tuple[str, ...], Field(description="Epochs over which it is measured as well")] = ()
    dims: Annotated[tuple[str, ...], Field(description="Dimensions of its own; none for one number per network")] = ()
    by_delay: Annotated[tuple[str, ...], Field(description="Variants that are measured for each delay as well")] = ()
    by_stage: Annotated[
        tuple[str, ...], Field(description="Variants that a curriculum's result includes for each task")
    ] = ()
    part_of: Annotated[str, Field(description="The measure whose function returns this variable")] = ""
    stem: Annotated[str, Field(description="Part of the name to which the variant is appended; empty: all of it")] = ""
    attrs: Annotated[dict[str, str], Field(description="Further attributes of its variable")] = {}  # noqa: RUF012
    summary: Annotated[tuple[Row, ...], Field(description="Rows of the summary of a run")] = ()
    table: Annotated[
        int | None, Field(description="Place among the columns of the table of several networks; None: no column")
    ] = None
    drawn: Annotated[
        int | None, Field(description="Place among what `sweep show` draws by default; None: drawn only on request")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Replace True by all variants, and a label by a row."""
        variants = tuple(values.get("variants", ("exact",)))
        for name in ("by_delay", "by_stage"):
            if isinstance(values.get(name), bool):
                values = {**values, name: variants if values[name] else ()}
        if isinstance(values.get("summary"), str):
            values = {**values, "summary": (Row(values["summary"]),)}
        return values

    @property
    def label(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    def variable(self, variant: str | None = None, epoch: str | None = None) -> str:
        """Return the name of a variable of this measure.

        Parameters
        ----------
        variant
            One of `variants`; None: the first.
        epoch
            One of `epochs`; None: the whole trial.

        Returns
        -------
        The name.
        """
        stem = self.stem or self.name
        return stem + self.ending(variant, epoch) + self.name.removeprefix(stem)

    def variables(self) -> dict[str, tuple[str, str | None]]:
        """Return variant and epoch of each variable of this measure, by its name.

        Returns
        -------
        What :meth:`variable` takes; the epoch is None for the whole trial.
        """
        return {
            self.variable(variant, epoch): (variant, epoch)
            for variant in self.variants
            for epoch in (None, *self.epochs)
        }

    def ending(self, variant: str | None = None, epoch: str | None = None) -> str:
        """Return the part that variant and epoch add to the name.

        Parameters
        ----------
        variant, epoch
            As for :meth:`variable`.

        Returns
        -------
        The part, with underscores; empty for the first variant over the whole trial.
        """
        of_epoch = "" if epoch is None else f"_{epoch}"
        return of_epoch + ("" if variant in (None, self.variants[0]) else f"_{variant}")

    def attributes(self, task: AbstractTask, variant: str) -> dict[str, str]:
        """Return the attributes of a variable of this measure.

        Parameters
        ----------
        task
            Task of the network.
        variant
            One of `variants`.

        Returns
        -------
        ``long_name``, ``units`` and further attributes; without those that are empty.
        """
        long_name, units = (of if isinstance(of, str) else of(task) for of in (self.long_name, self.units))
        found = {"long_name": long_name.replace("{variant}", VARIANTS[variant].what), "units": units}
        return {name: value for name, value in (found | self.attrs).items() if value}


def _check(measure: Measure) -> None:
    known = {**VARIANTS}
    for variant in (*measure.variants, *measure.by_delay, *measure.by_stage):
        if variant not in known or variant not in measure.variants:
            raise InputError(
                f"`{measure.name}` has no variant {variant!r}: choose `variants` from {', '.join(known)}, and "
                "`by_delay` and `by_stage` from `variants`."
            )
    own = measure.variables()
    taken = {*NOT_MEASURES, *Experiment.model_fields}
    for other in MEASURES.values():
        if other.name != measure.name or _defined(other) != _defined(measure):
            taken |= other.variables().keys()
    for name in sorted(own):
        if name in taken or name.startswith(("trial_", "delay_", "stage_")):
            raise InputError(
                f"The measure `{measure.name}` would be the variable {name!r}, a name that results use or may use for "
                "something else: give it another `name`."
            )


def _defined(measure: Measure) -> Any:
    return None if (function := measure.function) is None else (function.__module__, function.__qualname__)


MEASURES: Registry[Measure] = Registry("measure", check=_check)
"""All measures by their names."""


def register(of: str, **settings: Any) -> Callable[[Function], Function]:
    """Return a decorator that makes a function a measure.

    Parameters
    ----------
    of
        What the function receives: ``"activity"``, an :class:`Activity` (return one number, or one per trial);
        ``"answers"``, an :class:`Answered`; ``"network"``, the trained network; ``"training"``, a :class:`Training`;
        ``"result"``, the data set with all other measures, whose attribute ``variant`` is the variant wanted.
    **settings
        Fields of :class:`Measure`: ``units``, ``decimals``, ``epochs=("delay",)`` to measure the delay period as well,
        ``by_delay=True`` for a value per delay, ``summary="label"`` for a row of the summary, ``table=4`` for a column
        in the table of several networks, ``drawn=4`` for a figure by default. By default, ``name`` is the name of the
        function and ``long_name`` the first line of its docstring. A curriculum's result has the measure for each task.

    Returns
    -------
    The decorator, which returns the function unchanged.

    Raises
    ------
    InputError
        If a setting is not allowed, or the name is taken.

    Examples
    --------
    >>> import numpy as np
    >>> import recurrent_memory as rm
    >>> @rm.measures.register("activity", units="arbitrary units", decimals=2, summary="mean activity")
    ... def mean_activity(on):
    ...     "Mean activity of all units."
    ...     return on.activity.mean(axis=(1, 2))
    >>> rm.measures.MEASURES["mean_activity"].units
    'arbitrary units'
    >>> rm.measures.MEASURES.remove("mean_activity")
    """

    def decorate(function: Function) -> Function:
        first_line = (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
        name = settings.get("name", function.__name__)
        own = {"name": name, "long_name": first_line or name.replace("_", " "), "by_stage": True}
        own["attrs"] = {"measured_on": of}
        MEASURES.register(Measure(**own | settings, function=function, of=of))
        return function

    return decorate


_BOTH = ("paper", "exact")
_INDEX: dict[str, Any] = {"of": "activity", "variants": _BOTH, "epochs": ("delay",)}
_IN_TRAINING: dict[str, Any] = {"of": "training", "variants": ("paper",)}

for _measure in (
    Measure(
        name="fractional_loss", function=definitions.fractional_loss, of="answers",
        long_name="fractional loss ({variant})", variants=tuple(VARIANTS), by_delay=_BOTH,
        by_stage=("paper", "exact", "misaligned"), summary=(Row("fractional loss", 30),), table=1, drawn=2,
    ),
    Measure(
        name="fractional_loss_standard_error", stem="fractional_loss", of="answers",
        function=lambda on: on.performance.standard_error, long_name="over answers ({variant})",
        variants=("paper", "exact", "exact_causal"),
    ),
    Measure(
        name="fractional_loss_network_error", stem="fractional_loss", function=definitions.network_error, of="answers",
        long_name=lambda task: f"{error_names(task)[0]}, mean of the test ({{variant}})", units=error_unit,
        variants=("paper", "exact", "exact_causal"), decimals=4,
    ),
    Measure(
        name="fractional_loss_reference_error", stem="fractional_loss", function=definitions.reference_error,
        of="answers", long_name=lambda task: f"{error_names(task)[1]}, mean of the test ({{variant}})",
        units=error_unit, variants=("paper", "exact", "exact_causal"), decimals=4,
    ),
    Measure(
        name="n_dropped_answers", function=lambda on: on.performance.n_dropped, of="answers",
        long_name="test answers not counted ({variant})", variants=_BOTH, decimals=0,
    ),
    Measure(
        name="solved", of="result", variants=_BOTH,
        function=lambda of: bool(of[MEASURES["fractional_loss"].variable(of.attrs["variant"])] < SOLVED_BELOW),
        long_name=f"fractional loss < {SOLVED_BELOW:g}, the paper's criterion ({{variant}})",
        by_stage=("paper",), decimals=0, table=3, drawn=3,
        summary=(Row(f"solved (fractional loss < {SOLVED_BELOW:g})", 40, each=False),),
    ),
    Measure(
        name="test_loss", function=lambda on: evaluation.loss(on.task.response, on.truth, on.network, on.way),
        of="answers", long_name="network's loss in the test ({variant})", units=error_unit, variants=_BOTH,
        by_stage=("paper",), decimals=4, summary=(Row("test loss ({units})", 10, each=False),),
    ),
    Measure(
        name="observer_loss", function=lambda on: evaluation.loss(on.task.response, on.truth, on.observer, on.way),
        of="answers", long_name="ideal observer's loss in the test ({variant})", units=error_unit, variants=_BOTH,
        by_stage=("paper",), decimals=4, summary=(Row("ideal observer's loss ({units})", 20, each=False),),
    ),
    Measure(
        name="sequentiality_index", function=definitions.sequentiality, units="nats", by_delay=_BOTH, by_stage=_BOTH,
        long_name="Sequentiality index, mean over trials", table=2, drawn=1, **_INDEX,
        summary=(
            Row("sequentiality index ({units})", 50),
            Row("sequentiality index, delay period alone", 80, "delay", each=False),
        ),
    ),
    Measure(
        name="peak_entropy", part_of="sequentiality_index", units="nats", by_delay=_BOTH, by_stage=("paper",), **_INDEX,
        long_name="Entropy of peak times, mean over trials", summary=(Row("  peak entropy", 60, each=False),),
    ),
    Measure(
        name="ridge_to_background", part_of="sequentiality_index", units="nats", by_delay=_BOTH, by_stage=("paper",),
        long_name="Mean log ridge-to-background ratio, mean over trials", **_INDEX,
        summary=(Row("  ridge to background", 70, each=False),),
    ),
    Measure(
        name="n_active_units", part_of="sequentiality_index", units="units", by_stage=("paper",), **_INDEX,
        long_name="Number of active units, mean over trials", decimals=1,
        summary=(Row("active units in a trial", 90, each=False),),
    ),
    Measure(
        name="n_active_units_on_average", function=definitions.n_active_on_average, units="units", by_stage=("paper",),
        long_name="Number of units that are active in the average over trials", decimals=0, **_INDEX,
        summary=(Row("active units in the average over trials", 100, each=False),),
    ),
    Measure(
        name="training_loss", function=lambda on: on.history.loss, dims=("iteration",), by_stage=("paper",),
        long_name="objective before the iteration's step", units=error_unit, decimals=4, **_IN_TRAINING,
    ),
    Measure(
        name="training_fractional_loss", function=lambda on: on.history.fractional_loss(on.task), dims=("iteration",),
        long_name="fractional loss over the last 100 iterations, as published", by_stage=("paper",), **_IN_TRAINING,
    ),
    Measure(
        name="iterations_done", function=lambda on: len(on.history), by_stage=("paper",), decimals=0,
        long_name="iterations of training, fewer than wanted if it stopped early", **_IN_TRAINING,
    ),
    Measure(
        name="report_fractional_loss", function=definitions.report_fractional_loss, of="training", dims=("report",),
        variants=("paper", "misaligned"), by_stage=("paper", "misaligned"),
        long_name="fractional loss since the last report, at iterations 0, 500, … as in the published code",
    ),
    Measure(
        name="report_iteration", function=lambda on: on.history.reports(on.task)[0], dims=("report",),
        long_name="iteration of the report", decimals=0, **_IN_TRAINING,
    ),
    Measure(
        name="training_network_error", function=lambda on: on.history.network_error(), dims=("iteration",),
        long_name=lambda task: f"{error_names(task)[0]} (last 100 iterations)", units=error_unit,
        decimals=4, **_IN_TRAINING,
    ),
    Measure(
        name="training_observer_error", function=lambda on: on.history.reference_error(), dims=("iteration",),
        long_name=lambda task: f"{error_names(task)[1]} (last 100 iterations)", units=error_unit,
        decimals=4, **_IN_TRAINING,
    ),
):  # fmt: skip
    MEASURES.register(_measure)
