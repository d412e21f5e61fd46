"""The scorecard: for each claim effect, interval, test, power and verdict, by measure and by selection of networks."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from ..errors import InputError
from .claims import CLAIMS, FURTHER, Claim
from .contrasts import LEAST, Comparisons, Weighed
from .data import ASYMMETRY, DESIGN, INDEX, standard_iterations
from .statistics import LEVEL, Estimate, holm, of_contrast, of_correlation, share_explained

SELECTIONS = {
    "solved": "networks that solved their task, as in the paper",
    "all": "all networks that finished",
    "matched": "solved, and compared only with networks of the same training length",
}
"""Which networks count."""
EFFECTS = {"nats": 0.5, "correlation": 0.3}
"""Effects whose power is told, by unit; for all other units it is `STANDARD` standard deviations within cells."""
STANDARD = 0.5
COLUMNS = {
    "n_hidden": "number of units N",
    "claim": "number of the claim",
    "group": "the paper's, or beyond it",
    "measure": "measure of sequentiality",
    "selection": "networks that count",
    "contrast": "what is compared",
    "effect": "difference, in `units`",
    "low": "lower end of the 95 % interval of the effect",
    "high": "upper end",
    "units": "unit of the effect",
    "size": "effect over the standard deviation within cells (Hedges' g); a correlation as it is",
    "size_low": "lower end of its 95 % interval",
    "size_high": "upper end",
    "sides": "1: the paper states the direction, and p is one-sided",
    "p": "p-value",
    "p_corrected": "p-value, corrected for the number of claims (Holm), within group, measure and selection",
    "power": "probability to find `power_for` with these seeds, after that correction",
    "power_for": "effect of which this is the power",
    "verdict": "reproduced, opposite, inconclusive; estimate: no direction is claimed; no data",
    "comparisons": "pairs of cells, or lines of cells, that are compared",
    "comparisons_lost": "comparisons for which a cell lacks networks",
    "networks": "networks in the comparison",
    "seeds": "seeds in the comparison",
    "trained_high": "networks trained on the side claimed to be higher (all networks, if there are no sides)",
    "lost_high": "how many of these do not count: failed, unsolved, or without a value",
    "trained_low": "networks trained on the other side",
    "lost_low": "how many of these do not count",
    "says": "the claim",
    "source": "where the paper states it",
    "evidence": "stated: with its direction; memory: two-sided; none: estimate",
}  # fmt: skip
"""Columns of the scorecard, and what they mean."""


class _Cells(NamedTuple):
    """The cells of the networks that a claim is about."""

    of: Int[np.ndarray, " network"]
    """The cell of each network; −1: the claim is not about it."""
    comparisons: Comparisons
    n: int


def scorecard(
    frame: pd.DataFrame, claims: Mapping[str, Claim] | None = None, *, seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Judge claims by the networks of a study.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.
    claims
        The claims (`claims.chosen`); None: all. Those that are left out do not count for the correction.
    seed
        Of the bootstrap: the same networks, in any order, give the same numbers.
    on_progress
        Called with the number of claims judged so far, and their total.

    Returns
    -------
    A row for each number of units, claim, measure and selection; see `COLUMNS`.

    Raises
    ------
    InputError
        If there are no networks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> made = pd.DataFrame([{"task": task, "seed": seed} for task in ("comp", "2afc") for seed in range(8)])
    >>> made = made.assign(sequentiality_index=rng.normal(size=16) + 3 * (made.task == "comp"))
    >>> from recurrent_memory.reproduction.claims import chosen
    >>> from recurrent_memory.reproduction.data import completed
    >>> found = scorecard(completed(made), chosen(["1a"]))
    >>> found.query("measure == 'sequentiality_index'").verdict.tolist()
    ['reproduced', 'reproduced', 'reproduced']
    """
    claims = {**CLAIMS, **FURTHER} if claims is None else claims
    frame = frame[frame["status"] != "left"]  # of a study that is not finished
    if frame.empty:
        raise InputError("There are no networks to judge the claims by.")
    frame = frame.assign(standard=standard_iterations(frame)).sort_values("identity", kind="stable", ignore_index=True)
    rows: list[dict[str, Any]] = []
    sizes = sorted(set(frame["n_hidden"].tolist()))
    for number, n_hidden in enumerate(sizes):
        judged = _Judged(frame[frame["n_hidden"] == n_hidden].reset_index(drop=True), seed)
        for done, claim in enumerate(claims.values()):
            rows += [{"n_hidden": int(n_hidden), **row} for row in judged.rows(claim)]
            on_progress(number * len(claims) + done + 1, len(sizes) * len(claims))
    return _with_verdicts(pd.DataFrame(rows))[list(COLUMNS)]


class _Judged:
    """Networks of one size, and what they say about claims."""

    def __init__(self, frame: pd.DataFrame, seed: int) -> None:
        self._frame, self._seed = frame, seed
        self._seeds = np.unique(frame["seed"], return_inverse=True)[1]
        self._values = {name: frame[name].to_numpy(np.float64) for name in (*INDEX, ASYMMETRY)}
        self._counts = {name: frame[name].to_numpy(bool) for name in ("finished", "solved")}

    def rows(self, claim: Claim) -> Iterator[dict[str, Any]]:
        """Yield a row for each measure and selection."""
        cells = {selection: self._cells(claim, selection == "matched") for selection in claim.selections}
        for measure in (claim.measure,) if claim.measure else INDEX:
            for selection in claim.selections:
                yield {
                    "claim": claim.name, "group": "paper" if claim.name in CLAIMS else "further", "measure": measure,
                    "selection": selection, "contrast": claim.contrast.words, "sides": claim.sides,
                    "says": claim.says, "source": claim.source, "evidence": claim.evidence,
                    "direction": claim.direction, **self._row(claim, cells[selection], measure, selection),
                }  # fmt: skip

    def _cells(self, claim: Claim, matched: bool) -> _Cells:
        """Return the cells of a claim: of equal settings and, if `matched`, of equal iterations done."""
        chosen = claim.concerns(self._frame)
        own = [name for _, name in getattr(claim.contrast, "instead", ())]
        strata = [*DESIGN, *own, *(["iterations_done"] if matched else [])]
        settings = self._frame.loc[chosen, strata]
        groups = settings.groupby(strata, sort=False, dropna=False).ngroup().to_numpy()
        of = np.full(len(self._frame), -1)
        of[chosen] = groups
        table = settings.iloc[np.unique(groups, return_index=True)[1]]
        return _Cells(of, claim.contrast.among(table), len(table))

    def _row(self, claim: Claim, cells: _Cells, measure: str, selection: str) -> dict[str, Any]:
        values, other = self._values[measure], self._values[ASYMMETRY]
        kept = (cells.of >= 0) & self._counts["finished" if selection == "all" else "solved"] & ~np.isnan(values)
        kept &= ~np.isnan(other) | (not claim.contrast.correlates)
        weighed = cells.comparisons.weigh(np.bincount(cells.of[kept], minlength=cells.n))
        used = np.append(weighed.weights != 0, False)[cells.of] & kept
        rng = np.random.default_rng([self._seed, zlib.crc32(f"{claim.name}/{measure}/{selection}".encode())])
        if claim.contrast.correlates:
            estimate = of_correlation(values[used], other[used], cells.of[used], self._seeds[used], rng=rng)
        else:
            estimate = of_contrast(values[used], cells.of[used], self._seeds[used], weighed.weights, rng=rng)
        return {"estimate": estimate, **_numbers(estimate, _units(claim, measure)), **_counts(weighed, cells.of, kept)}


def _units(claim: Claim, measure: str) -> str:
    if claim.contrast.correlates:
        return "correlation"
    return INDEX[measure][1] if measure in INDEX else "units of the weights"


def _numbers(estimate: Estimate, units: str) -> dict[str, Any]:
    names = ("effect", "low", "high", "size", "size_low", "size_high", "networks", "seeds")
    return {**{name: getattr(estimate, name) for name in names}, "units": units}


def _counts(weighed: Weighed, of: Int[np.ndarray, " network"], kept: Bool[np.ndarray, " network"]) -> dict[str, int]:
    counts = {"comparisons": weighed.used, "comparisons_lost": weighed.possible - weighed.used}
    side = np.append(weighed.sides, 0)[of]
    for name, sign in (("high", 1), ("low", -1)):
        trained = side == sign
        counts |= {f"trained_{name}": int(trained.sum()), f"lost_{name}": int((trained & ~kept).sum())}
    return counts


def _with_verdicts(rows: pd.DataFrame) -> pd.DataFrame:
    """Add p-values, their correction within each family of tests, power and verdicts."""
    about = rows[["estimate", "direction", "sides"]].itertuples(index=False)
    p = np.array([[of.p(sign * sign_of * (n == 1)) for sign_of in (1, -1)] for of, sign, n in about]).reshape(-1, 2)
    corrected, power = np.full_like(p, np.nan), np.full(len(rows), np.nan)
    words = np.full(len(rows), "", object)
    for place in _families(rows):
        corrected[place] = np.stack([holm(side) for side in p[place].T], axis=1)
        tests = max(1, int((~np.isnan(p[place, 0])).sum()))
        for row in place:
            power[row], words[row] = _power(rows["estimate"].iat[row], rows["units"].iat[row], tests)
    found = rows.assign(p=p[:, 0], p_corrected=corrected[:, 0], against=corrected[:, 1], power=power, power_for=words)
    return found.assign(verdict=[_verdict(row) for row in found.to_dict("records")])


def _families(rows: pd.DataFrame) -> Iterator[list[int]]:
    """Yield the rows whose tests are corrected together: one for each claim.

    A claim that has a measure of its own is a test beside those with each measure of sequentiality, but it is corrected
    with those of the first.
    """
    for place in rows.groupby(["n_hidden", "group", "selection"], sort=False).indices.values():
        of = rows.iloc[place]
        own = place[~of["measure"].isin(INDEX).to_numpy()]
        for number, measure in enumerate(INDEX):
            same = place[(of["measure"] == measure).to_numpy()]
            yield [*same, *own] if number == 0 else [*same]


def _power(estimate: Estimate, units: str, tests: int) -> tuple[float, str]:
    effect = EFFECTS.get(units)
    words = f"g = {STANDARD}" if effect is None else f"{effect} {'nats' if units == 'nats' else 'of correlation'}"
    return estimate.power(STANDARD * estimate.deviation if effect is None else effect, tests), words


def _verdict(row: Mapping[str, Any]) -> str:
    """Return the verdict: the corrected p and the interval have to agree.

    With a one-sided test alone, the rate of wrong verdicts in either direction would be twice its level.
    """
    if math.isnan(row["effect"]):
        return "no data"
    if row["evidence"] == "none":
        return "estimate"
    sign = row["direction"]
    low, high = (row["low"], row["high"]) if sign > 0 else (-row["high"], -row["low"])
    if low > 0 and row["p_corrected"] <= LEVEL:
        return "reproduced"
    return "opposite" if high < 0 and row["against"] <= LEVEL else "inconclusive"


def losses(frame: pd.DataFrame) -> pd.DataFrame:
    """Count what the paper's selection of solved networks loses in each cell.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.

    Returns
    -------
    A row for each cell: its settings, and the numbers of networks `trained`, `finished`, `solved`, and of those solved
    that have an infinite or undefined published index (`undefined`).

    Examples
    --------
    >>> from recurrent_memory.reproduction.data import completed
    >>> losses(completed(pd.DataFrame({"task": ["comp", "comp"], "seed": [0, 1]})))[["task", "trained"]].values.tolist()
    [['comp', 2]]
    """
    frame = frame[frame["status"] != "left"]
    undefined = frame["solved"] & frame["sequentiality_index"].isna()
    counted = frame.assign(trained=1, undefined=undefined)
    names = ["trained", "finished", "solved", "undefined"]
    keys = ["n_hidden", *(name for name in DESIGN if name != "other")]
    found = counted.groupby(keys, dropna=False)[names].sum().astype(int)
    return found.reset_index().astype({"n_hidden": int, "iterations": int})


FACTORS = {"iterations": "training length", "task": "task", "sigma0": "σ0", "lambda0": "λ0", "rho": "ρ"}
"""Factors whose share of the variance is told."""


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Estimate how much of each measure is explained by training length, and by other settings.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.

    Returns
    -------
    A row for each number of units, factor, measure and selection: `share` of the variance between networks that differ
    in the factor and the seed alone, `low`, `high`, and the number of networks and of cells.

    Examples
    --------
    >>> from recurrent_memory.reproduction.data import completed
    >>> made = pd.DataFrame({"task": ["comp"] * 2 + ["2afc"] * 2, "seed": [0, 1, 0, 1]})
    >>> made["sequentiality_index"] = [4.0, 4.1, 2.0, 2.1]
    >>> float(shares(completed(made)).query("factor == 'task'").share.iloc[0].round(2))
    1.0
    """
    frame = frame.assign(standard=standard_iterations(frame)).sort_values("identity", kind="stable", ignore_index=True)
    plain = {"kind": "relu", "condition": "basic", "curriculum": ""}
    frame = frame[np.logical_and.reduce([frame[name] == value for name, value in plain.items()])]
    rows = []
    for n_hidden, factor, measure, selection in (
        (n, factor, measure, selection)
        for n in sorted(frame["n_hidden"].unique())
        for factor in FACTORS
        for measure in INDEX
        for selection in ("solved", "all")
    ):
        kept = frame[(frame["n_hidden"] == n_hidden) & frame[measure].notna()]
        kept = kept[kept["finished" if selection == "all" else "solved"]]
        kept = kept if factor == "iterations" else kept[kept["standard"]]
        kept = kept if factor == "rho" else kept[kept["rho"] == 0]
        cell = kept.groupby(list(DESIGN), sort=False).ngroup().to_numpy()
        enough = np.bincount(cell, minlength=1)[cell] >= LEAST
        group = kept.groupby([name for name in DESIGN if name != factor], sort=False).ngroup().to_numpy()
        several = np.array(
            [np.unique(cell[enough & (group == of)]).size > 1 for of in range(group.max(initial=-1) + 1)]
        )
        used = enough & several[group] if group.size else enough
        values, seeds = kept[measure].to_numpy()[used], np.unique(kept["seed"], return_inverse=True)[1][used]
        share, low, high = share_explained(values, cell[used], group[used], seeds)
        rows.append({"n_hidden": int(n_hidden), "factor": factor, "measure": measure, "selection": selection,
                     "share": share, "low": low, "high": high, "networks": int(used.sum()),
                     "cells": int(np.unique(cell[used]).size)})  # fmt: skip
    return pd.DataFrame(rows)
