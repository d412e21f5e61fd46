"""What a claim compares, as weights of the cells of a study: differences, trends, means, correlations.

Only cells are compared that agree in all settings but the factor. Each comparison (a pair of cells, or the levels of an
ordered factor) counts alike, however many networks it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

Counts = Int[np.ndarray, " cell"]
LEAST = 2
"""Networks that a cell needs, to say how much networks vary."""


class Weighed(NamedTuple):
    """A contrast of cells.

    Examples
    --------
    >>> Weighed(np.array([1.0, -1.0]), np.array([1, -1]), used=1, possible=2).possible
    2
    """

    weights: Float[np.ndarray, " cell"]
    """Weight of each cell in the contrast; 0: it is not used."""
    sides: Counts
    """1 for cells on the side that is claimed to be higher, −1 for the other side, and 0 for cells without a partner,
    whether or not they have enough networks."""
    used: int
    """Number of comparisons."""
    possible: int
    """Number of comparisons if every cell had enough networks."""


class Pairs(NamedTuple):
    """Pairs of cells, and how many cells there are.

    Examples
    --------
    >>> Pairs(np.array([[0, 1], [2, 3]]), 4).weigh(np.array([5, 5, 5, 1])).weights.tolist()
    [1.0, -1.0, 0.0, 0.0]
    """

    pairs: Int[np.ndarray, "pair 2"]
    """The cell claimed to be higher, and the other one."""
    n_cells: int

    def weigh(self, n: Counts) -> Weighed:
        """Return the weights of cells: those of the pairs in which both have enough networks.

        Parameters
        ----------
        n
            Number of networks of each cell.

        Returns
        -------
        The weights.
        """
        enough = self.pairs[(n[self.pairs] >= LEAST).all(axis=1)]
        weights, sides = np.zeros(self.n_cells), np.zeros(self.n_cells, int)
        for side, sign in ((0, 1), (1, -1)):
            sides[self.pairs[:, side]] = sign
            np.add.at(weights, enough[:, side], sign / max(1, len(enough)))
        return Weighed(weights, sides, len(enough), len(self.pairs))


class Lines(NamedTuple):
    """Lines of cells along an ordered factor.

    Examples
    --------
    >>> Lines(np.array([0, 0, 0]), np.array([0.0, 0.5, 1.0])).weigh(np.array([5, 1, 5])).weights.tolist()
    [-1.0, 0.0, 1.0]
    """

    line: Counts
    """The line to which each cell belongs."""
    score: Float[np.ndarray, " cell"]
    """Its place along the factor, from 0 to 1."""

    def weigh(self, n: Counts) -> Weighed:
        """Return the weights of cells: of the mean slope. A cell with too few networks is left out of its line.

        Parameters
        ----------
        n
            Number of networks of each cell.

        Returns
        -------
        The weights.
        """
        line, enough = self.line, n >= LEAST
        n_cells = np.bincount(line, minlength=1)
        found = np.bincount(line[enough], minlength=n_cells.size)
        used = enough & (found >= 2)[line]
        n_used = int((found >= 2).sum())
        mean = np.bincount(line, np.where(used, self.score, 0)) / np.maximum(1, found)
        deviation = np.where(used, self.score - mean[line], 0.0)
        spread = np.bincount(line, deviation**2)[line]
        weights = np.divide(deviation, spread * max(1, n_used), out=np.zeros(line.size), where=spread > 0)
        sides = np.where((n_cells >= 2)[line], np.sign(np.round(self.score - 0.5, 9)), 0).astype(int)
        return Weighed(weights, sides, n_used, int((n_cells >= 2).sum()))


class Each(NamedTuple):
    """All cells, each by itself.

    Examples
    --------
    >>> Each(3).weigh(np.array([5, 1, 5])).weights.tolist()
    [0.5, 0.0, 0.5]
    """

    n_cells: int

    def weigh(self, n: Counts) -> Weighed:
        """Return equal weights of the cells with enough networks.

        Parameters
        ----------
        n
            Number of networks of each cell.

        Returns
        -------
        The weights.
        """
        enough = n >= LEAST
        weights = enough / max(1, enough.sum())
        return Weighed(weights, np.ones(self.n_cells, int), int(enough.sum()), self.n_cells)


Comparisons: TypeAlias = Pairs | Lines | Each
"""Cells that are compared, whatever the numbers of their networks."""


@dataclass(frozen=True)
class Difference:
    """The mean of some levels of a factor minus that of others, over all pairs of cells that agree in all else.

    Examples
    --------
    >>> cells = pd.DataFrame({"task": ["comp", "2afc", "comp"], "sigma0": [0.0, 0.0, 0.1]})
    >>> Difference("task", ("comp",), ("2afc",)).among(cells).pairs.tolist()
    [[0, 1]]
    """

    factor: str
    high: tuple[str, ...]
    low: tuple[str, ...]
    instead: tuple[tuple[str, str], ...] = ()
    """Columns by which cells are matched in place of others: (the usual one, this one)."""
    whatever: tuple[str, ...] = ()
    """Columns in which cells need not agree."""
    correlates: ClassVar[bool] = False
    """Whether it is a correlation within cells, and not a sum of their means."""

    @property
    def words(self) -> str:
        """Both sides."""
        high, low = (", ".join(level or "none" for level in side) for side in (self.high, self.low))
        return f"{high} − {low}"

    def among(self, cells: pd.DataFrame) -> Pairs:
        """Pair cells.

        Parameters
        ----------
        cells
            The settings of each cell.

        Returns
        -------
        The pairs.
        """
        left_out = {self.factor, *self.whatever, *(usual for usual, _ in self.instead)}
        keys = [name for name in cells if name not in left_out]
        numbered = cells[keys].assign(_cell=np.arange(len(cells)))
        high, low = (numbered[cells[self.factor].isin(side).to_numpy()] for side in (self.high, self.low))
        pairs = high.merge(low, on=keys, suffixes=("_high", "_low"))
        return Pairs(pairs[["_cell_high", "_cell_low"]].to_numpy(), len(cells))


@dataclass(frozen=True)
class Trend:
    """The change from the lowest to the highest level of an ordered factor, as on a straight line over their ranks.

    Examples
    --------
    >>> cells = pd.DataFrame({"task": "comp", "sigma0": [0.0, 0.1, 0.2]})
    >>> Trend("sigma0").among(cells).score.tolist()
    [0.0, 0.5, 1.0]
    """

    factor: str
    symbol: str = ""
    correlates: ClassVar[bool] = False

    @property
    def words(self) -> str:
        """The levels at the ends."""
        name = self.symbol or self.factor
        return f"highest {name} − lowest {name}"

    def among(self, cells: pd.DataFrame) -> Lines:
        """Put cells on lines.

        Parameters
        ----------
        cells
            The settings of each cell.

        Returns
        -------
        The lines.
        """
        levels, rank = np.unique(cells[self.factor], return_inverse=True)
        keys = [name for name in cells if name != self.factor]
        line = cells.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
        return Lines(line, rank / max(1, levels.size - 1))


@dataclass(frozen=True)
class Mean:
    """The mean over cells, compared with zero.

    Examples
    --------
    >>> Mean().among(pd.DataFrame({"task": ["comp", "2afc"]})).n_cells
    2
    """

    correlates: ClassVar[bool] = False

    @property
    def words(self) -> str:
        """What is compared."""
        return "mean − 0"

    def among(self, cells: pd.DataFrame) -> Each:
        """Take each cell by itself.

        Parameters
        ----------
        cells
            The settings of each cell.

        Returns
        -------
        The cells.
        """
        return Each(len(cells))


@dataclass(frozen=True)
class Correlation(Mean):
    """The correlation of a measure with the index, over the networks of a cell.

    Examples
    --------
    >>> Correlation().words
    'correlation with the index'
    """

    correlates: ClassVar[bool] = True

    @property
    def words(self) -> str:
        """What is compared."""
        return "correlation with the index"


Contrast: TypeAlias = Difference | Trend | Mean
"""A rule that says which cells are compared; `Correlation` is a `Mean`."""
