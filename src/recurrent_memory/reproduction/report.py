"""The scorecard as text: what reproduced, what did not, and what hangs on the measure or the selection."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ..errors import counted
from .claims import CLAIMS
from .data import INDEX
from .scorecard import FACTORS, SELECTIONS

MAIN = ("sequentiality_index", "solved")
"""The measure and the selection of the paper."""
TITLES = {"paper": "The claims of Orhan & Ma (2019)", "further": "Beyond the paper"}
"""What the tables of the two groups of claims are called."""
SYMBOLS = {"reproduced": "yes", "opposite": "opposite", "inconclusive": "?", "no data": "–", "estimate": "est."}
Pictures = Mapping[tuple[int, str], str]
"""Paths of pictures by number of units and claim."""


def main_rows(card: pd.DataFrame, n_hidden: int, group: str = "paper") -> pd.DataFrame:
    """Return one row for each claim: with the published index, and solved networks only.

    Parameters
    ----------
    card
        The scorecard.
    n_hidden
        Number of units.
    group
        `paper` or `further`.

    Returns
    -------
    The rows; beyond the paper only those with data.

    Examples
    --------
    >>> main_rows(pd.DataFrame(columns=["n_hidden", "group", "measure", "selection", "verdict"]), 100).size
    0
    """
    measure, selection = MAIN
    own = ~card["measure"].isin(INDEX)
    is_main = (card["measure"] == measure) | own
    shown = (card["group"] == group) & ((group == "paper") | (card["verdict"] != "no data"))
    return card[(card["n_hidden"] == n_hidden) & shown & is_main & (card["selection"] == selection)]


def table_rows(card: pd.DataFrame, n_hidden: int, group: str = "paper") -> Iterator[dict[str, str]]:
    """Yield the rows of the scorecard's table as text.

    Parameters
    ----------
    card, n_hidden, group
        As in `main_rows`.

    Yields
    ------
    Texts by column.

    Examples
    --------
    >>> list(table_rows(pd.DataFrame(columns=["n_hidden", "group", "measure", "selection", "verdict"]), 100))
    []
    """
    for row in main_rows(card, n_hidden, group).to_dict("records"):
        yield {
            "claim": row["claim"],
            "what it says": row["says"],
            "verdict": row["verdict"],
            "effect [95 %]": _effect(row),
            "g": _number(row["size"]) if row["units"] != "correlation" else "",
            "p": _p(row["p_corrected"]),
            "power": _number(row["power"]),
            "seeds": str(row["seeds"]),
            "networks": str(row["networks"]),
            "lost": _lost(row),
            "verdict elsewhere": _elsewhere(card, row),
        }


def _effect(row: dict[str, Any]) -> str:
    if math.isnan(row["effect"]):
        return "–"
    unit = "" if row["units"] == "1" else {"nats": " nats", "correlation": " (r)"}.get(row["units"], "")
    small = 0 < abs(row["effect"]) < 0.01
    form = "{:+.2g}" if small else "{:+.2f}"
    return f"{form.format(row['effect'])} [{form.format(row['low'])}, {form.format(row['high'])}]{unit}"


def _lost(row: dict[str, Any]) -> str:
    if not row["trained_low"]:
        return f"{row['lost_high']} of {row['trained_high']}"
    return f"{row['lost_high']} of {row['trained_high']} / {row['lost_low']} of {row['trained_low']}"


def _elsewhere(card: pd.DataFrame, row: dict[str, Any]) -> str:
    """Return where the verdict is another one: with other measures, and other selections of networks."""
    same = card[(card["claim"] == row["claim"]) & (card["n_hidden"] == row["n_hidden"])]
    other = []
    for of in same.to_dict("records"):
        differs = of["measure"] != row["measure"], of["selection"] != row["selection"]
        if sum(differs) == 1 and of["verdict"] != row["verdict"]:
            place = INDEX[of["measure"]][0] if differs[0] else f"{of['selection']} networks"
            other.append(f"{place}: {of['verdict']}")
    return "; ".join(other) or "the same"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _p(value: float) -> str:
    return "–" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def summary(card: pd.DataFrame, n_hidden: int) -> str:
    """Return a sentence with the claims of the paper by their verdicts.

    Parameters
    ----------
    card, n_hidden
        As in `main_rows`.

    Returns
    -------
    The sentence.

    Examples
    --------
    >>> made = {"n_hidden": [20], "group": "paper", "measure": "sequentiality_index", "selection": "solved"}
    >>> summary(pd.DataFrame({**made, "claim": "3", "verdict": "opposite"}), 20)
    'Reproduced: none. Opposite: 3. Inconclusive: none. Estimated without a claim: none. No data: none.'
    """
    rows = main_rows(card, n_hidden)
    words = {"reproduced": "Reproduced", "opposite": "Opposite", "inconclusive": "Inconclusive",
             "estimate": "Estimated without a claim", "no data": "No data"}  # fmt: skip
    told = [f"{word}: {', '.join(rows.loc[rows['verdict'] == of, 'claim']) or 'none'}." for of, word in words.items()]
    return " ".join(told)


def progress(frame: pd.DataFrame) -> str:
    """Return a sentence with how many networks have finished, solved their task, failed, and are still to be trained.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.

    Returns
    -------
    The sentence.

    Examples
    --------
    >>> made = {"status": ["finished", "finished", "diverged", "left"], "solved": [True, False, False, False]}
    >>> progress(pd.DataFrame(made))
    '2 networks finished, 1 of them solved its task; 1 failed, 1 is not trained yet.'
    """
    status = frame["status"]
    finished, left = int((status == "finished").sum()), int((status == "left").sum())
    solved = int(frame["solved"].sum())
    told = (
        f"{counted(finished, 'network')} finished, {solved:,} of them solved {'its' if solved == 1 else 'their'} task"
    )
    failed = len(frame) - finished - left
    more = [f"{failed:,} failed"] * bool(failed)
    more += [f"{left:,} {'is' if left == 1 else 'are'} not trained yet"] * bool(left)
    return "; ".join([told, ", ".join(more)] if more else [told]) + "."


def markdown(frame: pd.DataFrame, card: pd.DataFrame, explained: pd.DataFrame, pictures: Pictures) -> str:
    """Return the scorecard as Markdown.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.
    card, explained
        From `scorecard` and `shares`.
    pictures
        Their paths from the page.

    Returns
    -------
    The text.

    Examples
    --------
    >>> empty = pd.DataFrame(columns=["n_hidden", "group", "measure", "selection"])
    >>> markdown(pd.DataFrame(columns=["n_hidden"]), empty, pd.DataFrame(), {})
    ''
    """
    return "\n\n".join(
        block
        for n_hidden in sorted(set(card["n_hidden"].tolist()))
        for block in _blocks(frame[frame["n_hidden"] == n_hidden], card, explained, n_hidden, pictures)
    )


def _blocks(
    frame: pd.DataFrame, card: pd.DataFrame, explained: pd.DataFrame, n_hidden: int, pictures: Pictures
) -> Iterator[str]:
    yield f"### N = {n_hidden}"
    yield f"{progress(frame)} {summary(card, n_hidden)}"
    yield _table(list(table_rows(card, n_hidden)))
    yield "Verdicts with each measure, and with each selection of networks:"
    yield _table(list(_matrix(card, n_hidden)))
    further = list(table_rows(card, n_hidden, "further"))
    if further:
        yield f"{TITLES['further']}:"
        yield _table(further)
    if len(own := explained[(explained["n_hidden"] == n_hidden) & explained["share"].notna()]):
        yield "Share of the variance between networks that differ in one setting and the seed alone (published index):"
        yield _table(list(_shares(own)))
    for (of, claim), path in pictures.items():
        if of == n_hidden:
            yield f"![Claim {claim}]({path})\n\n*Claim {claim}. {CLAIMS[claim].says}.*"


def _matrix(card: pd.DataFrame, n_hidden: int) -> Iterator[dict[str, str]]:
    own = card[(card["n_hidden"] == n_hidden) & (card["group"] == "paper")]
    for claim, of in own.groupby("claim", sort=False):
        row = {"claim": str(claim)}
        for measure, (label, _) in INDEX.items():
            for selection in SELECTIONS:
                found = of[(of["measure"] == measure) & (of["selection"] == selection)]
                if found.empty:  # a claim about another measure
                    found = of[(of["selection"] == selection) & (measure == MAIN[0])]
                words = [SYMBOLS[verdict] for verdict in found["verdict"]]
                row[f"{label}, {selection}"] = "".join(words)
        yield row


def _shares(explained: pd.DataFrame) -> Iterator[dict[str, str]]:
    for row in explained[explained["measure"] == MAIN[0]].to_dict("records"):
        yield {
            "setting": FACTORS[row["factor"]],
            "networks that count": row["selection"],
            "share [95 %]": f"{row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
            "networks": str(row["networks"]),
        }


def _table(rows: list[dict[str, str]]) -> str:
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
