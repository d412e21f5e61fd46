"""Train the networks of a study, measure their activity, and keep what claims are judged by: a file for each part.

Everything resumes: networks by the store of the sweep, measures by the file of the analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from .. import storage, sweeps
from ..experiment import Experiment
from ..runs.analysed import Analysis
from ..runs.result import versions
from .scales import PARTS, TASKS, Scale, sweep_text

SURROGATES = 5
"""Circular shifts that the mean by chance is taken from. It is a mean over 300 trials too: five are precise."""
MEASURES = ("sequentiality_index", "sqi", "transient_index", "forward_asymmetry")
"""Measures beyond those of a result: with surrogates, and of the weights."""
ANALYSIS = Analysis(measures=MEASURES, null="circular_shift", n=SURROGATES)
"""How they are taken, but for the steps: all of the trial, and so not the delay once more."""
CURVE = "report_fractional_loss"
"""The learning curve that is kept: one value for every 500 iterations."""


class Sheet(NamedTuple):
    """A part of the study at one scale: its file, and the networks that are not known from elsewhere.

    Examples
    --------
    >>> from recurrent_memory.reproduction.scales import SCALES
    >>> [(sheet.name, len(sheet.networks)) for sheet in sheets(SCALES["small"], ["rho"], Path("."), tasks=["comp"])]
    [('small-rho', 30)]
    """

    name: str
    file: Path
    sweep: sweeps.Sweep
    networks: sweeps.Networks
    store: sweeps.Store


def sheets(
    scale: Scale, parts: Iterable[str], out: Path, *, tasks: Collection[str] = TASKS,
    known: Collection[str] = frozenset(), files: Path | None = None,
) -> list[Sheet]:  # fmt: skip
    """Write the sweeps' files of parts of a study.

    Parameters
    ----------
    scale
        How large the networks are.
    parts
        Names of the parts.
    out
        Folder of the study: the store is in it.
    tasks
        Tasks to which the study is limited.
    known
        Identities of networks that are not trained again.
    files
        Folder for the files; None: `out`.

    Returns
    -------
    The parts that have networks which are not known, in the order of the names.

    Examples
    --------
    >>> from recurrent_memory.reproduction.scales import SCALES
    >>> sheets(SCALES["small"], ["prior"], Path("."), tasks=["gde"])
    []
    """
    found = []
    for part in parts:
        text = sweep_text(PARTS[part], scale, tasks)
        if not text:
            continue
        file = (files or out) / f"{scale.name}-{part}.toml"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            storage.write_atomically(file, text)
        sweep = sweeps.load(file)
        networks = sweeps.networks(sweep).without(known)
        found.append(Sheet(file.stem, file, sweep, networks, sweeps.Store(out / scale.name)))
    return [sheet for sheet in found if len(sheet.networks)]


@dataclass(frozen=True)
class Watch:
    """Who is told how far the study is, and who may stop it.

    Examples
    --------
    >>> Watch().should_stop()
    False
    """

    on_training: Callable[[sweeps.SweepProgress], None] = lambda now: None
    on_measuring: Callable[[float, int], None] = lambda done, total: None
    on_message: Callable[[str], None] = lambda line: None
    should_stop: Callable[[], bool] = lambda: False
    at_once: int | None = field(default=None)
    """Networks trained or measured at once; None: one for each core."""


def train(sheet: Sheet, watch: Watch = Watch()) -> None:
    """Train the networks of a part that have neither result nor failure.

    Parameters
    ----------
    sheet
        The part.
    watch
        Receives progress, and may stop the work.

    Raises
    ------
    InterruptedRunError
        If the watch says so; the same call resumes.

    Examples
    --------
    >>> from recurrent_memory.reproduction.scales import SCALES
    >>> (sheet,) = sheets(SCALES["small"], ["rho"], Path("."), tasks=["comp"])
    >>> train(sheet._replace(networks=sheet.networks[:0]))
    """
    sweeps.execute(
        sheet.networks, sheet.store, sheet.sweep.save, on_progress=watch.on_training, on_message=watch.on_message,
        should_stop=watch.should_stop, at_once=watch.at_once,
    )  # fmt: skip


def gather(sheet: Sheet, out: Path, watch: Watch = Watch()) -> Path | None:
    """Measure the finished networks of a part, and write its data set.

    Parameters
    ----------
    sheet
        The part.
    out
        Folder of the study; the data set is in its folder `data`. Networks that an earlier one has beside these stay.
    watch
        Receives progress, and may stop the work.

    Returns
    -------
    The data set's file; None if there are no networks.

    Raises
    ------
    InterruptedRunError
        If the watch says so; the same call resumes.

    Examples
    --------
    >>> from recurrent_memory.reproduction.scales import SCALES
    >>> (sheet,) = sheets(SCALES["small"], ["rho"], Path("."), tasks=["comp"])
    >>> gather(sheet._replace(networks=sheet.networks[:0]), Path(".")) is None
    True
    """
    if not sheet.networks:
        return None
    table = storage.table_of_networks(sweeps.collect(sheet.networks, sheet.store, on_message=watch.on_message))
    finished = table["status"] == "finished"
    if finished.any():
        table = table.merge(_measured(sheet, out, watch), on="identity", how="left")
    curves = _curves(sheet, table.loc[finished, "identity"])
    file = out / "data" / f"{sheet.name}.nc"
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        earlier = storage.load_dataset(file)
        old = storage.table_of_networks(earlier)
        old = old[~old["identity"].isin(table["identity"])]
        kept = earlier[CURVE].to_series().unstack("report").loc[old.index] if CURVE in earlier else pd.DataFrame()
        curves = {**dict(zip(old["identity"], kept.to_numpy(), strict=True)), **curves} if len(kept) else curves
        table = pd.concat([old.dropna(axis=1, how="all"), table], ignore_index=True) if len(old) else table
    storage.save_dataset(file, _dataset(table, curves).assign_attrs(part=sheet.name, analysis=_about_analysis()))
    return file


def _about_analysis() -> str:
    return f"{', '.join(MEASURES)}; whole trials; {SURROGATES} surrogates by circular shift, seed {ANALYSIS.seed}"


def _measured(sheet: Sheet, out: Path, watch: Watch) -> pd.DataFrame:
    """Return the measures of finished networks as columns, by identity."""
    analysis = replace(ANALYSIS, steps=(0, sheet.networks[0].experiment.make_task().n_steps))
    file = out / "measured" / f"{sheet.name}.nc"
    file.parent.mkdir(parents=True, exist_ok=True)
    found = sweeps.analyse(
        sheet.networks, sheet.store, file, analysis, source=sheet.name, on_progress=watch.on_measuring,
        on_message=watch.on_message, should_stop=watch.should_stop, at_once=watch.at_once,
    )  # fmt: skip
    columns = {"identity": found["identity"].values.astype(str)}
    for measure in MEASURES:
        of = found.sel(measure=measure)
        if measure != "sequentiality_index":  # which results have already
            columns[measure] = of["value"].values
        if measure != "forward_asymmetry":
            columns[f"{measure}_null"] = of["null_mean"].values
    return pd.DataFrame(columns)


def _curves(sheet: Sheet, identities: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the learning curves that results keep, by identity."""
    found = {}
    for identity in identities:
        _, arrays = sheet.store.read_all(identity)
        if f"data.{CURVE}" in arrays:
            found[identity] = np.asarray(arrays[f"data.{CURVE}"], np.float32)
    return found


_LEFT_OUT = ("training_seconds", "testing_seconds", "versions", "host")


def _dataset(table: pd.DataFrame, curves: dict[str, np.ndarray]) -> xr.Dataset:
    """Return the data set of a part: settings exact, and once if all share them; measures in single precision."""
    names = [str(name) for name in table if name not in _LEFT_OUT]
    fields = {name for name in names if name in Experiment.model_fields or "." in name}
    coords: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for name in names:
        column = table[name]
        if name in fields and column.nunique(dropna=False) == 1:
            coords[name] = column.iloc[0]
        elif name in fields or name == "identity":
            coords[name] = ("network", _values(column))
        else:
            variables[name] = ("network", _values(column, np.float32))
    if curves:
        longest = max(map(len, curves.values()))
        rows = [curves.get(identity, np.zeros(0, np.float32)) for identity in table["identity"]]
        padded = np.stack([np.pad(row, (0, longest - len(row)), constant_values=np.nan) for row in rows])
        variables[CURVE] = (("network", "report"), padded, {"long_name": "fractional loss, every 500 iterations"})
    devices = ", ".join(sorted(set(table["device"].dropna()) - {""})) if "device" in table else ""
    return xr.Dataset(variables, coords, {**versions(), "devices": devices}).drop_vars("device", errors="ignore")


def _values(column: pd.Series, precision: Any = np.float64) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column):
        return np.array([str(value) for value in column], object)
    is_whole = pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column)
    return np.asarray(column) if is_whole else np.asarray(column, precision)


class Cost(NamedTuple):
    """What a part takes on this machine.

    Examples
    --------
    >>> Cost("small-rho", networks=240, left=0, hours=0.0, disk=0.0).left
    0
    """

    name: str
    networks: int
    left: int
    """Networks still to be trained."""
    hours: float
    """Hours of training on all cores of this machine."""
    disk: float
    """Bytes of their results."""


def costs(sheets: Iterable[Sheet]) -> Iterator[Cost]:
    """Estimate what parts of a study still take on this machine.

    Parameters
    ----------
    sheets
        The parts. A network that occurs in several counts for the first.

    Yields
    ------
    The cost of each.

    Examples
    --------
    >>> list(costs([]))
    []
    """
    seen: set[str] = set()
    for sheet in sheets:
        own = sheet.networks.without(seen)
        seen.update(network.identity for network in own)
        left = sweeps.left(own, sheet.store)
        found = sweeps.estimate(left, sheet.sweep.save)
        yield Cost(sheet.name, len(own), len(left), found.hours, found.disk)


def known_identities(frame: pd.DataFrame) -> frozenset[str]:
    """Return the identities of finished networks of a table, which need no training.

    Parameters
    ----------
    frame
        Networks, from `load_networks`.

    Returns
    -------
    The identities.

    Examples
    --------
    >>> known_identities(pd.DataFrame({"identity": ["a", "b"], "finished": [True, False]}))
    frozenset({'a'})
    """
    return frozenset(frame.loc[frame["finished"], "identity"])
