"""What a report shows of the data of a study: its networks, and which claims of the paper they support."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from .. import storage
from ..errors import InputError
from ..experiment import Experiment
from ..reproduction.claims import chosen
from ..reproduction.data import load_networks
from ..reproduction.report import TITLES, main_rows, summary, table_rows
from ..reproduction.scorecard import scorecard
from ..runs.folder import DESCRIPTION
from ..sweeps.store.layout import DESCRIPTION as OF_STORE
from .chosen import Wanted
from .contents import Contents, Scores
from .curves import CURVES, Binned, shown
from .sources import of_run
from .tables import analysis_of, commands_of, curves_of, failed_in, over_networks, tabled

DESIGN = ("kind", "file")
"""Columns of a study that are no fields of experiments, and yet tell networks apart."""
COLUMNS = {
    "claim": "its number in this package (docs: reproduction)",
    "verdict": "reproduced: the corrected p is at most 0.05, and the interval lies on the claimed side of zero; "
    "opposite: both hold for the other side; inconclusive: neither; estimate: no direction is claimed; no data",
    "effect [95 %]": "difference between the sides that are compared, or a correlation (r), with its interval",
    "g": "the effect in standard deviations within cells (Hedges' g)",
    "p": "corrected for the number of claims (Holm); one-sided if the paper states the direction",
    "power": "probability to find an effect of 0.5 nats (other measures: g = 0.5; correlations: 0.3) with these seeds",
    "seeds": "seeds in the comparison",
    "networks": "networks in the comparison",
    "lost": "networks trained for the comparison that do not count, as they failed, did not solve their task or have "
    "no value; of the side claimed to be higher / of the other side",
    "verdict elsewhere": "other measures of sequentiality, and other selections of networks, with another verdict",
}
"""What the columns of the scorecard's tables mean."""
NUMBERS = ("effect [95 %]", "g", "p", "power")
KEPT = (*CURVES, "report_iteration")
DERIVED = ("other", "total_iterations", "finished")


def of_folder(path: Path, wanted: Wanted) -> Contents:
    """Return what a report shows of a folder: of a run, of the data sets in it, or of a study with a folder `data`.

    Parameters
    ----------
    path
        The folder.
    wanted
        What is read.

    Returns
    -------
    The contents; of data sets also the scorecard, if a claim of the paper is about them.

    Raises
    ------
    InputError
        If the folder has none of these.

    Examples
    --------
    >>> made = xr.Dataset({"status": ("network", ["finished", "left"])}, attrs={"task": "comp", "n_hidden": 20})
    >>> storage.save_dataset(Path("made.nc"), made)
    >>> of_folder(Path("."), Wanted()).table["status"].tolist()
    ['finished', 'left']
    """
    if (path / DESCRIPTION).is_file():
        return of_run(path, wanted)
    if (path / OF_STORE).is_file():
        raise InputError(f"{path} is the store of a sweep: give the sweep's file (.toml).")
    data = path if any(path.glob("*.nc")) else path / "data"
    if not any(data.glob("*.nc")):
        raise InputError(
            f"{path} is no run folder, and has no data sets (*.nc).\nGive a sweep's file (.toml), a run folder, a data "
            "set, or a folder of data sets, as `reproduce` and `sweep collect` write."
        )
    table = load_networks(data)
    fields = [name for name in (*Experiment.model_fields, *DESIGN) if name in table]
    commands = commands_of(table, fields)
    scores = tuple(_scores(table, wanted)) if table["finished"].any() else ()
    curves, about = _curves(data, table)
    notes = ["The data sets have no activity, so single networks have no heat map."]
    return Contents(
        str(path), "study" if scores else "data", table.drop(columns=list(DERIVED)), fields, about, commands,
        shown(curves), {}, failed_in(table), analysis_of(wanted.analysis, table), scores, notes,
    )  # fmt: skip


def _scores(table: pd.DataFrame, wanted: Wanted) -> Iterator[Scores]:
    """Yield the scorecard of each size of networks that a claim is about."""
    card = scorecard(table, chosen(()), on_progress=wanted.on_claims)
    for n_hidden in sorted(set(card["n_hidden"].tolist())):
        rows = main_rows(card, n_hidden)
        if not (rows["verdict"] != "no data").any():
            continue
        tables = {title: list(map(printed, table_rows(card, n_hidden, group))) for group, title in TITLES.items()}
        effects = [
            {name: row[name] for name in ("claim", "says", "verdict", "size", "size_low", "size_high")}
            for row in rows.to_dict("records")
            if math.isfinite(row["size"]) and row["units"] != "correlation"
        ]
        known = {title: rows for title, rows in tables.items() if rows}
        yield Scores(int(n_hidden), summary(card, n_hidden), known, effects, COLUMNS)


def printed(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row of the scorecard as the rest of a report has numbers.

    Parameters
    ----------
    row
        Texts by column.

    Returns
    -------
    The same with minus signs, and a dash where there is nothing.

    Examples
    --------
    >>> printed({"claim": "1-a", "effect [95 %]": "-0.5 [-1, +0.1]", "g": ""})
    {'claim': '1-a', 'effect [95 %]': '−0.5 [−1, +0.1]', 'g': '–'}
    """
    return {name: (of.replace("-", "−") if name in NUMBERS else of) or "–" for name, of in row.items()}


def _curves(folder: Path, table: pd.DataFrame) -> tuple[list[Binned], dict[str, dict[str, Any]]]:
    """Return the learning curves in all data sets of a folder, and the attributes of their variables."""
    rows = {str(identity): row for row, identity in enumerate(table["identity"])}
    parts: list[tuple[list[int], xr.Dataset]] = []
    about: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.nc")):
        dataset = storage.load_dataset(path)
        own, _, attributes = tabled(dataset)
        about |= attributes
        identities = own["identity"].map(str)
        if "identity" not in dataset.variables:
            identities = pd.Series([f"{path.name}:{row}" for row in range(len(own))])
        curves = over_networks(dataset)
        parts.append(([rows.get(of, -1) for of in identities], curves[[name for name in KEPT if name in curves]]))
    return curves_of(parts, len(table)), about
