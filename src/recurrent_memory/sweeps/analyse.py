"""Measure the activity of all networks of a sweep, several at once; what is measured stays measured."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .. import storage
from ..analysis.all_measures import TEXTS
from ..errors import InputError, InterruptedRunError, counted, first_line
from ..runs import analysed, resources, written
from ..runs.analysed import Analysis
from ..runs.result import versions
from .collect.dataset import fields_of
from .grid import Network, listed
from .replay import activity_of
from .store.store import Store

SECONDS_BETWEEN_SAVES = 60.0
SECONDS_BETWEEN_LOOKS = 0.2
COPIES = 4
"""Results whose size the measuring of one takes: the activity, a surrogate of it, and what is made of these."""
ABOUT = ("units", "epoch")
"""Coordinates of `measure`."""


def analyse(
    networks: Sequence[Network], store: Store, out: str | os.PathLike[str], analysis: Analysis, *, source: str = "",
    where: str = "", at_once: int | None = None, on_progress: Callable[[float, int], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda _: None, should_stop: Callable[[], bool] = lambda: False,
) -> xr.Dataset:  # fmt: skip
    """Measure whether the activity of each finished network is a sequence, and write all into one file.

    Parameters
    ----------
    networks, store
        The networks of a sweep, and the store with their results. Activity that a result lacks is made again.
    out
        NetCDF file to write. Networks that it holds already are not measured again if the settings are the same.
    analysis, source, where
        What is measured, where the networks are from, and the expression that chose them (for attributes).
    at_once
        Networks measured at once; None: one for each core, as far as memory goes.
    on_progress
        Called a few times a second with the number of networks measured so far, fractions included, and the total.
    on_message
        Called with one line if the file held another analysis, and for each reason why networks cannot be measured.
    should_stop
        Called often; once it returns True, what is measured is saved, and the rest is left.

    Returns
    -------
    Over ``network`` and ``measure`` what `runs.analysed.analyse` returns, with all fields of the experiments as
    coordinates, so that `analysis.compare` can compare tasks, for example.

    Raises
    ------
    InputError
        If no network has finished or can be measured, or the file is no analysis.
    InterruptedRunError
        If `should_stop` said so.

    Examples
    --------
    >>> from recurrent_memory import sweeps
    >>> networks = sweeps.networks(sweeps.Sweep(experiment={"task": "de1"}, axes=[{"seed": [0, 1]}]))
    >>> try:
    ...     analyse(networks, Store("no_store"), "analysis.nc", Analysis())
    ... except InputError as error:
    ...     print(error)
    No network has finished yet, so there is nothing to measure.
    """
    attrs = {**analysis.attributes(), "source": source, "where": where}
    output = _Output(Path(out), networks, store.finished(), attrs, on_message)
    work = _Work(store, analysis, should_stop, lambda done: on_progress(output.done + done, output.total))
    try:
        with resources.settled():
            for network, found in work.run(output.left(), at_once):
                output.take(network, found)
        on_progress(float(output.done), output.total)
    finally:
        output.save()
    output.report(on_message)
    if work.stopped and output.done < output.total:
        raise InterruptedRunError(f"Stopped with {output.done} of {counted(output.total, 'network')} measured.")
    return output.dataset()


class _Work:
    """Measures networks in threads, in which NumPy and JAX compute side by side."""

    def __init__(
        self, store: Store, analysis: Analysis, should_stop: Callable[[], bool], on_progress: Callable[[float], None]
    ) -> None:
        self._store, self._analysis, self._should_stop, self._on_progress = store, analysis, should_stop, on_progress
        self.stopped = False
        self._parts: dict[str, float] = {}

    def run(
        self, networks: Sequence[Network], at_once: int | None
    ) -> Iterator[tuple[Network, xr.Dataset | InputError]]:
        """Yield each network with its measures, or with the reason why there are none, in the order of their ends."""
        most = self._at_once(networks, at_once)
        waiting, running = iter(networks), dict[Future[xr.Dataset], Network]()
        with ThreadPoolExecutor(most) as pool:
            try:
                while True:
                    self.stopped = self.stopped or self._should_stop()
                    while len(running) < most and not self.stopped and (network := next(waiting, None)) is not None:
                        running[pool.submit(self._measured, network)] = network
                    if not running:
                        return
                    self._on_progress(sum(list(self._parts.values()), 0.0))
                    for future in wait(running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED).done:
                        network, error = running.pop(future), future.exception()
                        self._parts.pop(network.identity, None)
                        if not isinstance(error, InterruptedRunError):
                            yield network, error if isinstance(error, InputError) else future.result()
            finally:
                self.stopped = self.stopped or bool(running)  # after an error here, the others stop too

    def _at_once(self, networks: Sequence[Network], at_once: int | None) -> int:
        largest = max((resources.result_bytes(network.experiment) for network in networks[:1]), default=1)
        fitting = int(resources.SHARE_OF_MEMORY * resources.free_memory() / (COPIES * largest))
        return max(1, min(at_once or resources.cores(), fitting, len(networks)))

    def _measured(self, network: Network) -> xr.Dataset:
        def look_up(part: float) -> None:
            if self.stopped:
                raise InterruptedRunError("Stopped.")
            self._parts[network.identity] = part

        found = activity_of(network, self._store)
        recorded = analysed.of_dataset(found, self._store.path)
        return analysed.analyse(recorded, self._analysis, threads=1, on_progress=look_up)


class _Output:
    """The file: networks that were measured before, those that are measured now, and those that cannot be."""

    def __init__(
        self, path: Path, networks: Sequence[Network], finished: set[str], attrs: dict[str, Any],
        on_message: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._path, self._networks, self._attrs = path, networks, {**attrs, **versions()}
        self._chosen = listed(network for network in networks if network.identity in finished)
        before = written.load_analysis(path)
        if not self._chosen:
            raise InputError("No network has finished yet, so there is nothing to measure.")
        self._rows: list[xr.Dataset] = []
        self._about: dict[str, tuple[Any, ...]] = {}
        self._known: set[str] = set()
        self._reasons: Counter[str] = Counter()
        self._saved, self._is_new = time.monotonic(), False
        if before is not None:
            self._continue(before, on_message)

    def _continue(self, before: xr.Dataset, on_message: Callable[[str], None]) -> None:
        """Keep the networks of an earlier analysis, if it has the same settings."""
        if written.make_way(self._path, before, self._attrs, of_sweep=True, on_message=on_message):
            return
        wanted = np.isin(before["identity"].values.astype(str), [network.identity for network in self._chosen])
        self._add(before.isel(network=wanted).drop_encoding())

    @property
    def total(self) -> int:
        """Number of finished networks."""
        return len(self._chosen)

    @property
    def done(self) -> int:
        """Number of networks that are measured, or cannot be."""
        return len(self._known) + self._reasons.total()

    def left(self) -> list[Network]:
        """Return the networks that are to be measured."""
        return [network for network in self._chosen if network.identity not in self._known]

    def take(self, network: Network, found: xr.Dataset | InputError) -> None:
        """Take the measures of a network, or the reason why there are none; save now and then."""
        if isinstance(found, InputError):
            self._reasons[first_line(found)] += 1
            return
        self._add(found.expand_dims("network").assign_coords(identity=("network", [network.identity])))
        self._is_new = True
        if time.monotonic() - self._saved > SECONDS_BETWEEN_SAVES:
            self.save()

    def _add(self, rows: xr.Dataset) -> None:
        for name, *about in zip(rows["measure"].values, *(rows[of].values for of in ABOUT), strict=True):
            self._about.setdefault(str(name), tuple(about))
        self._known.update(rows["identity"].values.astype(str).tolist())
        kept = rows.drop_vars([name for name in rows.coords if name not in ("measure", "identity")])
        self._rows.append(kept.drop_attrs(deep=False))

    def save(self) -> None:
        """Write the file, if there is anything new in it."""
        if self._is_new:
            storage.save_dataset(self._path, self.dataset())
        self._saved, self._is_new = time.monotonic(), False

    def report(self, on_message: Callable[[str], None]) -> None:
        """Say why networks are left out."""
        for reason, number in self._reasons.most_common():
            on_message(f"{counted(number, 'network')} left out: {reason}")

    def dataset(self) -> xr.Dataset:
        """Return all networks that are measured, in the order of the sweep."""
        if not self._rows:
            raise InputError(f"No network can be measured: {next(iter(self._reasons), 'all were left')}.")
        measures = list(self._about)
        rows = [of.reindex(measure=measures, fill_value={name: "" for name in TEXTS}) for of in self._rows]
        whole = xr.concat(rows, "network", data_vars="all", coords="minimal", compat="override", join="exact")
        self._rows = [whole]
        order = {identity: place for place, identity in enumerate(whole["identity"].values.astype(str).tolist())}
        chosen = [network for network in self._chosen if network.identity in order]
        whole = whole.isel(network=[order[network.identity] for network in chosen])
        about = {
            name: ("measure", np.array(of, object))
            for name, of in zip(ABOUT, zip(*self._about.values(), strict=True), strict=True)
        }
        return whole.assign_coords({**fields_of(chosen, self._networks), **about}).assign_attrs(self._attrs)
