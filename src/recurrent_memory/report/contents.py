"""What a report shows, from whatever source: networks, curves, single networks in detail, failures, a scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float


class Curve(NamedTuple):
    """A learning curve of all networks, in equal bins of the training.

    Examples
    --------
    >>> Curve("loss", "training loss", np.array([0.5, 2.5]), np.array([[1.0, 0.5]])).label
    'training loss'
    """

    name: str
    label: str
    iteration: Float[np.ndarray, " bin"]
    """Mean iteration of each bin."""
    value: Float[np.ndarray, "network bin"]
    """Mean over the bin; NaN where a network has no values."""
    per_bin: int = 1
    """Values in a bin."""


class Profile(NamedTuple):
    """Mean recurrent weights by the difference of two units in the order of peaks.

    Examples
    --------
    >>> Profile(np.array([-1.0, 1.0]), np.array([0.0, 0.2]), np.array([0.1, 0.1]), 0.2).forward
    0.2
    """

    difference: Float[np.ndarray, " bin"]
    mean: Float[np.ndarray, " bin"]
    error: Float[np.ndarray, " bin"]
    """Standard errors; NaN for a single weight."""
    forward: float
    """Mean weight from earlier to later peaks minus that from later to earlier ones."""


class ByChance(NamedTuple):
    """The sequentiality index, and that of surrogates.

    Examples
    --------
    >>> ByChance(4.1, np.array([3.1, 3.2]), "circular_shift", 0.33, 50).null
    'circular_shift'
    """

    value: float
    surrogates: Float[np.ndarray, " draw"]
    null: str
    p: float
    trials: int
    """Trials that both are taken from."""


class Detail(NamedTuple):
    """The activity of one network, and what its order says about weights and chance.

    Examples
    --------
    >>> rows = np.eye(3)
    >>> Detail(rows, np.arange(3.0), (("delay", -0.5, 2.5),), None, "", 3, 3, 1, None, None).rows.shape
    (3, 3)
    """

    rows: Float[np.ndarray, "row time"]
    """Activity of units or groups of units, sorted by peak and scaled to it, from 0 to 1."""
    time: Float[np.ndarray, " time"]
    epochs: Sequence[tuple[str, float, float]]
    """Name, start and end of each."""
    readout: float | None
    """Time at which the answer is read."""
    what: str
    """What the rows are."""
    n_active: int
    n_units: int
    per_row: int
    """Units in each row."""
    profile: Profile | None
    by_chance: ByChance | None
    no_profile: str = ""
    """Why there is no profile."""
    no_chance: str = ""
    """Why the index beside chance is missing."""


class Failed(NamedTuple):
    """A network without a result, and why.

    Examples
    --------
    >>> Failed(3, "diverged", "the loss is not finite", 120).kind
    'diverged'
    """

    network: int
    kind: str
    reason: str
    iteration: int | None = None


class Scores(NamedTuple):
    """The scorecard of networks of one size: a sentence, tables by their titles, and effects to draw.

    Examples
    --------
    >>> Scores(100, "Reproduced: 3.", {}, ()).n_hidden
    100
    """

    n_hidden: int
    summary: str
    tables: Mapping[str, Sequence[Mapping[str, str]]]
    effects: Sequence[Mapping[str, Any]]
    """Claim, what it says, verdict, size and its interval."""
    columns: Mapping[str, str] = {}
    """What the columns of the tables mean."""


@dataclass(frozen=True)
class Contents:
    """All that a report shows.

    Examples
    --------
    >>> table = pd.DataFrame({"task": ["de1"], "status": ["finished"], "fractional_loss": [0.3]})
    >>> Contents("sweep.toml", "sweep", table, ("task",)).measures
    ['fractional_loss']
    """

    source: str
    kind: str
    """`sweep`, `run`, `data` or `study`."""
    table: pd.DataFrame
    """One row for each network: fields, `status`, measures, and where they were made."""
    fields: Sequence[str]
    """Columns that are settings of experiments."""
    about: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Attributes (`long_name`, `units`, `measured_on`) of columns."""
    commands: Sequence[str] = ()
    """The command that makes each network again; empty texts if there is none."""
    curves: Sequence[Curve] = ()
    details: Mapping[int, Detail] = field(default_factory=dict)
    """By the number of the row."""
    failures: Sequence[Failed] = ()
    analysis: pd.DataFrame | None = None
    """Columns network, measure, units, value, and if compared with chance null_mean, null_sd, p, p_resolution."""
    scores: Sequence[Scores] = ()
    notes: Sequence[str] = ()
    """Sentences about what is not shown, and why."""
    left: int = 0
    """Networks that are still to be trained."""

    @property
    def measures(self) -> list[str]:
        """Columns that are numbers measured of networks."""
        others = {*self.fields, "status", "identity", "network"}
        kinds = {str(name): column.dtype.kind for name, column in self.table.items()}
        return [name for name, kind in kinds.items() if name not in others and kind in "fiub"]

    @property
    def facts(self) -> list[str]:
        """Columns that are texts about where and with what networks were made."""
        others = {*self.fields, *self.measures, "status", "identity", "network"}
        return [str(name) for name in self.table if name not in others]
