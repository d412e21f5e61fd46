"""One picture for each claim: every network, the means of cells, and the effect by measure and by selection."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..figures.canvas import canvas
from ..figures.drawing_library import Axes, Figure
from ..figures.journal import WIDTHS, current
from ..figures.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, styled
from .claims import Claim
from .contrasts import Difference, Trend
from .data import ASYMMETRY, DESIGN, INDEX, standard_iterations
from .scorecard import SELECTIONS

SIZE, UPRIGHT = (9.0, 4.0), (4.0, 5.0)
"""Inches, with the panels side by side and above each other."""
WIDTH = 0.3
"""Half the width over which the networks of a level are scattered."""
_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, "0.5")
_MARKERS = {"solved": "o", "all": "s", "matched": "^"}
_LABELS = {"kind": "model", "sigma0": "initial coupling σ0", "lambda0": "initial self-connection λ0",
           "rho": "weight penalty ρ", "curriculum": "trained before on"}  # fmt: skip


class Points(NamedTuple):
    """The networks of a claim as they are drawn.

    Examples
    --------
    >>> Points(pd.DataFrame({"level": ["a"]}), ["a"]).levels
    ['a']
    """

    frame: pd.DataFrame
    """With the columns `level`, `place` and `value`, and `line`, a name for the cells that a line joins."""
    levels: list[str]


@styled
def picture(claim: Claim, frame: pd.DataFrame, card: pd.DataFrame) -> Figure:
    """Draw a claim: left the networks that solved their task, right the effect with every measure and selection.

    Parameters
    ----------
    claim
        The claim.
    frame, card
        Networks of one size, and their scorecard.

    Returns
    -------
    The figure.

    Examples
    --------
    >>> from recurrent_memory.reproduction.claims import CLAIMS, chosen
    >>> from recurrent_memory.reproduction.data import completed
    >>> from recurrent_memory.reproduction.scorecard import scorecard
    >>> made = pd.DataFrame({"task": ["comp", "2afc"] * 4, "seed": [0, 0, 1, 1, 2, 2, 3, 3]})
    >>> made = completed(made.assign(sequentiality_index=[4.0, 2.0, 4.1, 2.2, 3.9, 2.4, 4.0, 2.1]))
    >>> picture(CLAIMS["1a"], made, scorecard(made, chosen(["1a"]))).axes[0].get_ylabel()
    'published index (nats)'
    """
    figure, (left, right) = _panels()
    rows = card[card["claim"] == claim.name]
    main = rows[rows["selection"] == "solved"].iloc[0]
    if current() is None:
        figure.suptitle(f"Claim {claim.name}: {claim.says}\nN = {main['n_hidden']}: {main['verdict']}")
    if claim.contrast.correlates:
        _draw_deviations(left, claim, frame)
    else:
        _draw_networks(left, claim, frame)
    _draw_effects(right, rows)
    return figure


def _panels() -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with two panels, side by side unless it is as narrow as a column of a journal."""
    if (size := current()) is not None and size.width == WIDTHS[1]:
        made = canvas(None, ("networks", "effects"), shape=(2, 1), size=UPRIGHT)
    else:
        made = canvas(None, ("networks", "effects"), size=SIZE, width_ratios=(3, 2))
    return made.figure, made.drawn


def _text_size() -> float | None:
    """Return the size of the text in legends (points); None: that of the journal."""
    return 7.0 if current() is None else None


def _chosen(claim: Claim, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the solved networks that a claim is about."""
    frame = frame.assign(standard=standard_iterations(frame))
    return frame[claim.concerns(frame) & frame["solved"]]


def points(claim: Claim, frame: pd.DataFrame) -> Points:
    """Return the networks of a claim, and where they are drawn.

    Parameters
    ----------
    claim
        A claim that compares levels of a factor, or the mean with zero.
    frame
        Networks, from `load_networks`.

    Returns
    -------
    The points, each scattered within its level by its identity.

    Examples
    --------
    >>> from recurrent_memory.reproduction.claims import CLAIMS
    >>> from recurrent_memory.reproduction.data import completed
    >>> made = completed(pd.DataFrame({"task": ["comp", "2afc"], "sequentiality_index": [4.0, 2.0]}))
    >>> points(CLAIMS["1a"], made).levels
    ['2afc', 'comp']
    """
    own, contrast = _chosen(claim, frame), claim.contrast
    factor = contrast.factor if isinstance(contrast, Difference | Trend) else "task"
    measure = claim.measure or next(iter(INDEX))
    if isinstance(contrast, Difference):
        levels = [*reversed(contrast.low), *reversed(contrast.high)]
        own = own[own[factor].isin(levels)]
        cell = own.groupby(list(DESIGN), sort=False).ngroup().to_numpy()
        table = own.iloc[np.unique(cell, return_index=True)[1]][list(DESIGN)]
        own = own[contrast.among(table).weigh(np.bincount(cell, minlength=len(table))).sides[cell] != 0]
    else:
        levels = sorted(own[factor].unique())
    by = "lambda0" if factor == "task" else "task"
    if isinstance(contrast, Trend):  # only lines with several levels
        keys = [name for name in ("task", "lambda0", "sigma0", "rho", "iterations") if name != factor]
        own = own[own.groupby(keys)[factor].transform("nunique") > 1]
    jitter = own["identity"].map(lambda name: zlib.crc32(str(name).encode()) / 2**32 - 0.5)
    place = own[factor].map({level: number for number, level in enumerate(levels)}).astype(float)
    found = own.assign(level=own[factor], place=place + 2 * WIDTH * jitter, value=own[measure], line=own[by])
    return Points(found[found["value"].notna()], [_word(level) for level in levels])


def _word(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level).replace("_", " ") or "nothing"


def _draw_networks(axes: Axes, claim: Claim, frame: pd.DataFrame) -> None:
    """Draw each network as a faint point, the mean of each line's cells, and the mean of all with its interval."""
    shown, levels = points(claim, frame)
    axes.scatter(shown["place"], shown["value"], s=5, color="0.6", alpha=0.5, linewidths=0, rasterized=True)
    contrast = claim.contrast
    factor = contrast.factor if isinstance(contrast, Difference | Trend) else "task"
    middle = shown["place"].round().astype(int)
    for number, (line, of) in enumerate(shown.groupby("line", sort=True)):
        mean = of.groupby(middle[of.index])["value"].mean()
        color = _COLORS[number % len(_COLORS)]
        axes.plot(mean.index, mean, "-o", color=color, markersize=3, linewidth=1, label=_line_label(factor, line))
    grouped = shown.groupby(middle)["value"]
    mean, error = grouped.mean(), 1.96 * grouped.sem().fillna(0)
    axes.errorbar(mean.index + 0.38, mean, error, fmt="D", color=BLACK, markersize=4, capsize=2, linewidth=1)
    if claim.measure == ASYMMETRY:
        axes.axhline(0, color="0.5", linewidth=0.8)
    label = "forward − backward weight" if claim.measure == ASYMMETRY else _measure_label(next(iter(INDEX)))
    axes.set(xticks=range(len(levels)), xticklabels=levels, xlabel=_LABELS.get(factor, factor), ylabel=label)
    if shown["line"].nunique() > 1:
        axes.legend(fontsize=_text_size(), ncols=2)


def _line_label(factor: str, line: Any) -> str:
    return f"λ0 = {line:g}" if factor == "task" else str(line)


def _measure_label(measure: str) -> str:
    label, unit = INDEX[measure]
    return f"{label} ({unit})" if unit != "1" else label


def _draw_deviations(axes: Axes, claim: Claim, frame: pd.DataFrame) -> None:
    """Draw index and asymmetry of each network as deviations from the means of its cell."""
    own, index = _chosen(claim, frame), next(iter(INDEX))
    own = own[own[index].notna() & own[ASYMMETRY].notna()]
    cells = own.groupby([name for name in ("task", "lambda0", "sigma0", "rho") if name in own])
    x, y = (own[name] - cells[name].transform("mean") for name in (index, ASYMMETRY))
    for number, (task, of) in enumerate(own.groupby("task")):
        axes.scatter(x[of.index], y[of.index], s=6, alpha=0.6, linewidths=0, color=_COLORS[number % 8], label=str(task))
    axes.set(xlabel=f"{_measure_label(index)}, deviation from its cell", ylabel="forward − backward weight, likewise")
    axes.legend(fontsize=_text_size(), ncols=2)


def _draw_effects(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the effect in standard deviations, with its interval, for each measure and selection."""
    measures = list(dict.fromkeys(rows["measure"]))
    for number, selection in enumerate(SELECTIONS):
        of = rows[rows["selection"] == selection]
        place = np.array([measures.index(measure) for measure in of["measure"]]) + 0.22 * (number - 1)
        size, low, high = (of[name].to_numpy(float) for name in ("size", "size_low", "size_high"))
        reach: Float[np.ndarray, "2 row"] = np.abs(np.stack([size - low, high - size]))
        axes.errorbar(size, place, xerr=reach, fmt=_MARKERS[selection], color=_COLORS[number], markersize=4,
                      capsize=2, linewidth=1, label=selection)  # fmt: skip
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.set_yticks(range(len(measures)), [INDEX.get(measure, ("asymmetry",))[0] for measure in measures])
    axes.invert_yaxis()
    is_correlation = (rows["units"] == "correlation").any()
    axes.set_xlabel("correlation, 95 % interval" if is_correlation else "effect (Hedges' g), 95 % interval")
    axes.legend(fontsize=_text_size(), title="networks", title_fontsize=_text_size())
